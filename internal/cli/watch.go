package cli

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/internal/config"
)

const (
	// watchQuiet is how long nothing may change before it is looked at: who
	// writes ten secrets writes them one after the other.
	watchQuiet = 200 * time.Millisecond
	// How long a store that cannot be watched is left alone.
	watchRetry, watchRetryMost = time.Second, time.Minute
)

// changes yields whenever something may have changed in any of the
// environments, until ctx is done. What it was when it began is not a change.
func (a *app) changes(ctx context.Context, o *config.Opened, envs map[string]bool) iter.Seq[struct{}] {
	return func(yield func(struct{}) bool) {
		ctx, stop := context.WithCancel(ctx)
		wake := make(chan struct{}, 1)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer stop()
		for env := range envs {
			wg.Go(func() { a.watchEnv(ctx, o, env, wake) })
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

// watchEnv watches one environment, again and again where that fails.
func (a *app) watchEnv(ctx context.Context, o *config.Opened, env string, wake chan<- struct{}) {
	first := true
	for pause := watchRetry; ctx.Err() == nil; pause = min(2*pause, watchRetryMost) {
		for _, err := range o.Broker.Watch(ctx, o.Caller, env) {
			if err != nil {
				a.warn("%s\n  %s is watched again in %s", err, env, pause)
				break
			}
			pause = watchRetry
			if first { // the first one says only that it began
				first = false
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
