package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func prefixed(e *broker.Env) { e.Prefix = "team/x/" }

func names(t *testing.T, h *house, c secret.Caller, o *secret.ListOptions) (out []string, cursor string) {
	t.Helper()
	for m, err := range h.List(t.Context(), c, "dev", o) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(m.Name))
		cursor = m.Cursor
	}
	return out, cursor
}

func TestPrefix(t *testing.T) {
	h := open(t, prefixed)
	h.put(t, "claude/api", canary)
	h.put(t, "b", canary)
	if _, err := h.store.Put(t.Context(), "outside", secret.Text(canary), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := h.store.Describe(t.Context(), "team/x/claude/api"); err != nil {
		t.Errorf("the prefix was not added: %v", err)
	}
	m, err := h.Describe(t.Context(), mia(), ref(t, "b"))
	if err != nil || m.Name != "b" {
		t.Errorf("described as %q, %v", m.Name, err)
	}
	all, _ := names(t, h, mia(), nil)
	if !slices.Equal(all, []string{"b", "claude/api"}) {
		t.Errorf("listed %q", all)
	}
	for m, err := range h.List(t.Context(), mia(), "dev", nil) {
		if err != nil || strings.Contains(m.Cursor, "team") {
			t.Errorf("the cursor %q tells the prefix, %v", m.Cursor, err)
		}
		rest, _ := names(t, h, mia(), &secret.ListOptions{After: m.Cursor})
		if !slices.Equal(rest, []string{"claude/api"}) {
			t.Errorf("behind the first come %q", rest)
		}
		break
	}
	for _, s := range []string{"none", "b@9"} {
		_, err = h.Get(t.Context(), mia(), ref(t, s))
		if wantKind(t, err, secret.NotFound); strings.Contains(err.Error(), "team") {
			t.Errorf("the error tells the prefix: %v", err)
		}
	}
	_, err = h.Get(t.Context(), mia(), secret.Ref{Env: "dev", Name: secret.Name(strings.Repeat("n", secret.MaxNameBytes))})
	wantKind(t, err, secret.Invalid)
	for _, r := range h.log.all() {
		if strings.Contains(r.Name+r.Reason, "team") {
			t.Errorf("a record tells the prefix: %+v", r)
		}
	}
	for _, bad := range []string{"not a cursor"} {
		for _, err := range h.List(t.Context(), mia(), "dev", &secret.ListOptions{After: bad}) {
			wantKind(t, err, secret.Invalid)
		}
	}
}

func TestListFilters(t *testing.T) {
	h := open(t, nil)
	for _, n := range []string{"claude/a", "claude/b", "hidden/x", "top"} {
		h.put(t, n, canary)
	}
	lister := secret.Caller{Principal: "agent:lister", How: secret.ByMark}
	got, _ := names(t, h, lister, nil)
	if !slices.Equal(got, []string{"claude/a", "claude/b"}) {
		t.Errorf("the lister sees %q", got)
	}
	got, _ = names(t, h, lister, &secret.ListOptions{Shallow: true})
	if !slices.Equal(got, []string{"claude/"}) {
		t.Errorf("the lister sees the folders %q", got)
	}
	if got, _ = names(t, h, eve(), nil); len(got) > 0 {
		t.Errorf("a stranger sees %q", got)
	}
	before := len(h.log.all())
	names(t, h, mia(), &secret.ListOptions{Prefix: "claude/"})
	all := h.log.all()
	if r := all[len(all)-1]; len(all) != before+1 || r.Name != "claude/" || r.Verb != secret.List {
		t.Errorf("the listing's record is %+v", r)
	}
}

// plainStore hides every optional promise.
type plainStore struct{ secret.Backend }

func TestUnsupported(t *testing.T) {
	h := open(t, func(e *broker.Env) { *e = broker.Opened(plainStore{mem.New(nil)}) })
	h.put(t, "a", canary)
	for name, call := range methods() {
		switch name {
		case "Swap", "Merge", "Rollback", "Create", "Undelete", "RemoveVersions", "MoveStage", "Annotate", "AnnotateVersion", "Limit", "Backup", "Restore", "Versions":
			n := "a"
			if name == "Merge" {
				n = "new"
			}
			if err := call(h, mia(), ref(t, n)); secret.KindOf(err) != secret.Unsupported {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, o := range []*secret.PutOptions{
		{ID: "0123456789abcdef0123456789abcdef"},
		{Stages: []secret.Stage{secret.Pending}},
		{Annotations: &secret.Annotations{}},
		{Attributes: &secret.Attributes{}},
	} {
		_, err := h.Put(t.Context(), mia(), ref(t, "b"), secret.Text(canary), o)
		wantKind(t, err, secret.Unsupported)
	}
	_, err := h.Get(t.Context(), mia(), ref(t, "b"))
	wantKind(t, err, secret.NotFound)
	for _, err := range h.List(t.Context(), mia(), "dev", &secret.ListOptions{Deleted: secret.OnlyDeleted}) {
		wantKind(t, err, secret.Unsupported)
	}
}

// faulty fails as a backend must not.
type faulty struct {
	secret.Backend
	err error
}

func (f faulty) Get(context.Context, secret.Name, secret.At) (secret.Version, error) {
	return secret.Version{Value: secret.Text(canary)}, f.err
}

func TestErrorsHaveOneKind(t *testing.T) {
	for _, tt := range []struct {
		err  error
		kind secret.Kind
	}{
		{errors.New("it broke on " + canary), secret.Unavailable},
		{io.EOF, secret.Unavailable},
		{context.Canceled, secret.Unavailable},
		{secret.Conflict, secret.Conflict},
		{secret.Errorf(secret.Denied, "dev/a", "the store refuses dev/a"), secret.Denied},
		{fmt.Errorf("outer: %w", secret.Errorf(secret.Corrupt, "a", "torn")), secret.Corrupt},
		{&secret.Error{Text: "no kind"}, secret.Unavailable},
	} {
		h := open(t, func(e *broker.Env) { *e = broker.Opened(faulty{mem.New(nil), tt.err}) })
		v, err := h.Get(t.Context(), mia(), ref(t, "a"))
		wantKind(t, err, tt.kind)
		if _, ok := errors.AsType[*secret.Error](err); !ok || strings.Contains(err.Error(), canary) || !v.Value.IsZero() {
			t.Errorf("%v became %v", tt.err, err)
		}
	}
}

// slow answers after a while, or when it is told to.
type slow struct {
	secret.Backend
	delay   time.Duration
	release chan struct{}
	mu      *sync.Mutex
	asked   int
	running int
	most    int
}

func (s *slow) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	s.mu.Lock()
	s.asked++
	s.running++
	s.most = max(s.most, s.running)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.running--; s.mu.Unlock() }()
	select {
	case <-time.After(s.delay):
	case <-s.release:
	case <-ctx.Done():
		return secret.Version{}, ctx.Err()
	}
	return s.Backend.Get(ctx, n, at)
}

func openSlow(t testing.TB, delay time.Duration) (*house, *slow) {
	s := &slow{Backend: mem.New(nil), delay: delay, release: make(chan struct{}), mu: &sync.Mutex{}}
	h := open(t, func(e *broker.Env) { *e = broker.Opened(s) })
	return h, s
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := openSlow(t, time.Hour)
		h.put(t, "a", canary)
		start := time.Now()
		_, err := h.Get(t.Context(), mia(), ref(t, "a"))
		wantKind(t, err, secret.Unavailable)
		if d := time.Since(start); d != broker.DefaultTimeout || !strings.Contains(err.Error(), "in time") {
			t.Errorf("after %v: %v", d, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		_, err = h.Get(ctx, mia(), ref(t, "a"))
		wantKind(t, err, secret.Unavailable)
		if d := time.Since(start); d != time.Second {
			t.Errorf("the caller's own limit came after %v", d)
		}
		if h.log.last().Outcome != "unavailable" {
			t.Errorf("recorded as %+v", h.log.last())
		}
		time.Sleep(broker.DefaultTimeout) // the bubble's clock: lets the fetch end
	})
}

// endlessList is a store that lists for ever, and calls it an interruption when
// it is not waited for any longer.
type endlessList struct{ *mem.Store }

func (endlessList) List(ctx context.Context, _ *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	return func(yield func(secret.Meta, error) bool) {
		<-ctx.Done()
		yield(secret.Meta{}, &secret.Error{Kind: secret.Unavailable, Text: "interrupted", Err: ctx.Err()})
	}
}

// A list that takes too long was not interrupted by anybody.
func TestListTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, func(e *broker.Env) { *e = broker.Opened(endlessList{mem.New(nil)}) })
		list := func(ctx context.Context) (last error) {
			for _, err := range h.List(ctx, mia(), "dev", nil) {
				last = err
			}
			return last
		}
		if err := list(t.Context()); secret.KindOf(err) != secret.Unavailable || err.Error() != "dev: the store did not answer in time" {
			t.Errorf("too slow: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := list(ctx); secret.KindOf(err) != secret.Unavailable || !strings.Contains(err.Error(), "interrupted") {
			t.Errorf("interrupted: %v", err)
		}
	})
}

// Equal reads share one request; that the first caller goes away does not
// fail the others, and a read after a write does not join one before it.
func TestFlights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := openSlow(t, time.Second)
		h.put(t, "a", "old")
		first, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := h.Get(first, mia(), ref(t, "a"))
			wantKind(t, err, secret.Unavailable)
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() {
				v, err := h.Get(t.Context(), mia(), ref(t, "a"))
				if err != nil || string(v.Value.Reveal()) != "old" && string(v.Value.Reveal()) != "new" {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		if s.asked != 1 {
			t.Errorf("11 equal reads made %d requests", s.asked)
		}
		h.put(t, "a", "new")
		wg.Go(func() {
			v, err := h.Get(t.Context(), mia(), ref(t, "a"))
			if err != nil || string(v.Value.Reveal()) != "new" {
				t.Errorf("a read after the write joined one before it, %v", err)
			}
		})
		wg.Wait()
		if s.asked != 2 {
			t.Errorf("%d requests, want 2", s.asked)
		}
	})
}

func TestGetAll(t *testing.T) {
	h := open(t, nil)
	h.put(t, "claude/a", `{"x":"1","y":"2"}`)
	h.put(t, "claude/b", "b")
	h.put(t, "other", canary)
	h.trace.take()
	h.log.appends = 0
	reader := secret.Caller{Principal: "agent:reader", How: secret.ByMark}
	refs := []secret.Ref{ref(t, "claude/a#x"), ref(t, "other"), ref(t, "claude/a#y"), ref(t, "claude/none"), ref(t, "claude/b"), ref(t, "claude/b@1"), {Env: "dev"}}
	out := h.GetAll(t.Context(), reader, refs)
	for i, want := range []string{"1", "", "2", "", "b", "b", ""} {
		if got := string(out[i].Version.Value.Reveal()); got != want {
			t.Errorf("%v: got %d bytes, %v", refs[i], len(got), out[i].Err)
		}
	}
	wantKind(t, out[1].Err, secret.Denied)
	wantKind(t, out[3].Err, secret.NotFound)
	wantKind(t, out[6].Err, secret.Invalid)
	steps := h.trace.take()
	lastDecision := slices.IndexFunc(steps, func(s string) bool { return !strings.HasPrefix(s, "decide") })
	if lastDecision != 6 || steps[6] != "batch 3" {
		t.Errorf("the order was %q", steps)
	}
	if h.log.appends != 1 || len(steps) != 6+1+1+6 {
		t.Errorf("%d appends; %q", h.log.appends, steps)
	}
}

func TestGetAllFansOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := openSlow(t, 50*time.Millisecond)
		refs := make([]secret.Ref, 100)
		for i := range refs {
			refs[i] = ref(t, fmt.Sprintf("n%d", i))
			h.put(t, string(refs[i].Name), canary)
		}
		start := time.Now()
		for _, r := range h.GetAll(t.Context(), mia(), refs) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		if d := time.Since(start); d > 400*time.Millisecond || s.most != broker.InFlight {
			t.Errorf("100 references took %v with %d in flight", d, s.most)
		}
		s.asked = 0
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, r := range h.GetAll(ctx, mia(), refs) {
			wantKind(t, r.Err, secret.Unavailable)
		}
		if s.asked > 0 {
			t.Errorf("a store was asked %d times for nobody", s.asked)
		}
	})
}

func TestAbuseDenials(t *testing.T) {
	// In a bubble, since a real second may pass on a busy machine.
	t.Run("denial-flood-bounded-log", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, nil)
			flood := func(n int) {
				for range n {
					_, err := h.Get(t.Context(), eve(), ref(t, "a"))
					wantKind(t, err, secret.Denied)
				}
			}
			flood(1000)
			if n := len(h.log.all()); n != 10 {
				t.Errorf("1000 denials in a second made %d records", n)
			}
			// Another principal is not drowned by it.
			_, err := h.Get(t.Context(), secret.Caller{Principal: "agent:other"}, ref(t, "a"))
			wantKind(t, err, secret.Denied)
			if h.log.last().Principal != "agent:other" {
				t.Error("another principal's denial is missing")
			}
			h.clock.add(time.Second)
			flood(12)
			var counted audit.Record
			for _, r := range h.log.all() {
				if strings.HasPrefix(r.Reason, "990 more denials") {
					counted = r
				}
			}
			if counted.Principal != "agent:eve" || counted.Outcome != audit.Denied || counted.Name != "a" {
				t.Errorf("the counter's record is %+v", counted)
			}
			if err := h.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if r := h.log.last(); !strings.HasPrefix(r.Reason, "2 more denials") {
				t.Errorf("closing recorded %+v", r)
			}
			if n := len(h.log.all()); n != 10+1+1+10+1 {
				t.Errorf("%d records", n)
			}
		})
	})
	t.Run("a silence after it records the number", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, nil)
			for range 11 {
				_, err := h.Get(t.Context(), eve(), ref(t, "a"))
				wantKind(t, err, secret.Denied)
			}
			time.Sleep(2 * time.Second) // the bubble's clock
			if r := h.log.last(); !strings.HasPrefix(r.Reason, "1 more") {
				t.Errorf("the last record is %+v", r)
			}
		})
	})
}

// expiring is a store whose deleted secrets wait for someone to purge them.
type expiring struct {
	secret.Backend
	due    []secret.Name
	purged []secret.Name
}

func (e *expiring) Expired(context.Context) ([]secret.Name, error) { return e.due, nil }

func (e *expiring) Purge(_ context.Context, n secret.Name) error {
	if n == "team/x/revived" {
		return secret.Errorf(secret.NotFound, n, "it is not to be purged")
	}
	e.purged = append(e.purged, n)
	return nil
}

func TestFirstWriterPurges(t *testing.T) {
	s := &expiring{Backend: mem.New(nil), due: []secret.Name{"team/x/old", "team/x/revived", "elsewhere"}}
	h := open(t, func(e *broker.Env) { *e = broker.Opened(s); prefixed(e) })
	if _, err := h.Get(t.Context(), mia(), ref(t, "a")); secret.KindOf(err) != secret.NotFound || len(s.purged) > 0 {
		t.Fatalf("a read purged %q, %v", s.purged, err)
	}
	h.log.records = nil
	h.put(t, "a", canary)
	if !slices.Equal(s.purged, []secret.Name{"team/x/old"}) {
		t.Errorf("purged %q", s.purged)
	}
	var got []string
	for _, r := range h.log.all() {
		got = append(got, fmt.Sprint(r.Principal, " ", r.Verb, " ", r.Name, " ", r.Phase, " ", r.Outcome))
	}
	want := []string{
		"app:tacit destroy old begin ", "app:tacit destroy old end ok",
		"app:tacit destroy revived begin ", "app:tacit destroy revived end not found",
		"user:mia put a begin ", "user:mia put a end ok",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A change that fails before it begins leaves a record, too.
func TestFailuresAreRecorded(t *testing.T) {
	h := open(t, func(e *broker.Env) {
		e.Open = func(context.Context) (secret.Backend, error) {
			return nil, secret.Errorf(secret.Unauthenticated, "", "the store is locked")
		}
	})
	for name, call := range methods() {
		if name == "Do" { // needs no store
			continue
		}
		before := len(h.log.all())
		wantKind(t, call(h, mia(), ref(t, "a")), secret.Unauthenticated)
		if r := h.log.last(); len(h.log.all()) == before || r.Outcome != "unauthenticated" {
			t.Errorf("%s: the record is %+v", name, r)
		}
	}
	for _, err := range h.List(t.Context(), mia(), "dev", nil) {
		wantKind(t, err, secret.Unauthenticated)
	}
	if r := h.log.last(); r.Verb != secret.List || r.Outcome != "unauthenticated" {
		t.Errorf("the listing's record is %+v", r)
	}
}

func TestNearest(t *testing.T) {
	h := open(t, nil)
	for _, n := range []string{"claude/api", "claude/app", "hidden/claude/apj", "far"} {
		h.put(t, n, canary)
	}
	if got := h.Nearest(t.Context(), mia(), ref(t, "claude/apo")); !slices.Equal(got, []secret.Name{"claude/api", "claude/app"}) {
		t.Errorf("nearest: %q", got)
	}
	if got := h.Nearest(t.Context(), eve(), ref(t, "claude/apo")); len(got) > 0 {
		t.Errorf("a stranger is told %q", got)
	}
}

func TestDo(t *testing.T) {
	h := open(t, nil)
	act := broker.Action{Verb: secret.Grant, Env: "dev", For: "grant get"}
	err := h.Do(t.Context(), mia(), act, func(context.Context) error { h.trace.add("done"); return nil })
	if err != nil {
		t.Fatal(err)
	}
	wantTrace(t, h, "decide grant ", "record grant begin", "done", "record grant end ok")
	act.Verb = secret.Verify
	err = h.Do(t.Context(), mia(), act, func(context.Context) error { return secret.Errorf(secret.Corrupt, "", "torn") })
	wantKind(t, err, secret.Corrupt)
	wantTrace(t, h, "decide verify ")
}

// leaving is a store whose caller goes away during a put.
type leaving struct {
	secret.Backend
	leave context.CancelFunc
}

func (l leaving) Put(ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	l.leave()
	return l.Backend.Put(context.WithoutCancel(ctx), n, v, o)
}

func TestEndIsRecordedWithoutTheCaller(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	h := open(t, func(e *broker.Env) { *e = broker.Opened(leaving{mem.New(nil), leave}) })
	if _, err := h.Put(ctx, mia(), ref(t, "a"), secret.Text(canary), nil); err != nil {
		t.Error(err)
	}
	if r := h.log.last(); r.Phase != audit.End || r.Outcome != audit.OK {
		t.Errorf("the last record is %+v", r)
	}
}

// Names are told as the caller knows them, commands name the environment, and
// what the store has to be told keeps the store's own path.
func TestPrefixInErrorText(t *testing.T) {
	for text, want := range map[string]string{
		"the store refuses team/x/a": "the store refuses a",
		"it is deleted\n  tacit undelete team/x/a\n  or:  tacit put team/x/a --recover":           "it is deleted\n  tacit undelete dev:a\n  or:  tacit put dev:a --recover",
		"not at secret/data/team/x/a\n  path \"secret/data/team/x/a\" {}\n  path \"team/x/a\" {}": "not at secret/data/team/x/a\n  path \"secret/data/team/x/a\" {}\n  path \"team/x/a\" {}",
		"tacit get team/x/another":                            "tacit get team/x/another",
		"denied\n  a policy that would:  tacit policy export": "denied\n  a policy that would:  tacit policy export --env dev",
		"tacit get team/x/a-b, team/x/a.":                     "tacit get team/x/a-b, a.",
	} {
		h := open(t, func(e *broker.Env) {
			*e = broker.Opened(faulty{mem.New(nil), secret.Errorf(secret.Denied, "team/x/a", "%s", text)})
			prefixed(e)
		})
		_, err := h.Get(t.Context(), mia(), ref(t, "a"))
		if wantKind(t, err, secret.Denied); err.Error() != "dev:a: "+want {
			t.Errorf("%q is told as %q, want %q", text, err, want)
		}
	}
	h := open(t, func(e *broker.Env) {
		*e = broker.Opened(faulty{mem.New(nil), secret.Errorf(secret.Denied, "a", "a store says no\n  tacit history a")})
	})
	if _, err := h.Get(t.Context(), mia(), ref(t, "a")); err.Error() != "dev:a: a store says no\n  tacit history dev:a" {
		t.Errorf("without a prefix it is told as %q", err)
	}
}
