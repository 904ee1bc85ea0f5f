package move

import (
	"context"
	"encoding/json"
	"iter"
	"maps"
	"slices"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// A Difference says how a secret differs between two sides.
type Difference struct {
	Rel    string // the name relative to both places
	A, B   secret.Ref
	Change Change
	// Fields tells which fields differ where both values are JSON objects.
	Fields []FieldChange
	// Old and New are the values: for those who may see them.
	Old, New secret.Value
}

// A FieldChange says how one field of a JSON object differs.
type FieldChange struct {
	Field  string
	Change Change
}

// A Change is what happened from one side to the other.
type Change string

// The changes.
const (
	Added   Change = "added"
	Removed Change = "removed"
	Changed Change = "changed"
)

// diffChunk is how many values of each side are held at once.
const diffChunk = 64

// Diff yields the secrets that differ between two places, in byte order. It
// reads values, so the verb is get; a secret that only one side has is not
// read. A secret that may be listed but not read ends it: Denied.
func Diff(ctx context.Context, b *broker.Broker, c secret.Caller, from, to Place) iter.Seq2[Difference, error] {
	return func(yield func(Difference, error) bool) {
		d := door{b, c}
		var chunk []Difference
		flush := func() bool {
			for _, x := range d.compare(ctx, chunk) {
				if x.err != nil {
					yield(Difference{}, x.err)
					return false
				}
				if x.Change != "" && !yield(x.Difference, nil) {
					return false
				}
			}
			chunk = nil
			return true
		}
		for p, err := range d.join(ctx, from, to, secret.NotDeleted) {
			if err != nil {
				yield(Difference{}, err)
				return
			}
			chunk = append(chunk, difference(p, from, to))
			if len(chunk) == diffChunk && !flush() {
				return
			}
		}
		flush()
	}
}

// difference is what is known of a pair before its values are read.
func difference(p pair, from, to Place) Difference {
	d := Difference{Rel: p.rel, A: from.ref(p.rel), B: to.ref(p.rel)}
	switch {
	case p.a == nil:
		d.Change = Added
	case p.b == nil:
		d.Change = Removed
	}
	return d
}

type compared struct {
	Difference
	err error
}

// compare reads the values of those that both sides have.
func (d door) compare(ctx context.Context, all []Difference) []compared {
	out := make([]compared, len(all))
	var refs []secret.Ref
	for i, x := range all {
		out[i].Difference = x
		if x.Change == "" {
			refs = append(refs, x.A, x.B)
		}
	}
	if len(refs) == 0 {
		return out
	}
	got := d.b.GetAll(ctx, d.c, refs)
	for i := range out {
		if out[i].Change != "" {
			continue
		}
		out[i].settle(got[0], got[1])
		got = got[2:]
	}
	return out
}

func (x *compared) settle(a, b secret.Result) {
	if x.err = firstOf(a.Err, b.Err); x.err != nil {
		return
	}
	x.Difference = Values(x.Difference, a.Version.Value, b.Version.Value)
}

// Values completes a difference by the two values; its Change stays empty if
// they are equal.
func Values(d Difference, a, b secret.Value) Difference {
	if a.Equal(b) {
		return d
	}
	d.Change, d.Old, d.New = Changed, a, b
	d.Fields = fields(a, b)
	return d
}

// fields compares two JSON objects; nil if one of them is none.
func fields(a, b secret.Value) []FieldChange {
	var x, y map[string]json.RawMessage
	if json.Unmarshal(a.Reveal(), &x) != nil || json.Unmarshal(b.Reveal(), &y) != nil || x == nil || y == nil {
		return nil
	}
	var out []FieldChange
	names := maps.Clone(x)
	maps.Copy(names, y)
	for _, n := range slices.Sorted(maps.Keys(names)) {
		old, inA := x[n]
		now, inB := y[n]
		switch {
		case !inA:
			out = append(out, FieldChange{n, Added})
		case !inB:
			out = append(out, FieldChange{n, Removed})
		case string(old) != string(now):
			out = append(out, FieldChange{n, Changed})
		}
	}
	return out
}
