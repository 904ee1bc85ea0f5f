package broker

import (
	"context"
	"iter"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// PollEvery is how often [Broker.Watch] says that anything may have changed,
// where a store tells nothing by itself.
const PollEvery = 30 * time.Second

// Watch yields the names of secrets in an environment that changed, as far as
// the caller may list them, until ctx is done: in this process and, as far as
// the store tells, in others. The empty name says that anything may have
// changed; it comes first and after each gap. One record is durable before the
// first. What changed is not told: whoever wants to know asks, and that is
// decided and recorded like any other call.
func (b *Broker) Watch(ctx context.Context, c secret.Caller, envName string) iter.Seq2[secret.Name, error] {
	return func(yield func(secret.Name, error) bool) {
		c.For = "watch"
		q, err := b.prepareList(ctx, c, envName, &secret.ListOptions{})
		if err != nil {
			yield("", err)
			return
		}
		back, err := q.env.backend(ctx)
		if failed := q.end(secret.Version{}, err); failed != nil {
			err = failed
		}
		if err != nil {
			yield("", q.env.outside(err, ""))
			return
		}
		for n, err := range watching(ctx, back, q.env.Prefix) {
			if err != nil {
				yield("", q.env.outside(err, ""))
				return
			}
			if n == "" || q.mayList(n) {
				own, _ := q.env.own(n)
				if !yield(own, nil) {
					return
				}
			}
		}
	}
}

// watching asks the store to tell; one that cannot is taken to have changed
// every now and then.
func watching(ctx context.Context, back secret.Backend, prefix string) iter.Seq2[secret.Name, error] {
	if w, ok := back.(secret.Watcher); ok {
		return w.Watch(ctx, prefix)
	}
	return func(yield func(secret.Name, error) bool) {
		tick := time.NewTicker(PollEvery)
		defer tick.Stop()
		for yield("", nil) {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}
