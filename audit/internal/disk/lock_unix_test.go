//go:build unix

package disk

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func locks(t *testing.T) (a, b *Lock) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *Lock {
		l, err := OpenLock(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Close)
		return l
	}
	return open(), open()
}

func take(t *testing.T, l *Lock, wait time.Duration) error {
	t.Helper()
	return l.Take(t.Context(), wait)
}

func TestLock(t *testing.T) {
	a, b := locks(t)
	if err := take(t, a, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := take(t, b, time.Millisecond); secret.KindOf(err) != secret.Unavailable {
		t.Fatalf("a held lock was taken: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Take(ctx, time.Minute); !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v", err)
	}
	// The request that was given up still sleeps, and serves who comes next.
	got := make(chan error)
	go func() { got <- b.Take(t.Context(), time.Minute) }()
	a.Give()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	b.Give()
	if err := take(t, a, time.Minute); err != nil {
		t.Fatal(err)
	}
	a.Give()
}

// A request that was given up must not keep the lock when it gets it.
func TestLockGivenUpIsGivenBack(t *testing.T) {
	a, b := locks(t)
	for range 100 {
		if err := take(t, a, time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := take(t, b, time.Microsecond); err == nil {
			t.Fatal("a held lock was taken")
		}
		a.Give()
		if err := take(t, a, time.Minute); err != nil {
			t.Fatal(err)
		}
		a.Give()
	}
	// Closed while it sleeps: the descriptor is kept, and the lock let go.
	if err := take(t, a, time.Minute); err != nil {
		t.Fatal(err)
	}
	_ = take(t, b, time.Microsecond)
	b.Close()
	a.Give()
	if err := take(t, a, time.Minute); err != nil {
		t.Fatal(err)
	}
	a.Give()
}

// Nobody starves: a writer that takes the lock again as soon as it gave it back
// leaves room for others, who all ask while it is held.
func TestLockIsFair(t *testing.T) {
	a, b := locks(t)
	ask := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for more := true; more; {
			if err := a.Take(context.Background(), time.Minute); err != nil {
				t.Error(err)
				return
			}
			select {
			case _, more = <-ask: // held, and b is about to ask
			default:
			}
			time.Sleep(time.Millisecond) // a write and its fsync
			a.Give()
		}
	})
	for range 20 {
		ask <- struct{}{}
		if err := take(t, b, 5*time.Second); err != nil {
			t.Error(err)
		} else {
			b.Give()
		}
	}
	close(ask)
	wg.Wait()
}
