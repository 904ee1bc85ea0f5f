package cli

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

const (
	// watchQuiet is how long nothing may change before it is looked at: who
	// writes ten secrets writes them one after the other.
	watchQuiet = 200 * time.Millisecond
	// How long a store that cannot be watched is left alone.
	watchRetry, watchRetryMost = time.Second, time.Minute
)

// changes yields whenever one of the secrets that refs point at may have
// changed, until ctx is done; first when the watch has begun, because something
// may have changed before.
func (a *app) changes(ctx context.Context, o *config.Opened, refs []secret.Ref) iter.Seq[struct{}] {
	envs := map[string]map[secret.Name]bool{}
	for _, r := range refs {
		env := cmp.Or(r.Env, o.Env)
		if envs[env] == nil {
			envs[env] = map[secret.Name]bool{}
		}
		envs[env][r.Name] = true
	}
	return func(yield func(struct{}) bool) {
		ctx, stop := context.WithCancel(ctx)
		wake := make(chan struct{}, 1)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer stop()
		for env, names := range envs {
			wg.Go(func() { a.watchEnv(ctx, o, watching{env, names}, wake) })
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-wake:
			}
			if !settled(ctx, wake) || !yield(struct{}{}) {
				return
			}
		}
	}
}

// settled waits until it is quiet; false if ctx is done.
func settled(ctx context.Context, wake <-chan struct{}) bool {
	quiet := time.NewTimer(watchQuiet)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-wake:
			quiet.Reset(watchQuiet)
		case <-quiet.C:
			return true
		}
	}
}

// watching is what is watched of an environment.
type watching struct {
	env   string
	names map[secret.Name]bool
}

// watchEnv watches one environment, again and again where that fails.
func (a *app) watchEnv(ctx context.Context, o *config.Opened, w watching, wake chan<- struct{}) {
	for pause := watchRetry; ctx.Err() == nil; pause = min(2*pause, watchRetryMost) {
		for n, err := range o.Broker.Watch(ctx, o.Caller, w.env) {
			if ctx.Err() != nil {
				return // nobody waits any more
			}
			if errors.Is(err, secret.Denied) {
				a.warn("%s\n  %s is not watched: changes there will not be seen", err, w.env)
				return
			}
			if err != nil {
				a.warn("%s\n  %s is watched again in %s", err, w.env, pause)
				break
			}
			pause = watchRetry
			if n != "" && !w.names[n] {
				continue
			}
			select {
			case wake <- struct{}{}:
			default:
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
