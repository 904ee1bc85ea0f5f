package broker

import (
	"context"
	"errors"

	"github.com/tacit-secrets/tacit/secret"
)

// purger is a backend that says whose time is over: deleted secrets whose
// window has passed. The first writer after it removes them, on record.
type purger interface {
	// Expired names them. It is asked before each change, so it is cheap.
	Expired(ctx context.Context) ([]secret.Name, error)
	// Purge removes one that is still expired; NotFound if it is not, because
	// another writer was first.
	Purge(ctx context.Context, name secret.Name) error
}

// sweeper is who removes them.
const sweeper = secret.Principal("app:tacit")

// prepareWrite is prepare for what writes: it removes first what is due.
func (b *Broker) prepareWrite(ctx context.Context, c secret.Caller, verb secret.Verb, r secret.Ref) (*call, error) {
	q, err := b.prepare(ctx, c, verb, r)
	if err != nil {
		return nil, err
	}
	return q, q.sweep()
}

// sweep removes the secrets whose time is over, each recorded as destroyed.
func (q *call) sweep() error {
	back, err := q.env.backend(q.ctx)
	p, ok := back.(purger)
	if err != nil || !ok { // what cannot be opened, the change itself meets, on record
		return nil //nolint:nilerr // see above
	}
	due, err := within(q, func(ctx context.Context, _ secret.Backend) ([]secret.Name, error) { return p.Expired(ctx) })
	if err != nil {
		if failed := q.end(secret.Version{}, err); failed != nil {
			return failed
		}
		return err
	}
	for _, full := range due {
		own, ok := q.env.own(full)
		if !ok { // of another environment in the same store
			continue
		}
		d := &call{
			b: q.b, ctx: q.ctx, verb: secret.Destroy, env: q.env, name: own, full: full, start: q.b.now(),
			caller: secret.Caller{Principal: sweeper, How: secret.ByOption, For: "its time to come back is over"},
		}
		d.decision.Allowed = true
		_, err := do(d, noVersion, func(ctx context.Context, _ secret.Backend) (struct{}, error) { return struct{}{}, p.Purge(ctx, full) })
		if err != nil && !errors.Is(err, secret.NotFound) {
			return err
		}
	}
	return nil
}
