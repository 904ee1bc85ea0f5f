package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"github.com/tacit-secrets/tacit/audit/internal/disk"
	"github.com/tacit-secrets/tacit/audit/internal/segment"
	"github.com/tacit-secrets/tacit/secret"
)

// VerifyOptions say what a log is compared with; nil is nothing.
type VerifyOptions struct {
	FirstKey   string                      // the log's first public key; empty: believed as found
	Checkpoint string                      // a signed checkpoint kept elsewhere
	Head       *Head                       // what the store remembers
	KeyDir     string                      // where the lock is, if others may be writing; empty: a copy
	Progress   func(records uint64)        // called now and then
	Each       func(r Record) (more error) // called with each record, once it was read
}

// A Report says what a verification found.
type Report struct {
	Records    uint64
	Segments   int
	Size       uint64 // in lines
	FirstKey   string
	KeyGiven   bool     // the first key was compared with one kept elsewhere
	Checkpoint string   // the newest, as a signed note
	Open       []uint64 // changes that began and did not end: outcome unknown
	Recovered  []uint64 // records that tell of bytes cut off after a crash
	Adopted    []uint64 // records that tell of an older log, which is not here
	FirstKeys  []string // of each epoch: FirstKey, and one for each of Epochs
	Epochs     []string // where the log begins anew by someone's decision: breaks
	Damage     []string // what is wrong, by segment and line; empty: sound
}

// Sound reports whether nothing is wrong.
func (r *Report) Sound() bool { return len(r.Damage) == 0 }

// Verify reads a log's folder to its end and reports what it found. It needs
// no key and writes nothing. Damage is in the report; an error means that the
// log could not be read at all. With o.KeyDir writers wait while it reads the
// newest segment, at most some 16 MiB.
func Verify(ctx context.Context, dir string, o VerifyOptions) (Report, error) {
	all, err := segment.List(dir)
	if err != nil {
		return Report{}, err
	}
	if len(all) == 0 {
		return Report{}, segment.Missing(dir, os.ErrNotExist)
	}
	v := newVerification(ctx, dir, o)
	if err := v.compareStart(); err != nil {
		return Report{}, err
	}
	if err := v.segments(all, 0, len(all)-1); err != nil {
		return Report{}, err
	}
	if err := v.last(len(all) - 1); err != nil {
		return Report{}, err
	}
	v.finish()
	return v.r, nil
}

// last verifies the segments from number from on, while nobody writes: a group
// that is under way is no damage. Segments may have been added meanwhile.
func (v *verification) last(from int) (err error) {
	if v.o.KeyDir != "" {
		lock, err := disk.OpenLock(filepath.Join(v.o.KeyDir, lockName))
		if err != nil {
			return err
		}
		defer lock.Close()
		if err := lock.Take(v.ctx, lockWait); err != nil {
			return err
		}
	}
	all, err := segment.List(v.dir)
	if err != nil {
		return err
	}
	return v.segments(all, from, len(all))
}

func newVerification(ctx context.Context, dir string, o VerifyOptions) *verification {
	return &verification{ctx: ctx, dir: dir, o: o, begun: map[uint64]bool{}, w: walker{known: true}}
}

// segments verifies all[from:to], up to the first damage.
func (v *verification) segments(all []uint64, from, to int) error {
	for i := from; i < to && !v.stopped; i++ {
		if err := v.segment(all[i], segment.Follower(v.dir, all, i)); err != nil {
			return err
		}
	}
	return nil
}

type verification struct {
	ctx       context.Context
	dir       string
	o         VerifyOptions
	r         Report
	w         walker
	begun     map[uint64]bool
	outside   *segment.Checkpoint // kept elsewhere; found when its size is passed
	remembers bool                // the store's head was passed
	keys      []string            // of all segments
	stopped   bool
	newest    string
}

// compareStart reads what the log is compared with.
func (v *verification) compareStart() error {
	if v.o.FirstKey != "" {
		if err := ParseKey(v.o.FirstKey); err != nil {
			return err
		}
		v.r.KeyGiven = true
	}
	if v.o.Checkpoint == "" {
		return nil
	}
	c, ok := segment.Unverified(v.o.Checkpoint)
	if !ok {
		return errNoCheckpoint()
	}
	v.outside = &c
	return nil
}

func (v *verification) damage(number uint64, lineNo int, err error) {
	v.r.Damage = append(v.r.Damage, fmt.Sprintf("%s:%d: %s", segment.Name(number), lineNo, err))
}

// segment verifies one file; next is the header after it, nil if there is
// none. Whatever is wrong with it ends the verification there: nothing behind
// it could be believed.
func (v *verification) segment(number uint64, next *segment.Header) error {
	in, err := os.Open(segment.Path(v.dir, number))
	if err != nil {
		return segment.Missing(v.dir, err)
	}
	defer func() { _ = in.Close() }()
	at, end := 0, int64(0)
	err = segment.Lines(in, func(b []byte, next2 int64) error {
		if err := v.ctx.Err(); err != nil {
			return &secret.Error{Kind: secret.Unavailable, Text: "interrupted", Err: err}
		}
		at++
		if err := v.any(b, number, at); err != nil {
			return err
		}
		if next != nil && next.Why == segment.WhyFsync && v.w.edge.Size == next.N && v.w.good.Size == next.N {
			end = next2
			return errStop // what follows was not made durable
		}
		return nil
	})
	if errors.Is(err, errStop) {
		err = left(in, end, next)
	} else if err == nil || errors.Is(err, segment.ErrTorn) {
		at, err = v.ended(at, err != nil)
	}
	switch {
	case errors.As(err, &fault{}):
		v.damage(number, at, err)
		v.stopped = true
		return nil
	case err != nil:
		return err
	}
	v.r.Segments++
	return nil
}

func (v *verification) any(b []byte, number uint64, at int) error {
	if at == 1 {
		return v.head(b, number)
	}
	return v.line(b)
}

// left compares what stands behind the last checkpoint of a file that could
// not be made durable with what the next header says about it. The disk may
// have kept less.
func left(in *os.File, end int64, next *segment.Header) error {
	t, err := sumBehind(in, end)
	if err != nil {
		return err
	}
	if t.Bytes > next.Left || t.Bytes == next.Left && t.Sum != next.LeftSum {
		return faulty("is followed by other bytes than were left there by a failed disk")
	}
	return nil
}

// ended looks at a segment's end, behind line at, and says which line is
// wrong.
func (v *verification) ended(at int, torn bool) (int, error) {
	switch {
	case at == 0:
		return 1, faulty("is empty, or no line")
	case torn && v.w.closed:
		return at + 1, faulty("stands behind the segment's last checkpoint")
	case torn, v.w.edge.Size != v.w.good.Size:
		if torn {
			at++
		}
		return at, faulty("stands behind the last checkpoint: it was never acknowledged, or the log was cut there")
	case !v.w.signed:
		return at, faulty("is followed by no checkpoint: it was never acknowledged, or the log was cut there")
	}
	return at, nil
}

func (v *verification) head(b []byte, number uint64) error {
	if err := v.w.open(b, number); err != nil {
		return err
	}
	h := v.w.header
	if v.r.FirstKey == "" || h.Why == segment.WhyEpoch {
		v.r.FirstKeys = append(v.r.FirstKeys, h.Key)
	}
	switch {
	case v.r.FirstKey == "":
		v.r.FirstKey = h.Key
		if v.o.FirstKey != "" && v.o.FirstKey != h.Key && !v.laterEpochHas() {
			return faulty("is signed by another first key than the one given: this is not that log")
		}
	case h.Why == segment.WhyEpoch:
		v.r.Epochs = append(v.r.Epochs, fmt.Sprintf("%s: the log begins anew here, under the first key %s", segment.Name(number), h.Key))
	}
	v.keys = append(v.keys, h.Key)
	return v.passed()
}

// laterEpochHas reports whether the key given is the first one of an epoch.
func (v *verification) laterEpochHas() bool {
	all, err := segment.List(v.dir)
	if err != nil {
		return false
	}
	for _, n := range all {
		h, ok := segment.ReadHeader(v.dir, n)
		if ok && h.Why == segment.WhyEpoch && h.Key == v.o.FirstKey {
			return true
		}
	}
	return false
}

func (v *verification) line(b []byte) error {
	r, err := v.w.step(b)
	if err != nil {
		return err
	}
	if r == nil {
		v.newest = segment.NoteOf(b)
		return v.compareCheckpoint()
	}
	v.r.Records++
	if v.o.Progress != nil && v.r.Records%10_000 == 0 {
		v.o.Progress(v.r.Records)
	}
	switch {
	case r.Phase == Begin:
		v.begun[r.N] = true
	case r.Phase == End && r.Begun != nil:
		delete(v.begun, *r.Begun)
	case r.Verb == Recover:
		v.r.Recovered = append(v.r.Recovered, r.N)
	case r.Verb == Adopt:
		v.r.Adopted = append(v.r.Adopted, r.N)
	}
	if v.o.Each != nil {
		if err := v.o.Each(*r); err != nil {
			return err
		}
	}
	return v.passed()
}

// passed compares the tree with what the store remembers, when it has that
// size.
func (v *verification) passed() error {
	h := v.o.Head
	if h == nil || h.Size != v.w.edge.Size {
		return nil
	}
	v.remembers = true
	if v.w.edge.Root() != h.Root {
		return faulty("is not what the store remembers: the log was replaced")
	}
	return nil
}

// compareCheckpoint compares with the checkpoint kept elsewhere, when the log
// has its size.
func (v *verification) compareCheckpoint() error {
	c := v.outside
	if c == nil || c.Size != v.w.last.Size {
		return nil
	}
	if c.Root != v.w.last.Root || c.Log != v.w.last.Log || !v.signed() {
		return faulty("differs from the checkpoint kept elsewhere")
	}
	v.outside = nil
	return nil
}

// signed reports whether one of the log's keys signed the outside checkpoint.
func (v *verification) signed() bool {
	for _, k := range v.keys {
		verifier, err := note.NewVerifier(k)
		if err != nil {
			continue
		}
		if _, ok := segment.OpenNote(v.o.Checkpoint, verifier); ok {
			return true
		}
	}
	return false
}

func (v *verification) finish() {
	v.r.Size = v.w.good.Size
	v.r.Checkpoint = v.newest
	v.r.Open = slices.Sorted(maps.Keys(v.begun))
	if v.stopped {
		return
	}
	end := fmt.Sprintf("%s: ", segment.Name(v.w.header.Segment))
	if v.w.closed {
		v.r.Damage = append(v.r.Damage, end+"the segments after this one are missing")
	}
	if v.outside != nil {
		v.r.Damage = append(v.r.Damage, fmt.Sprintf("%sthe checkpoint kept elsewhere is at %d lines, and is not in this log", end, v.outside.Size))
	}
	if h := v.o.Head; h != nil && h.Size > 0 && !v.remembers {
		v.r.Damage = append(v.r.Damage, fmt.Sprintf("%sthe store remembers %d lines, and they are not all here", end, h.Size))
	}
}
