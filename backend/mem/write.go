package mem

import (
	"context"
	"maps"
	"slices"

	"github.com/tacit-secrets/tacit/internal/head"
	"github.com/tacit-secrets/tacit/secret"
)

// Put makes a new version current.
func (s *Store) Put(ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	return s.put(ctx, n, v, head.Putting{Opts: o})
}

// Swap is Put if old is the current version.
func (s *Store) Swap(ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	return s.put(ctx, n, v, head.Putting{Opts: o, Old: &old})
}

func (s *Store) put(ctx context.Context, n secret.Name, v secret.Value, p head.Putting) (secret.Version, error) {
	if err := ready(ctx, n); err != nil {
		return secret.Version{}, err
	}
	if err := checkValue(n, v); err != nil {
		return secret.Version{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	version, e, err := s.putting(n, v, p)
	if err == nil && e != nil {
		s.keep(n, e)
	}
	return version, err
}

// Fits is the error of a put that is refused whatever the store holds.
func (s *Store) Fits(n secret.Name, v secret.Value, o *secret.PutOptions) error {
	if err := n.Check(); err != nil {
		return err
	}
	if !v.IsZero() {
		if err := checkValue(n, v); err != nil {
			return err
		}
	}
	return head.CheckOptions(n, o)
}

// MaxValueBytes is the size of the largest value.
func (*Store) MaxValueBytes() int { return MaxValueBytes }

func checkValue(n secret.Name, v secret.Value) error {
	switch {
	case v.IsZero():
		return secret.Errorf(secret.Invalid, n, "there is no value to put")
	case v.Len() > MaxValueBytes:
		return secret.Errorf(secret.Invalid, n, "a value has at most %d bytes, this one has %d", MaxValueBytes, v.Len())
	default:
		return nil
	}
}

// putting returns what a put makes of an entry; nil if it stays as it is.
func (s *Store) putting(n secret.Name, v secret.Value, p head.Putting) (secret.Version, *entry, error) {
	var old entry
	if e := s.find(n); e != nil {
		old = *e
	}
	p.Store = s.limits
	p.Same = func(id secret.VersionID) (bool, error) { return old.values[id].Equal(v), nil }
	r, err := head.Put(old.head, s.now(), n, p)
	if err != nil || r.Kept {
		return r.Version, nil, err
	}
	values := maps.Clone(old.values)
	if values == nil {
		values = map[secret.VersionID]secret.Value{}
	}
	values[r.Version.ID] = v
	for _, id := range r.Dropped {
		delete(values, id)
	}
	return r.Version, &entry{r.Head, values}, nil
}

// keep stores an entry under a name and tells the watchers.
func (s *Store) keep(n secret.Name, e *entry) {
	if i, ok := slices.BinarySearch(s.names, n); !ok {
		s.names = slices.Insert(s.names, i, n)
	}
	s.entries[n] = e
	s.watch.tell(n)
}

// change replaces the head of a secret, and forgets the values of gone.
func (s *Store) change(ctx context.Context, n secret.Name, f func(h *head.Head) (*head.Head, []secret.VersionID, error)) (secret.Meta, error) {
	if err := ready(ctx, n); err != nil {
		return secret.Meta{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(n)
	if e == nil {
		return secret.Meta{}, head.NotFound(n)
	}
	h, gone, err := f(e.head)
	if err != nil {
		return secret.Meta{}, err
	}
	values := e.values
	if len(gone) > 0 {
		values = maps.Clone(values)
		for _, id := range gone {
			delete(values, id)
		}
	}
	s.keep(n, &entry{h, values})
	return h.Describe(n), nil
}

// changeHead is change for what keeps all values.
func (s *Store) changeHead(ctx context.Context, n secret.Name, f func(h *head.Head) (*head.Head, error)) (secret.Meta, error) {
	return s.change(ctx, n, func(h *head.Head) (*head.Head, []secret.VersionID, error) {
		out, err := f(h)
		return out, nil, err
	})
}

// Create makes a secret that has no version yet.
func (s *Store) Create(ctx context.Context, n secret.Name, a secret.Annotations) (secret.Meta, error) {
	if err := ready(ctx, n); err != nil {
		return secret.Meta{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(n); e != nil {
		return secret.Meta{}, exists(n, e.head)
	}
	h, err := head.Create(s.now(), n, a)
	if err != nil {
		return secret.Meta{}, err
	}
	s.keep(n, &entry{head: h})
	return h.Describe(n), nil
}

func exists(n secret.Name, h *head.Head) error {
	err := &secret.Error{Kind: secret.Conflict, Name: n, Text: "it exists already"}
	if h.IsDeleted() {
		err.State, err.Text = secret.Deleted, "it is deleted\n  undelete it first, or destroy it"
	}
	return err
}

// Delete makes all versions unreadable for a while.
func (s *Store) Delete(ctx context.Context, n secret.Name, o *secret.DeleteOptions) (secret.Meta, error) {
	if o == nil {
		o = &secret.DeleteOptions{}
	}
	return s.changeHead(ctx, n, func(h *head.Head) (*head.Head, error) { return h.Delete(s.now(), n, o.Window) })
}

// Undelete brings a deleted secret back.
func (s *Store) Undelete(ctx context.Context, n secret.Name) (secret.Meta, error) {
	return s.changeHead(ctx, n, func(h *head.Head) (*head.Head, error) { return h.Undelete(s.now(), n) })
}

// Destroy removes a secret with all versions.
func (s *Store) Destroy(ctx context.Context, n secret.Name) error {
	if err := ready(ctx, n); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[n] == nil {
		return head.NotFound(n)
	}
	s.forget(n)
	return nil
}

// forget removes an entry and tells the watchers.
func (s *Store) forget(n secret.Name) {
	delete(s.entries, n)
	if i, ok := slices.BinarySearch(s.names, n); ok {
		s.names = slices.Delete(s.names, i, i+1)
	}
	s.watch.tell(n)
}

// Purge removes a secret that Expired names. Of one that it does not name,
// perhaps since the name has a new secret, nothing is removed: NotFound.
func (s *Store) Purge(ctx context.Context, n secret.Name) error {
	if err := ready(ctx, n); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[n]; e == nil || !e.head.Gone(s.now()) {
		return secret.Errorf(secret.NotFound, n, "it is not to be purged")
	}
	s.forget(n)
	return nil
}

// Expired names the deleted secrets whose time to come back is over. They can
// no longer be seen; Purge removes them.
func (s *Store) Expired(ctx context.Context) ([]secret.Name, error) {
	if err := interrupted(ctx, ""); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []secret.Name
	for n, e := range s.entries {
		if e.head.Gone(s.now()) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// DeleteVersions makes single versions unreadable.
func (s *Store) DeleteVersions(ctx context.Context, n secret.Name, at ...secret.At) error {
	return s.remove(ctx, n, head.DeleteVersions, at)
}

// UndeleteVersions brings single versions back.
func (s *Store) UndeleteVersions(ctx context.Context, n secret.Name, at ...secret.At) error {
	return s.remove(ctx, n, head.UndeleteVersions, at)
}

// DestroyVersions removes the values of single versions.
func (s *Store) DestroyVersions(ctx context.Context, n secret.Name, at ...secret.At) error {
	return s.remove(ctx, n, head.DestroyVersions, at)
}

func (s *Store) remove(ctx context.Context, n secret.Name, how head.Removal, at []secret.At) error {
	_, err := s.change(ctx, n, func(h *head.Head) (*head.Head, []secret.VersionID, error) {
		return h.Remove(s.now(), n, how, s.limits, at...)
	})
	return err
}

// MoveStage moves a stage by compare-and-swap.
func (s *Store) MoveStage(ctx context.Context, n secret.Name, st secret.Stage, from, to secret.VersionID) (secret.Meta, error) {
	return s.changeHead(ctx, n, func(h *head.Head) (*head.Head, error) { return h.MoveStage(s.now(), n, st, from, to) })
}

// Annotate changes description and tags.
func (s *Store) Annotate(ctx context.Context, n secret.Name, c secret.Change) (secret.Meta, error) {
	return s.changeHead(ctx, n, func(h *head.Head) (*head.Head, error) { return h.Annotate(s.now(), n, c) })
}

// AnnotateVersion changes the attributes of one version.
func (s *Store) AnnotateVersion(ctx context.Context, n secret.Name, at secret.At, c secret.AttributeChange) (secret.Version, error) {
	var told secret.Version
	_, err := s.changeHead(ctx, n, func(h *head.Head) (out *head.Head, err error) {
		out, told, err = h.AnnotateVersion(s.now(), n, at, c)
		return out, err
	})
	return told, err
}

// Limit sets the limits of a secret; with the empty name, of the store.
func (s *Store) Limit(ctx context.Context, n secret.Name, l secret.Limits) error {
	if n != "" {
		_, err := s.changeHead(ctx, n, func(h *head.Head) (*head.Head, error) { return h.Limit(s.now(), n, l) })
		return err
	}
	if err := interrupted(ctx, ""); err != nil {
		return err
	}
	if l.MaxVersions < 0 || l.DeleteAfter < 0 {
		return secret.Errorf(secret.Invalid, "", "a limit is not negative")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = l
	return nil
}

// Limits returns the limits of the store.
func (s *Store) Limits(ctx context.Context) (secret.Limits, error) {
	if err := interrupted(ctx, ""); err != nil {
		return secret.Limits{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.limits, nil
}
