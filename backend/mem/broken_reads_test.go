package mem_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

// canary is part of every value that backendtest puts.
const canary = "canary-7f3a"

func readVariants() []variant {
	return []variant{
		{"get forgets when a version was made", broken{get: func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
			v, err := s.Get(ctx, n, at)
			v.Created = time.Time{}
			return v, err
		}}, "get what was put"},
		{"get knows no stage current", broken{get: func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
			if at.Stage == secret.Current {
				return secret.Version{}, secret.Errorf(secret.NotFound, n, "no such stage")
			}
			return s.Get(ctx, n, at)
		}}, "current is a stage of every store"},
		{"get gates by validity", broken{get: func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
			v, err := s.Get(ctx, n, at)
			if err == nil && !v.Expires.IsZero() {
				return secret.Version{}, secret.Errorf(secret.Denied, n, "expired")
			}
			return v, err
		}}, "validity informs and never gates"},
		{"get gives errors two kinds", broken{get: func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
			v, err := s.Get(ctx, n, at)
			if err != nil {
				err = errors.Join(err, secret.Corrupt)
			}
			return v, err
		}}, "missing secret is not found"},
		{"get tells a value in the cause of an error", broken{get: func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
			v, err := s.Get(ctx, n, at)
			if e, ok := errors.AsType[*secret.Error](err); ok && e.State == secret.Disabled {
				m, _ := s.Get(ctx, n, secret.At{Stage: secret.Previous})
				c := *e
				c.Err = errors.New("cannot serve " + string(m.Value.Reveal()) + canary)
				return v, &c
			}
			return v, err
		}}, "disabled version is denied, and told"},
		{"get does not tell the state", broken{get: func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
			v, err := s.Get(ctx, n, at)
			if errors.Is(err, secret.NoVersion) {
				err = secret.Errorf(secret.NotFound, n, "no such version")
			}
			return v, err
		}}, "missing version is told apart"},
		{"describe names no secret in errors", broken{describe: func(s *mem.Store, ctx context.Context, n secret.Name) (secret.Meta, error) {
			m, err := s.Describe(ctx, n)
			if err != nil {
				err = secret.Errorf(secret.KindOf(err), "", "it failed")
			}
			return m, err
		}}, "each promise: missing secret is not found, and named"},
		{"describe says that it is complete", broken{describe: func(s *mem.Store, ctx context.Context, n secret.Name) (secret.Meta, error) {
			m, err := s.Describe(ctx, n)
			m.Complete = true
			return m, err
		}}, "describe tells versions newest first, all if complete"},
		{"describe tells versions oldest first", broken{describe: func(s *mem.Store, ctx context.Context, n secret.Name) (secret.Meta, error) {
			m, err := s.Describe(ctx, n)
			m.Versions = slices.Clone(m.Versions)
			slices.Reverse(m.Versions)
			return m, err
		}}, "describe tells versions newest first, all if complete"},
		{"describe tells one uid for all", broken{describe: func(s *mem.Store, ctx context.Context, n secret.Name) (secret.Meta, error) {
			m, err := s.Describe(ctx, n)
			m.UID = "the only one"
			return m, err
		}}, "restored secret shares nothing with a renamed one"},
		{"batch answers at most a hundred", broken{batch: func(s *mem.Store, ctx context.Context, names []secret.Name) []secret.Result {
			return s.GetBatch(ctx, names[:min(len(names), 100)])
		}}, "batch of none and of many"},
		{"versions of a missing secret are none", broken{versions: func(s *mem.Store, ctx context.Context, n secret.Name) iter.Seq2[secret.Version, error] {
			return func(yield func(secret.Version, error) bool) {
				for v, err := range s.Versions(ctx, n) {
					if secret.KindOf(err) == secret.NotFound || !yield(v, err) {
						return
					}
				}
			}
		}}, "versions of a missing secret are not found"},
		{"versions hide destroyed ones", broken{versions: func(s *mem.Store, ctx context.Context, n secret.Name) iter.Seq2[secret.Version, error] {
			return func(yield func(secret.Version, error) bool) {
				for v, err := range s.Versions(ctx, n) {
					if !v.Destroyed && !yield(v, err) {
						return
					}
				}
			}
		}}, "destroyed version keeps what is said about it"},
		{"limits ignore a done context", broken{limits: func(s *mem.Store, ctx context.Context) (secret.Limits, error) {
			return s.Limits(context.WithoutCancel(ctx))
		}}, "each promise: done context is unavailable"},
	}
}
