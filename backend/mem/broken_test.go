package mem_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

// A broken store is mem with one promise broken. Fields that are nil keep it.
type broken struct {
	*mem.Store
	get      func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At) (secret.Version, error)
	put      func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error)
	swap     func(s *mem.Store, ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error)
	delete   func(s *mem.Store, ctx context.Context, n secret.Name, o *secret.DeleteOptions) (secret.Meta, error)
	describe func(s *mem.Store, ctx context.Context, n secret.Name) (secret.Meta, error)
	list     func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error]
	undelete func(s *mem.Store, ctx context.Context, n secret.Name) (secret.Meta, error)
	move     func(s *mem.Store, ctx context.Context, n secret.Name, st secret.Stage, from, to secret.VersionID) (secret.Meta, error)
	annotate func(s *mem.Store, ctx context.Context, n secret.Name, c secret.Change) (secret.Meta, error)
	restore  func(s *mem.Store, ctx context.Context, n secret.Name, blob []byte) (secret.Meta, error)
	batch    func(s *mem.Store, ctx context.Context, names []secret.Name) []secret.Result
	versions func(s *mem.Store, ctx context.Context, n secret.Name) iter.Seq2[secret.Version, error]
	watch    func(s *mem.Store, ctx context.Context, prefix string) iter.Seq2[secret.Name, error]
	destroy  func(s *mem.Store, ctx context.Context, n secret.Name) error
	limit    func(s *mem.Store, ctx context.Context, n secret.Name, l secret.Limits) error
	remove   func(s *mem.Store, ctx context.Context, n secret.Name, at ...secret.At) error
}

func (b broken) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	if b.get != nil {
		return b.get(b.Store, ctx, n, at)
	}
	return b.Store.Get(ctx, n, at)
}

func (b broken) Put(ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	if b.put != nil {
		return b.put(b.Store, ctx, n, v, o)
	}
	return b.Store.Put(ctx, n, v, o)
}

func (b broken) Swap(ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	if b.swap != nil {
		return b.swap(b.Store, ctx, n, old, v, o)
	}
	return b.Store.Swap(ctx, n, old, v, o)
}

func (b broken) Delete(ctx context.Context, n secret.Name, o *secret.DeleteOptions) (secret.Meta, error) {
	if b.delete != nil {
		return b.delete(b.Store, ctx, n, o)
	}
	return b.Store.Delete(ctx, n, o)
}

func (b broken) Describe(ctx context.Context, n secret.Name) (secret.Meta, error) {
	if b.describe != nil {
		return b.describe(b.Store, ctx, n)
	}
	return b.Store.Describe(ctx, n)
}

func (b broken) List(ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	if b.list != nil {
		return b.list(b.Store, ctx, o)
	}
	return b.Store.List(ctx, o)
}

func (b broken) Undelete(ctx context.Context, n secret.Name) (secret.Meta, error) {
	if b.undelete != nil {
		return b.undelete(b.Store, ctx, n)
	}
	return b.Store.Undelete(ctx, n)
}

func (b broken) MoveStage(ctx context.Context, n secret.Name, st secret.Stage, from, to secret.VersionID) (secret.Meta, error) {
	if b.move != nil {
		return b.move(b.Store, ctx, n, st, from, to)
	}
	return b.Store.MoveStage(ctx, n, st, from, to)
}

func (b broken) Annotate(ctx context.Context, n secret.Name, c secret.Change) (secret.Meta, error) {
	if b.annotate != nil {
		return b.annotate(b.Store, ctx, n, c)
	}
	return b.Store.Annotate(ctx, n, c)
}

func (b broken) Restore(ctx context.Context, n secret.Name, blob []byte) (secret.Meta, error) {
	if b.restore != nil {
		return b.restore(b.Store, ctx, n, blob)
	}
	return b.Store.Restore(ctx, n, blob)
}

func (b broken) GetBatch(ctx context.Context, names []secret.Name) []secret.Result {
	if b.batch != nil {
		return b.batch(b.Store, ctx, names)
	}
	return b.Store.GetBatch(ctx, names)
}

func (b broken) Versions(ctx context.Context, n secret.Name) iter.Seq2[secret.Version, error] {
	if b.versions != nil {
		return b.versions(b.Store, ctx, n)
	}
	return b.Store.Versions(ctx, n)
}

func (b broken) Watch(ctx context.Context, prefix string) iter.Seq2[secret.Name, error] {
	if b.watch != nil {
		return b.watch(b.Store, ctx, prefix)
	}
	return b.Store.Watch(ctx, prefix)
}

func (b broken) Destroy(ctx context.Context, n secret.Name) error {
	if b.destroy != nil {
		return b.destroy(b.Store, ctx, n)
	}
	return b.Store.Destroy(ctx, n)
}

func (b broken) Limit(ctx context.Context, n secret.Name, l secret.Limits) error {
	if b.limit != nil {
		return b.limit(b.Store, ctx, n, l)
	}
	return b.Store.Limit(ctx, n, l)
}

func (b broken) DeleteVersions(ctx context.Context, n secret.Name, at ...secret.At) error {
	if b.remove != nil {
		return b.remove(b.Store, ctx, n, at...)
	}
	return b.Store.DeleteVersions(ctx, n, at...)
}

// noCreator loses a capability, as a changed signature would.
type noCreator struct{ secret.Backend }

func variants() []struct {
	name  string
	b     broken
	finds string // a case that must fail
} {
	type variant = struct {
		name  string
		b     broken
		finds string
	}
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
			time.Sleep(100 * time.Microsecond) // where another writer comes in between
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

func text() secret.Value { return secret.Text("x") }

// TestSuiteFindsBrokenStores breaks one promise at a time: each must make the
// suite fail, and at the case that asks for it.
func TestSuiteFindsBrokenStores(t *testing.T) {
	for _, v := range variants() {
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
	t.Run("a capability is lost", func(t *testing.T) {
		cfg := config()
		cfg.New = func(_ backendtest.TB, now func() time.Time) secret.Backend { return noCreator{mem.New(now)} }
		if failed := backendtest.Failures(t, cfg); !slices.Contains(failed, "capabilities are those promised") {
			t.Errorf("what fails: %q", failed)
		}
	})
	if failed := backendtest.Failures(t, config()); len(failed) > 0 {
		t.Errorf("the whole store fails %q", failed)
	}
}
