package broker

import (
	"context"
	"iter"
	"strings"
	"sync"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/secret"
)

// Get returns a version with its value; with r.Field, the value is that of the
// field. The record is durable before Get returns.
func (b *Broker) Get(ctx context.Context, c secret.Caller, r secret.Ref) (secret.Version, error) {
	q, err := b.prepare(ctx, c, secret.Get, r)
	if err != nil {
		return secret.Version{}, err
	}
	return do(q, itself, func(ctx context.Context, back secret.Backend) (secret.Version, error) {
		return q.fetch(ctx, back, r)
	})
}

// fetch reads one version, together with whoever reads the same.
func (q *call) fetch(ctx context.Context, back secret.Backend, r secret.Ref) (secret.Version, error) {
	v, err := q.env.flights.get(ctx, q.full, r.At, func(ctx context.Context) (secret.Version, error) {
		ctx, cancel := context.WithTimeout(ctx, q.env.Timeout)
		defer cancel()
		return back.Get(ctx, q.full, r.At)
	})
	if err != nil || r.Field == "" {
		return v, err
	}
	v.Value, err = field(v.Value, r)
	return v, err
}

// GetAll reads many references: one Result for each, in order. All are decided
// before the first is read; all records of the call are made durable together,
// before the first answer. The first request to a store goes alone, so that a
// login is made once; the rest follow 32 at a time.
func (b *Broker) GetAll(ctx context.Context, c secret.Caller, refs []secret.Ref) []secret.Result {
	return b.readAll(ctx, c, secret.Get, refs)
}

// Check tells for each reference whether it is there, field included: nil if
// so. No value leaves the Broker, and the verb is list.
func (b *Broker) Check(ctx context.Context, c secret.Caller, refs []secret.Ref) []error {
	out := make([]error, len(refs))
	for i, r := range b.readAll(ctx, c, secret.List, refs) {
		out[i] = r.Err
	}
	return out
}

func (b *Broker) readAll(ctx context.Context, c secret.Caller, verb secret.Verb, refs []secret.Ref) []secret.Result {
	out := make([]secret.Result, len(refs))
	calls := make([]*call, len(refs))
	for i, r := range refs {
		calls[i], out[i].Err = b.prepare(ctx, c, verb, r)
	}
	fetch := func(i int) {
		out[i].Version, out[i].Err = within(calls[i], func(ctx context.Context, back secret.Backend) (secret.Version, error) {
			return calls[i].fetch(ctx, back, refs[i])
		})
	}
	led := map[*env]bool{}
	var wg sync.WaitGroup
	slots := make(chan struct{}, InFlight)
	for i := range refs {
		if out[i].Err != nil {
			calls[i] = nil // refused: recorded already
			continue
		}
		if !led[calls[i].env] {
			led[calls[i].env] = true
			fetch(i)
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			fetch(i)
		})
	}
	wg.Wait()
	b.recordAll(ctx, calls, out)
	return out
}

// recordAll makes the records of a call durable together. Without them there
// are no answers.
func (b *Broker) recordAll(ctx context.Context, calls []*call, out []secret.Result) {
	var records []audit.Record
	for i, q := range calls {
		if q == nil {
			continue
		}
		r := q.record(out[i].Err)
		r.Version, r.Number = out[i].Version.ID, out[i].Version.Number
		records = append(records, r)
	}
	for len(records) > 0 {
		n := min(len(records), audit.MaxGroup)
		if _, err := b.log.Append(context.WithoutCancel(ctx), records[:n]...); err != nil {
			for i := range out {
				out[i] = secret.Result{Err: err}
			}
			return
		}
		records = records[n:]
	}
}

// Describe tells what is known about a secret besides its values.
func (b *Broker) Describe(ctx context.Context, c secret.Caller, r secret.Ref) (secret.Meta, error) {
	q, err := b.prepare(ctx, c, secret.List, r)
	if err != nil {
		return secret.Meta{}, err
	}
	return do(q, currentOf, func(ctx context.Context, back secret.Backend) (secret.Meta, error) {
		m, err := back.Describe(ctx, q.full)
		return q.named(m), err
	})
}

// named gives a Meta the name that the caller knows.
func (q *call) named(m secret.Meta) secret.Meta {
	m.Name = q.name
	return m
}

// Versions yields all versions of a secret without values, newest first. One
// record is durable before the first item.
func (b *Broker) Versions(ctx context.Context, c secret.Caller, r secret.Ref) iter.Seq2[secret.Version, error] {
	return func(yield func(secret.Version, error) bool) {
		q, err := b.prepare(ctx, c, secret.List, r)
		if err == nil {
			err = q.end(secret.Version{}, nil)
		}
		if err != nil {
			yield(secret.Version{}, err)
			return
		}
		back, err := q.env.backend(ctx)
		var vs secret.Versioner
		if err == nil {
			vs, err = can[secret.Versioner](back, q.name, "keeps no old versions")
		}
		if err != nil {
			yield(secret.Version{}, q.env.outside(err, q.name))
			return
		}
		for v, err := range vs.Versions(ctx, q.full) {
			if !yield(v, q.env.outside(err, q.name)) || err != nil {
				return
			}
		}
	}
}

// List yields the secrets of an environment that the caller may list. One
// record, with the prefix, is durable before the first item; each name is
// decided by itself.
func (b *Broker) List(ctx context.Context, c secret.Caller, envName string, opts *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	return func(yield func(secret.Meta, error) bool) {
		q, o, err := b.prepareList(ctx, c, envName, opts)
		if err != nil {
			yield(secret.Meta{}, err)
			return
		}
		back, err := q.env.backend(ctx)
		if err != nil {
			yield(secret.Meta{}, q.env.outside(err, ""))
			return
		}
		for m, err := range back.List(ctx, &o) {
			if err != nil {
				yield(secret.Meta{}, q.env.outside(err, ""))
				return
			}
			m.Name = q.env.own(m.Name)
			if q.mayList(m) && !yield(m, nil) {
				return
			}
		}
	}
}

// prepareList records a listing. It is not decided as a whole: who may list
// nothing is shown nothing.
func (b *Broker) prepareList(ctx context.Context, c secret.Caller, envName string, opts *secret.ListOptions) (*call, secret.ListOptions, error) {
	var o secret.ListOptions
	if opts != nil {
		o = *opts
	}
	if len(o.Prefix) > secret.MaxNameBytes {
		return nil, o, secret.Errorf(secret.Invalid, "", "a prefix has at most %d bytes", secret.MaxNameBytes)
	}
	e, err := b.env(envName)
	if err != nil {
		return nil, o, err
	}
	q := &call{b: b, ctx: ctx, caller: c, verb: secret.List, env: e, start: b.now()}
	if _, _, ok := c.Principal.Split(); !ok {
		q.decision = b.policy.Decide(q.request(""))
		return nil, o, q.denied()
	}
	q.decision.Allowed = true
	r := q.record(nil)
	r.Name = o.Prefix
	if _, err := b.log.Append(ctx, r); err != nil {
		return nil, o, err
	}
	o.Prefix = e.Prefix + o.Prefix
	return q, o, nil
}

func (q *call) mayList(m secret.Meta) bool {
	n := secret.Name(strings.TrimSuffix(string(m.Name), "/"))
	return n.Check() == nil && q.b.policy.Decide(q.request(n)).Allowed
}
