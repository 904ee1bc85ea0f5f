package mem_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

func listVariants() []variant {
	return []variant{
		{"list tells no cursor", broken{list: func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
			return func(yield func(secret.Meta, error) bool) {
				for m, err := range s.List(ctx, o) {
					if m.Cursor = ""; !yield(m, err) {
						return
					}
				}
			}
		}}, "list tells names, versions and no values"},
		{"list tells another number", broken{list: func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
			return func(yield func(secret.Meta, error) bool) {
				for m, err := range s.List(ctx, o) {
					m.Versions = slices.Clone(m.Versions)
					for i := range m.Versions {
						m.Versions[i].Number++
					}
					if !yield(m, err) {
						return
					}
				}
			}
		}}, "get, describe and list tell the same"},
		{"list takes a prefix for a folder", broken{list: func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
			return func(yield func(secret.Meta, error) bool) {
				if o != nil && o.Prefix != "" && !strings.HasSuffix(o.Prefix, "/") {
					c := *o
					c.Prefix, o = c.Prefix+"/", &c
				}
				for m, err := range s.List(ctx, o) {
					if !yield(m, err) {
						return
					}
				}
			}
		}}, "list by prefix is by bytes"},
		{"list comes in a new order each time", broken{list: alternating()}, "list order is the same each time"},
		{"list cannot be left", broken{list: func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
			return func(yield func(secret.Meta, error) bool) {
				for m, err := range s.List(ctx, o) {
					yield(m, err)
				}
			}
		}}, "list can be left early"},
		{"list of nothing tells of an example", broken{list: func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
			return func(yield func(secret.Meta, error) bool) {
				none := true
				for m, err := range s.List(ctx, o) {
					if none = false; !yield(m, err) {
						return
					}
				}
				if none {
					yield(secret.Meta{Name: "example", Cursor: "example"}, nil)
				}
			}
		}}, "an empty store lists nothing"},
		{"list loses its place with a secret", broken{list: func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
			return func(yield func(secret.Meta, error) bool) {
				if o != nil && o.After != "" {
					if _, err := s.Describe(ctx, secret.Name(o.After)); errors.Is(err, secret.NotFound) || err == nil && gone(ctx, s, o.After) {
						return
					}
				}
				for m, err := range s.List(ctx, o) {
					if !yield(m, err) {
						return
					}
				}
			}
		}}, "a cursor outlives its secret"},
		{"list of names alone skips folders", broken{list: func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
			return func(yield func(secret.Meta, error) bool) {
				for m, err := range s.List(ctx, o) {
					if o != nil && o.Names && strings.Contains(string(m.Name), "/") {
						continue
					}
					if !yield(m, err) {
						return
					}
				}
			}
		}}, "names alone list the same"},
		{"list ends in silence", broken{list: func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
			return func(yield func(secret.Meta, error) bool) {
				for m, err := range s.List(ctx, o) {
					if ctx.Err() != nil || !yield(m, err) {
						return
					}
				}
			}
		}}, "a context done midway ends a list"},
		{"list goes on after an error", broken{list: func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
			return func(yield func(secret.Meta, error) bool) {
				for m, err := range s.List(ctx, o) {
					if !yield(m, err) || err != nil && !yield(m, err) {
						return
					}
				}
			}
		}}, "done context is unavailable"},
		{"shallow list forgets deleted folders", broken{list: func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
			return func(yield func(secret.Meta, error) bool) {
				for m, err := range s.List(ctx, o) {
					if o != nil && o.Deleted == secret.OnlyDeleted && m.Prefix {
						continue
					}
					if !yield(m, err) {
						return
					}
				}
			}
		}}, "deleted secrets in folders are listed apart"},
		{"watch does not end", broken{watch: func(s *mem.Store, ctx context.Context, prefix string) iter.Seq2[secret.Name, error] {
			return func(yield func(secret.Name, error) bool) {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
				defer cancel()
				for n, err := range s.Watch(ctx, prefix) {
					if !yield(n, err) {
						return
					}
				}
			}
		}}, "watch ends with its context"},
		{"watch cannot be left", broken{watch: func(s *mem.Store, ctx context.Context, prefix string) iter.Seq2[secret.Name, error] {
			return func(yield func(secret.Name, error) bool) {
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				for n, err := range s.Watch(ctx, prefix) {
					yield(n, err)
					yield(n, err)
				}
			}
		}}, "watch can be left early"},
		{"watch tells of what is there", broken{watch: func(s *mem.Store, ctx context.Context, prefix string) iter.Seq2[secret.Name, error] {
			return func(yield func(secret.Name, error) bool) {
				for n, err := range s.Watch(ctx, prefix) {
					if m, failed := s.Describe(ctx, n); n != "" && (failed != nil || !m.Deleted.IsZero()) {
						continue
					}
					if !yield(n, err) {
						return
					}
				}
			}
		}}, "watch tells changes of every kind"},
	}
}

// gone reports whether a secret is deleted.
func gone(ctx context.Context, s *mem.Store, n string) bool {
	m, err := s.Describe(ctx, secret.Name(n))
	return err == nil && !m.Deleted.IsZero()
}

// alternating lists forwards and backwards in turns.
func alternating() func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	var turn atomic.Int64
	return func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
		return func(yield func(secret.Meta, error) bool) {
			var all []secret.Meta
			for m, err := range s.List(ctx, o) {
				if err != nil {
					yield(m, err)
					return
				}
				all = append(all, m)
			}
			if turn.Add(1)%2 == 0 {
				slices.Reverse(all)
			}
			for _, m := range all {
				if !yield(m, nil) {
					return
				}
			}
		}
	}
}
