package mem_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

func moreVariants() []variant {
	return slices.Concat(readVariants(), listVariants(), writeVariants(), optionalVariants())
}

func optionalVariants() []variant {
	return []variant{
		{"maps that are given are kept", keeping(), "what is given is not kept"},
		{"maps that are given to annotate are kept", keepingChanges(), "each promise: what is given is not kept"},
		{"maps that were given out are changed", broken{annotate: func(s *mem.Store, ctx context.Context, n secret.Name, c secret.Change) (secret.Meta, error) {
			if m, err := s.Describe(ctx, n); err == nil && len(m.Tags) > 0 {
				maps.Copy(m.Tags, c.Tags.Set)
			}
			return s.Annotate(ctx, n, c)
		}}, "what was given out is not changed"},
		{"annotating a version clears what is not said", broken{annotateV: func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At, c secret.AttributeChange) (secret.Version, error) {
			if c.Expires == nil {
				c.Expires = &time.Time{}
			}
			return s.AnnotateVersion(ctx, n, at, c)
		}}, "attributes: nil keeps, zero clears"},
		{"annotating a version replaces its tags", broken{annotateV: func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At, c secret.AttributeChange) (secret.Version, error) {
			c.Tags.Clear = true
			return s.AnnotateVersion(ctx, n, at, c)
		}}, "tags of a version: clear, then remove, then set"},
		{"missing versions are an error", broken{remove: func(s *mem.Store, ctx context.Context, n secret.Name, at ...secret.At) error {
			for _, a := range at {
				if _, err := s.Get(ctx, n, a); errors.Is(err, secret.NoVersion) {
					return err
				}
			}
			return s.DeleteVersions(ctx, n, at...)
		}}, "missing versions are ignored"},
		{"deleting again moves the time", broken{remove: func(s *mem.Store, ctx context.Context, n secret.Name, at ...secret.At) error {
			_ = s.UndeleteVersions(ctx, n, at...)
			return s.DeleteVersions(ctx, n, at...)
		}}, "removing versions again changes nothing"},
		{"undelete brings back what was destroyed", broken{undeleteV: func(s *mem.Store, ctx context.Context, n secret.Name, at ...secret.At) error {
			if _, err := s.Get(ctx, n, at[0]); errors.Is(err, secret.Destroyed) {
				return secret.Errorf(secret.Conflict, n, "destroyed")
			}
			return s.UndeleteVersions(ctx, n, at...)
		}}, "destroyed version is gone and told"},
		{"destroyed versions are deleted", broken{destroyV: func(s *mem.Store, ctx context.Context, n secret.Name, at ...secret.At) error {
			return s.DeleteVersions(ctx, n, at...)
		}}, "destroyed version is gone and told"},
		{"moving current takes all stages along", broken{move: func(s *mem.Store, ctx context.Context, n secret.Name, st secret.Stage, from, to secret.VersionID) (secret.Meta, error) {
			m, err := s.MoveStage(ctx, n, st, from, to)
			if err == nil && st == secret.Current {
				_, err = s.MoveStage(ctx, n, "green", from, to)
			}
			return m, err
		}}, "move stage keeps other stages"},
		{"the store's time to delete goes first", broken{limit: func(s *mem.Store, ctx context.Context, n secret.Name, l secret.Limits) error {
			if l.DeleteAfter > 0 && n != "" {
				if all, err := s.Limits(ctx); err == nil && all.DeleteAfter > 0 {
					l.DeleteAfter = all.DeleteAfter
				}
			}
			return s.Limit(ctx, n, l)
		}}, "own time to delete goes before the store's"},
		{"negative limits are none", broken{limit: func(s *mem.Store, ctx context.Context, n secret.Name, l secret.Limits) error {
			l.MaxVersions, l.DeleteAfter = max(l.MaxVersions, 0), max(l.DeleteAfter, 0)
			return s.Limit(ctx, n, l)
		}}, "negative limits are invalid"},
		{"the store's limits are not kept", broken{limit: func(s *mem.Store, ctx context.Context, n secret.Name, l secret.Limits) error {
			if n == "" {
				return nil
			}
			return s.Limit(ctx, n, l)
		}}, "limits of the store join those of a secret"},
		{"backup is not sealed", broken{backup: func(s *mem.Store, ctx context.Context, n secret.Name) ([]byte, error) {
			b, err := s.Backup(ctx, n)
			if v, failed := s.Get(ctx, n, secret.At{Stage: secret.Previous}); err == nil && failed == nil {
				b = append(b, v.Value.Reveal()...)
			}
			return b, err
		}}, "backup is sealed and keeps what is said"},
		{"restore forgets what was said", broken{restore: func(s *mem.Store, ctx context.Context, n secret.Name, blob []byte) (secret.Meta, error) {
			m, err := s.Restore(ctx, n, blob)
			if err == nil {
				m, err = s.Annotate(ctx, n, secret.Change{Tags: secret.TagChange{Clear: true}})
			}
			return m, err
		}}, "backup is sealed and keeps what is said"},
		{"restore makes something of damaged blobs", broken{restore: func(s *mem.Store, ctx context.Context, n secret.Name, blob []byte) (secret.Meta, error) {
			m, err := s.Restore(ctx, n, blob)
			if secret.KindOf(err) == secret.Invalid {
				return s.Create(ctx, n, secret.Annotations{})
			}
			return m, err
		}}, "foreign and damaged backups are invalid"},
	}
}

// keeping answers with the very annotations that a put was given.
func keeping() broken {
	var kept sync.Map
	return broken{
		put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			if o != nil && o.Annotations != nil {
				kept.Store(s, o.Annotations)
			}
			return s.Put(ctx, n, v, o)
		},
		describe: func(s *mem.Store, ctx context.Context, n secret.Name) (secret.Meta, error) {
			m, err := s.Describe(ctx, n)
			if a, ok := kept.Load(s); ok {
				m.Annotations = *a.(*secret.Annotations)
			}
			return m, err
		},
	}
}

// keepingChanges answers with the very tags that a change was given.
func keepingChanges() broken {
	var kept sync.Map
	return broken{
		annotate: func(s *mem.Store, ctx context.Context, n secret.Name, c secret.Change) (secret.Meta, error) {
			kept.Store(n, c.Tags.Set)
			return s.Annotate(ctx, n, c)
		},
		describe: func(s *mem.Store, ctx context.Context, n secret.Name) (secret.Meta, error) {
			m, err := s.Describe(ctx, n)
			if tags, ok := kept.Load(n); ok && n == "annotated" {
				m.Tags = tags.(map[string]string)
			}
			return m, err
		},
	}
}
