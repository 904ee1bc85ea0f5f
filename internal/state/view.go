package state

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"

	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/internal/state/internal/lite"
	"github.com/tacit-secrets/tacit/secret"
)

// View calls f with the store as it is at one moment, not before View was
// called. The Tx is good until f returns; what it gave stays good.
//
// f may be called twice: from the cache, and if a row is not there, from the
// file. It must have no effect but on variables that it sets each time, and
// must not call View or Update. The error is f's own, or why the store could
// not be read.
func (d *DB) View(ctx context.Context, f func(*Tx) error) error {
	snap, err := d.fresh(ctx)
	if err != nil {
		return err
	}
	t := &Tx{d: d, ctx: ctx, snap: snap}
	if err := f(t); !t.missed {
		return err
	}
	return d.read(ctx, func(c *lite.Conn) error {
		snap, err := d.snapshot(ctx, c)
		if err != nil {
			return err
		}
		return f(&Tx{d: d, ctx: ctx, snap: snap, c: c})
	})
}

// read calls f with a connection that sees one moment.
func (d *DB) read(ctx context.Context, f func(*lite.Conn) error) error {
	if d.path == lite.Memory {
		if err := d.lock(ctx); err != nil {
			return err
		}
		defer d.unlock()
		return d.writer.Reading(func() error { return f(d.writer) })
	}
	c, err := d.reader(ctx)
	if err != nil {
		return err
	}
	defer func() { d.readers <- c }()
	return c.Reading(func() error { return f(c) })
}

// reader takes a connection out of the pool.
func (d *DB) reader(ctx context.Context) (*lite.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, lite.Classify(d.path, err)
	}
	select {
	case c, ok := <-d.readers:
		if !ok {
			return nil, errClosed(d.path)
		}
		if c = d.opened(c); c != nil {
			return c, nil
		}
		c, err := d.dialFile(ctx, "query_only = ON")
		if err != nil {
			d.readers <- nil
			return nil, err
		}
		return c, nil
	case <-ctx.Done():
		return nil, lite.Classify(d.path, ctx.Err())
	}
}

// opened returns an open connection in the place of one that is not, if one is
// idle: to open one costs as much as many reads, and a command needs just one.
func (d *DB) opened(c *lite.Conn) *lite.Conn {
	for range maxReaders - 1 {
		if c != nil {
			return c
		}
		select {
		case next, ok := <-d.readers:
			if !ok {
				return nil
			}
			d.readers <- c
			c = next
		default:
			return nil
		}
	}
	return c
}

// snapshot reads the state row in the connection's transaction, and brings
// cache and keys up to it.
func (d *DB) snapshot(ctx context.Context, c *lite.Conn) (*snapshot, error) {
	k := d.unlocked.Load() // before the read: a rekey may come between
	var sealed []byte
	ok, err := c.Get("SELECT sealed FROM state", nil, &sealed)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errRecord("state")
	}
	s := d.seen.Load()
	if s == nil || !bytes.Equal(s.sealed, sealed) {
		if s, err = d.decode(ctx, c, k, sealed); err != nil {
			return nil, err
		}
		d.advance(s)
	}
	d.cache.advance(s.at())
	return s, nil
}

// advance remembers the newest snapshot.
func (d *DB) advance(s *snapshot) {
	for {
		old := d.seen.Load()
		if old != nil && s.at().before(old.at()) || d.seen.CompareAndSwap(old, s) {
			return
		}
	}
}

func (d *DB) decode(ctx context.Context, c *lite.Conn, k *keys, sealed []byte) (*snapshot, error) {
	if k == nil { // the first time
		var err error
		if k, err = d.reload(ctx, c); err != nil {
			return nil, err
		}
	}
	plain, err := k.openRow(nil, sealed)
	if err != nil {
		return nil, err
	}
	state, err := parseState(plain)
	if err != nil {
		return nil, err
	}
	if state.Header != k.hash {
		if k, err = d.reload(ctx, c); err != nil {
			return nil, err
		}
	}
	if state.Header != k.hash {
		return nil, secret.Errorf(secret.Corrupt, "", "%s: the store's header is not the one that was last written\n  tacit store restore FILE", d.path)
	}
	return &snapshot{keys: k, sealed: sealed, state: *state}, nil
}

// reload reads and unlocks the header that the connection's transaction sees.
func (d *DB) reload(ctx context.Context, c *lite.Conn) (*keys, error) {
	var body []byte
	ok, err := c.Get("SELECT body FROM header", nil, &body)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errRecord("header")
	}
	h, err := parseHeader(body)
	if err != nil {
		return nil, err
	}
	d.unlocking.Lock()
	defer d.unlocking.Unlock()
	old := d.unlocked.Load()
	if old != nil && old.hash == h.hash {
		return old, nil
	}
	if old != nil && old.id != h.id {
		return nil, secret.Errorf(secret.Corrupt, "", "%s: the store's header is another store's", d.path)
	}
	k, err := d.open(ctx, h, old)
	if err == nil {
		d.unlocked.Store(k)
	}
	return k, err
}

func (d *DB) open(ctx context.Context, h *header, old *keys) (*keys, error) {
	if old != nil && old.kek.ID() == h.kek {
		return h.open(old.kek)
	}
	if d.opts.Unlock == nil {
		return nil, secret.Errorf(secret.Unauthenticated, "", "%s: the store is locked\n  tacit unlock", d.path)
	}
	slots, err := seal.ParseSlots(h.slots)
	if err != nil {
		return nil, err
	}
	kek, err := d.opts.Unlock(ctx, h.storeID(), slots)
	if err != nil {
		return nil, lite.Classify(d.path, err)
	}
	return h.open(kek)
}

// checks ask whether the file has changed. Callers that come while one check
// runs share the next one: a check counts for those who came before it began.
type checks struct {
	began atomic.Uint64

	mu      sync.Mutex
	done    uint64     // the last that ended well
	lent    int        // how many were made with a reader's connection
	c       *lite.Conn // nil: not yet open
	version int64      // PRAGMA data_version on c when snap was read
	snap    *snapshot
	closed  bool
}

// fresh returns a snapshot that holds all that was committed, by any process,
// before the call.
func (d *DB) fresh(ctx context.Context) (*snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, lite.Classify(d.path, err)
	}
	if d.closed.Load() {
		return nil, errClosed(d.path)
	}
	if d.path == lite.Memory {
		return d.seen.Load(), nil // nobody else can write, and own commits are set before they are answered
	}
	s := &d.checks
	came := s.began.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done > came {
		return s.snap, nil
	}
	n := s.began.Add(1)
	if err := s.check(ctx, d); err != nil {
		return nil, err
	}
	s.done = n
	return s.snap, nil
}

// maxLent is how many checks are made with a reader's connection. To open one
// for them costs as much as twenty of those, and most commands make fewer.
const maxLent = 16

func (s *checks) check(ctx context.Context, d *DB) error {
	if s.closed {
		return errClosed(d.path)
	}
	if s.lent < maxLent {
		s.lent++
		return d.read(ctx, func(c *lite.Conn) error {
			snap, err := d.snapshot(ctx, c)
			if err == nil {
				s.snap = snap
			}
			return err
		})
	}
	if s.c == nil {
		c, err := d.dialFile(ctx, "query_only = ON")
		if err != nil {
			return err
		}
		s.c, s.snap = c, nil // its version says nothing about that
	}
	v, err := s.c.Number("PRAGMA data_version")
	if err != nil || s.snap != nil && v == s.version {
		return err
	}
	return s.c.Reading(func() error {
		// The version is read twice: only within the transaction does it
		// belong to the state row that is read with it.
		snap, err := d.snapshot(ctx, s.c)
		if err != nil {
			return err
		}
		s.version, err = s.c.Number("PRAGMA data_version")
		if err == nil {
			s.snap = snap
		}
		return err
	})
}

func (s *checks) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.c == nil {
		return nil
	}
	return s.c.Close()
}

func errClosed(path string) error {
	return secret.Errorf(secret.Unavailable, "", "%s: the store was closed", path)
}
