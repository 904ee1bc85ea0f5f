package mem_test

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

// Backends keep different promises. The suite must be fair to each: so mem is
// narrowed to the shapes that other stores have, and each shape passes.

// A shape is what a store keeps; what it does not keep it refuses.
type shape struct {
	s                                         *mem.Store
	versions, stages, annotations, attributes bool
	undelete                                  bool
	byTime                                    bool // numbers are creation times in milliseconds
	nameless                                  bool // it tells no uid
	endless                                   bool // it tells no end of what is deleted
	noEmpty                                   bool
	most                                      int                    // bytes of a value; 0: as mem
	refuses                                   func(secret.Name) bool // nil: no name
}

// check refuses what the store cannot hold.
func (p shape) check(n secret.Name) error {
	if p.refuses != nil && n.Check() == nil && p.refuses(n) {
		return secret.Errorf(secret.Invalid, n, "this store keeps no such name")
	}
	return nil
}

func (p shape) checkValue(n secret.Name, v secret.Value) error {
	if p.noEmpty && !v.IsZero() && v.Len() == 0 || p.most > 0 && v.Len() > p.most {
		return secret.Errorf(secret.Invalid, n, "this store keeps no value of %d bytes", v.Len())
	}
	return p.check(n)
}

func (p shape) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	if err := p.check(n); err != nil {
		return secret.Version{}, err
	}
	v, err := p.s.Get(ctx, n, p.in(ctx, n, at))
	return p.out(v), err
}

func (p shape) Describe(ctx context.Context, n secret.Name) (secret.Meta, error) {
	if err := p.check(n); err != nil {
		return secret.Meta{}, err
	}
	m, err := p.s.Describe(ctx, n)
	return p.meta(m), err
}

func (p shape) Put(ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	if err := p.refuse(n, v, o); err != nil {
		return secret.Version{}, err
	}
	out, err := p.s.Put(ctx, n, v, o)
	return p.out(out), err
}

func (p shape) Delete(ctx context.Context, n secret.Name, o *secret.DeleteOptions) (secret.Meta, error) {
	if err := p.check(n); err != nil {
		return secret.Meta{}, err
	}
	m, err := p.s.Delete(ctx, n, o)
	if err == nil && !p.undelete {
		err = p.s.Destroy(ctx, n)
	}
	return p.meta(m), err
}

func (p shape) List(ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	return func(yield func(secret.Meta, error) bool) {
		if o != nil && o.Deleted != secret.NotDeleted && !p.undelete {
			yield(secret.Meta{}, secret.Errorf(secret.Unsupported, "", "nothing comes back here"))
			return
		}
		for m, err := range p.s.List(ctx, o) {
			if !yield(p.meta(m), err) {
				return
			}
		}
	}
}

func (p shape) refuse(n secret.Name, v secret.Value, o *secret.PutOptions) error {
	if err := p.checkValue(n, v); err != nil {
		return err
	}
	if o == nil || (p.versions || o.ID == "") && (p.stages || o.Stages == nil) && (p.annotations || o.Annotations == nil) && (p.attributes || o.Attributes == nil) {
		return nil
	}
	return secret.Errorf(secret.Unsupported, n, "this store does not keep that")
}

// in translates a number that was given out.
func (p shape) in(ctx context.Context, n secret.Name, at secret.At) secret.At {
	if !p.byTime || at.Number == 0 {
		return at
	}
	given := at.Number
	at.Number = 1 << 62
	for v, err := range p.s.Versions(ctx, n) {
		if err == nil && uint64(v.Created.UnixMilli()) == given {
			at.Number = v.Number
		}
	}
	return at
}

func (p shape) out(v secret.Version) secret.Version {
	switch {
	case !p.versions:
		v.ID, v.Number = "", 0
	case p.byTime && v.Number != 0:
		v.Number = uint64(v.Created.UnixMilli())
	}
	if p.nameless && v.Secret != nil {
		m := *v.Secret
		m.UID = ""
		v.Secret = &m
	}
	return v
}

func (p shape) meta(m secret.Meta) secret.Meta {
	m.Versions = slices.Clone(m.Versions)
	if p.nameless {
		m.UID = ""
	}
	if p.endless {
		m.Purge = time.Time{}
	}
	for i, v := range m.Versions {
		m.Versions[i] = p.out(v)
	}
	if !p.versions {
		m.Versions = slices.DeleteFunc(m.Versions, func(v secret.Version) bool { return !slices.Contains(v.Stages, secret.Current) })
	}
	return m
}
