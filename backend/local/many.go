package local

import (
	"context"

	"github.com/tacit-secrets/tacit/internal/head"
	"github.com/tacit-secrets/tacit/secret"
)

// PutBatch writes many secrets in one transaction: all or nothing.
func (s *Store) PutBatch(ctx context.Context, puts []secret.Putting) ([]secret.Version, error) {
	names, err := head.BatchNames(puts)
	if err != nil {
		return nil, err
	}
	packed := make([][]byte, len(puts))
	for i, p := range puts {
		if err := checkValue(p.Name, p.Value); err != nil {
			return nil, err
		}
		packed[i] = packValue(p.Value)
	}
	out := make([]secret.Version, len(puts))
	err = s.updateAll(ctx, names, func(all []*work) error {
		for i, w := range all {
			if out[i], err = w.write(puts[i].Value, packed[i], head.Putting{Opts: puts[i].Options, Old: puts[i].Old}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Rename moves a secret's head to another name. Values are kept by the
// secret's own id, so they stay where they are.
func (s *Store) Rename(ctx context.Context, from, to secret.Name) (secret.Meta, error) {
	if from == to {
		return secret.Meta{}, head.SameName(from)
	}
	var out secret.Meta
	err := s.updateAll(ctx, []secret.Name{from, to}, func(all []*work) error {
		source, target := all[0], all[1]
		h, err := s.head(source.tx, from)
		if err != nil {
			return err
		}
		if h, err = h.Renamed(source.now, from); err != nil {
			return err
		}
		if err := target.absent(); err != nil {
			return err
		}
		out = h.Describe(to)
		if err := source.tx.Delete(rowOf(from)); err != nil {
			return err
		}
		return target.put(h)
	})
	return out, err
}
