// Package mem keeps secrets in memory: the reference implementation of
// [secret.Backend] with every optional promise, used in tests and wherever
// nothing is to be kept. What it holds is gone with the process, and lies in
// memory unencrypted.
package mem

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/internal/head"
	"github.com/tacit-secrets/tacit/secret"
)

// MaxValueBytes is the size of the largest value.
const MaxValueBytes = 1 << 20

// A Store is a backend in memory. The zero Store is not usable: see [New].
type Store struct {
	now     func() time.Time
	mu      sync.RWMutex
	entries map[secret.Name]*entry
	names   []secret.Name // sorted
	limits  secret.Limits
	watch   watchers
	archive archive
}

// entry is replaced as a whole, never changed.
type entry struct {
	head   *head.Head
	values map[secret.VersionID]secret.Value
}

var (
	_ secret.Backend          = (*Store)(nil)
	_ secret.Versioner        = (*Store)(nil)
	_ secret.Swapper          = (*Store)(nil)
	_ secret.Creator          = (*Store)(nil)
	_ secret.Undeleter        = (*Store)(nil)
	_ secret.VersionRemover   = (*Store)(nil)
	_ secret.Stager           = (*Store)(nil)
	_ secret.Annotator        = (*Store)(nil)
	_ secret.VersionAnnotator = (*Store)(nil)
	_ secret.Limiter          = (*Store)(nil)
	_ secret.Archiver         = (*Store)(nil)
	_ secret.BatchGetter      = (*Store)(nil)
	_ secret.Batcher          = (*Store)(nil)
	_ secret.Renamer          = (*Store)(nil)
	_ secret.Watcher          = (*Store)(nil)
	_ secret.Fitter           = (*Store)(nil)
)

// New returns an empty store that takes the time from now; nil is [time.Now].
func New(now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{now: now, entries: map[secret.Name]*entry{}, archive: newArchive()}
}

// ready refuses a call whose context is done or whose name is none.
func ready(ctx context.Context, n secret.Name) error {
	if err := n.Check(); err != nil {
		return err
	}
	return interrupted(ctx, n)
}

// interrupted is the error of a context that is done; nil if it is not.
func interrupted(ctx context.Context, n secret.Name) error {
	if err := ctx.Err(); err != nil {
		return &secret.Error{Kind: secret.Unavailable, Name: n, Text: "interrupted", Err: err}
	}
	return nil
}

// find returns the entry of a name; nil if there is none or its time is over.
func (s *Store) find(n secret.Name) *entry {
	e := s.entries[n]
	if e == nil || e.head.Gone(s.now()) {
		return nil
	}
	return e
}

// Get returns one version with its value.
func (s *Store) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	if err := ready(ctx, n); err != nil {
		return secret.Version{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.find(n)
	if e == nil {
		return secret.Version{}, head.NotFound(n)
	}
	v, err := e.head.Find(s.now(), n, at)
	if err == nil {
		v.Value = e.values[v.ID]
	}
	return v, err
}

// GetBatch returns the current versions of many secrets.
func (s *Store) GetBatch(ctx context.Context, names []secret.Name) []secret.Result {
	out := make([]secret.Result, len(names))
	for i, n := range names {
		out[i].Version, out[i].Err = s.Get(ctx, n, secret.At{})
	}
	return out
}

// Describe tells what is known about a secret, deleted or not.
func (s *Store) Describe(ctx context.Context, n secret.Name) (secret.Meta, error) {
	if err := ready(ctx, n); err != nil {
		return secret.Meta{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.find(n)
	if e == nil {
		return secret.Meta{}, head.NotFound(n)
	}
	return e.head.Describe(n), nil
}

// Versions yields all versions, newest first, as they were when it began.
func (s *Store) Versions(ctx context.Context, n secret.Name) iter.Seq2[secret.Version, error] {
	return func(yield func(secret.Version, error) bool) {
		if err := ready(ctx, n); err != nil {
			yield(secret.Version{}, err)
			return
		}
		s.mu.RLock()
		e := s.find(n)
		s.mu.RUnlock()
		if e == nil {
			yield(secret.Version{}, head.NotFound(n))
			return
		}
		about := e.head.Meta()
		for _, v := range slices.Backward(e.head.Versions) {
			if err := ready(ctx, n); err != nil {
				yield(secret.Version{}, err)
				return
			}
			if v.Secret = about; !yield(v, nil) {
				return
			}
		}
	}
}

// List yields secrets in the order of their names' bytes. It holds no lock
// while it yields, and sees changes that are made meanwhile.
func (s *Store) List(ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	if o == nil {
		o = &secret.ListOptions{}
	}
	return func(yield func(secret.Meta, error) bool) {
		for after := o.After; ; {
			if err := interrupted(ctx, ""); err != nil {
				yield(secret.Meta{}, err)
				return
			}
			m, ok := s.following(o, after)
			if !ok || !yield(m, nil) {
				return
			}
			after = m.Cursor
		}
	}
}

// following returns the first item behind a cursor.
func (s *Store) following(o *secret.ListOptions, after string) (secret.Meta, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, _ := slices.BinarySearch(s.names, secret.Name(o.Prefix))
	if after != "" {
		j, found := slices.BinarySearch(s.names, secret.Name(after))
		if found {
			j++
		}
		i = max(i, j)
	}
	for ; i < len(s.names) && strings.HasPrefix(string(s.names[i]), o.Prefix); i++ {
		n := s.names[i]
		e := s.find(n)
		if e == nil || !o.Deleted.Selects(e.head.IsDeleted()) {
			continue
		}
		if j := strings.IndexByte(string(n[len(o.Prefix):]), '/'); o.Shallow && j >= 0 {
			folder := n[:len(o.Prefix)+j+1]
			// No name goes on with this byte, so the cursor is behind all
			// that begin with the folder.
			return secret.Meta{Name: folder, Prefix: true, Cursor: string(folder) + "\xff"}, true
		}
		return e.head.Item(n), true
	}
	return secret.Meta{}, false
}
