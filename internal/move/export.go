package move

import (
	"context"
	"iter"
	"strings"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// An Exporting reads a tree of secrets with their values. What it holds at a
// time does not grow with the tree.
type Exporting struct {
	Broker *broker.Broker
	Caller secret.Caller
	From   Place // a tree
}

// An Exported is a secret with its value, and its name below the place.
type Exported struct {
	Ref   secret.Ref
	Rel   string
	Value secret.Value
}

// Names yields the names below the place, without reading a value. A secret
// that has no version yet is not among them.
func (x *Exporting) Names(ctx context.Context) iter.Seq2[Exported, error] {
	return func(yield func(Exported, error) bool) {
		for m, err := range (door{x.Broker, x.Caller}).list(ctx, x.From, secret.NotDeleted) {
			if err != nil {
				yield(Exported{}, err)
				return
			}
			if _, ok := m.Current(); !ok {
				continue
			}
			e := Exported{Ref: secret.Ref{Env: x.From.Env, Name: m.Name}, Rel: strings.TrimPrefix(string(m.Name), x.From.Prefix)}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// All yields the secrets below the place with their current values, in the
// order of the store. An error ends it: half a tree is none.
func (x *Exporting) All(ctx context.Context) iter.Seq2[Exported, error] {
	return func(yield func(Exported, error) bool) {
		chunk := make([]Exported, 0, readChunk)
		for e, err := range x.Names(ctx) {
			if err != nil {
				yield(Exported{}, err)
				return
			}
			if chunk = append(chunk, e); len(chunk) < readChunk {
				continue
			}
			if !x.read(ctx, chunk, yield) {
				return
			}
			chunk = chunk[:0]
		}
		x.read(ctx, chunk, yield)
	}
}

// read yields a chunk with its values.
func (x *Exporting) read(ctx context.Context, chunk []Exported, yield func(Exported, error) bool) bool {
	refs := make([]secret.Ref, len(chunk))
	for i, e := range chunk {
		refs[i] = e.Ref
	}
	for i, r := range x.Broker.GetAll(ctx, x.Caller, refs) {
		if r.Err != nil {
			yield(Exported{}, r.Err)
			return false
		}
		chunk[i].Value = r.Version.Value
		if !yield(chunk[i], nil) {
			return false
		}
		chunk[i].Value = secret.Value{}
	}
	return true
}
