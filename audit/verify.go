package audit

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"

	"github.com/tacit-secrets/tacit/secret"
)

// VerifyOptions say what a log is compared with; nil is nothing.
type VerifyOptions struct {
	FirstKey   string                      // the log's first public key; empty: believed as found
	Checkpoint string                      // a signed checkpoint kept elsewhere
	Head       *Head                       // what the store remembers
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
	Epochs     []string // where the log begins anew by someone's decision: breaks
	Damage     []string // what is wrong, by segment and line; empty: sound
}

// Sound reports whether nothing is wrong.
func (r *Report) Sound() bool { return len(r.Damage) == 0 }

// Verify reads a log's folder to its end and reports what it found. It needs
// no key and writes nothing. Damage is in the report; an error means that the
// log could not be read at all.
func Verify(ctx context.Context, dir string, o VerifyOptions) (Report, error) {
	all, err := segments(dir)
	if err != nil {
		return Report{}, err
	}
	if len(all) == 0 {
		return Report{}, missing(dir, os.ErrNotExist)
	}
	v := &verification{ctx: ctx, dir: dir, o: o, begun: map[uint64]bool{}, w: walker{known: true}}
	if err := v.compareStart(); err != nil {
		return Report{}, err
	}
	for i, n := range all {
		if err := v.segment(n, i == len(all)-1); err != nil {
			return Report{}, err
		}
		if v.stopped {
			break
		}
	}
	v.finish()
	return v.r, nil
}

type verification struct {
	ctx       context.Context
	dir       string
	o         VerifyOptions
	r         Report
	w         walker
	begun     map[uint64]bool
	outside   *checkpoint // kept elsewhere; found when its size is passed
	remembers bool        // the store's head was passed
	keys      []string    // of all segments
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
	text, _, ok := cutLast(v.o.Checkpoint, "\n\n")
	c, parsed := parseCheckpoint(text + "\n")
	if !ok || !parsed {
		return secret.Errorf(secret.Invalid, "", "this is no checkpoint of an audit log\n  tacit audit checkpoint writes one")
	}
	v.outside = &c
	return nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	for i := len(s) - len(sep); i >= 0; i-- {
		if s[i:i+len(sep)] == sep {
			return s[:i], s[i+len(sep):], true
		}
	}
	return s, "", false
}

func (v *verification) damage(number uint64, lineNo int, err error) {
	v.r.Damage = append(v.r.Damage, fmt.Sprintf("%s:%d: %s", segmentName(number), lineNo, err))
}

// segment verifies one file. Whatever is wrong with it ends the verification
// there: nothing behind it could be believed.
func (v *verification) segment(number uint64, last bool) error {
	in, err := os.Open(segmentPath(v.dir, number))
	if err != nil {
		return missing(v.dir, err)
	}
	defer func() { _ = in.Close() }()
	at := 0
	err = lines(in, func(b []byte, _ int64) error {
		at++
		if err := v.ctx.Err(); err != nil {
			return &secret.Error{Kind: secret.Unavailable, Text: "interrupted", Err: err}
		}
		if at == 1 {
			return v.head(b, number)
		}
		return v.line(b)
	})
	switch {
	case errors.As(err, &fault{}):
		v.damage(number, at, err)
		v.stopped = true
		return nil
	case err != nil && !errors.Is(err, errTorn):
		return err
	}
	v.ended(number, at, last, errors.Is(err, errTorn))
	return nil
}

// ended looks at what stands behind a segment's last checkpoint.
func (v *verification) ended(number uint64, at int, last, torn bool) {
	unfinished := torn || v.w.edge.size != v.w.good.size
	if at == 0 {
		v.damage(number, 1, faulty("is empty"))
		v.stopped = true
		return
	}
	if unfinished && last {
		v.damage(number, at, faulty("stands behind the last checkpoint: it was never acknowledged, or the log was cut there"))
	}
	if unfinished && !last {
		// A file that could not be made durable is followed by one with the
		// same key; the next header tells.
		v.w.edge = v.w.good.clone()
	}
	v.r.Segments++
}

func (v *verification) head(b []byte, number uint64) error {
	if err := v.w.open(b, number); err != nil {
		return err
	}
	h := v.w.header
	switch {
	case v.r.FirstKey == "":
		v.r.FirstKey = h.Key
		if v.o.FirstKey != "" && v.o.FirstKey != h.Key && !v.laterEpochHas() {
			return faulty("is signed by another first key than the one given: this is not that log")
		}
	case h.Why == whyEpoch:
		v.r.Epochs = append(v.r.Epochs, fmt.Sprintf("%s: the log begins anew here, under the first key %s", segmentName(number), h.Key))
	}
	v.keys = append(v.keys, h.Key)
	return v.passed()
}

// laterEpochHas reports whether the key given is the first one of an epoch.
func (v *verification) laterEpochHas() bool {
	all, err := segments(v.dir)
	if err != nil {
		return false
	}
	for _, n := range all {
		in, err := os.Open(segmentPath(v.dir, n))
		if err != nil {
			return false
		}
		b, err := firstLine(in)
		_ = in.Close()
		var h header
		if err == nil && parseLine(b, &h) && h.Why == whyEpoch && h.Key == v.o.FirstKey {
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
		v.newest, _ = exportCheckpoint(b)
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
	if h == nil || h.Size != v.w.edge.size {
		return nil
	}
	v.remembers = true
	if v.w.edge.root() != h.Root {
		return faulty("is not what the store remembers: the log was replaced")
	}
	return nil
}

// compareCheckpoint compares with the checkpoint kept elsewhere, when the log
// has its size.
func (v *verification) compareCheckpoint() error {
	c := v.outside
	if c == nil || c.size != v.w.last.size {
		return nil
	}
	if c.root != v.w.last.root || c.log != v.w.last.log || !v.signed() {
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
		if _, ok := openNote(v.o.Checkpoint, verifier); ok {
			return true
		}
	}
	return false
}

func (v *verification) finish() {
	v.r.Size = v.w.good.size
	v.r.Checkpoint = v.newest
	for n := range v.begun {
		v.r.Open = append(v.r.Open, n)
	}
	if v.stopped {
		return
	}
	end := fmt.Sprintf("%s: ", segmentName(v.w.header.Segment))
	if v.w.closed {
		v.r.Damage = append(v.r.Damage, end+"the segments after this one are missing")
	}
	if v.outside != nil {
		v.r.Damage = append(v.r.Damage, fmt.Sprintf("%sthe checkpoint kept elsewhere is at %d lines, and is not in this log", end, v.outside.size))
	}
	if h := v.o.Head; h != nil && h.Size > 0 && !v.remembers {
		v.r.Damage = append(v.r.Damage, fmt.Sprintf("%sthe store remembers %d lines, and they are not all here", end, h.Size))
	}
}
