package local

import (
	"context"
	"iter"
	"slices"

	"github.com/tacit-secrets/tacit/internal/head"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// Get reads head and value at one moment, mostly from what the database keeps
// decrypted.
func (s *Store) Get(ctx context.Context, name secret.Name, at secret.At) (secret.Version, error) {
	var out secret.Version
	err := s.view(ctx, name, func(tx *state.Tx) (err error) {
		out, err = s.get(tx, name, at)
		return err
	})
	return out, err
}

func (s *Store) get(tx *state.Tx, name secret.Name, at secret.At) (secret.Version, error) {
	h, err := s.head(tx, name)
	if err != nil {
		return secret.Version{}, err
	}
	v, err := h.Find(s.now(), name, at)
	if err != nil {
		return v, err
	}
	v.Value, err = value(tx, h, name, &v)
	if err != nil {
		return secret.Version{}, err
	}
	return v, nil
}

// value reads the value of a version that was not destroyed.
func value(tx *state.Tx, h *head.Head, name secret.Name, v *secret.Version) (secret.Value, error) {
	b, err := tx.GetValue(h.UID, valueID(v))
	if err != nil {
		return secret.Value{}, lost(name, err)
	}
	out, err := unpackValue(b)
	return out, about(name, err)
}

// GetBatch reads all at one moment.
func (s *Store) GetBatch(ctx context.Context, names []secret.Name) []secret.Result {
	out := make([]secret.Result, len(names))
	err := s.db.View(ctx, func(tx *state.Tx) error {
		for i, n := range names {
			if out[i] = (secret.Result{Err: n.Check()}); out[i].Err == nil {
				out[i].Version, out[i].Err = s.get(tx, n, secret.At{})
			}
		}
		return nil
	})
	if err != nil {
		for i := range out {
			out[i] = secret.Result{Err: err}
		}
	}
	return out
}

// Describe tells what the head holds.
func (s *Store) Describe(ctx context.Context, name secret.Name) (secret.Meta, error) {
	var out secret.Meta
	err := s.view(ctx, name, func(tx *state.Tx) error {
		h, err := s.head(tx, name)
		if err == nil {
			out = h.Describe(name)
		}
		return err
	})
	return out, err
}

// Versions yields the versions as they were when it began.
func (s *Store) Versions(ctx context.Context, name secret.Name) iter.Seq2[secret.Version, error] {
	return func(yield func(secret.Version, error) bool) {
		var h *head.Head
		err := s.view(ctx, name, func(tx *state.Tx) (err error) {
			h, err = s.head(tx, name)
			return err
		})
		if err != nil {
			yield(secret.Version{}, err)
			return
		}
		meta := h.Meta()
		for _, v := range slices.Backward(h.Versions) {
			if err := ctx.Err(); err != nil {
				yield(secret.Version{}, interrupted(name, err))
				return
			}
			v.Secret = meta
			if !yield(v, nil) {
				return
			}
		}
	}
}

// interrupted is the error for a context that is done.
func interrupted(name secret.Name, err error) error {
	return &secret.Error{Kind: secret.Unavailable, Name: name, Text: "interrupted", Err: err}
}
