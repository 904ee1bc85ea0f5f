package mem_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

func coreVariants() []variant {
	meet := make(chan struct{})
	return []variant{
		{"get forgets the version asked for", broken{get: func(s *mem.Store, ctx context.Context, n secret.Name, _ secret.At) (secret.Version, error) {
			return s.Get(ctx, n, secret.At{})
		}}, "old versions are read by id, number and stage"},
		{"get serves deleted secrets", broken{get: func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
			v, err := s.Get(ctx, n, at)
			if errors.Is(err, secret.Deleted) {
				v.Value = text()
				return v, nil
			}
			return v, err
		}}, "delete makes unreadable"},
		{"get tells the value with the error", broken{get: func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
			v, err := s.Get(ctx, n, at)
			if errors.Is(err, secret.Disabled) {
				v.Value = text()
			}
			return v, err
		}}, "disabled version is denied, and told"},
		{"get gives errors no kind", broken{get: func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
			v, err := s.Get(ctx, n, at)
			if err != nil {
				return v, errors.New("not there")
			}
			return v, nil
		}}, "missing secret is not found"},
		{"get ignores a done context", broken{get: func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
			return s.Get(context.WithoutCancel(ctx), n, at)
		}}, "done context is unavailable"},
		{"put tells values in errors", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			out, err := s.Put(ctx, n, v, o)
			if err != nil {
				return out, secret.Errorf(secret.KindOf(err), n, "cannot put %s", v.Reveal())
			}
			return out, nil
		}}, "bad names are invalid"},
		{"put trims values", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			if !v.IsBinary() && !v.IsZero() {
				v = secret.Text(strings.TrimSpace(string(v.Reveal())))
			}
			return s.Put(ctx, n, v, o)
		}}, "arbitrary bytes are kept"},
		{"put forgets that a value is binary", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			if !v.IsZero() {
				v = secret.Text(v.Reveal())
			}
			return s.Put(ctx, n, v, o)
		}}, "arbitrary bytes are kept"},
		{"put cuts long values", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			if b := v.Reveal(); len(b) > mem.MaxValueBytes {
				v = secret.Text(b[:mem.MaxValueBytes])
			}
			return s.Put(ctx, n, v, o)
		}}, "largest value fits, a larger one is invalid"},
		{"put undeletes by itself", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			_, _ = s.Undelete(ctx, n)
			return s.Put(ctx, n, v, o)
		}}, "put over a deleted secret is a conflict"},
		{"put ignores the id", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			if o != nil {
				c := *o
				c.ID, o = "", &c
			}
			return s.Put(ctx, n, v, o)
		}}, "a chosen id is kept and idempotent"},
		{"put ignores stages", broken{put: func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			if o != nil {
				c := *o
				c.Stages, o = nil, &c
			}
			return s.Put(ctx, n, v, o)
		}}, "stages move to the new version"},
		{"swap does not compare", broken{swap: func(s *mem.Store, ctx context.Context, n secret.Name, _ secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			return s.Put(ctx, n, v, o)
		}}, "refused swap changes nothing"},
		{"swap reads, then writes", broken{swap: func(s *mem.Store, ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
			m, err := s.Describe(ctx, n)
			if err == nil {
				if c, ok := m.Current(); ok && old.ID != "" && c.ID != old.ID || ok && old == (secret.At{}) {
					return secret.Version{}, secret.Errorf(secret.Conflict, n, "another version is current")
				}
			}
			select { // where another writer comes in between
			case meet <- struct{}{}:
			case <-meet:
			case <-time.After(20 * time.Millisecond): // nobody else writes
			}
			return s.Put(ctx, n, v, o)
		}}, "writers at once lose nothing"},
		{"delete is for ever", broken{delete: func(s *mem.Store, ctx context.Context, n secret.Name, _ *secret.DeleteOptions) (secret.Meta, error) {
			return secret.Meta{Name: n}, s.Destroy(ctx, n)
		}}, "undelete brings all versions back"},
		{"delete has no end", broken{describe: func(s *mem.Store, ctx context.Context, n secret.Name) (secret.Meta, error) {
			m, err := s.Describe(ctx, n)
			m.Purge = time.Time{}
			return m, err
		}}, "deleted secret is described with its end"},
		{"describe tells values", broken{describe: func(s *mem.Store, ctx context.Context, n secret.Name) (secret.Meta, error) {
			m, err := s.Describe(ctx, n)
			m.Versions = slices.Clone(m.Versions)
			for i := range m.Versions {
				m.Versions[i].Value = text()
			}
			return m, err
		}}, "describe tells no value"},
		{"list hides what it cannot describe", broken{list: func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
			return func(yield func(secret.Meta, error) bool) {
				for m, err := range s.List(ctx, o) {
					if !strings.Contains(string(m.Name), "%") && !yield(m, err) {
						return
					}
				}
			}
		}}, "odd names are kept"},
		{"list ignores the cursor", broken{list: func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
			if o != nil {
				c := *o
				c.After, o = "", &c
			}
			return s.List(ctx, o)
		}}, "paging over 300 names loses none"},
		{"list shows deleted secrets", broken{list: func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
			c := secret.ListOptions{}
			if o != nil {
				c = *o
			}
			c.Deleted = secret.AlsoDeleted
			return s.List(ctx, &c)
		}}, "list by deletion"},
		{"list does not fold folders", broken{list: func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
			if o != nil {
				c := *o
				c.Shallow, o = false, &c
			}
			return s.List(ctx, o)
		}}, "shallow list folds folders"},
		{"undelete of a live secret succeeds", broken{undelete: func(s *mem.Store, ctx context.Context, n secret.Name) (secret.Meta, error) {
			m, err := s.Undelete(ctx, n)
			if secret.KindOf(err) == secret.Conflict {
				return s.Describe(ctx, n)
			}
			return m, err
		}}, "undelete brings all versions back"},
		{"move stage does not compare", broken{move: func(s *mem.Store, ctx context.Context, n secret.Name, st secret.Stage, _, to secret.VersionID) (secret.Meta, error) {
			v, err := s.Get(ctx, n, secret.At{Stage: st})
			from := v.ID
			if err != nil {
				from = ""
			}
			return s.MoveStage(ctx, n, st, from, to)
		}}, "move stage compares and swaps"},
		{"annotate sets before it removes", broken{annotate: func(s *mem.Store, ctx context.Context, n secret.Name, c secret.Change) (secret.Meta, error) {
			if _, err := s.Annotate(ctx, n, secret.Change{Description: c.Description, Tags: secret.TagChange{Clear: c.Tags.Clear, Set: c.Tags.Set}}); err != nil {
				return secret.Meta{}, err
			}
			return s.Annotate(ctx, n, secret.Change{Tags: secret.TagChange{Remove: c.Tags.Remove}})
		}}, "tags: clear, then remove, then set"},
		{"restore overwrites", broken{restore: func(s *mem.Store, ctx context.Context, n secret.Name, blob []byte) (secret.Meta, error) {
			m, err := s.Restore(ctx, n, blob)
			if secret.KindOf(err) == secret.Conflict {
				_ = s.Destroy(ctx, n)
				return s.Restore(ctx, n, blob)
			}
			return m, err
		}}, "backup brings back all versions"},
		{"batch leaves out what is missing", broken{batch: func(s *mem.Store, ctx context.Context, names []secret.Name) []secret.Result {
			return slices.DeleteFunc(s.GetBatch(ctx, names), func(r secret.Result) bool { return r.Err != nil })
		}}, "batch answers in order, each for itself"},
		{"versions come oldest first", broken{versions: func(s *mem.Store, ctx context.Context, n secret.Name) iter.Seq2[secret.Version, error] {
			return func(yield func(secret.Version, error) bool) {
				var all []secret.Version
				for v, err := range s.Versions(ctx, n) {
					if err != nil {
						yield(v, err)
						return
					}
					all = append(all, v)
				}
				for _, v := range slices.Backward(all) {
					if !yield(v, nil) {
						return
					}
				}
			}
		}}, "versions come newest first, without values"},
		{"watch does not begin with the empty name", broken{watch: func(s *mem.Store, ctx context.Context, prefix string) iter.Seq2[secret.Name, error] {
			return func(yield func(secret.Name, error) bool) { yield(secret.Name(prefix+"x"), nil) }
		}}, "watch begins with the empty name and sees changes"},
		{"destroy is a delete", broken{destroy: func(s *mem.Store, ctx context.Context, n secret.Name) error {
			_, err := s.Delete(ctx, n, nil)
			return err
		}}, "destroy is for ever"},
		{"limits are not kept", broken{limit: func(*mem.Store, context.Context, secret.Name, secret.Limits) error { return nil }}, "oldest versions are dropped beyond the limit"},
		{"delete versions stops at the first", broken{remove: func(s *mem.Store, ctx context.Context, n secret.Name, at ...secret.At) error {
			return s.DeleteVersions(ctx, n, at[0])
		}}, "deleted version can come back"},
	}
}
