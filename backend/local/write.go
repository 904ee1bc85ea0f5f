package local

import (
	"context"
	"errors"
	"time"

	"github.com/tacit-secrets/tacit/internal/head"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// A work is one change of one secret under way in a transaction.
type work struct {
	s      *Store
	tx     *state.Tx
	name   secret.Name
	now    time.Time
	quiet  bool // nothing was changed
	forget bool // values were destroyed: they are to leave the file too
}

// update runs f in a transaction and tells the watchers.
func (s *Store) update(ctx context.Context, name secret.Name, f func(*work) error) error {
	return s.updateAll(ctx, []secret.Name{name}, func(all []*work) error { return f(all[0]) })
}

// updateAll is update for changes of several secrets: all or nothing.
func (s *Store) updateAll(ctx context.Context, names []secret.Name, f func([]*work) error) error {
	for _, n := range names {
		if err := n.Check(); err != nil {
			return err
		}
	}
	var changed []secret.Name
	err := s.db.Update(ctx, func(tx *state.Tx) error {
		all := make([]*work, len(names))
		now := s.now().UTC().Round(0)
		for i, n := range names {
			all[i] = &work{s: s, tx: tx, name: n, now: now}
		}
		if err := f(all); err != nil {
			return err
		}
		for _, w := range all {
			if w.forget {
				tx.Scrub()
			}
			if !w.quiet {
				changed = append(changed, w.name)
			}
		}
		if len(changed) > 0 {
			s.hub.begin(tx.Generation() + 1)
		}
		return nil
	})
	if len(changed) > 0 {
		s.hub.end(changed, err)
	}
	return err
}

// change replaces the head of a secret that exists by what f makes of it.
func (s *Store) change(ctx context.Context, name secret.Name, f func(*work, *head.Head) (*head.Head, error)) (secret.Meta, error) {
	var out secret.Meta
	err := s.update(ctx, name, func(w *work) error {
		h, err := s.head(w.tx, name)
		if err != nil {
			return err
		}
		if h, err = f(w, h); err != nil {
			return err
		}
		out = h.Describe(name)
		return w.put(h)
	})
	return out, err
}

// put writes a head.
func (w *work) put(h *head.Head) error {
	b, err := h.Marshal()
	if err != nil {
		return about(w.name, err)
	}
	return w.tx.Put(rowOf(w.name), b)
}

// absent demands that there is no secret of the name; one that is to be purged
// is removed.
func (w *work) absent() error {
	h, err := w.free()
	switch {
	case err != nil || h == nil:
		return err
	case h.IsDeleted():
		return &secret.Error{Kind: secret.Conflict, State: secret.Deleted, Name: w.name, Text: "it exists, deleted\n  undelete it, or destroy it first"}
	default:
		return secret.Errorf(secret.Conflict, w.name, "it exists")
	}
}

// free returns the head there is, nil if none; one that is to be purged is
// removed.
func (w *work) free() (*head.Head, error) {
	h, err := w.s.stored(w.tx, w.name)
	switch {
	case errors.Is(err, secret.NotFound):
		return nil, nil // no secret is an answer here
	case err != nil:
		return nil, err
	case h.Gone(w.now):
		return nil, w.destroy(h)
	default:
		return h, nil
	}
}

// destroy removes a secret with all values.
func (w *work) destroy(h *head.Head) error {
	for i := range h.Versions {
		if err := w.drop(h, &h.Versions[i]); err != nil {
			return err
		}
	}
	w.forget = true
	return w.tx.Delete(rowOf(w.name))
}

// drop removes a version's value.
func (w *work) drop(h *head.Head, v *secret.Version) error {
	if v.Destroyed {
		return nil
	}
	return w.tx.DeleteValue(h.UID, valueID(v))
}

// dropAll removes the values of versions that h still has.
func (w *work) dropAll(h *head.Head, ids []secret.VersionID) error {
	for _, id := range ids {
		if i := h.Index(secret.At{ID: id}); i >= 0 {
			if err := w.drop(h, &h.Versions[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Put writes a new version.
func (s *Store) Put(ctx context.Context, name secret.Name, value secret.Value, opts *secret.PutOptions) (secret.Version, error) {
	return s.write(ctx, name, value, head.Putting{Opts: opts})
}

// Swap writes a new version if old is current.
func (s *Store) Swap(ctx context.Context, name secret.Name, old secret.At, value secret.Value, opts *secret.PutOptions) (secret.Version, error) {
	return s.write(ctx, name, value, head.Putting{Opts: opts, Old: &old})
}

func (s *Store) write(ctx context.Context, name secret.Name, val secret.Value, p head.Putting) (secret.Version, error) {
	if err := checkValue(name, val); err != nil {
		return secret.Version{}, err
	}
	packed := packValue(val)
	var out secret.Version
	err := s.update(ctx, name, func(w *work) (err error) {
		out, err = w.write(val, packed, p)
		return err
	})
	return out, err
}

// Fits is the error of a put that is refused whatever the store holds.
func (s *Store) Fits(name secret.Name, val secret.Value, opts *secret.PutOptions) error {
	if err := name.Check(); err != nil {
		return err
	}
	if !val.IsZero() {
		if err := checkValue(name, val); err != nil {
			return err
		}
	}
	return head.CheckOptions(name, opts)
}

// MaxValueBytes is the size of the largest value.
func (*Store) MaxValueBytes() int { return MaxValueBytes }

func checkValue(name secret.Name, val secret.Value) error {
	if err := name.Check(); err != nil { // before an error names it
		return err
	}
	switch {
	case val.IsZero():
		return secret.Errorf(secret.Invalid, name, "there is no value to put")
	case val.Len() > MaxValueBytes:
		return secret.Errorf(secret.Invalid, name, "the value has %d bytes; the embedded store takes at most %d", val.Len(), MaxValueBytes)
	default:
		return nil
	}
}

// write makes a new version; packed is val, ready to be stored.
func (w *work) write(val secret.Value, packed []byte, p head.Putting) (secret.Version, error) {
	old, err := w.free()
	if err != nil {
		return secret.Version{}, err
	}
	if p.Store, err = effective(w.tx, old); err != nil {
		return secret.Version{}, err
	}
	p.Same = func(id secret.VersionID) (bool, error) { return w.same(old, id, val) }
	r, err := head.Put(old, w.now, w.name, p)
	if err != nil {
		return secret.Version{}, err
	}
	if r.Kept {
		w.quiet = true
		return r.Version, nil
	}
	return r.Version, w.putVersion(old, &r, packed)
}

// same reports whether a version of h has this value.
func (w *work) same(h *head.Head, id secret.VersionID, val secret.Value) (bool, error) {
	i := h.Index(secret.At{ID: id})
	if i < 0 || h.Versions[i].Destroyed {
		return false, nil
	}
	has, err := value(w.tx, h, w.name, &h.Versions[i])
	return err == nil && has.Equal(val), err
}

// putVersion writes what a put changes.
func (w *work) putVersion(old *head.Head, r *head.PutResult, packed []byte) error {
	if err := w.tx.PutValue(r.Head.UID, valueID(&r.Version), packed); err != nil {
		return about(w.name, err)
	}
	if old != nil {
		if err := w.dropAll(old, r.Dropped); err != nil {
			return err
		}
	}
	return w.put(r.Head)
}

// Create makes a secret without a version.
func (s *Store) Create(ctx context.Context, name secret.Name, a secret.Annotations) (secret.Meta, error) {
	var out secret.Meta
	err := s.update(ctx, name, func(w *work) error {
		if err := w.absent(); err != nil {
			return err
		}
		h, err := head.Create(w.now, name, a)
		if err != nil {
			return err
		}
		out = h.Describe(name)
		return w.put(h)
	})
	return out, err
}

// Delete makes a secret unreadable; its values stay until it is purged.
func (s *Store) Delete(ctx context.Context, name secret.Name, opts *secret.DeleteOptions) (secret.Meta, error) {
	var window time.Duration
	if opts != nil {
		window = opts.Window
	}
	return s.change(ctx, name, func(w *work, h *head.Head) (*head.Head, error) {
		h, err := h.Delete(w.now, name, window)
		if err != nil {
			return nil, err
		}
		return h, remind(w.tx, h.Purge)
	})
}

// Undelete brings a deleted secret back, until its window is over.
func (s *Store) Undelete(ctx context.Context, name secret.Name) (secret.Meta, error) {
	return s.change(ctx, name, func(w *work, h *head.Head) (*head.Head, error) { return h.Undelete(w.now, name) })
}

// Destroy removes a secret, its values and their keys, from the file too, and
// one that is to be purged as well.
func (s *Store) Destroy(ctx context.Context, name secret.Name) error {
	return s.update(ctx, name, func(w *work) error {
		h, err := s.stored(w.tx, name)
		if err != nil {
			return err
		}
		return w.destroy(h)
	})
}

// DeleteVersions makes versions unreadable until they are undeleted.
func (s *Store) DeleteVersions(ctx context.Context, name secret.Name, at ...secret.At) error {
	return s.remove(ctx, name, head.DeleteVersions, at)
}

// UndeleteVersions brings versions back that were not destroyed.
func (s *Store) UndeleteVersions(ctx context.Context, name secret.Name, at ...secret.At) error {
	return s.remove(ctx, name, head.UndeleteVersions, at)
}

// DestroyVersions removes the versions' values, from the file too.
func (s *Store) DestroyVersions(ctx context.Context, name secret.Name, at ...secret.At) error {
	return s.remove(ctx, name, head.DestroyVersions, at)
}

func (s *Store) remove(ctx context.Context, name secret.Name, how head.Removal, at []secret.At) error {
	_, err := s.change(ctx, name, func(w *work, old *head.Head) (*head.Head, error) {
		limits, err := effective(w.tx, old)
		if err != nil {
			return nil, err
		}
		h, gone, err := old.Remove(w.now, name, how, limits, at...)
		if err != nil {
			return nil, err
		}
		w.forget = len(gone) > 0
		return h, w.dropAll(old, gone)
	})
	return err
}

// MoveStage moves a stage, by compare-and-swap.
func (s *Store) MoveStage(ctx context.Context, name secret.Name, stage secret.Stage, from, to secret.VersionID) (secret.Meta, error) {
	return s.change(ctx, name, func(w *work, h *head.Head) (*head.Head, error) {
		return h.MoveStage(w.now, name, stage, from, to)
	})
}

// Annotate changes description and tags.
func (s *Store) Annotate(ctx context.Context, name secret.Name, c secret.Change) (secret.Meta, error) {
	return s.change(ctx, name, func(w *work, h *head.Head) (*head.Head, error) { return h.Annotate(w.now, name, c) })
}

// AnnotateVersion changes the attributes of one version.
func (s *Store) AnnotateVersion(ctx context.Context, name secret.Name, at secret.At, c secret.AttributeChange) (secret.Version, error) {
	var out secret.Version
	_, err := s.change(ctx, name, func(w *work, h *head.Head) (*head.Head, error) {
		h, v, err := h.AnnotateVersion(w.now, name, at, c)
		out = v
		return h, err
	})
	return out, err
}
