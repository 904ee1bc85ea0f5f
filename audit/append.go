package audit

import (
	"bytes"
	"context"
	"io"
	"runtime"

	"github.com/tacit-secrets/tacit/audit/internal/disk"
	"github.com/tacit-secrets/tacit/audit/internal/segment"
	"github.com/tacit-secrets/tacit/secret"
)

// request is one Append that waits for its group.
type request struct {
	records []Record
	first   uint64
	err     error
	wake    chan bool // true: lead the next group; false: done
}

// MaxGroup bounds how many records one Append, and one group, may hold.
const MaxGroup = 10_000

// Append makes records durable. Appends of several goroutines are written and
// synced together. It sets N and Time of each record, cuts texts longer than
// [MaxField], and returns the first N. Once begun it ignores ctx: the record
// may be written already, and whether it was must not stay unknown.
func (l *Log) Append(ctx context.Context, rs ...Record) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, &secret.Error{Kind: secret.Unavailable, Text: "interrupted before it was recorded", Err: err}
	}
	if len(rs) == 0 || len(rs) > MaxGroup {
		return 0, secret.Errorf(secret.Invalid, "", "1 to %d records are appended at once", MaxGroup)
	}
	r := &request{records: rs, wake: make(chan bool, 1)}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return 0, secret.Errorf(secret.Unavailable, "", "the audit log is closed")
	}
	l.waiting = append(l.waiting, r)
	leads := !l.leading
	l.leading = true
	l.mu.Unlock()
	if leads || <-r.wake {
		l.lead()
	}
	return r.first, r.err
}

// lead writes one group, its leader's own request among it, and hands the lead
// to whoever waits: nobody works for others longer than for himself.
func (l *Log) lead() {
	runtime.Gosched() // those just answered may want to come along
	l.mu.Lock()
	group := l.take()
	l.mu.Unlock()
	err := l.group(group)
	l.mu.Lock()
	l.publish()
	var next *request
	if len(l.waiting) > 0 {
		next = l.waiting[0]
	} else {
		l.leading = false
		l.idle.Broadcast()
	}
	l.mu.Unlock()
	for _, r := range group {
		r.err = err
		r.wake <- false
	}
	if next != nil {
		next.wake <- true
	}
}

// take removes the requests of the next group from those that wait.
func (l *Log) take() []*request {
	n, total := 0, 0
	for n < len(l.waiting) && total+len(l.waiting[n].records) <= MaxGroup {
		total += len(l.waiting[n].records)
		n++
	}
	group := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	return group
}

// group makes the records of several requests durable, or none of them.
func (l *Log) group(group []*request) error {
	// The leader's own context must not fail the others.
	if err := l.lock.Take(context.Background(), l.cfg.LockWait); err != nil {
		return err
	}
	defer l.lock.Give()
	err := l.attempt(group)
	if l.failed {
		// Now, while nobody else can build on what may be lost. If this
		// fails too, the next group begins with it.
		return disk.First(err, l.leave())
	}
	return err
}

func (l *Log) attempt(group []*request) error {
	if l.failed {
		if err := l.leave(); err != nil {
			return err
		}
	}
	for _, step := range []func() error{l.follow, l.room, l.cut, l.roll} {
		if err := step(); err != nil {
			return err
		}
	}
	return l.write(group)
}

// room refuses to write on a disk that is nearly full, so that the last
// records still fit.
func (l *Log) room() error {
	free, err := disk.Free(l.cfg.Dir)
	if err != nil {
		return err
	}
	if free < l.cfg.MinFree {
		return secret.Errorf(secret.Unavailable, "", "%s: %d MiB are free, and the audit log needs %d\n  make room, or set audit.dir in your config.toml", l.cfg.Dir, free>>20, l.cfg.MinFree>>20)
	}
	return nil
}

// write appends one group and its checkpoint, and syncs it.
func (l *Log) write(group []*request) error {
	var b bytes.Buffer
	e := l.w.edge.Clone()
	now := l.cfg.Now().UTC()
	put := func(r *Record) error {
		r.N, r.Time = e.Size, now
		r.clean()
		text, err := segment.Encode(r)
		if err != nil {
			return err
		}
		e.Add(text)
		b.Write(text)
		return b.WriteByte('\n')
	}
	for i := range l.tails {
		r := l.tails[i].record()
		if err := put(&r); err != nil {
			return err
		}
	}
	for _, r := range group {
		r.first = e.Size
		for i := range r.records {
			if err := put(&r.records[i]); err != nil {
				return err
			}
		}
	}
	if err := l.commit(&b, e, ""); err != nil {
		return err
	}
	l.forgetTails()
	return nil
}

// commit writes what is in b and a checkpoint behind it, and makes it durable.
// After an error the file is as it was before, or is never written again.
func (l *Log) commit(b *bytes.Buffer, e segment.Edge, next string) error {
	c := segment.Checkpoint{
		Log: l.w.header.Log, Segment: l.number, Size: e.Size, Root: e.Root(), Previous: l.w.last.Size,
		Generation: l.w.last.Generation, Time: l.cfg.Now(), Next: next,
	}
	if l.cfg.Store != nil {
		c.Generation = max(c.Generation, l.cfg.Store.Generation())
	}
	text, err := c.Sign(l.signer)
	if err != nil {
		return err
	}
	lineAt := l.offset + int64(b.Len())
	b.Write(text)
	b.WriteByte('\n')
	n, err := l.f.Write(b.Bytes())
	if err == nil && n < b.Len() {
		err = io.ErrShortWrite
	}
	if err != nil {
		if l.f.Truncate(l.offset) != nil {
			l.failed, l.lost = true, int64(n)
		}
		return disk.Unavailable(l.path(), err)
	}
	if err := l.f.Sync(); err != nil {
		// What a failed sync left behind, nobody knows: the kernel may have
		// dropped the pages and report success the next time.
		l.failed, l.lost = true, int64(n)
		return disk.Unavailable(l.path(), err)
	}
	l.w.edge, l.w.last, l.w.signed, l.w.closed = e, c, true, next != ""
	l.w.before, l.w.good = l.w.good, e.Clone()
	l.unsaved += int64(b.Len())
	l.lineAt, l.offset = lineAt, l.offset+int64(b.Len())
	if l.unsaved >= saveEvery {
		l.saveCache()
	}
	return nil
}
