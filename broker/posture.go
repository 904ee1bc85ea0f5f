package broker

import (
	"context"

	"github.com/tacit-secrets/tacit/secret"
)

// Posture returns what a store shows about how well it is kept. It is about
// the environment as a whole, and the verb is list. Unsupported: this kind of
// store shows nothing.
func (b *Broker) Posture(ctx context.Context, c secret.Caller, envName string) ([]secret.Finding, error) {
	q, err := b.prepareEnv(ctx, c, envName)
	if err != nil {
		return nil, err
	}
	return do(q, noVersion, func(ctx context.Context, back secret.Backend) ([]secret.Finding, error) {
		p, err := can[secret.Prober](back, "", "shows nothing about how it is kept")
		if err != nil {
			return nil, err
		}
		return p.Posture(ctx)
	})
}

// Rules returns rules in the store's own language that allow the verbs on the
// names and nothing else. Nothing is asked of the store, and nothing changes.
// The verb is list, and there is one record, since no secret is touched.
// Invalid: no name, or no verb, or those of leases among others, since leases
// have names of their own. Unsupported: this kind of store has no rules, or none
// for a verb.
func (b *Broker) Rules(ctx context.Context, c secret.Caller, envName string, names []secret.Name, verbs ...secret.Verb) ([]secret.Rule, error) {
	if len(names) == 0 || len(verbs) == 0 {
		return nil, secret.Errorf(secret.Invalid, "", "rules are about one name and one verb at least")
	}
	q, err := b.prepareEnv(ctx, c, envName)
	if err != nil {
		return nil, err
	}
	full, err := q.env.ruled(names, verbs)
	if err != nil {
		return nil, err
	}
	return do(q, noVersion, func(_ context.Context, back secret.Backend) ([]secret.Rule, error) {
		g, err := can[secret.Grantor](back, "", "has no rules of its own")
		if err != nil {
			return nil, err
		}
		return g.Rules(full, verbs...)
	})
}

// ruled returns names as the store knows them: of secrets, or of leases.
func (e *env) ruled(names []secret.Name, verbs []secret.Verb) ([]secret.Name, error) {
	leases := 0
	for _, v := range verbs {
		if v == secret.Issue || v == secret.Renew || v == secret.Revoke {
			leases++
		}
	}
	switch leases {
	case 0:
	case len(verbs):
		if e.Leases.Refused != nil {
			return nil, e.Leases.Refused
		}
		e = e.leasing()
	default:
		return nil, secret.Errorf(secret.Invalid, "", "rules for leases are written apart: ask for issue, renew and revoke alone")
	}
	full := make([]secret.Name, len(names))
	for i, n := range names {
		var err error
		if full[i], err = e.full(n); err != nil {
			return nil, err
		}
	}
	return full, nil
}

// prepareEnv is prepare for what is about an environment and no secret in it.
func (b *Broker) prepareEnv(ctx context.Context, c secret.Caller, envName string) (*call, error) {
	q, err := b.decide(ctx, Action{Verb: secret.List, Env: envName}, c)
	if err != nil && q != nil {
		return nil, b.refuse(ctx, q, err)
	}
	return q, err
}
