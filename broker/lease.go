package broker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// A Keeper notes a lease down, so that somebody revokes it if this process is
// killed. The Broker calls it before anything else is done with the lease, and
// gives it no value.
type Keeper func(ctx context.Context, l secret.Lease) error

// Issue has the store make a credential. keep is called as soon as there is a
// lease; if it fails, or the record cannot be kept, the lease is revoked and
// there is no answer. The ttl is a hint; zero is the store's own. The verb is
// issue, and the record names the lease by its [LeaseDigest].
func (b *Broker) Issue(ctx context.Context, c secret.Caller, r secret.Ref, ttl time.Duration, keep Keeper) (secret.Lease, error) {
	if keep == nil {
		return secret.Lease{}, secret.Errorf(secret.Invalid, r.Name, "a lease that nobody notes down would outlive a process that is killed")
	}
	q, err := b.prepareLease(ctx, c, secret.Issue, r)
	if err != nil {
		return secret.Lease{}, err
	}
	var store secret.Lessor // once there is a lease that is noted down
	l, err := leased(q, func(ctx context.Context, x secret.Lessor) (secret.Lease, error) {
		l, err := x.Issue(ctx, q.full, ttl)
		if err != nil {
			return secret.Lease{}, err
		}
		q.lease, l.Name = l.ID, q.name
		noted := l
		noted.Value = secret.Value{}
		if err := keep(context.WithoutCancel(ctx), noted); err != nil {
			return secret.Lease{}, takeBack(ctx, x, l.ID, err)
		}
		store = x
		return l, nil
	})
	if err != nil && store != nil { // its end could not be recorded
		err = takeBack(ctx, store, q.lease, err)
	}
	return l, err
}

// takeBack revokes a lease that nobody is going to get, because of err.
func takeBack(ctx context.Context, x secret.Lessor, id string, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), DefaultTimeout)
	defer cancel()
	if left := x.Revoke(ctx, id); left != nil {
		return secret.Errorf(secret.KindOf(err), "", "%s\n  the lease is not handed out, and could not be revoked: it ends by itself", firstLine(err))
	}
	return err
}

// Renew makes a lease of r end later. r is what it was issued for, id its own.
// NotFound: it ended.
func (b *Broker) Renew(ctx context.Context, c secret.Caller, r secret.Ref, id string, ttl time.Duration) (secret.Lease, error) {
	q, err := b.prepareLease(ctx, c, secret.Renew, r)
	if err != nil {
		return secret.Lease{}, err
	}
	q.lease = id
	return leased(q, func(ctx context.Context, x secret.Lessor) (secret.Lease, error) {
		l, err := x.Renew(ctx, id, ttl)
		l.Name = q.name
		return l, err
	})
}

// Revoke ends a lease of r at once. One that ended already is no error.
func (b *Broker) Revoke(ctx context.Context, c secret.Caller, r secret.Ref, id string) error {
	q, err := b.prepareLease(ctx, c, secret.Revoke, r)
	if err != nil {
		return err
	}
	q.lease = id
	_, err = leased(q, func(ctx context.Context, x secret.Lessor) (secret.Lease, error) {
		return secret.Lease{}, x.Revoke(ctx, id)
	})
	return err
}

// GiveBack ends a lease whose holder is gone. It is tacit's own doing, recorded
// as app:tacit's, and no policy is asked: what was issued is not left behind
// because whoever was allowed to have it may not end it.
func (b *Broker) GiveBack(ctx context.Context, r secret.Ref, id, why string) error {
	if err := plain(r); err != nil {
		return err
	}
	q, err := b.newCall(ctx, Action{Verb: secret.Revoke, Env: r.Env, Name: r.Name}, secret.Caller{Principal: sweeper, How: secret.ByOption, For: why})
	if err != nil {
		return err
	}
	q.decision.Allowed, q.lease = true, id
	q.env = q.env.leasing()
	if q.full, err = q.env.full(r.Name); err != nil {
		return err
	}
	_, err = leased(q, func(ctx context.Context, x secret.Lessor) (secret.Lease, error) {
		return secret.Lease{}, x.Revoke(ctx, id)
	})
	return err
}

// SeeLeases tells which of what leases were issued for a caller may see. The
// verb is list, decided for each; one record for each environment that is
// declared is durable before the answer.
func (b *Broker) SeeLeases(ctx context.Context, c secret.Caller, refs []secret.Ref) ([]bool, error) {
	c.For = "leases"
	recorded := map[string]bool{}
	out := make([]bool, len(refs))
	for i, r := range refs {
		if _, ok := b.envs[r.Env]; ok && !recorded[r.Env] {
			q, err := b.prepareList(ctx, c, r.Env, &secret.ListOptions{})
			if err != nil {
				return nil, err
			}
			if err := q.end(secret.Version{}, nil); err != nil {
				return nil, err
			}
			recorded[r.Env] = true
		}
		about := policy.Request{Caller: c, Verb: secret.List, Env: r.Env, Name: r.Name, Time: b.now()}
		out[i] = r.Name.Check() == nil && b.decision(about).Allowed
	}
	return out, nil
}

// LeaseDigest names a lease in records and lists: a store may let whoever
// knows a lease's id end it.
func LeaseDigest(id string) string {
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:8])
}

// prepareLease is prepare for what lies beside the secrets of an environment,
// under a prefix of its own.
func (b *Broker) prepareLease(ctx context.Context, c secret.Caller, verb secret.Verb, r secret.Ref) (*call, error) {
	if err := plain(r); err != nil {
		return nil, err
	}
	q, err := b.prepare(ctx, c, verb, r)
	if err != nil {
		return nil, err
	}
	if q.forbiddenRules() {
		return nil, b.refuse(ctx, q, q.denied())
	}
	if err := q.env.Leases.Refused; err != nil {
		if failed := q.end(secret.Version{}, err); failed != nil {
			return nil, failed
		}
		return nil, err
	}
	q.env = q.env.leasing()
	q.full, err = q.env.full(r.Name)
	return q, err
}

// forbiddenRules reports whether a policy forbids the rules by which a lease is
// made, and takes that decision. Parameters may follow a rule's name, as in
// pki/issue/web?common_name=web.example.com, and make another name of it; who
// may not have the rule does not get it by saying more.
func (q *call) forbiddenRules() bool {
	rules, _, more := strings.Cut(string(q.name), "?")
	if !more {
		return false
	}
	d := q.b.decision(q.request(secret.Name(rules)))
	if d.Allowed || d.Policy == "" && secret.Name(rules).Check() == nil {
		return false // no policy is about the rule: the one about all of the name counts
	}
	q.decision = d
	return true
}

// leased runs f on a backend that makes leases.
func leased(q *call, f func(context.Context, secret.Lessor) (secret.Lease, error)) (secret.Lease, error) {
	return do(q, noVersion[secret.Lease], func(ctx context.Context, back secret.Backend) (secret.Lease, error) {
		x, err := can[secret.Lessor](back, q.name, "makes no credentials of its own\n  tacit get reads what it keeps")
		if err != nil {
			return secret.Lease{}, err
		}
		return f(ctx, x)
	})
}
