package mem_test

import (
	"context"
	"slices"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

// oneByOne is what a store does that has no batches.
func oneByOne(ctx context.Context, s *mem.Store, puts []secret.Putting) ([]secret.Version, error) {
	if len(puts) == 0 || len(puts) > secret.MaxBatch {
		return nil, secret.Errorf(secret.Invalid, "", "a batch of this size is refused")
	}
	var out []secret.Version
	for _, p := range puts {
		v, err := s.Put(ctx, p.Name, p.Value, p.Options)
		if p.Old != nil {
			v, err = s.Swap(ctx, p.Name, *p.Old, p.Value, p.Options)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func manyVariants() []variant {
	half := func(s *mem.Store, ctx context.Context, puts []secret.Putting) ([]secret.Version, error) {
		return oneByOne(ctx, s, puts)
	}
	return []variant{
		{"batch stops half way", broken{putBatch: half}, "batch put writes all or nothing"},
		{"batch takes a name twice", broken{putBatch: half}, "batch put refuses a name twice, none and too many"},
		{"batch does not compare", broken{putBatch: func(s *mem.Store, ctx context.Context, puts []secret.Putting) ([]secret.Version, error) {
			puts = slices.Clone(puts)
			for i := range puts {
				puts[i].Old = nil
			}
			return s.PutBatch(ctx, puts)
		}}, "batch put compares and swaps each"},
		{"batch answers out of order", broken{putBatch: func(s *mem.Store, ctx context.Context, puts []secret.Putting) ([]secret.Version, error) {
			vs, err := s.PutBatch(ctx, puts)
			slices.Reverse(vs)
			return vs, err
		}}, "batch put writes all, in order"},
		{"batch ignores ids", broken{putBatch: func(s *mem.Store, ctx context.Context, puts []secret.Putting) ([]secret.Version, error) {
			puts = slices.Clone(puts)
			for i := range puts {
				if o := puts[i].Options; o != nil {
					c := *o
					c.ID, puts[i].Options = "", &c
				}
			}
			return s.PutBatch(ctx, puts)
		}}, "batch put keeps ids and is idempotent"},
		{"rename copies the current version", broken{rename: func(s *mem.Store, ctx context.Context, from, to secret.Name) (secret.Meta, error) {
			if from == to {
				return s.Rename(ctx, from, to)
			}
			v, err := s.Get(ctx, from, secret.At{})
			if err == nil {
				_, err = s.Swap(ctx, to, secret.At{}, v.Value, nil)
			}
			if err == nil {
				err = s.Destroy(ctx, from)
			}
			if err != nil {
				return secret.Meta{}, err
			}
			return s.Describe(ctx, to)
		}}, "rename keeps all but the name"},
		{"rename overwrites", broken{rename: func(s *mem.Store, ctx context.Context, from, to secret.Name) (secret.Meta, error) {
			if from != to && from != "none" && from != "gone" {
				_ = s.Destroy(ctx, to)
			}
			return s.Rename(ctx, from, to)
		}}, "rename refuses what is missing, deleted or in the way"},
		{"rename is an alias", broken{rename: func(s *mem.Store, ctx context.Context, from, to secret.Name) (secret.Meta, error) {
			m, err := s.Rename(ctx, from, to)
			if err == nil {
				v, _ := s.Get(ctx, to, secret.At{})
				_, err = s.Put(ctx, from, v.Value, nil)
			}
			return m, err
		}}, "renamed secret leaves its name free"},
	}
}
