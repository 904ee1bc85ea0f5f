package audit

import (
	"context"
	"math"
	"slices"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tacit-secrets/tacit/audit/internal/segment"
	"github.com/tacit-secrets/tacit/secret"
)

// A Proof shows that a line of the log is in a checkpoint, or that one
// checkpoint continues another, without the rest of the log. It is JSON.
type Proof struct {
	N            uint64   `json:"n"`              // of the record
	Record       string   `json:"record"`         // its line; empty where an older checkpoint is proved
	Older        string   `json:"older"`          // the older checkpoint; empty where a record is proved
	Endorsements []string `json:"endorsements"`   // from the first key to the key that signed Checkpoint
	OlderKeys    int      `json:"older_endorsed"` // how many of them lead to the key that signed Older
	Checkpoint   string   `json:"checkpoint"`
	Hashes       []string `json:"hashes"`
}

// ProveRecord proves that record n is in a checkpoint of the log: the signed
// note in, which may be kept elsewhere, or the newest one if it is empty. It
// reads the whole log, and keeps little of it. A record that is not there, or
// not under that checkpoint, is [secret.NotFound]; a checkpoint that the log
// does not lead to is [secret.Corrupt].
func ProveRecord(ctx context.Context, dir string, n uint64, in string) (Proof, error) {
	p, c, err := proofIn(ctx, dir, in)
	if err != nil {
		return Proof{}, err
	}
	if n >= c.Size {
		return Proof{}, secret.Errorf(secret.NotFound, "", "the log has no record %d under a checkpoint of %d lines\n  tacit audit list --json shows the numbers as n", n, c.Size)
	}
	p.N = n
	p.Hashes, err = hashes(ctx, dir, segment.RecordSpans(segment.Span{Hi: c.Size}, n), func(at uint64, b []byte) {
		if at == n {
			p.Record = string(b)
		}
	})
	if err != nil {
		return Proof{}, err
	}
	return p, p.self()
}

// proofIn is proofOf for a checkpoint of one's own choice.
func proofIn(ctx context.Context, dir, in string) (Proof, segment.Checkpoint, error) {
	p, c, err := proofOf(ctx, dir)
	if err != nil || in == "" {
		return p, c, err
	}
	older, ok := segment.Unverified(in)
	if !ok || older.Size == 0 {
		return p, c, errNoCheckpoint()
	}
	if older.Size > c.Size {
		return p, c, errCut(&older, &c)
	}
	p.Checkpoint = in
	p.Endorsements = slices.DeleteFunc(p.Endorsements, func(e string) bool {
		at, ok := segment.Unverified(e)
		return !ok || at.Segment >= older.Segment
	})
	return p, older, nil
}

func errNoCheckpoint() error {
	return secret.Errorf(secret.Invalid, "", "this is no checkpoint of an audit log\n  tacit audit checkpoint writes one")
}

func errCut(older, newest *segment.Checkpoint) error {
	return secret.Errorf(secret.Corrupt, "", "the checkpoint is at %d lines, and the log ends at %d: it was cut, or is another\n  tacit audit verify", older.Size, newest.Size)
}

// ProveExtends proves that the log's newest checkpoint continues an older one,
// which may be kept elsewhere.
func ProveExtends(ctx context.Context, dir, older string) (Proof, error) {
	p, c, err := proofOf(ctx, dir)
	if err != nil {
		return Proof{}, err
	}
	old, ok := segment.Unverified(older)
	if !ok || old.Size == 0 {
		return Proof{}, errNoCheckpoint()
	}
	if old.Size > c.Size {
		return Proof{}, errCut(&old, &c)
	}
	p.Older = older
	for _, e := range p.Endorsements {
		if at, ok := segment.Unverified(e); ok && at.Segment < old.Segment {
			p.OlderKeys++
		}
	}
	p.Hashes, err = hashes(ctx, dir, segment.TreeSpans(segment.Span{Hi: c.Size}, old.Size), nil)
	if err != nil {
		return Proof{}, err
	}
	return p, p.self()
}

// proofOf collects what all proofs of a log have: its newest checkpoint and
// the endorsements that lead there.
func proofOf(ctx context.Context, dir string) (p Proof, c segment.Checkpoint, err error) {
	all, err := segment.List(dir)
	if err != nil {
		return p, c, err
	}
	for i, n := range all {
		h, ok := segment.ReadHeader(dir, n)
		if ok && h.Why == segment.WhyEpoch {
			p.Endorsements = nil // the chain begins anew
		}
		signed, err := segment.LastCheckpoint(ctx, dir, all, i)
		if err != nil {
			return p, c, err
		}
		at, ok := segment.Unverified(signed)
		if !ok {
			continue
		}
		c, p.Checkpoint = at, signed
		if at.Next != "" {
			p.Endorsements = append(p.Endorsements, signed)
		}
	}
	if c.Size == 0 || c.Size > math.MaxInt64 {
		return p, c, secret.Errorf(secret.NotFound, "", "%s: no checkpoint is there yet", dir)
	}
	return p, c, nil
}

// Check reports whether a proof holds for the log with this first key, as
// [secret.Corrupt] if not.
func (p *Proof) Check(firstKey string) error {
	if err := ParseKey(firstKey); err != nil {
		return err
	}
	keys := p.keys(firstKey)
	if len(keys) == 0 {
		return p.fails("its endorsements do not lead from this first key to its checkpoint")
	}
	c, ok := p.opens(p.Checkpoint, keys[len(keys)-1])
	if !ok {
		return p.fails("its checkpoint is not signed by this log")
	}
	if p.Older == "" {
		return p.holds(c, segment.Checkpoint{})
	}
	if p.OlderKeys < 0 || p.OlderKeys >= len(keys) {
		return p.fails("its endorsements do not lead to the older checkpoint")
	}
	old, ok := p.opens(p.Older, keys[p.OlderKeys])
	if !ok || old.Log != c.Log {
		return p.fails("the older checkpoint is not signed by this log")
	}
	return p.holds(c, old)
}

// keys are those of the segments, from the first on; nil if an endorsement
// does not hold.
func (p *Proof) keys(first string) []string {
	out := []string{first}
	for _, e := range p.Endorsements {
		c, ok := p.opens(e, out[len(out)-1])
		if !ok || c.Next == "" {
			return nil
		}
		out = append(out, c.Next)
	}
	return out
}

func (p *Proof) opens(signed, key string) (segment.Checkpoint, bool) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return segment.Checkpoint{}, false
	}
	return segment.OpenNote(signed, v)
}

// self is Check for who made the proof: the hashes alone.
func (p *Proof) self() error {
	c, _ := segment.Unverified(p.Checkpoint)
	old, _ := segment.Unverified(p.Older)
	return p.holds(c, old)
}

// holds checks the hashes.
func (p *Proof) holds(c, old segment.Checkpoint) error {
	if c.Size > math.MaxInt64 || old.Size > c.Size || p.N > math.MaxInt64 {
		return p.fails("its sizes are wrong")
	}
	list := make([]tlog.Hash, len(p.Hashes))
	for i, s := range p.Hashes {
		h, err := tlog.ParseHash(s)
		if err != nil {
			return p.fails("a hash cannot be read")
		}
		list[i] = h
	}
	var err error
	if p.Older == "" {
		err = tlog.CheckRecord(list, int64(c.Size), c.Root, int64(p.N), tlog.RecordHash([]byte(p.Record)))
	} else {
		err = tlog.CheckTree(list, int64(c.Size), c.Root, int64(old.Size), old.Root) //nolint:gosec // bounded above
	}
	if err != nil {
		return p.fails("the hashes do not lead to the checkpoint")
	}
	return nil
}

func (p *Proof) fails(why string) error {
	return secret.Errorf(secret.Corrupt, "", "the proof does not hold: %s\n  tacit audit verify", why)
}

// hashes reads the log once and returns the roots of subtrees.
func hashes(ctx context.Context, dir string, of []segment.Span, each func(n uint64, b []byte)) ([]string, error) {
	edges := make([]segment.Edge, len(of))
	err := segment.LeavesFrom(ctx, dir, 0, func(n uint64, b []byte) {
		for i, s := range of {
			if s.Lo <= n && n < s.Hi {
				edges[i].Add(b)
			}
		}
		if each != nil {
			each(n, b)
		}
	})
	out := make([]string, len(of))
	for i := range edges {
		out[i] = edges[i].Root().String()
	}
	return out, err
}
