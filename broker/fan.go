package broker

import (
	"cmp"
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

// fan is what many references need of the stores.
type fan struct {
	units map[unitKey]*unit
	byEnv map[*env][]*unit
	slots chan struct{} // one for each request in flight
}

// reading is one call about many references on its way.
type reading struct {
	b       *Broker
	ctx     context.Context // a reading lives as long as the call that has it
	fan     fan
	refs    []secret.Ref
	calls   []*call // nil: it was refused
	out     []Given
	records []audit.Record
}

func (b *Broker) readAll(ctx context.Context, c secret.Caller, verb secret.Verb, refs []secret.Ref) []secret.Result {
	r := b.reading(ctx, c, verb, refs)
	r.fetch()
	r.record()
	out := make([]secret.Result, len(r.out))
	for i, g := range r.out {
		out[i] = g.Result
	}
	return out
}

// reading decides all references, before the first is read.
func (b *Broker) reading(ctx context.Context, c secret.Caller, verb secret.Verb, refs []secret.Ref) *reading {
	r := &reading{
		b: b, ctx: ctx, fan: fan{map[unitKey]*unit{}, map[*env][]*unit{}, make(chan struct{}, InFlight)},
		refs: refs, calls: make([]*call, len(refs)), out: make([]Given, len(refs)),
	}
	for i, ref := range refs {
		q, err := b.ask(ctx, c, verb, ref)
		if r.out[i].Err = err; err == nil {
			r.calls[i] = q
			r.fan.add(q)
		} else if q != nil {
			r.records = append(r.records, b.quiet.admit(q.start, q.record(err))...)
		}
	}
	return r
}

func (r *reading) fetch() {
	r.fan.fetch()
	for i, q := range r.calls {
		if q != nil {
			r.out[i].Result = r.fan.answer(q, r.refs[i])
		}
	}
}

// record makes all records durable; if it cannot, there is no answer.
func (r *reading) record() bool {
	for i, q := range r.calls {
		if q != nil {
			record := q.recordOf(r.out[i].Version, r.out[i].Err)
			r.out[i].lastKnown(&record)
			r.records = append(r.records, record)
		}
	}
	err := r.b.append(context.WithoutCancel(r.ctx), r.records...)
	if err != nil {
		for i := range r.out {
			r.out[i] = Given{Result: secret.Result{Err: err}}
		}
	}
	return err == nil
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
	left, err := batch(units)
	if len(left) == 0 {
		return
	}
	var t tries
	if len(left) == len(units) {
		f.get(left[0], &t)
		err, left = left[0].err, left[1:]
	}
	t.note(err, 1)
	var wg sync.WaitGroup
	for _, u := range left {
		wg.Go(func() { f.get(u, &t) })
	}
	wg.Wait()
}

// enough is how many requests in a row a store may leave without an answer. The
// rest of a call does not wait for it then.
const enough = 4

// tries notices when a store does not answer any more.
type tries struct {
	mu   sync.Mutex
	row  int   // so many in a row were not answered
	gone error // it is not asked any more, because of this
}

// note counts what came of a request.
func (t *tries) note(err error, most int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch secret.KindOf(err) {
	case secret.Unauthenticated: // the next one would be refused as well
		t.row = most
	case secret.Unavailable:
		t.row++
	default:
		t.row = 0
	}
	if t.row >= most && t.gone == nil {
		t.gone = err
	}
}

func (t *tries) down() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.gone
}

// same is the error of a call that was not made because another one failed.
func (q *call) same(err error) error {
	text := "the store was not asked again"
	if e, ok := errors.AsType[*secret.Error](err); ok && e.Text != "" {
		text = e.Text
	}
	return &secret.Error{Kind: secret.KindOf(err), Name: shown(q.env.name, q.name), Text: text}
}

func (f *fan) get(u *unit, t *tries) {
	f.slots <- struct{}{}
	defer func() { <-f.slots }()
	if err := t.down(); err != nil {
		u.err = u.q.same(err)
		return
	}
	u.v, u.err = within(u.q, func(ctx context.Context, back secret.Backend) (secret.Version, error) {
		return u.q.fetch(ctx, back, u.q.at)
	})
	t.note(u.err, enough)
}

// batch reads the current versions in one request, if the backend can, and
// returns what is left to be read one by one. The error says that the store was
// not reached; it stands in the units already.
func batch(units []*unit) ([]*unit, error) {
	back, err := units[0].q.env.backend(units[0].q.ctx)
	bg, ok := back.(secret.BatchGetter)
	if err != nil || !ok {
		return units, nil //nolint:nilerr // each one meets it, on record
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
		return units, nil
	}
	got, err := within(now[0].q, func(ctx context.Context, _ secret.Backend) ([]secret.Result, error) {
		out := bg.GetBatch(ctx, names)
		if len(out) != len(names) {
			return nil, secret.Errorf(secret.Unavailable, "", "the store answered for %d of %d secrets", len(out), len(names))
		}
		return out, nil
	})
	var t tries
	for i, u := range now {
		if err != nil {
			u.err = u.q.same(err)
			continue
		}
		u.v, u.err = got[i].Version, u.q.env.outside(got[i].Err, u.q.name)
		t.note(u.err, len(now))
	}
	return left, cmp.Or(err, t.gone)
}
