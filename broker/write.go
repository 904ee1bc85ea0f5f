package broker

import (
	"context"
	"errors"
	"slices"

	"github.com/tacit-secrets/tacit/secret"
)

// Put makes a new version current, creating the secret if need be.
func (b *Broker) Put(ctx context.Context, c secret.Caller, r secret.Ref, value secret.Value, opts *secret.PutOptions) (secret.Version, error) {
	if err := plain(r); err != nil {
		return secret.Version{}, err
	}
	q, err := b.prepareWrite(ctx, c, secret.Put, r)
	if err != nil {
		return secret.Version{}, err
	}
	return do(q, itself, func(ctx context.Context, back secret.Backend) (secret.Version, error) {
		if err := refuse(back, q.name, opts); err != nil {
			return secret.Version{}, err
		}
		return back.Put(ctx, q.full, value, opts)
	})
}

// Swap is Put if r.At is the current version; the zero At demands that there
// is none. Otherwise Conflict.
func (b *Broker) Swap(ctx context.Context, c secret.Caller, r secret.Ref, value secret.Value, opts *secret.PutOptions) (secret.Version, error) {
	if err := whole(r); err != nil {
		return secret.Version{}, err
	}
	q, err := b.prepareWrite(ctx, c, secret.Put, r)
	if err != nil {
		return secret.Version{}, err
	}
	return do(q, itself, func(ctx context.Context, back secret.Backend) (secret.Version, error) {
		return q.swap(ctx, back, swapping{r.At, value, opts})
	})
}

type swapping struct {
	old   secret.At
	value secret.Value
	opts  *secret.PutOptions
}

// swap compares and swaps by the backend's own means, or under a lock where
// nothing else writes to the store.
func (q *call) swap(ctx context.Context, back secret.Backend, s swapping) (secret.Version, error) {
	if err := refuse(back, q.name, s.opts); err != nil {
		return secret.Version{}, err
	}
	if sw, ok := back.(secret.Swapper); ok {
		return sw.Swap(ctx, q.full, s.old, s.value, s.opts)
	}
	if !q.env.Exclusive {
		return secret.Version{}, secret.Errorf(secret.Unsupported, q.name, "this store cannot compare and swap")
	}
	return q.swapHere(ctx, back, s)
}

// swapHere compares and swaps where the store cannot. within holds the name's
// lock.
func (q *call) swapHere(ctx context.Context, back secret.Backend, s swapping) (secret.Version, error) {
	if s.opts != nil && s.opts.ID != "" { // one that is there is looked at before the condition
		v, err := back.Get(ctx, q.full, secret.At{ID: s.opts.ID})
		if err == nil || v.ID == s.opts.ID {
			return back.Put(ctx, q.full, s.value, s.opts)
		}
		if !errors.Is(err, secret.NotFound) {
			return secret.Version{}, err
		}
	}
	m, err := back.Describe(ctx, q.full)
	if err != nil && !errors.Is(err, secret.NotFound) {
		return secret.Version{}, err
	}
	if !m.Deleted.IsZero() {
		return secret.Version{}, &secret.Error{Kind: secret.Conflict, State: secret.Deleted, Name: q.name, Text: "it is deleted\n  undelete it first, or destroy it"}
	}
	current, ok := m.Current()
	if ok != (s.old != secret.At{}) || ok && !fits(current, s.old) {
		return secret.Version{}, &secret.Error{Kind: secret.Conflict, Name: q.name, Version: current.ID, Text: "another version is current"}
	}
	return back.Put(ctx, q.full, s.value, s.opts)
}

// selecting selects a version that is current. Where a store has no versions
// it can only be called that.
func selecting(v secret.Version) secret.At {
	if v.ID == "" && v.Number == 0 {
		return secret.At{Stage: secret.Current}
	}
	return v.At()
}

func fits(v secret.Version, at secret.At) bool {
	return (at.ID == "" || at.ID == v.ID) && (at.Number == 0 || at.Number == v.Number) &&
		(at.Stage == "" || slices.Contains(v.Stages, at.Stage))
}

// refuse answers for options of promises that a backend does not make, before
// anything changes.
func refuse(back secret.Backend, n secret.Name, o *secret.PutOptions) error {
	if o == nil {
		return nil
	}
	var err error
	if o.ID != "" {
		_, err = can[secret.Versioner](back, n, "lets no one choose a version's id")
	}
	if o.Stages != nil && err == nil {
		_, err = can[secret.Stager](back, n, "has no stages to move")
	}
	if o.Annotations != nil && err == nil {
		_, err = can[secret.Annotator](back, n, "keeps no tags and descriptions")
	}
	if o.Attributes != nil && err == nil {
		_, err = can[secret.VersionAnnotator](back, n, "keeps no attributes of versions")
	}
	return err
}

// mergeTries bounds how often Merge begins anew because others wrote.
const mergeTries = 100

// Merge replaces one field, r.Field, of a value that is a JSON object, by
// compare-and-swap: siblings are kept byte for byte, and a secret that is not
// there is made. r.At, if set, must be the current version. A value that is no
// object is Invalid. The verb is put: the old value does not leave the Broker.
func (b *Broker) Merge(ctx context.Context, c secret.Caller, r secret.Ref, value secret.Value, opts *secret.PutOptions) (secret.Version, error) {
	q, err := b.prepareWrite(ctx, c, secret.Put, r)
	if err != nil {
		return secret.Version{}, err
	}
	return do(q, itself, func(ctx context.Context, back secret.Backend) (secret.Version, error) {
		for try := 1; ; try++ {
			v, err := q.merge(ctx, back, r, swapping{value: value, opts: opts})
			if !errors.Is(err, secret.Conflict) || errors.Is(err, secret.Deleted) || r.At != (secret.At{}) || try == mergeTries {
				return v, err
			}
		}
	})
}

func (q *call) merge(ctx context.Context, back secret.Backend, r secret.Ref, s swapping) (secret.Version, error) {
	old, err := back.Get(ctx, q.full, secret.At{})
	switch {
	case errors.Is(err, secret.Deleted):
		return secret.Version{}, &secret.Error{Kind: secret.Conflict, State: secret.Deleted, Name: q.name, Text: "it is deleted"}
	case errors.Is(err, secret.NotFound):
		old.Value = secret.Text("{}")
		s.old.ID = old.ID // a current version whose value was destroyed
	case err != nil:
		return secret.Version{}, err
	default:
		s.old = selecting(old)
	}
	if r.At != (secret.At{}) && (s.old == (secret.At{}) || !fits(old, r.At)) {
		return secret.Version{}, &secret.Error{Kind: secret.Conflict, Name: q.name, Version: old.ID, Text: "another version is current"}
	}
	s.value, err = setField(old.Value, r, s.value)
	if err != nil {
		return secret.Version{}, err
	}
	return q.swap(ctx, back, s)
}

// Rollback writes the value of the version r.At as a new version, by
// compare-and-swap. The verb is put. Of the version's attributes it keeps what
// is about the value: the content type and the tags.
func (b *Broker) Rollback(ctx context.Context, c secret.Caller, r secret.Ref) (secret.Version, error) {
	if err := whole(r); err != nil {
		return secret.Version{}, err
	}
	if r.At == (secret.At{}) {
		return secret.Version{}, secret.Errorf(secret.Invalid, r.Name, "which version is to be written again?")
	}
	q, err := b.prepareWrite(ctx, c, secret.Put, r)
	if err != nil {
		return secret.Version{}, err
	}
	return do(q, itself, func(ctx context.Context, back secret.Backend) (secret.Version, error) {
		m, err := back.Describe(ctx, q.full)
		if err != nil {
			return secret.Version{}, err
		}
		old, err := back.Get(ctx, q.full, r.At)
		if err != nil {
			return secret.Version{}, err
		}
		s := swapping{value: old.Value}
		if current, ok := m.Current(); ok {
			s.old = selecting(current)
		}
		if _, ok := back.(secret.VersionAnnotator); ok && (old.ContentType != "" || len(old.Tags) > 0) {
			s.opts = &secret.PutOptions{Attributes: &secret.Attributes{ContentType: old.ContentType, Tags: old.Tags}}
		}
		return q.swap(ctx, back, s)
	})
}

// whole refuses a reference to a field where a whole value is meant: else a
// put to one field would replace the others.
func whole(r secret.Ref) error {
	if r.Field != "" {
		return secret.Errorf(secret.Invalid, r.Name, "this is done to a whole secret, not to a field")
	}
	return nil
}

// plain refuses a reference to a field or a version where a secret is meant.
func plain(r secret.Ref) error {
	if r.At != (secret.At{}) {
		return secret.Errorf(secret.Invalid, r.Name, "this is done to a whole secret, not to a version")
	}
	return whole(r)
}
