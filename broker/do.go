package broker

import (
	"cmp"
	"context"
	"errors"
	"strings"
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
	at       secret.At   // the version that was asked for
	prefix   string      // of a listing
	lease    string      // the id of a lease that the call is about
	decision policy.Decision
	start    time.Time
	begun    *uint64
	patience time.Duration // bounds the store's part of the call; zero: the environment's Timeout
}

// prepare checks, resolves and decides. A denial is recorded, and returned.
func (b *Broker) prepare(ctx context.Context, c secret.Caller, verb secret.Verb, r secret.Ref) (*call, error) {
	q, err := b.ask(ctx, c, verb, r)
	if err != nil && q != nil {
		return nil, b.refuse(ctx, q, err)
	}
	return q, err
}

// ask is prepare without the record: with a denial, and with no other error,
// it returns the call that is denied.
func (b *Broker) ask(ctx context.Context, c secret.Caller, verb secret.Verb, r secret.Ref) (*call, error) {
	if err := r.Name.Check(); err != nil {
		return nil, err
	}
	q, err := b.decide(ctx, Action{Verb: verb, Env: r.Env, Name: r.Name}, c)
	if err != nil {
		return q, err
	}
	q.at = r.At
	if q.full, err = q.env.full(r.Name); err != nil {
		return nil, err
	}
	return q, nil
}

// decide resolves the environment and asks the policy. It looks at nothing
// but the request and the configuration.
func (b *Broker) decide(ctx context.Context, a Action, c secret.Caller) (*call, error) {
	q, err := b.newCall(ctx, a, c)
	if err != nil {
		return nil, err
	}
	if q.decision = b.decision(q.request(q.name)); !q.decision.Allowed {
		return q, q.denied()
	}
	return q, nil
}

func (b *Broker) newCall(ctx context.Context, a Action, c secret.Caller) (*call, error) {
	if len(c.Reason) > audit.MaxField {
		return nil, secret.Errorf(secret.Invalid, "", "a reason has at most %d bytes, this one has %d", audit.MaxField, len(c.Reason))
	}
	e, err := b.env(a.Env)
	if err != nil {
		return nil, err
	}
	return &call{b: b, ctx: ctx, caller: c, verb: a.Verb, name: a.Name, env: e, start: b.now()}, nil
}

// decision is the policy's, but for the caller who is nobody: no policy can
// let that one in.
func (b *Broker) decision(r policy.Request) policy.Decision {
	if _, _, ok := r.Caller.Principal.Split(); !ok {
		return policy.Decision{Reason: "the caller is nobody"}
	}
	return b.policy.Decide(r)
}

// request is what the policy decides about a name.
func (q *call) request(n secret.Name) policy.Request {
	return policy.Request{Caller: q.caller, Verb: q.verb, Env: q.env.name, Name: n, Time: q.start}
}

// denied makes the error of a denial, which is the same whether the name
// exists or not.
func (q *call) denied() error {
	what := string(shown(q.env.name, q.name))
	text := "may not " + string(q.verb) + " " + what + "\n  " + q.decision.Reason
	if q.caller.Principal.IsAgent() && q.verb == secret.Get && q.decision.Policy == "" && q.name != "" {
		text += "\n  ask for `use` instead:  tacit grant " + string(q.caller.Principal) + " use " + what + " --host HOST"
	}
	who := string(q.caller.Principal)
	if _, _, ok := q.caller.Principal.Split(); !ok {
		who = "nobody"
	}
	return secret.Errorf(secret.Denied, "", "%s %s", who, text)
}

// refuse records a denial, and returns it.
func (b *Broker) refuse(ctx context.Context, q *call, denial error) error {
	records := b.quiet.admit(q.start, q.record(denial))
	if len(records) == 0 {
		return denial
	}
	if err := b.append(ctx, records...); err != nil {
		return err
	}
	return denial
}

// append keeps records. Its error says that there is no answer without them.
func (b *Broker) append(ctx context.Context, rs ...audit.Record) error {
	for len(rs) > 0 {
		n := min(len(rs), audit.MaxGroup)
		if _, err := b.log.Append(ctx, rs[:n]...); err != nil {
			return unrecorded(err, "")
		}
		rs = rs[n:]
	}
	return nil
}

// unrecorded gives an error of the log a kind, and a first line where the
// caller has to know more than that.
func unrecorded(err error, first string) error {
	if first == "" && secret.KindOf(err) != 0 {
		return err
	}
	if first == "" {
		first = "it could not be recorded, so there is no answer"
	}
	return &secret.Error{Kind: secret.Unavailable, Text: first + "\n  " + err.Error(), Err: err}
}

// record is what the log keeps of q, once it ended with err.
func (q *call) record(err error) audit.Record {
	r := audit.Record{
		Principal: q.caller.Principal, How: q.caller.How, Session: q.caller.Session, Agent: q.caller.Agent,
		Verb: q.verb, Env: q.env.name, Name: cmp.Or(string(q.name), q.prefix), Outcome: audit.OK,
		Note: q.caller.Reason, For: q.caller.For, Policy: q.decision.Policy, Begun: q.begun, Duration: q.b.now().Sub(q.start),
		Version: q.at.ID, Number: q.at.Number, Lease: LeaseDigest(q.lease),
	}
	if q.begun != nil {
		r.Phase = audit.End
	}
	if err == nil {
		return r
	}
	// The first line only: the next ones are for the caller, and may name the
	// fields of a value.
	r.Outcome = secret.KindOf(err).Error()
	r.Reason, _, _ = strings.Cut(err.Error(), "\n")
	if !q.decision.Allowed {
		r.Outcome, r.Reason = audit.Denied, q.decision.Reason
	}
	return r
}

// recordOf is record with the version that an answer is about.
func (q *call) recordOf(v secret.Version, err error) audit.Record {
	r := q.record(err)
	if v.ID != "" || v.Number != 0 {
		r.Version, r.Number = v.ID, v.Number
	}
	return r
}

// beginning is the record of a change that is about to be made.
func (q *call) beginning() audit.Record {
	r := q.record(nil)
	r.Phase, r.Outcome, r.Duration = audit.Begin, "", 0
	return r
}

// begin records that a change is about to be made.
func (q *call) begin() error {
	if !q.verb.Changes() {
		return nil
	}
	n, err := q.b.log.Append(q.ctx, q.beginning())
	if err != nil {
		return unrecorded(err, "")
	}
	q.begun = &n
	return nil
}

// end records what came of it. Its error means that there is no answer.
func (q *call) end(v secret.Version, err error) error {
	r := q.recordOf(v, err)
	// A change may be made: its record must not be lost because the caller
	// went away meanwhile.
	_, failed := q.b.log.Append(context.WithoutCancel(q.ctx), r)
	if failed != nil && q.verb.Changes() {
		return unrecorded(failed, string(shown(q.env.name, q.name))+": the change may have been made, but its end could not be recorded")
	}
	if failed != nil {
		return unrecorded(failed, "")
	}
	return nil
}

// within runs f on the backend, bounded in time. Opening is not: it may ask a
// person for a passphrase.
func within[T any](q *call, f func(ctx context.Context, b secret.Backend) (T, error)) (out T, err error) {
	back, err := q.env.backend(q.ctx)
	if err != nil {
		return out, q.env.outside(err, q.name)
	}
	ctx, cancel := context.WithTimeout(q.ctx, cmp.Or(q.patience, q.env.Timeout))
	defer cancel()
	if q.env.Exclusive && q.verb.Changes() {
		lock := q.env.lock(q.full)
		lock.Lock()
		defer lock.Unlock()
	}
	if err = ctx.Err(); err == nil {
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
	var out T
	var err, left error
	if q.verb.Changes() {
		err = many{q}.changing()
	}
	if err == nil {
		out, err = within(q, f)
	}
	if q.verb.Changes() {
		left = many{q}.changed()
	}
	if failed := q.end(version(out), err); failed != nil {
		return zero, failed
	}
	if err == nil && left != nil {
		return zero, left
	}
	return out, err
}

func noVersion[T any](T) secret.Version      { return secret.Version{} }
func itself(v secret.Version) secret.Version { return v }
func currentOf(m secret.Meta) secret.Version { v, _ := m.Current(); return v }

// Do decides and records what is done outside of any backend: to a grant, to
// trust, to keys, with the log. A log that is found damaged takes no record of
// having been read.
func (b *Broker) Do(ctx context.Context, c secret.Caller, a Action, f func(ctx context.Context) error) error {
	c.For = a.For
	q, err := b.decide(ctx, a, c)
	switch {
	case err != nil && q != nil:
		return b.refuse(ctx, q, err)
	case err != nil:
		return err
	}
	if err := q.begin(); err != nil {
		return err
	}
	err = f(ctx)
	if a.Verb == secret.Verify && errors.Is(err, secret.Corrupt) {
		return err
	}
	if failed := q.end(secret.Version{}, err); failed != nil {
		return failed
	}
	return err
}
