package lease_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tacit-secrets/tacit/internal/lease"
	"github.com/tacit-secrets/tacit/secret"
)

func newBook(h *house, now func() time.Time) *lease.Book {
	return lease.New(h.door, h.rows, h.dir, now)
}

// kept runs Keep for so long, and returns what it told.
func kept(t *testing.T, h *house, c secret.Caller, l lease.Issued, long time.Duration) (ends []lease.End, after time.Duration) {
	t.Helper()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	h.Keep(ctx, c, []lease.Note{l.Note}, func(e lease.End) {
		ends = append(ends, e)
		after = time.Since(begun)
	})
	return ends, after
}

func TestKeepRenewsUntilTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.store.most = 4 * time.Hour
		l := h.issue(t, time.Hour, true)
		if ends, _ := kept(t, h, mia(), l, 150*time.Minute); len(ends) > 0 {
			t.Fatalf("given up: %+v", ends)
		}
		// Two thirds of an hour, less up to a tenth: 3 or 4 times in 150 minutes.
		if n := h.store.renewals; n < 3 || n > 4 {
			t.Errorf("renewed %d times", n)
		}
		now := notes(t, h.Book)[0]
		if left := time.Until(now.Expires); left < 19*time.Minute || left > time.Hour {
			t.Errorf("ends in %s", left)
		}
		l.Note = now
		ends, _ := kept(t, h, mia(), l, 10*time.Hour)
		if len(ends) != 1 || ends[0].Err != nil || !ends[0].Expires.Equal(l.Issued.Add(4*time.Hour)) {
			t.Errorf("told %+v", ends)
		}
	})
}

func TestKeepTellsWhatCannotBeRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.store.fixed = true
		l := h.issue(t, time.Hour, true)
		ends, after := kept(t, h, mia(), l, 2*time.Hour)
		if len(ends) != 1 || ends[0].Err != nil || h.store.renewals != 0 || after < 36*time.Minute || after > 40*time.Minute {
			t.Errorf("told %+v after %s, renewed %d times", ends, after, h.store.renewals)
		}
	})
}

func TestKeepBridgesAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		down := true
		h.store.failRenew = func(n int) error {
			if down = n < 5; down {
				return unavailable()
			}
			return nil
		}
		l := h.issue(t, time.Hour, true)
		if ends, _ := kept(t, h, mia(), l, time.Hour); len(ends) > 0 || down {
			t.Errorf("told %+v", ends)
		}
		h.store.failRenew = func(int) error { return unavailable() }
		l.Note = notes(t, h.Book)[0]
		ends, _ := kept(t, h, mia(), l, 3*time.Hour)
		if len(ends) != 1 || !errors.Is(ends[0].Err, secret.Unavailable) || time.Now().After(l.Expires) {
			t.Errorf("told %+v at %s", ends, time.Now())
		}
	})
}

func TestKeepStopsWhereItIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		l := h.issue(t, time.Hour, true)
		if ends, _ := kept(t, h, eve(), l, 2*time.Hour); len(ends) != 1 || !errors.Is(ends[0].Err, secret.Denied) {
			t.Errorf("told %+v", ends)
		}
		if err := h.store.Revoke(t.Context(), l.Lease); err != nil {
			t.Fatal(err)
		}
		l.Expires = time.Now().Add(time.Hour)
		if ends, _ := kept(t, h, mia(), l, 2*time.Hour); len(ends) != 1 || !errors.Is(ends[0].Err, secret.NotFound) {
			t.Errorf("told %+v", ends)
		}
	})
}

// A lease of seconds is renewed, and one that is over is not asked for in a
// loop.
func TestKeepShortLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		l := h.issue(t, 2*time.Second, true)
		if ends, _ := kept(t, h, mia(), l, 20*time.Second); len(ends) > 0 || h.store.renewals < 10 || h.store.renewals > 25 {
			t.Errorf("told %+v, renewed %d times", ends, h.store.renewals)
		}
		l.Expires = time.Now().Add(-time.Second)
		h.store.renewals = 0
		if ends, _ := kept(t, h, mia(), l, time.Minute); len(ends) != 1 || h.store.renewals > 1 {
			t.Errorf("told %+v, renewed %d times", ends, h.store.renewals)
		}
	})
}
