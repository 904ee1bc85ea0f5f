package awssm

import (
	"context"
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// Swap is Put if old is the current version. AWS has no such step; but moving
// the stage current names the version that it is taken from, and AWS refuses
// if it is not there any more. So the new version is written with a mark of
// tacit's own first, then made current, then the mark is removed. The version
// of a writer that lost keeps no stage, is never served by name, and is dropped
// by AWS in time.
func (b *Backend) Swap(ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	w, err := b.writing(ctx, n, v, o)
	if err != nil {
		return secret.Version{}, err
	}
	m, made, err := w.there(ctx, old)
	if err != nil || made {
		return w.written(ctx, err)
	}
	h, err := w.history(ctx, old, m)
	if err != nil {
		return secret.Version{}, err
	}
	if _, taken := h.find(w.opts.ID); taken {
		return w.written(ctx, w.put(ctx)) // AWS compares the values and changes nothing
	}
	if !m.Deleted.IsZero() {
		return secret.Version{}, inTheWay(n)
	}
	current, has := m.Current()
	if v, ok := h.find(current.ID); ok {
		current = v
	}
	if !fits(old, current, has) {
		return secret.Version{}, w.lost(current.ID)
	}
	if w.labels != nil && !slices.Contains(w.labels, labelCurrent) && has {
		return w.beside(ctx, h, current)
	}
	return w.swap(ctx, current, has)
}

// history lists the versions where they are needed: AWS tells numbers, and ids
// without a stage, apart. Those of a deleted secret it may refuse to list.
func (w *writing) history(ctx context.Context, old secret.At, m secret.Meta) (history, error) {
	if old.Number == 0 && w.opts.ID == "" && len(w.labels) == 0 {
		return history{}, nil
	}
	h, err := w.b.versions(ctx, w.s, w.n)
	if !m.Deleted.IsZero() {
		err = nil
	}
	return h, err
}

// there describes the secret that a version is to be replaced of. Where there
// is none it is made, if old demands that: true.
func (w *writing) there(ctx context.Context, old secret.At) (secret.Meta, bool, error) {
	m, err := w.b.look(ctx, w.s, w.n)
	if secret.KindOf(err) != secret.NotFound {
		return m, false, err
	}
	if made, err := w.first(ctx, old); made || err != nil {
		return m, made, err
	}
	m, err = w.b.look(ctx, w.s, w.n) // made by another one meanwhile
	return m, false, err
}

// first makes the secret, if old demands that there is none; false: another
// one made it meanwhile.
func (w *writing) first(ctx context.Context, old secret.At) (bool, error) {
	if old != (secret.At{}) {
		return false, secret.Errorf(secret.Conflict, w.n, "there is no such secret to replace a version of")
	}
	err := w.create(ctx)
	switch {
	case err == nil:
		return true, w.label(ctx, w.labels)
	case secret.KindOf(err) == secret.Conflict && secret.StateOf(err) == 0:
		return false, nil
	default:
		return false, err
	}
}

// fits reports whether the current version is the old one.
func fits(old secret.At, current secret.Version, has bool) bool {
	if !has {
		return old == secret.At{}
	}
	return old != (secret.At{}) && (old.ID == "" || old.ID == current.ID) && (old.Number == 0 || old.Number == current.Number) &&
		(old.Stage == "" || slices.Contains(current.Stages, old.Stage))
}

func (w *writing) lost(current secret.VersionID) error {
	return &secret.Error{Kind: secret.Conflict, Name: w.n, Version: current, Text: "another version is current"}
}

// swap replaces the current version.
func (w *writing) swap(ctx context.Context, current secret.Version, has bool) (secret.Version, error) {
	stages := w.labels
	w.labels = []string{labelSwap}
	if err := w.put(ctx); err != nil {
		return secret.Version{}, err
	}
	w.labels = stages
	err := w.promote(ctx, current.ID, has)
	if clean := w.unmark(ctx); err == nil {
		err = clean
	}
	if err != nil {
		return secret.Version{}, err
	}
	// As after a put, the one before keeps exactly the stage previous.
	for _, st := range current.Stages {
		label, _ := labelOf(st)
		if st == secret.Current || st == secret.Previous || slices.Contains(stages, label) {
			continue
		}
		if err := w.b.relabel(ctx, w.s, w.n, label, move{current.ID, ""}); err != nil && secret.KindOf(err) != secret.Conflict {
			return secret.Version{}, w.partly(err, "the removal of the stage "+string(st)+" from the version before")
		}
	}
	return w.finish(ctx, stages, w.opts.Annotations)
}

// promote makes the marked version current, if the current one still is. A
// first version is current by itself, if no other came first.
func (w *writing) promote(ctx context.Context, old secret.VersionID, has bool) error {
	mine := secret.VersionID(w.token)
	if has {
		err := w.b.relabel(ctx, w.s, w.n, labelCurrent, move{old, mine})
		if secret.KindOf(err) == secret.Conflict {
			if e, ok := err.(*secret.Error); ok { //nolint:errorlint // relabel makes it
				return w.lost(e.Version)
			}
		}
		return err
	}
	h, err := w.b.versions(ctx, w.s, w.n)
	if err != nil {
		return err
	}
	if v, ok := h.holder(secret.Current); ok && v.ID != mine {
		return w.lost(v.ID)
	}
	return nil
}

// unmark removes tacit's own mark, also when the caller has gone. Where
// another writer took it over, it is gone already.
func (w *writing) unmark(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := w.b.relabel(ctx, w.s, w.n, labelSwap, move{secret.VersionID(w.token), ""})
	if k := secret.KindOf(err); k == secret.Conflict || k == secret.NotFound {
		return nil
	}
	return err
}

// beside writes a version that does not become current, on condition of the
// one that is. AWS has no such step either: the condition is looked at again
// after the write, and if it no longer holds, the stages go back to where they
// were.
func (w *writing) beside(ctx context.Context, before history, current secret.Version) (secret.Version, error) {
	annotations := w.opts.Annotations
	w.opts.Annotations = nil
	if err := w.put(ctx); err != nil {
		return secret.Version{}, err
	}
	after, err := w.b.versions(ctx, w.s, w.n)
	if err != nil {
		return secret.Version{}, w.partly(err, "looked at again")
	}
	if now, ok := after.holder(secret.Current); !ok || now.ID != current.ID {
		for _, l := range w.labels {
			_ = w.b.relabel(ctx, w.s, w.n, l, move{secret.VersionID(w.token), before.labelled(l)}) // whoever moved it since has it
		}
		return secret.Version{}, w.lost(now.ID)
	}
	return w.finish(ctx, nil, annotations)
}
