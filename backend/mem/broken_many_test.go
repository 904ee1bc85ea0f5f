package mem_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

// brokenMany is mem with one promise of Batcher or Renamer broken.
type brokenMany struct {
	*mem.Store
	putBatch func(s *mem.Store, ctx context.Context, puts []secret.Putting) ([]secret.Version, error)
	rename   func(s *mem.Store, ctx context.Context, from, to secret.Name) (secret.Meta, error)
}

func (b brokenMany) PutBatch(ctx context.Context, puts []secret.Putting) ([]secret.Version, error) {
	if b.putBatch != nil {
		return b.putBatch(b.Store, ctx, puts)
	}
	return b.Store.PutBatch(ctx, puts)
}

func (b brokenMany) Rename(ctx context.Context, from, to secret.Name) (secret.Meta, error) {
	if b.rename != nil {
		return b.rename(b.Store, ctx, from, to)
	}
	return b.Store.Rename(ctx, from, to)
}

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

// TestSuiteFindsBrokenBatchesAndRenames breaks one promise at a time.
func TestSuiteFindsBrokenBatchesAndRenames(t *testing.T) {
	half := func(s *mem.Store, ctx context.Context, puts []secret.Putting) ([]secret.Version, error) {
		return oneByOne(ctx, s, puts)
	}
	for _, v := range []struct {
		name  string
		b     brokenMany
		finds string
	}{
		{"batch stops half way", brokenMany{putBatch: half}, "batch put writes all or nothing"},
		{"batch takes a name twice", brokenMany{putBatch: half}, "batch put refuses a name twice, none and too many"},
		{"batch does not compare", brokenMany{putBatch: func(s *mem.Store, ctx context.Context, puts []secret.Putting) ([]secret.Version, error) {
			puts = slices.Clone(puts)
			for i := range puts {
				puts[i].Old = nil
			}
			return s.PutBatch(ctx, puts)
		}}, "batch put compares and swaps each"},
		{"batch answers out of order", brokenMany{putBatch: func(s *mem.Store, ctx context.Context, puts []secret.Putting) ([]secret.Version, error) {
			vs, err := s.PutBatch(ctx, puts)
			slices.Reverse(vs)
			return vs, err
		}}, "batch put writes all, in order"},
		{"batch ignores ids", brokenMany{putBatch: func(s *mem.Store, ctx context.Context, puts []secret.Putting) ([]secret.Version, error) {
			puts = slices.Clone(puts)
			for i := range puts {
				if o := puts[i].Options; o != nil {
					c := *o
					c.ID, puts[i].Options = "", &c
				}
			}
			return s.PutBatch(ctx, puts)
		}}, "batch put keeps ids and is idempotent"},
		{"rename copies the current version", brokenMany{rename: func(s *mem.Store, ctx context.Context, from, to secret.Name) (secret.Meta, error) {
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
		{"rename overwrites", brokenMany{rename: func(s *mem.Store, ctx context.Context, from, to secret.Name) (secret.Meta, error) {
			if from != to && from != "none" && from != "gone" {
				_ = s.Destroy(ctx, to)
			}
			return s.Rename(ctx, from, to)
		}}, "rename refuses what is missing, deleted or in the way"},
		{"rename is an alias", brokenMany{rename: func(s *mem.Store, ctx context.Context, from, to secret.Name) (secret.Meta, error) {
			m, err := s.Rename(ctx, from, to)
			if err == nil {
				v, _ := s.Get(ctx, to, secret.At{})
				_, err = s.Put(ctx, from, v.Value, nil)
			}
			return m, err
		}}, "renamed secret leaves its name free"},
	} {
		t.Run(v.name, func(t *testing.T) {
			cfg := config()
			cfg.New = func(_ backendtest.TB, now func() time.Time) secret.Backend {
				b := v.b
				b.Store = mem.New(now)
				return b
			}
			if failed := backendtest.Failures(t, cfg); !slices.Contains(failed, v.finds) {
				t.Errorf("%q does not fail; what fails: %q", v.finds, failed)
			}
		})
	}
}
