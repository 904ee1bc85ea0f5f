package broker_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// keeper keeps last known values in memory, and traces what it is asked.
type keeper struct {
	t    *trace
	mu   sync.Mutex
	kept map[broker.Part]broker.Kept
	fail error
}

func (k *keeper) Keep(_ context.Context, _ time.Time, all []broker.Kept) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range all {
		k.t.add("keep %s", p.Name)
		k.kept[p.Part] = p
	}
	return k.fail
}

func (k *keeper) Last(_ context.Context, _ time.Time, parts []broker.Part) ([]broker.Kept, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]broker.Kept, len(parts))
	for i, p := range parts {
		k.t.add("last %s", p.Name)
		if out[i] = k.kept[p]; out[i].Read.IsZero() {
			out[i].Why = "none is kept"
		}
	}
	return out, k.fail
}

func (k *keeper) Holds(_ context.Context, _ time.Time, parts []broker.Part) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !slices.ContainsFunc(parts, func(p broker.Part) bool { return k.kept[p].Read.IsZero() })
}

func (k *keeper) Drop(_ context.Context, _ time.Time, names ...secret.Name) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range names {
		k.t.add("drop %s", n)
		for p := range k.kept {
			if p.Name == n {
				delete(k.kept, p)
			}
		}
	}
	return k.fail
}

// outage is a store that answers with an error, if one is set.
type outage struct {
	traced
	mu  sync.Mutex
	err error
}

func (s *outage) set(err error) { s.mu.Lock(); defer s.mu.Unlock(); s.err = err }

func (s *outage) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	s.mu.Lock()
	err := s.err
	s.mu.Unlock()
	if err != nil {
		return secret.Version{}, err
	}
	return s.traced.Get(ctx, n, at)
}

func (s *outage) GetBatch(ctx context.Context, names []secret.Name) []secret.Result {
	out := make([]secret.Result, len(names))
	for i, n := range names {
		out[i].Version, out[i].Err = s.Get(ctx, n, secret.At{})
	}
	return out
}

var unreached = secret.Errorf(secret.Unavailable, "", "no route to host\n  look at the cable")

// offline is a house whose environment keeps last known values.
func offline(t *testing.T) (*house, *keeper, *outage) {
	t.Helper()
	k, s := &keeper{kept: map[broker.Part]broker.Kept{}}, &outage{}
	h := open(t, func(e *broker.Env) {
		*e = broker.Env{Open: func(context.Context) (secret.Backend, error) { return s, nil }, Prefix: "team/", Last: k}
	})
	k.t, s.traced = h.trace, traced{mem.New(h.clock.now), h.trace}
	h.store = s.Store
	return h, k, s
}

func (h *house) give(t *testing.T, c secret.Caller, last bool, names ...string) []broker.Given {
	t.Helper()
	refs := make([]secret.Ref, len(names))
	for i, n := range names {
		refs[i] = ref(t, n)
	}
	given, err := h.GiveAll(t.Context(), c, refs, last)
	if err != nil {
		t.Fatal(err)
	}
	return given
}

func TestLastKnownIsGivenWhereTheStoreIsOutOfReach(t *testing.T) {
	h, _, s := offline(t)
	h.put(t, "claude/a", `{"f":"`+canary+`"}`)
	h.trace.take()
	if g := h.give(t, mia(), true, "claude/a#f"); g[0].Err != nil || g[0].Unreached != nil || g[0].Age != 0 {
		t.Fatalf("%+v", g[0])
	}
	wantTrace(t, h, "decide get claude/a", "get team/claude/a", "record get ok", "keep team/claude/a")
	s.set(unreached)
	h.clock.add(3 * time.Hour)
	g := h.give(t, mia(), true, "claude/a#f", "claude/b")
	wantTrace(t, h, "decide get claude/a", "decide get claude/b", "last team/claude/a", "last team/claude/b", "record get ok", "record get unavailable")
	if g[0].Err != nil || string(g[0].Version.Value.Reveal()) != canary || g[0].Age != 3*time.Hour || secret.KindOf(g[0].Unreached) != secret.Unavailable {
		t.Errorf("%+v", g[0])
	}
	wantKind(t, g[1].Err, secret.Unavailable)
	if !strings.HasSuffix(g[1].Err.Error(), "\n  none is kept") {
		t.Errorf("it is not told why there is none: %v", g[1].Err)
	}
	if r := h.log.all()[len(h.log.all())-2]; r.Outcome != audit.OK || r.Number != 1 || r.Reason != "last known value, 3h0m0s old: dev:claude/a: no route to host" {
		t.Errorf("recorded as %+v", r)
	}
	// Nobody else gets one.
	_, err := h.Get(t.Context(), mia(), ref(t, "claude/a"))
	wantKind(t, err, secret.Unavailable)
	wantKind(t, h.GetAll(t.Context(), mia(), []secret.Ref{ref(t, "claude/a")})[0].Err, secret.Unavailable)
	wantKind(t, h.give(t, mia(), false, "claude/a#f")[0].Err, secret.Unavailable)
}

// The age of what is given counts from when the store was last asked.
func TestGivingALastKnownValueDoesNotRenewIt(t *testing.T) {
	h, k, s := offline(t)
	h.put(t, "a", canary)
	h.give(t, mia(), true, "a")
	read := h.clock.now()
	s.set(unreached)
	for range 3 {
		h.clock.add(time.Hour)
		h.give(t, mia(), true, "a")
	}
	if got := k.kept[broker.Part{Name: "team/a"}].Read; !got.Equal(read) {
		t.Errorf("it was read at %v, and %v is kept", read, got)
	}
}

func TestAbuseLastKnown(t *testing.T) {
	for _, kind := range []secret.Kind{secret.Denied, secret.NotFound, secret.Unauthenticated, secret.Corrupt, secret.Invalid, secret.Conflict, secret.Unsupported} {
		t.Run("offline-not-used-when-"+strings.ReplaceAll(kind.Error(), " ", "-"), func(t *testing.T) {
			h, k, s := offline(t)
			h.put(t, "a", canary)
			h.give(t, mia(), true, "a")
			s.set(secret.Errorf(kind, "", "no"))
			wantKind(t, h.give(t, mia(), true, "a")[0].Err, kind)
			// What the store itself takes away is not given back by an outage after it.
			want := 1
			if kind == secret.Denied || kind == secret.NotFound {
				want = 0
			}
			if len(k.kept) != want {
				t.Errorf("%d are kept after %v", len(k.kept), kind)
			}
		})
	}
	t.Run("denied-caller-gets-no-last-known-value", func(t *testing.T) {
		h, k, s := offline(t)
		h.put(t, "private/a", canary)
		h.give(t, mia(), true, "private/a")
		s.set(unreached)
		h.trace.take()
		reader := secret.Caller{Principal: "agent:reader", How: secret.ByMark}
		g := h.give(t, reader, true, "private/a")
		wantKind(t, g[0].Err, secret.Denied)
		if !g[0].Version.Value.IsZero() {
			t.Error("a value came with the denial")
		}
		wantTrace(t, h, "decide get private/a", "record get denied")
		if len(k.kept) != 1 {
			t.Error("a stranger's question dropped what others may get")
		}
	})
	t.Run("revoked-grant-denies-at-once", func(t *testing.T) {
		h, k, s := offline(t)
		h.put(t, "claude/a", canary)
		reader := secret.Caller{Principal: "agent:reader", How: secret.ByMark}
		h.give(t, reader, true, "claude/a")
		s.set(unreached)
		b, err := broker.New(broker.Config{ // the same, without the grant
			Envs: map[string]broker.Env{"dev": {Open: func(context.Context) (secret.Backend, error) { return s, nil }, Prefix: "team/", Last: k}},
			Log:  h.log, Policy: nobody{}, Now: h.clock.now,
		})
		if err != nil {
			t.Fatal(err)
		}
		g, err := b.GiveAll(t.Context(), reader, []secret.Ref{ref(t, "claude/a")}, true)
		if err != nil {
			t.Fatal(err)
		}
		wantKind(t, g[0].Err, secret.Denied)
	})
	t.Run("changed-secret-is-dropped-before-and-after", func(t *testing.T) {
		h, k, _ := offline(t)
		for name, change := range map[string]func() error{
			"put": func() error {
				_, err := h.Put(t.Context(), mia(), ref(t, "a"), secret.Text(canary+"2"), nil)
				return err
			},
			"put-batch": func() error { _, err := h.PutAll(t.Context(), mia(), puts(t, "a", "b")); return err },
			"delete":    func() error { _, err := h.Delete(t.Context(), mia(), ref(t, "a"), nil); return err },
			"destroy":   func() error { return h.Destroy(t.Context(), mia(), ref(t, "a")) },
			"rename":    func() error { _, err := h.Rename(t.Context(), mia(), ref(t, "a"), ref(t, "z")); return err },
		} {
			h.put(t, "a", canary+name)
			h.give(t, mia(), true, "a")
			if len(k.kept) != 1 {
				t.Fatalf("%s: nothing is kept to be dropped", name)
			}
			h.trace.take()
			if err := change(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(k.kept) != 0 {
				t.Errorf("%s: it is still kept", name)
			}
			steps := h.trace.take()
			if first, last := index(steps, "drop team/a"), lastIndex(steps, "drop team/a"); first < 0 || first == last || first < index(steps, "record") {
				t.Errorf("%s: it is not dropped twice, after the begin: %q", name, steps)
			}
			for _, n := range []string{"a", "b", "z"} {
				_ = h.Destroy(t.Context(), mia(), ref(t, n)) // where it is there
			}
		}
	})
	t.Run("no-change-where-the-old-value-cannot-be-dropped", func(t *testing.T) {
		h, k, _ := offline(t)
		h.put(t, "a", canary)
		k.fail = secret.Errorf(secret.Unavailable, "", "disk full")
		_, err := h.Put(t.Context(), mia(), ref(t, "a"), secret.Text("new"), nil)
		wantKind(t, err, secret.Unavailable)
		if v, err := h.store.Get(t.Context(), "team/a", secret.At{}); err != nil || v.Number != 1 {
			t.Errorf("it was changed all the same: %+v, %v", v, err)
		}
	})
	t.Run("interrupted-is-no-outage", func(t *testing.T) {
		h, _, s := offline(t)
		h.put(t, "a", canary)
		h.give(t, mia(), true, "a")
		s.set(unreached)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		g, _ := h.GiveAll(ctx, mia(), []secret.Ref{ref(t, "a")}, true)
		wantKind(t, g[0].Err, secret.Unavailable)
	})
	t.Run("damaged-last-known-value-is-corrupt", func(t *testing.T) {
		h, k, s := offline(t)
		h.put(t, "a", canary)
		h.give(t, mia(), true, "a")
		s.set(unreached)
		k.fail = secret.Errorf(secret.Corrupt, "", "a byte was changed")
		g := h.give(t, mia(), true, "a")
		wantKind(t, g[0].Err, secret.Corrupt)
		if text := g[0].Err.Error(); !strings.Contains(text, "no route to host") || !strings.Contains(text, "a byte was changed") {
			t.Errorf("told as %q", text)
		}
	})
	t.Run("no-record-no-last-known-value", func(t *testing.T) {
		h, _, s := offline(t)
		h.put(t, "a", canary)
		h.give(t, mia(), true, "a")
		s.set(unreached)
		h.log.fail = func(audit.Record) error { return secret.Errorf(secret.Unavailable, "", "log full") }
		g := h.give(t, mia(), true, "a")
		wantKind(t, g[0].Err, secret.Unavailable)
		if !g[0].Version.Value.IsZero() || g[0].Unreached != nil {
			t.Errorf("it was given without a record: %+v", g[0])
		}
	})
}

// A store that says nothing is waited for as long as the environment says, but
// where all that is asked for can be given without it.
func TestASilentStoreIsWaitedForLessLongWhereAllIsKept(t *testing.T) {
	const timeout = 45 * time.Second
	for _, tt := range []struct {
		name  string
		last  bool
		names []string
		want  time.Duration
	}{
		{"all-kept", true, []string{"a", "b"}, broker.LastWait},
		{"one-kept", true, []string{"a"}, broker.LastWait},
		{"one-not-kept", true, []string{"a", "z"}, timeout},
		{"not-asked-for", false, []string{"a", "b"}, timeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &keeper{t: &trace{}, kept: map[broker.Part]broker.Kept{}}
				h := open(t, func(e *broker.Env) {
					*e = broker.Env{Open: func(context.Context) (secret.Backend, error) { return silent{mem.New(nil)}, nil }, Timeout: timeout, Last: k}
				})
				for _, n := range []secret.Name{"a", "b"} {
					k.kept[broker.Part{Name: n}] = broker.Kept{Version: secret.Version{Value: secret.Text(canary)}, Read: h.clock.now()}
				}
				begun := time.Now()
				given := h.give(t, mia(), tt.last, tt.names...)
				if took := time.Since(begun); took != tt.want {
					t.Errorf("it waited %v, want %v", took, tt.want)
				}
				if (given[0].Err == nil) != tt.last {
					t.Errorf("%+v", given[0])
				}
				time.Sleep(timeout) // the request itself ends with the environment's time
			})
		})
	}
}

// silent is a store that never answers.
type silent struct{ *mem.Store }

func (silent) Get(ctx context.Context, _ secret.Name, _ secret.At) (secret.Version, error) {
	<-ctx.Done()
	return secret.Version{}, ctx.Err()
}

func (silent) GetBatch(ctx context.Context, names []secret.Name) []secret.Result {
	<-ctx.Done()
	out := make([]secret.Result, len(names))
	for i := range out {
		out[i].Err = ctx.Err()
	}
	return out
}

func TestWhatCannotBeKeptIsGivenAllTheSame(t *testing.T) {
	h, k, _ := offline(t)
	h.put(t, "a", canary)
	k.fail = secret.Errorf(secret.Unavailable, "", "disk full")
	g, err := h.GiveAll(t.Context(), mia(), []secret.Ref{ref(t, "a")}, true)
	wantKind(t, err, secret.Unavailable)
	if g[0].Err != nil || string(g[0].Version.Value.Reveal()) != canary {
		t.Errorf("%+v", g[0])
	}
}

func index(steps []string, begins string) int {
	for i, s := range steps {
		if strings.HasPrefix(s, begins) {
			return i
		}
	}
	return -1
}

func lastIndex(steps []string, begins string) int {
	found := -1
	for i, s := range steps {
		if strings.HasPrefix(s, begins) {
			found = i
		}
	}
	return found
}

// nobody may do anything.
type nobody struct{}

func (nobody) Decide(policy.Request) policy.Decision {
	return policy.Decision{Reason: "no permit matches"}
}
