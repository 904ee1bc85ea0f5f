package broker

import (
	"context"
	"time"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// An Action is what [Broker.Do] does outside of any backend.
type Action struct {
	Verb secret.Verb
	Env  string
	Name secret.Name // empty: the environment itself
	For  string      // what for, in tacit's words: "grant get to agent:x"
}

// call is one request on its way.
type call struct {
	b        *Broker
	ctx      context.Context
	caller   secret.Caller
	verb     secret.Verb
	env      *env
	name     secret.Name // as the caller knows it
	full     secret.Name // as the store knows it
	decision policy.Decision
	start    time.Time
	begun    *uint64
}

// prepare checks, resolves and decides. A denial is recorded, and returned.
func (b *Broker) prepare(ctx context.Context, c secret.Caller, verb secret.Verb, r secret.Ref) (*call, error) {
	q := &call{b: b, ctx: ctx, caller: c, verb: verb, name: r.Name, start: b.now()}
	if err := r.Name.Check(); err != nil {
		return nil, err
	}
	return q, q.decide(r.Env)
}

func (q *call) decide(name string) error {
	if len(q.caller.Reason) > audit.MaxField {
		return secret.Errorf(secret.Invalid, "", "a reason has at most %d bytes", audit.MaxField)
	}
	e, err := q.b.env(name)
	if err != nil {
		return err
	}
	q.env = e
	q.decision = q.b.policy.Decide(q.request(q.name))
	if !q.decision.Allowed {
		return q.denied()
	}
	if q.name != "" {
		q.full, err = e.full(q.name)
	}
	return err
}

// request is what the policy decides about a name.
func (q *call) request(n secret.Name) policy.Request {
	return policy.Request{Caller: q.caller, Verb: q.verb, Env: q.env.name, Name: n, Time: q.start}
}

// denied records a denial and makes its error, which is the same whether the
// name exists or not.
func (q *call) denied() error {
	text := "may not " + string(q.verb) + " " + string(shown(q.env.name, q.name)) + "\n  " + q.decision.Reason
	if q.caller.Principal.IsAgent() && q.verb == secret.Get && q.decision.Policy == "" && q.name != "" {
		text += "\n  ask for `use` instead:  tacit grant " + string(q.caller.Principal) + " use " + string(shown(q.env.name, q.name)) + " --host HOST"
	}
	who := string(q.caller.Principal)
	if who == "" {
		who = "nobody"
	}
	err := secret.Errorf(secret.Denied, "", "%s %s", who, text)
	r := q.record(err)
	if !q.b.quiet.admit(q.start, r) {
		return err
	}
	if _, failed := q.b.log.Append(q.ctx, r); failed != nil {
		return failed
	}
	return err
}

// record is what the log keeps of q, once it ended with err.
func (q *call) record(err error) audit.Record {
	r := audit.Record{
		Principal: q.caller.Principal, How: q.caller.How, Session: q.caller.Session, Agent: q.caller.Agent,
		Verb: q.verb, Env: q.env.name, Name: string(q.name), Outcome: audit.OK,
		Note: q.caller.Reason, For: q.caller.For, Policy: q.decision.Policy, Begun: q.begun, Duration: q.b.now().Sub(q.start),
	}
	if q.begun != nil {
		r.Phase = audit.End
	}
	if err == nil {
		return r
	}
	r.Outcome, r.Reason = secret.KindOf(err).Error(), err.Error()
	if !q.decision.Allowed {
		r.Outcome, r.Reason = audit.Denied, q.decision.Reason
	}
	return r
}

// begin records that a change is about to be made.
func (q *call) begin() error {
	if !q.verb.Changes() {
		return nil
	}
	r := q.record(nil)
	r.Phase, r.Outcome, r.Duration = audit.Begin, "", 0
	n, err := q.b.log.Append(q.ctx, r)
	if err != nil {
		return err
	}
	q.begun = &n
	return nil
}

// end records what came of it. Without the record there is no answer.
func (q *call) end(v secret.Version, err error) error {
	r := q.record(err)
	r.Version, r.Number = v.ID, v.Number
	// The change is made: its record must not be lost because the caller
	// went away meanwhile.
	if _, failed := q.b.log.Append(context.WithoutCancel(q.ctx), r); failed != nil {
		if q.verb.Changes() && err == nil {
			return secret.Errorf(secret.Unavailable, shown(q.env.name, q.name), "the change was made, but its end could not be recorded: %s", failed)
		}
		return failed
	}
	return err
}

// within runs f on the backend, bounded in time.
func within[T any](q *call, f func(ctx context.Context, b secret.Backend) (T, error)) (out T, err error) {
	ctx, cancel := context.WithTimeout(q.ctx, q.env.Timeout)
	defer cancel()
	back, err := q.env.backend(ctx)
	if err == nil {
		out, err = f(ctx, back)
	}
	return out, q.env.outside(err, q.name)
}

// do is the whole way of one call. version tells which version an answer is
// about.
func do[T any](q *call, version func(T) secret.Version, f func(ctx context.Context, b secret.Backend) (T, error)) (T, error) {
	var zero T
	if err := q.begin(); err != nil {
		return zero, err
	}
	out, err := within(q, f)
	if q.verb.Changes() {
		q.env.flights.forget(q.full)
	}
	if failed := q.end(version(out), err); failed != nil {
		if err != nil {
			return out, failed // what the backend told with its error
		}
		return zero, failed
	}
	return out, nil
}

func noVersion[T any](T) secret.Version      { return secret.Version{} }
func itself(v secret.Version) secret.Version { return v }
func currentOf(m secret.Meta) secret.Version { v, _ := m.Current(); return v }

// Do decides and records a change that is made outside of any backend: of a
// grant, of trust, of keys.
func (b *Broker) Do(ctx context.Context, c secret.Caller, a Action, f func(ctx context.Context) error) error {
	c.For = a.For
	q := &call{b: b, ctx: ctx, caller: c, verb: a.Verb, name: a.Name, start: b.now()}
	if err := q.decide(a.Env); err != nil {
		return err
	}
	if err := q.begin(); err != nil {
		return err
	}
	return q.end(secret.Version{}, f(ctx))
}
