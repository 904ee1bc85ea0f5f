package broker_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// remote is a store as one on the network is: an answer takes 50 ms, the first
// one a sign-in before it, and it breaks when it is told to. It reads no many
// secrets at once.
type remote struct {
	secret.Backend
	signIn    sync.Once
	signIns   atomic.Int32
	asked     atomic.Int32
	now, most atomic.Int32
	fails     func(asked int32) error
}

func (s *remote) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	s.signIn.Do(func() { s.signIns.Add(1); time.Sleep(50 * time.Millisecond) })
	now := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	asked := s.asked.Add(1)
	time.Sleep(50 * time.Millisecond)
	if s.fails != nil {
		if err := s.fails(asked); err != nil {
			return secret.Version{}, err
		}
	}
	return s.Backend.Get(ctx, n, at)
}

func hundred(t *testing.T, s *remote) (*broker.Broker, []secret.Ref) {
	t.Helper()
	store := mem.New(nil)
	s.Backend = store
	refs := make([]secret.Ref, 100)
	for i := range refs {
		refs[i] = ref(t, fmt.Sprintf("app/%d", i))
		if _, err := store.Put(t.Context(), refs[i].Name, secret.Text("v"), nil); err != nil {
			t.Fatal(err)
		}
	}
	b, err := broker.New(broker.Config{Envs: map[string]broker.Env{"dev": broker.Opened(s)}, Policy: anyone{}, Log: &log{t: &trace{}}})
	if err != nil {
		t.Fatal(err)
	}
	return b, refs
}

// One sign-in, one request alone, then 32 at a time: 6 answers of 50 ms after
// each other.
func TestFanOutOfAHundred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &remote{}
		b, refs := hundred(t, s)
		begun := time.Now()
		for i, r := range b.GetAll(t.Context(), mia(), append(refs, refs[:50]...)) {
			if r.Err != nil {
				t.Fatalf("%d: %v", i, r.Err)
			}
		}
		if took := time.Since(begun); took != 6*50*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if s.asked.Load() != 100 || s.most.Load() != broker.InFlight || s.signIns.Load() != 1 {
			t.Errorf("%d requests, %d at once, %d sign-ins", s.asked.Load(), s.most.Load(), s.signIns.Load())
		}
	})
}

// A store that breaks down is not asked to the end; each that was not told says so.
func TestFanOutStopsAtAStoreThatBreaksDown(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		from   int32
		before int32 // as many may be asked at most
	}{
		{"first", secret.Errorf(secret.Unavailable, "", "down"), 1, 1},
		{"later", secret.Errorf(secret.Unavailable, "", "down"), 10, 1 + 2*broker.InFlight},
		{"signed-out", secret.Errorf(secret.Unauthenticated, "", "expired"), 10, 1 + 2*broker.InFlight},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &remote{fails: func(asked int32) error {
					if asked >= tt.from {
						return tt.err
					}
					return nil
				}}
				b, refs := hundred(t, s)
				failed := 0
				for i, r := range b.GetAll(t.Context(), mia(), refs) {
					if r.Err == nil {
						continue
					}
					failed++
					wantKind(t, r.Err, secret.KindOf(tt.err))
					if want := "dev:" + string(refs[i].Name) + ": "; r.Err.Error()[:len(want)] != want {
						t.Errorf("it does not say which: %v", r.Err)
					}
				}
				if failed != 101-int(tt.from) || s.asked.Load() > tt.before {
					t.Errorf("%d failed after %d requests", failed, s.asked.Load())
				}
			})
		})
	}
}

// One that is denied, missing or slow says nothing about the others.
func TestFanOutGoesOnWhereSomeFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &remote{fails: func(asked int32) error {
			switch asked % 10 {
			case 1:
				return secret.Errorf(secret.Denied, "", "no")
			case 5:
				return secret.Errorf(secret.Unavailable, "", "busy")
			}
			return nil
		}}
		b, refs := hundred(t, s)
		kinds := map[secret.Kind]int{}
		for _, r := range b.GetAll(t.Context(), mia(), refs) {
			kinds[secret.KindOf(r.Err)]++
		}
		if kinds[0] != 80 || kinds[secret.Denied] != 10 || kinds[secret.Unavailable] != 10 || s.asked.Load() != 100 {
			t.Errorf("%v after %d requests", kinds, s.asked.Load())
		}
	})
}
