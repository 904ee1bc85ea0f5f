package local_test

import (
	"context"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/local"
	"github.com/tacit-secrets/tacit/secret"
)

// watching reads a watch in the background until the test ends.
func watching(t *testing.T, s *local.Store, prefix string) <-chan secret.Name {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, done := make(chan secret.Name), make(chan struct{})
	go func() {
		defer close(done)
		for n, err := range s.Watch(ctx, prefix) {
			if err != nil {
				t.Error(err)
				return
			}
			select {
			case out <- n:
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return out
}

func next(t *testing.T, names <-chan secret.Name, want secret.Name) {
	t.Helper()
	select {
	case n := <-names:
		if n != want {
			t.Fatalf("the watch told %q, want %q", n, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("the watch told nothing, want %q", want)
	}
}

func TestWatch(t *testing.T) {
	f := newFile(t)
	s, _ := f.open(t, nil)
	names := watching(t, s, "a/")
	next(t, names, "")
	put(t, s, "b", "outside")
	put(t, s, "a/1", "x")
	next(t, names, "a/1")
	_, err := s.Delete(t.Context(), "a/1", nil)
	noError(t, err)
	next(t, names, "a/1")

	other, _ := f.open(t, nil)
	put(t, other, "a/2", "by another process") // as it seems
	next(t, names, "")
	put(t, s, "a/3", "x")
	next(t, names, "a/3")
}

// TestWatchManyOfOwn: own changes alone never make a gap, however they fall
// between two looks.
func TestWatchManyOfOwn(t *testing.T) {
	s, _ := newFile(t).open(t, nil)
	names := watching(t, s, "")
	next(t, names, "")
	stop := time.Now().Add(600 * time.Millisecond) // three looks
	for i := 0; time.Now().Before(stop); i++ {
		name := benchName(i)
		put(t, s, name, "x")
		select {
		case n := <-names:
			if n == "" {
				t.Fatal("an own change made a gap")
			}
		default:
		}
	}
}

// TestWatchSlowReader: who falls far behind is told that anything may have
// changed.
func TestWatchSlowReader(t *testing.T) {
	s, _ := newFile(t).open(t, nil)
	names := watching(t, s, "")
	next(t, names, "")
	put(t, s, "first", "x")
	next(t, names, "first")
	many(t, 32, 5000, func(i int) error {
		_, err := s.Put(t.Context(), benchName(i), secret.Text("x"), nil)
		return err
	})
	told := 0
	for n := range names {
		if told++; n == "" {
			break
		}
		if told > 3000 {
			t.Fatal("5,000 names were kept for a slow reader")
		}
	}
}
