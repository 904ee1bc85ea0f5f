package broker

import (
	"context"
	"errors"
	"sync"

	"github.com/tacit-secrets/tacit/secret"
)

// flights coalesces equal reads that are under way. A write forgets the
// flights of its name before it is answered: a read that begins after that
// never joins a fetch that began before.
type flights struct {
	mu  sync.Mutex
	now map[secret.Name]map[secret.At]*flight
}

type flight struct {
	done chan struct{}
	v    secret.Version
	err  error
}

// get joins the fetch of the same version, or begins one. The fetch has a
// context of its own: that the first caller goes away does not fail the others.
func (f *flights) get(ctx context.Context, n secret.Name, at secret.At, fetch func(context.Context) (secret.Version, error)) (secret.Version, error) {
	f.mu.Lock()
	x := f.now[n][at]
	if x == nil {
		x = &flight{done: make(chan struct{})}
		if f.now == nil {
			f.now = map[secret.Name]map[secret.At]*flight{}
		}
		if f.now[n] == nil {
			f.now[n] = map[secret.At]*flight{}
		}
		f.now[n][at] = x
		go func() {
			x.v, x.err = fetch(context.WithoutCancel(ctx))
			f.land(n, at, x)
		}()
	}
	f.mu.Unlock()
	select {
	case <-x.done:
		return x.v, x.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			f.drop(n, at, x) // slow: who comes now begins anew, with all the time there is
		}
		return secret.Version{}, ctx.Err() // outside gives it words
	}
}

func (f *flights) land(n secret.Name, at secret.At, x *flight) {
	f.drop(n, at, x)
	close(x.done)
}

// drop lets nobody join a flight any more.
func (f *flights) drop(n secret.Name, at secret.At, x *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now[n][at] == x {
		delete(f.now[n], at)
		if len(f.now[n]) == 0 {
			delete(f.now, n)
		}
	}
}

func (f *flights) forget(n secret.Name) {
	f.mu.Lock()
	delete(f.now, n)
	f.mu.Unlock()
}
