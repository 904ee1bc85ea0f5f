package broker

import (
	"context"
	"errors"
	"sync"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/secret"
)

// unit is one version that many references may be about.
type unit struct {
	q   *call
	v   secret.Version
	err error
}

type unitKey struct {
	env  *env
	full secret.Name
	at   secret.At
}

// fan is one call about many references on its way.
type fan struct {
	units map[unitKey]*unit
	byEnv map[*env][]*unit
	slots chan struct{} // one for each request in flight
}

func (b *Broker) readAll(ctx context.Context, c secret.Caller, verb secret.Verb, refs []secret.Ref) []secret.Result {
	out := make([]secret.Result, len(refs))
	calls := make([]*call, len(refs))
	f := fan{map[unitKey]*unit{}, map[*env][]*unit{}, make(chan struct{}, InFlight)}
	var records []audit.Record
	for i, r := range refs {
		q, err := b.ask(ctx, c, verb, r)
		if out[i].Err = err; err == nil {
			calls[i] = q
			f.add(q)
		} else if q != nil {
			records = append(records, b.quiet.admit(q.start, q.record(err))...)
		}
	}
	f.fetch()
	for i, q := range calls {
		if q != nil {
			out[i] = f.answer(q, refs[i])
			records = append(records, q.recordOf(out[i].Version, out[i].Err))
		}
	}
	if err := b.append(context.WithoutCancel(ctx), records...); err != nil {
		for i := range out {
			out[i] = secret.Result{Err: err}
		}
	}
	return out
}

func (q *call) key() unitKey { return unitKey{q.env, q.full, q.at} }

func (f *fan) add(q *call) {
	if f.units[q.key()] == nil {
		u := &unit{q: q}
		f.units[q.key()] = u
		f.byEnv[q.env] = append(f.byEnv[q.env], u)
	}
}

// answer is what was fetched for one reference.
func (f *fan) answer(q *call, r secret.Ref) secret.Result {
	u := f.units[q.key()]
	if u.err != nil {
		v := u.v
		v.Value = secret.Value{}
		return secret.Result{Version: v, Err: u.err}
	}
	v, err := part(u.v, r)
	return secret.Result{Version: v, Err: q.env.outside(err, q.name)}
}

// fetch asks all environments at once.
func (f *fan) fetch() {
	var wg sync.WaitGroup
	for _, units := range f.byEnv {
		wg.Go(func() { f.one(units) })
	}
	wg.Wait()
}

// one asks one environment: in one request what its backend can answer so,
// then one request alone, so that a login is made once and a store that does
// not answer is not asked again and again; then the rest.
func (f *fan) one(units []*unit) {
	units = batch(units)
	if len(units) == 0 {
		return
	}
	first := units[0]
	f.get(first)
	down := errors.Is(first.err, secret.Unavailable) || errors.Is(first.err, secret.Unauthenticated)
	var wg sync.WaitGroup
	for _, u := range units[1:] {
		if down {
			u.err = u.q.same(first.err)
			continue
		}
		wg.Go(func() { f.get(u) })
	}
	wg.Wait()
}

// same is the error of a call that was not made because another one failed.
func (q *call) same(err error) error {
	text := "the store was not asked again"
	if e, ok := errors.AsType[*secret.Error](err); ok && e.Text != "" {
		text = e.Text
	}
	return &secret.Error{Kind: secret.KindOf(err), Name: shown(q.env.name, q.name), Text: text}
}

func (f *fan) get(u *unit) {
	f.slots <- struct{}{}
	defer func() { <-f.slots }()
	u.v, u.err = within(u.q, func(ctx context.Context, back secret.Backend) (secret.Version, error) {
		return u.q.fetch(ctx, back, u.q.at)
	})
}

// batch reads the current versions in one request, if the backend can, and
// returns what is left to be read one by one.
func batch(units []*unit) []*unit {
	back, err := units[0].q.env.backend(units[0].q.ctx)
	bg, ok := back.(secret.BatchGetter)
	if err != nil || !ok {
		return units
	}
	var now, left []*unit
	var names []secret.Name
	for _, u := range units {
		if u.q.at != (secret.At{}) {
			left = append(left, u)
			continue
		}
		now, names = append(now, u), append(names, u.q.full)
	}
	if len(now) < 2 {
		return units
	}
	got, err := within(now[0].q, func(ctx context.Context, _ secret.Backend) ([]secret.Result, error) {
		out := bg.GetBatch(ctx, names)
		if len(out) != len(names) {
			return nil, secret.Errorf(secret.Unavailable, "", "the store answered for %d of %d secrets", len(out), len(names))
		}
		return out, nil
	})
	for i, u := range now {
		if err != nil {
			u.err = u.q.same(err)
			continue
		}
		u.v, u.err = got[i].Version, u.q.env.outside(got[i].Err, u.q.name)
	}
	return left
}
