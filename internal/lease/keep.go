package lease

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// How a lease is renewed.
const (
	soonest  = time.Second      // no lease is asked for more often
	retrying = 15 * time.Second // at most so long between tries while the store does not answer
)

// An End says that a lease is not renewed any more, and why.
type End struct {
	Note
	Err error // why; nil: the store lets it grow no longer
}

// Keep renews leases, each when two thirds of what is left of it are over,
// until ctx is done. told is called once for each that is not renewed any more:
// it cannot be, or the store does not let it grow. Such a lease is good until
// its Expires. told is never called twice at once.
func (b *Book) Keep(ctx context.Context, c secret.Caller, notes []Note, told func(End)) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, n := range notes {
		wg.Go(func() {
			end, ended := b.keep(ctx, c, n)
			if !ended {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			told(end)
		})
	}
	wg.Wait()
}

// keep renews one lease until that is over; ended is false if ctx was done
// first, or there is nothing to renew for.
func (b *Book) keep(ctx context.Context, c secret.Caller, n Note) (end End, ended bool) {
	if n.Expires.IsZero() {
		return end, false
	}
	whole := n.Expires.Sub(b.now())
	for {
		if !sleep(ctx, b.pause(n)) {
			return end, false
		}
		if !n.Renewable {
			return End{Note: n}, true
		}
		next, err := b.renewed(ctx, c, n, whole)
		switch {
		case ctx.Err() != nil:
			return end, false
		case err != nil:
			return End{n, err}, true
		case !grew(n, next, b.now(), whole):
			next.Renewable = false
			return End{Note: next}, true
		}
		n = next
	}
}

// renewed renews a lease, and tries again while the store does not answer and
// the lease is good.
func (b *Book) renewed(ctx context.Context, c secret.Caller, n Note, whole time.Duration) (Note, error) {
	for wait := soonest; ; wait = min(2*wait, retrying) {
		next, err := b.Renew(ctx, c, n, whole)
		if err == nil || !errors.Is(err, secret.Unavailable) || !b.now().Add(wait).Before(n.Expires) {
			return next, err
		}
		if !sleep(ctx, wait) {
			return n, err
		}
	}
}

// grew reports whether renewing a lease is worth another time: the store gave
// it nearly as long as it had. Less than that is what is left of a limit.
func grew(before, after Note, now time.Time, whole time.Duration) bool {
	if after.Expires.IsZero() {
		return false
	}
	return after.Renewable && after.Expires.After(before.Expires) && after.Expires.Sub(now) > whole*9/10
}

// pause is how long to wait before a lease is renewed: two thirds of what is
// left, less up to a tenth of that, so that many do not ask at once.
func (b *Book) pause(n Note) time.Duration {
	left := n.Expires.Sub(b.now())
	d := left / 3 * 2
	if d <= soonest {
		return max(min(soonest, left/2), 0)
	}
	return d - rand.N(d/10+1) //nolint:gosec // so that many do not ask at once, no secret
}

// sleep waits, unless ctx is done first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
