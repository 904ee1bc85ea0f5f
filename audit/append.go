package audit

import (
	"bytes"
	"context"
	"io"

	"github.com/tacit-secrets/tacit/secret"
)

// request is one Append that waits for its group.
type request struct {
	ctx     context.Context
	records []Record
	first   uint64
	err     error
	done    chan struct{}
}

// MaxGroup bounds how many records one Append, and one group, may hold.
const MaxGroup = 10_000

// Append makes records durable. Appends of several goroutines are written and
// synced together: whoever comes first leads, and works until nobody waits.
func (l *Log) Append(ctx context.Context, rs ...Record) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, &secret.Error{Kind: secret.Unavailable, Text: "interrupted before it was recorded", Err: err}
	}
	if len(rs) == 0 || len(rs) > MaxGroup {
		return 0, secret.Errorf(secret.Invalid, "", "1 to %d records are appended at once", MaxGroup)
	}
	r := &request{ctx: ctx, records: rs, done: make(chan struct{})}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return 0, secret.Errorf(secret.Unavailable, "", "the audit log is closed")
	}
	l.waiting = append(l.waiting, r)
	if l.leading {
		l.mu.Unlock()
		// Not given up when ctx ends: the record may be written already.
		<-r.done
		return r.first, r.err
	}
	l.leading = true
	l.mu.Unlock()
	l.lead()
	return r.first, r.err
}

// lead writes groups until nobody waits.
func (l *Log) lead() {
	for {
		l.mu.Lock()
		group := l.take()
		if len(group) == 0 {
			l.leading = false
			l.idle.Broadcast()
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		err := l.group(group)
		l.mu.Lock()
		l.head = l.w.good.head()
		l.mu.Unlock()
		for _, r := range group {
			r.err = err
			close(r.done)
		}
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
	if err := l.lock.lock(context.WithoutCancel(group[0].ctx), l.cfg.LockWait); err != nil {
		return err
	}
	defer l.lock.unlock()
	if err := l.follow(); err != nil {
		return err
	}
	if err := l.room(); err != nil {
		return err
	}
	if err := l.roll(); err != nil {
		return err
	}
	return l.write(group)
}

// room refuses to write on a disk that is nearly full, so that the last
// records still fit.
func (l *Log) room() error {
	free, err := freeBytes(l.cfg.Dir)
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
	e := l.w.edge.clone()
	now := l.cfg.Now().UTC()
	put := func(r *Record) error {
		r.N, r.Time = e.size, now
		r.clean()
		text, err := line(r)
		if err != nil {
			return err
		}
		e.add(text)
		b.Write(text)
		return b.WriteByte('\n')
	}
	if l.tail != nil {
		r := l.tail.record()
		if err := put(&r); err != nil {
			return err
		}
	}
	for _, r := range group {
		r.first = e.size
		for i := range r.records {
			if err := put(&r.records[i]); err != nil {
				return err
			}
		}
	}
	if err := l.commit(&b, e, ""); err != nil {
		return err
	}
	l.tail = nil
	return nil
}

// commit writes what is in b and a checkpoint behind it, and makes it durable.
// After an error the file is as it was before, or is never written again.
func (l *Log) commit(b *bytes.Buffer, e edge, next string) error {
	c := checkpoint{
		log: l.w.header.Log, segment: l.number, size: e.size, root: e.root(), previous: l.w.last.size,
		generation: l.w.last.generation, time: l.cfg.Now(), next: next,
	}
	if l.cfg.Store != nil {
		c.generation = max(c.generation, l.cfg.Store.Generation())
	}
	text, err := c.sign(l.signer)
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
			l.failed = true
		}
		return unavailable(l.path(), err)
	}
	if err := l.f.Sync(); err != nil {
		// What a failed sync left behind, nobody knows: the kernel may have
		// dropped the pages and report success the next time.
		l.failed = true
		return unavailable(l.path(), err)
	}
	l.w.edge, l.w.last, l.w.closed = e, c, next != ""
	l.w.before, l.w.good = l.w.good, e.clone()
	l.lineAt, l.offset, l.written = lineAt, l.offset+int64(b.Len()), true
	return nil
}

// roll goes on in a new segment where the time has come. Killed at any step,
// the next writer finds either the old segment or the endorsed new one.
func (l *Log) roll() error {
	if l.failed {
		return l.afterFailure()
	}
	age := l.cfg.Now().Sub(l.w.header.Time)
	if l.w.edge.size <= l.w.header.N+1 || l.offset < l.cfg.MaxBytes && age < l.cfg.MaxAge {
		return nil
	}
	private, public, err := newKey()
	if err != nil {
		return err
	}
	h := l.following(whyNext, public)
	// The new file and its key first, then the endorsement: a file without
	// one counts for nothing.
	old := l.keyPath(l.number)
	if err := l.prepare(h, private); err != nil {
		return err
	}
	if err := l.commitEndorsement(public); err != nil {
		return err
	}
	if err := destroy(old); err != nil {
		return err
	}
	return l.resume(h.Segment)
}

// commitEndorsement closes the segment: its last checkpoint names the next key.
func (l *Log) commitEndorsement(public string) error {
	return l.commit(&bytes.Buffer{}, l.w.edge.clone(), public)
}

// following is the header of the segment after this one.
func (l *Log) following(why, public string) header {
	return header{
		N: l.w.good.size, Segment: l.number + 1, Log: l.w.header.Log, Key: public, Epoch: l.w.header.Epoch,
		Why: why, Time: l.cfg.Now().UTC(), Edge: l.w.good.text(), Generation: l.w.last.generation,
	}
}

// prepare writes the key and the header of the next segment without going on
// in it.
func (l *Log) prepare(h header, private string) error {
	sealed, err := l.cfg.Key.Wrap(keyRecord(h), []byte(private))
	if err != nil {
		return err
	}
	if err := writeDurable(l.keyPath(h.Segment), sealed); err != nil {
		return err
	}
	b, err := line(h)
	if err != nil {
		return err
	}
	return writeDurable(segmentPath(l.cfg.Dir, h.Segment), append(b, '\n'))
}

// afterFailure goes on in a new file after a failed fsync, with the same key:
// the old file can take no endorsement any more.
func (l *Log) afterFailure() error {
	private, err := l.unseal(l.w.header)
	if err != nil {
		return err
	}
	l.w.edge = l.w.good.clone()
	h := l.following(whyFsync, l.w.header.Key)
	old := l.number
	if err := l.begin(h, private); err != nil {
		return err
	}
	l.tail = &tail{why: "segment " + segmentName(old) + " could not be made durable"}
	return destroy(l.keyPath(old))
}
