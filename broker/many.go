package broker

import (
	"context"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/secret"
)

// A Putting is one write of [Broker.PutAll].
type Putting struct {
	Ref     secret.Ref // a whole secret, without a version
	Value   secret.Value
	Old     *secret.At // as in Swap: the version that must be current; nil: any
	Options *secret.PutOptions
}

// PutAll writes many secrets of one environment in one step: all or nothing.
// All are decided before the first is written; one denial refuses them all.
// Errors: Invalid if they are of several environments, a secret stands twice
// or there are more than [secret.MaxBatch]; Unsupported where the store is no
// [secret.Batcher].
func (b *Broker) PutAll(ctx context.Context, c secret.Caller, puts []Putting) ([]secret.Version, error) {
	if len(puts) == 0 || len(puts) > secret.MaxBatch {
		return nil, secret.Errorf(secret.Invalid, "", "1 to %d secrets are written at once, not %d", secret.MaxBatch, len(puts))
	}
	refs := make([]secret.Ref, len(puts))
	for i, p := range puts {
		refs[i] = p.Ref
	}
	t, err := b.together(ctx, c, secret.Put, refs)
	if err != nil {
		return nil, err
	}
	if err := t[0].sweep(); err != nil {
		return nil, err
	}
	return manyDo(t, func(i int, vs []secret.Version) secret.Version { return vs[i] }, func(ctx context.Context, back secret.Backend) ([]secret.Version, error) {
		x, err := can[secret.Batcher](back, "", "does not write many secrets in one step")
		if err != nil {
			return nil, err
		}
		batch := make([]secret.Putting, len(puts))
		for i, p := range puts {
			if err := refuse(back, t[i].name, p.Options); err != nil {
				return nil, err
			}
			batch[i] = secret.Putting{Name: t[i].full, Value: p.Value, Old: p.Old, Options: p.Options}
		}
		return x.PutBatch(ctx, batch)
	})
}

// Rename gives a secret another name in its environment, with all versions.
// Who may do that could read it under the new name, so it takes get and delete
// of the old name and put of the new one; the log shows the last two.
// Unsupported where the store is no [secret.Renamer].
func (b *Broker) Rename(ctx context.Context, c secret.Caller, from, to secret.Ref) (secret.Meta, error) {
	for _, r := range []secret.Ref{from, to} {
		if err := plain(r); err != nil {
			return secret.Meta{}, err
		}
	}
	if from.Env != to.Env {
		return secret.Meta{}, secret.Errorf(secret.Invalid, from.Name, "a secret is renamed within its environment\n  tacit copy %s %s, then tacit delete %s", from, to, from)
	}
	t, err := b.renaming(ctx, c, from, to)
	if err != nil {
		return secret.Meta{}, err
	}
	m, err := manyDo(t, func(_ int, m secret.Meta) secret.Version { return currentOf(m) }, func(ctx context.Context, back secret.Backend) (secret.Meta, error) {
		x, err := can[secret.Renamer](back, from.Name, "gives no secret another name")
		if err != nil {
			return secret.Meta{}, err
		}
		m, err := x.Rename(ctx, t[0].full, t[1].full)
		return t[1].named(m), err
	})
	return m, err
}

// renaming decides the three rights that a rename takes.
func (b *Broker) renaming(ctx context.Context, c secret.Caller, from, to secret.Ref) (many, error) {
	c.For = "rename " + from.String() + " to " + to.String()
	if _, err := b.prepare(ctx, c, secret.Get, from); err != nil {
		return nil, err
	}
	away, err := b.prepareWrite(ctx, c, secret.Delete, from)
	if err != nil {
		return nil, err
	}
	here, err := b.prepare(ctx, c, secret.Put, to)
	return many{away, here}, err
}

// many are calls that change one environment in one step.
type many []*call

// together decides the same verb for many names. One denial refuses all; all
// denials are recorded.
func (b *Broker) together(ctx context.Context, c secret.Caller, verb secret.Verb, refs []secret.Ref) (many, error) {
	t := make(many, len(refs))
	var first error
	var denials []audit.Record
	for i, r := range refs {
		err := plain(r)
		if err == nil && r.Env != refs[0].Env {
			err = secret.Errorf(secret.Invalid, r.Name, "one step changes one environment, not %s and %s", refs[0].Env, r.Env)
		}
		if err != nil {
			return nil, err
		}
		q, err := b.ask(ctx, c, verb, r)
		if err != nil && q == nil {
			return nil, err
		}
		if err != nil {
			denials = append(denials, b.quiet.admit(q.start, q.record(err))...)
			if first == nil {
				first = err
			}
		}
		t[i] = q
	}
	if err := b.append(ctx, denials...); err != nil {
		return nil, err
	}
	return t, first
}

// manyDo is do for calls that are one step: all begin on record before it, and
// all end on record before its answer.
func manyDo[T any](t many, version func(i int, out T) secret.Version, f func(ctx context.Context, b secret.Backend) (T, error)) (T, error) {
	var zero T
	if err := t.begin(); err != nil {
		return zero, err
	}
	out, err := zero, t.changing()
	if err == nil {
		one := *t[0]
		one.name = "" // an error is about whichever the store names
		out, err = within(&one, f)
	}
	if err != nil {
		out = zero
	}
	left := t.changed()
	ended := make([]audit.Record, len(t))
	for i, q := range t {
		v := secret.Version{}
		if err == nil {
			v = version(i, out)
		}
		ended[i] = q.recordOf(v, err)
	}
	if failed := t[0].b.append(context.WithoutCancel(t[0].ctx), ended...); failed != nil {
		return zero, unrecorded(failed, "the change may have been made, but its end could not be recorded")
	}
	if err == nil && left != nil {
		return zero, left
	}
	return out, err
}

func (t many) begin() error {
	for len(t) > 0 {
		n := min(len(t), audit.MaxGroup)
		records := make([]audit.Record, n)
		for i, q := range t[:n] {
			records[i] = q.beginning()
		}
		first, err := t[0].b.log.Append(t[0].ctx, records...)
		if err != nil {
			return unrecorded(err, "")
		}
		for i, q := range t[:n] {
			number := first + uint64(i)
			q.begun = &number
		}
		t = t[n:]
	}
	return nil
}
