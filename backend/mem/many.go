package mem

import (
	"context"

	"github.com/tacit-secrets/tacit/internal/head"
	"github.com/tacit-secrets/tacit/secret"
)

// PutBatch writes many secrets: all or nothing.
func (s *Store) PutBatch(ctx context.Context, puts []secret.Putting) ([]secret.Version, error) {
	names, err := head.BatchNames(puts)
	if err != nil {
		return nil, err
	}
	for _, p := range puts {
		if err := ready(ctx, p.Name); err != nil {
			return nil, err
		}
		if err := checkValue(p.Name, p.Value); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out, entries := make([]secret.Version, len(puts)), make([]*entry, len(puts))
	for i, p := range puts {
		out[i], entries[i], err = s.putting(p.Name, p.Value, head.Putting{Opts: p.Options, Old: p.Old})
		if err != nil {
			return nil, err
		}
	}
	for i, e := range entries {
		if e != nil {
			s.keep(names[i], e)
		}
	}
	return out, nil
}

// Rename gives a secret another name.
func (s *Store) Rename(ctx context.Context, from, to secret.Name) (secret.Meta, error) {
	if err := ready(ctx, from); err != nil {
		return secret.Meta{}, err
	}
	if err := to.Check(); err != nil {
		return secret.Meta{}, err
	}
	if from == to {
		return secret.Meta{}, head.SameName(from)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(from)
	if e == nil {
		return secret.Meta{}, head.NotFound(from)
	}
	h, err := e.head.Renamed(s.now(), from)
	if err != nil {
		return secret.Meta{}, err
	}
	if there := s.find(to); there != nil {
		return secret.Meta{}, exists(to, there.head)
	}
	s.forget(from)
	s.keep(to, &entry{h, e.values})
	return h.Describe(to), nil
}
