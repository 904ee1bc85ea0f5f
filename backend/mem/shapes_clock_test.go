package mem_test

import (
	"context"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

// ticking is a clock that nobody sets and that never tells a time twice.
func ticking() func() time.Time {
	var mu sync.Mutex
	var last time.Time
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now().UTC().Truncate(time.Millisecond)
		if !now.After(last) {
			now = last.Add(time.Millisecond)
		}
		last = now
		return now
	}
}

// TestSuiteIsFairToOwnClocks: no case sets the clock of a store whose clock
// cannot be set, and those that wait see what they wait for.
func TestSuiteIsFairToOwnClocks(t *testing.T) {
	t.Parallel()
	for name, cfg := range shapes() {
		if name == "plain" || name == "flat" {
			continue // nothing there depends on time
		}
		t.Run(name, func(t *testing.T) {
			fresh := cfg.New
			cfg.New = func(tb backendtest.TB, _ func() time.Time) secret.Backend { return fresh(tb, ticking()) }
			if cfg.OwnClock = true; name == "vault" {
				cfg.Hour, cfg.MaxValueBytes = 500*time.Millisecond, mem.MaxValueBytes
			}
			asked := backendtest.Run(t, cfg)
			if slices.Contains(asked, "deleted secret is gone after its window") || slices.Contains(asked, "delete after hides a version in time") != (name == "vault") {
				t.Errorf("%q", asked)
			}
		})
	}
}

// late is a store whose lists leave out what changed a moment ago.
type late struct {
	*mem.Store
	lag time.Duration
}

func (l late) List(ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	return func(yield func(secret.Meta, error) bool) {
		for m, err := range l.Store.List(ctx, o) {
			if err == nil && !m.Prefix && time.Since(m.Updated) < l.lag {
				continue
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

func TestSuiteIsFairToLateLists(t *testing.T) {
	t.Parallel()
	const lag = 20 * time.Millisecond
	cfg := config()
	cfg.Second, cfg.OwnClock, cfg.Lag = nil, true, lag
	cfg.New = func(backendtest.TB, func() time.Time) secret.Backend {
		return late{mem.New(func() time.Time { return time.Now().UTC().Round(0) }), lag}
	}
	if failed := backendtest.Failures(t, cfg); len(failed) > 0 {
		t.Errorf("it fails %q", failed)
	}
	if cfg.Lag = 0; !slices.Contains(backendtest.Failures(t, cfg), "list by deletion") {
		t.Errorf("lists that are late are not found where none is told")
	}
}
