package state

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/internal/state/internal/lite"
	"github.com/tacit-secrets/tacit/secret"
)

// Update calls f and makes what it changed durable, all or nothing, before it
// returns nil. An error of f changes nothing and is returned as it is.
// Concurrent calls of one process share a transaction: f runs once, alone, on
// a goroutine of any of them, and sees what those before it changed. It must
// not wait, nor call View or Update.
//
// If writing failed the error is Unavailable or Denied, and the change is not
// in the store, unless the text says that its outcome is unknown. A done
// context gives up waiting, but never a change under way.
func (d *DB) Update(ctx context.Context, f func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return lite.Classify(d.path, err)
	}
	r := &request{ctx: ctx, f: f, done: make(chan struct{})}
	d.queue.add(r)
	select {
	case d.write <- struct{}{}:
		d.lead(ctx, r)
		<-d.write
	case <-r.done:
	case <-ctx.Done():
		if d.queue.remove(r) {
			return lite.Classify(d.path, ctx.Err())
		}
	}
	<-r.done
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.err
}

// A request is one call of Update.
type request struct {
	ctx      context.Context // a request lives as long as the call that has it
	f        func(*Tx) error
	done     chan struct{}
	err      error
	panicked any
}

func (r *request) answer(err error) {
	r.err = err
	close(r.done)
}

// A queue holds the requests that wait for a transaction.
type queue struct {
	mu   sync.Mutex
	list []*request
}

func (q *queue) add(r *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, r)
}

// remove reports whether r was still waiting.
func (q *queue) remove(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, s := range q.list {
		if s == r {
			q.list = append(q.list[:i:i], q.list[i+1:]...)
			return true
		}
	}
	return false
}

// next takes the oldest request; nil if there is none.
func (q *queue) next() *request {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		return nil
	}
	r := q.list[0]
	q.list = q.list[1:]
	return r
}

// A batch is what one transaction will change.
type batch struct {
	changes map[Key]*entry
	bytes   int
	scrub   bool
	body    []byte // a new header, if not nil
	keys    *keys  // those of body
	renew   func(*stateRow)
}

// The limits of one transaction.
const (
	maxBatch      = 1024
	maxBatchBytes = 16 << 20
)

// lock waits for the right to write.
func (d *DB) lock(ctx context.Context) error {
	select {
	case d.write <- struct{}{}:
	case <-ctx.Done():
		return lite.Classify(d.path, ctx.Err())
	}
	if d.closed.Load() {
		d.unlock()
		return errClosed(d.path)
	}
	return nil
}

func (d *DB) unlock() { <-d.write }

// alone runs f in a transaction of its own.
func (d *DB) alone(ctx context.Context, f func(*lite.Conn, *snapshot, *batch) error) error {
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer d.unlock()
	c, snap, err := d.begin(ctx)
	if err != nil {
		return err
	}
	b := &batch{changes: map[Key]*entry{}}
	if err := f(c, snap, b); err != nil {
		d.abandon(c)
		return err
	}
	return d.finish(c, snap, b)
}

// lead runs transactions for all who wait, until mine, the leader's own
// request, is answered: mostly one.
func (d *DB) lead(ctx context.Context, mine *request) {
	for {
		select {
		case <-mine.done:
			return
		default:
			d.transact(ctx, mine)
		}
	}
}

func (d *DB) transact(ctx context.Context, mine *request) {
	c, snap, err := d.begin(ctx)
	if err != nil {
		d.giveUp(ctx, mine, err)
		return
	}
	b := &batch{changes: map[Key]*entry{}}
	var served []*request
	for n := 0; n < maxBatch && b.bytes < maxBatchBytes; n++ {
		r := d.queue.next()
		if r == nil {
			break
		}
		if d.serve(r, b, snap, c) {
			served = append(served, r)
		} else {
			close(r.done)
		}
	}
	err = d.finish(c, snap, b)
	for _, r := range served {
		r.answer(err)
	}
}

// giveUp answers those who cannot be served: the leader alone if it was its
// own context that ended, otherwise all who wait.
func (d *DB) giveUp(ctx context.Context, mine *request, err error) {
	if ctx.Err() != nil {
		if d.queue.remove(mine) {
			mine.answer(err)
		}
		return
	}
	for r := d.queue.next(); r != nil; r = d.queue.next() {
		r.answer(err)
	}
}

// serve runs one function on the batch; false if it changed nothing, and is to
// be answered as it is.
func (d *DB) serve(r *request, b *batch, snap *snapshot, c *lite.Conn) bool {
	t := &Tx{d: d, ctx: r.ctx, snap: snap, c: c, batch: b, own: map[Key]*entry{}}
	func() {
		defer func() { r.panicked = recover() }()
		r.err = r.f(t)
	}()
	if r.err != nil || r.panicked != nil {
		return false
	}
	for k, e := range t.own {
		b.changes[k] = e
		b.bytes += e.size(k)
	}
	b.scrub = b.scrub || t.scrub
	return true
}

// openWriter opens the connection that writes. Rows lie in no order, so that a
// checkpoint after every 1,000 pages would write most of them twice.
func (d *DB) openWriter(ctx context.Context) error {
	c, err := d.dialFile(ctx, "cache_size = -4096", "wal_autocheckpoint = 4000")
	if err != nil {
		return err
	}
	if err := c.Exec("PRAGMA busy_timeout = 10"); err != nil { // beginImmediate waits
		return lite.First(err, c.Close())
	}
	d.writer = c
	return nil
}

// begin opens a write transaction and reads the state.
func (d *DB) begin(ctx context.Context) (*lite.Conn, *snapshot, error) {
	if d.closed.Load() {
		return nil, nil, errClosed(d.path)
	}
	if d.writer == nil {
		if err := d.openWriter(ctx); err != nil {
			return nil, nil, err
		}
	}
	if err := d.beginImmediate(ctx); err != nil {
		return nil, nil, err
	}
	err := d.writer.SameSchema()
	var snap *snapshot
	if err == nil {
		snap, err = d.snapshot(ctx, d.writer)
	}
	if err != nil {
		return nil, nil, lite.First(err, d.writer.Run("ROLLBACK"))
	}
	return d.writer, snap, nil
}

// beginImmediate waits for other processes. SQLite's own waiting sleeps up to
// 0.1 s at a time and cannot be ended by a context.
func (d *DB) beginImmediate(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, d.opts.Wait)
	defer cancel()
	pause := time.Millisecond
	for {
		err := d.writer.Run("BEGIN IMMEDIATE")
		if err == nil || !lite.IsBusy(err) {
			return err
		}
		timer := time.NewTimer(rand.N(pause) + pause/2) //nolint:gosec // no secret
		select {
		case <-timer.C:
			pause = min(2*pause, 16*time.Millisecond)
		case <-wait.Done():
			timer.Stop()
			if ctx.Err() != nil {
				return lite.Classify(d.path, ctx.Err())
			}
			return err
		}
	}
}

// finish writes a batch and commits it.
func (d *DB) finish(c *lite.Conn, snap *snapshot, b *batch) error {
	if len(b.changes) == 0 && b.body == nil && b.renew == nil {
		return c.Run("ROLLBACK")
	}
	next, err := d.flush(c, snap, b)
	if err != nil {
		d.abandon(c)
		return err
	}
	d.cache.commit.Lock()
	defer d.cache.commit.Unlock()
	if err := c.Run("COMMIT"); err != nil {
		d.abandon(c)
		return unknown(d.path, err)
	}
	d.unlocked.Store(next.keys)
	d.cache.apply(snap.at(), next.at(), b.changes)
	d.advance(next)
	if b.scrub {
		d.scrub(c)
	}
	return nil
}

// unknown says so if a commit may have reached the disk: after a failed sync,
// but not on a full disk, where its last page was not written.
func unknown(path string, err error) error {
	if !lite.IsIO(err) {
		return err
	}
	return &secret.Error{Kind: secret.KindOf(err), Text: path + ": the commit failed, its outcome is unknown: read before you try again", Err: err}
}

// abandon ends a transaction that failed, and the connection with it: after a
// failed write nothing that it remembers is to be relied on.
func (d *DB) abandon(c *lite.Conn) {
	_ = c.Run("ROLLBACK") // fails where SQLite has rolled back by itself
	d.cache.drop()
	if d.path != lite.Memory {
		_ = c.Close() // the error that led here is the one to tell
		d.writer = nil
	}
}

// scrub empties the write-ahead log, where older pages lie, if no reader needs
// it.
func (d *DB) scrub(c *lite.Conn) {
	if d.path != lite.Memory {
		_ = c.Exec("PRAGMA wal_checkpoint(TRUNCATE)") // busy: the next one, or closing, does it
	}
}
