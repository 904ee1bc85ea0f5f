package mem_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

func writeVariants() []variant {
	return []variant{
		{"put refuses names below a secret", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			if folder, _, ok := strings.Cut(string(n), "/"); ok {
				if _, err := s.Describe(ctx, secret.Name(folder)); err == nil {
					return secret.Version{}, secret.Errorf(secret.Conflict, n, "a secret has the name of the folder")
				}
			}
			return s.Put(ctx, n, v, o)
		}}, "a and a/b are two secrets"},
		{"put refuses empty values", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			if v.Len() == 0 {
				return secret.Version{}, secret.Errorf(secret.Invalid, n, "empty")
			}
			return s.Put(ctx, n, v, o)
		}}, "empty value is a value"},
		{"put tells the value back", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			out, err := s.Put(ctx, n, v, o)
			out.Value = v
			return out, err
		}}, "only get tells values"},
		{"put tells another uid", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			out, err := s.Put(ctx, n, v, o)
			if out.Secret != nil {
				m := *out.Secret
				m.UID = ""
				out.Secret = &m
			}
			return out, err
		}}, "uid is in every answer or in none"},
		{"put counts from the start each time", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			out, err := s.Put(ctx, n, v, o)
			out.Number = 1
			return out, err
		}}, "numbers grow and ids differ"},
		{"put takes any id", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			if o != nil && o.ID != "" && o.ID.Check() != nil {
				c := *o
				c.ID, o = "", &c
			}
			return s.Put(ctx, n, v, o)
		}}, "a chosen id has 32 to 64 visible characters"},
		{"put clears annotations", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			c := secret.PutOptions{}
			if o != nil {
				c = *o
			}
			if c.Annotations == nil {
				c.Annotations = &secret.Annotations{}
			}
			return s.Put(ctx, n, v, &c)
		}}, "annotations outlive versions"},
		{"put inherits attributes", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			c := secret.PutOptions{}
			if o != nil {
				c = *o
			}
			if old, err := s.Get(ctx, n, secret.At{}); err == nil && c.Attributes == nil {
				c.Attributes = &old.Attributes
			}
			return s.Put(ctx, n, v, &c)
		}}, "attributes belong to one version"},
		{"put takes pending away", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			out, err := s.Put(ctx, n, v, o)
			if p, failed := s.Get(ctx, n, secret.At{Stage: secret.Pending}); failed == nil && p.ID != out.ID {
				_, _ = s.MoveStage(ctx, n, secret.Pending, p.ID, "")
			}
			return out, err
		}}, "put leaves the stages of third versions alone"},
		{"put lets the old version keep its stages", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			old, failed := s.Get(ctx, n, secret.At{})
			out, err := s.Put(ctx, n, v, o)
			if err == nil && failed == nil && old.ID != out.ID {
				for _, st := range old.Stages {
					if st != secret.Current && (o == nil || !slices.Contains(o.Stages, st)) {
						_, _ = s.MoveStage(ctx, n, st, "", old.ID)
					}
				}
			}
			return out, err
		}}, "put leaves the stages of third versions alone"},
		{"put mixes up values of writers", broken{put: mixing()}, "calls at once are safe"},
		{"swap undeletes", broken{swap: func(s *mem.Store, ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			_, _ = s.Undelete(ctx, n)
			return s.Swap(ctx, n, old, v, o)
		}}, "swap over a deleted secret is a conflict"},
		{"swap wants a version that is served", broken{swap: func(s *mem.Store, ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			if _, err := s.Get(ctx, n, secret.At{}); errors.Is(err, secret.Deleted) || errors.Is(err, secret.Destroyed) {
				return secret.Version{}, secret.Errorf(secret.Conflict, n, "it is not served")
			}
			return s.Swap(ctx, n, old, v, o)
		}}, "swap replaces a deleted or destroyed version"},
		{"swap does not tell the version in the way", broken{swap: func(s *mem.Store, ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			out, err := s.Swap(ctx, n, old, v, o)
			if e, ok := errors.AsType[*secret.Error](err); ok {
				c := *e
				c.Version, err = "", &c
			}
			return out, err
		}}, "conflict names the version in the way"},
		{"swap drops options", broken{swap: func(s *mem.Store, ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			return s.Swap(ctx, n, old, v, nil)
		}}, "swap keeps the options of put"},
		{"swap with the zero at wants no secret", broken{swap: func(s *mem.Store, ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			if _, err := s.Describe(ctx, n); err == nil && old == (secret.At{}) {
				return secret.Version{}, secret.Errorf(secret.Conflict, n, "it exists")
			}
			return s.Swap(ctx, n, old, v, o)
		}}, "swap with the zero at takes a secret without a version"},
		{"swap looks at the condition first", broken{swap: func(s *mem.Store, ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			if c, err := s.Get(ctx, n, secret.At{}); err == nil && old.Number != 0 && c.Number != old.Number {
				return secret.Version{}, &secret.Error{Kind: secret.Conflict, Name: n, Version: c.ID}
			}
			return s.Swap(ctx, n, old, v, o)
		}}, "a chosen id is kept and idempotent"},
		{"swap passes by the limits", broken{swap: func(s *mem.Store, ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			m, _ := s.Describe(ctx, n)
			_ = s.Limit(ctx, n, secret.Limits{})
			out, err := s.Swap(ctx, n, old, v, o)
			_ = s.Limit(ctx, n, m.Limits)
			return out, err
		}}, "limits hold for whoever writes"},
		{"delete leaves a moment", broken{delete: func(s *mem.Store, ctx context.Context, n secret.Name, o *secret.DeleteOptions) (secret.Meta, error) {
			if o == nil {
				o = &secret.DeleteOptions{Window: time.Second}
			}
			return s.Delete(ctx, n, o)
		}}, "a window is chosen by the store where none is asked for"},
		{"create forgets annotations", broken{create: func(s *mem.Store, ctx context.Context, n secret.Name, _ secret.Annotations) (secret.Meta, error) {
			return s.Create(ctx, n, secret.Annotations{})
		}}, "created secret is listed and keeps what it was made with"},
	}
}

// mixing writes values of whoever came last, once several write at once: the
// first of each pair waits for the second.
func mixing() func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	var mu sync.Mutex
	var last secret.Value
	meet := make(chan struct{})
	return func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
		if !strings.HasPrefix(string(n), "own/") {
			return s.Put(ctx, n, v, o)
		}
		mu.Lock()
		last = v
		mu.Unlock()
		select {
		case meet <- struct{}{}:
		case <-meet:
		case <-time.After(20 * time.Millisecond): // nobody else writes
		}
		mu.Lock()
		v = last
		mu.Unlock()
		return s.Put(ctx, n, v, o)
	}
}
