package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// canary stands in every value of these tests, and nowhere else.
const canary = "canary-5f1e"

func mia() secret.Caller {
	return secret.Caller{Principal: "user:mia", How: secret.ByUID, Session: "s1", Reason: "because", For: "run make"}
}

func eve() secret.Caller { return secret.Caller{Principal: "agent:eve", How: secret.ByMark} }

// trace is the order in which things happened.
type trace struct {
	mu    sync.Mutex
	steps []string
}

func (t *trace) add(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(t.steps, fmt.Sprintf(format, args...))
}

func (t *trace) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.steps
	t.steps = nil
	return out
}

// log keeps records in memory; fail, if set, may refuse them.
type log struct {
	t       *trace
	mu      sync.Mutex
	records []audit.Record
	appends int
	fail    func(audit.Record) error
}

func (l *log) Append(ctx context.Context, rs ...audit.Record) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for _, r := range rs {
		if l.fail != nil {
			if err := l.fail(r); err != nil {
				return 0, err
			}
		}
	}
	first := uint64(len(l.records))
	l.appends++
	for i, r := range rs {
		r.N = first + uint64(i)
		l.t.add("record %s %s", r.Verb, strings.TrimSpace(string(r.Phase)+" "+r.Outcome))
		l.records = append(l.records, r)
	}
	return first, nil
}

func (l *log) all() []audit.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.records)
}

func (l *log) last() audit.Record { all := l.all(); return all[len(all)-1] }

// decider traces what it is asked.
type decider struct {
	policy.Decider
	t *trace
}

func (d decider) Decide(r policy.Request) policy.Decision {
	d.t.add("decide %s %s", r.Verb, r.Name)
	return d.Decider.Decide(r)
}

// traced is a store that traces its calls.
type traced struct {
	*mem.Store
	t *trace
}

func (s traced) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	s.t.add("get %s", n)
	return s.Store.Get(ctx, n, at)
}

func (s traced) Put(ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	s.t.add("put %s", n)
	return s.Store.Put(ctx, n, v, o)
}

func (s traced) List(ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	s.t.add("list %s", o.Prefix)
	return s.Store.List(ctx, o)
}

func (s traced) GetBatch(ctx context.Context, names []secret.Name) []secret.Result {
	s.t.add("batch %d", len(names))
	return s.Store.GetBatch(ctx, names)
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

type house struct {
	*broker.Broker
	store *mem.Store
	log   *log
	trace *trace
	clock *clock
}

const rules = `
permit (principal == Agent::"reader", action == Action::"get", resource in Folder::"dev:claude");
permit (principal == Agent::"lister", action == Action::"list", resource in Folder::"dev:claude");
permit (principal == Agent::"lessee", action in [Action::"issue", Action::"renew", Action::"revoke"], resource in Folder::"dev:pki/issue");
permit (principal == Agent::"lessee", action == Action::"issue", resource == Secret::"dev:aws/sts/ci?role=a");
forbid (principal == Agent::"lessee", action, resource == Secret::"dev:pki/issue/admin");
permit (principal == Agent::"writer", action == Action::"put", resource in Folder::"dev:");
`

func open(t testing.TB, change func(*broker.Env)) *house {
	t.Helper()
	h := &house{trace: &trace{}, clock: &clock{t: time.Unix(1_700_000_000, 0)}}
	h.store = mem.New(h.clock.now)
	h.log = &log{t: h.trace}
	env := broker.Opened(traced{h.store, h.trace})
	if change != nil {
		change(&env)
	}
	src, err := policy.Parse("policy.cedar", []byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	set, err := policy.New(policy.Config{Sources: []*policy.Source{src}, Owner: "user:mia"})
	if err != nil {
		t.Fatal(err)
	}
	h.Broker, err = broker.New(broker.Config{
		Envs: map[string]broker.Env{"dev": env}, Policy: decider{set, h.trace}, Log: h.log, Now: h.clock.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ref(t testing.TB, s string) secret.Ref {
	t.Helper()
	r, err := secret.ParseRef("dev:" + s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (h *house) put(t testing.TB, name, value string) {
	t.Helper()
	if _, err := h.Put(t.Context(), mia(), ref(t, name), secret.Text(value), nil); err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, err error, k secret.Kind) {
	t.Helper()
	if got := secret.KindOf(err); got != k {
		t.Fatalf("err = %v (%v), want kind %v", err, got, k)
	}
}

func wantTrace(t *testing.T, h *house, want ...string) {
	t.Helper()
	if got := h.trace.take(); !slices.Equal(got, want) {
		t.Errorf("order:\n  got  %q\n  want %q", got, want)
	}
}

func TestOrder(t *testing.T) {
	h := open(t, nil)
	h.put(t, "a", canary)
	wantTrace(t, h, "decide put a", "record put begin", "put a", "record put end ok")

	if _, err := h.Get(t.Context(), mia(), ref(t, "a")); err != nil {
		t.Fatal(err)
	}
	wantTrace(t, h, "decide get a", "get a", "record get ok")

	_, err := h.Get(t.Context(), eve(), ref(t, "a"))
	wantKind(t, err, secret.Denied)
	wantTrace(t, h, "decide get a", "record get denied")

	var yielded bool
	for _, err := range h.List(t.Context(), mia(), "dev", nil) {
		if err != nil {
			t.Fatal(err)
		}
		yielded = true
		h.trace.add("item")
	}
	wantTrace(t, h, "list ", "decide list a", "record list ok", "item")
	if !yielded {
		t.Error("the list is empty")
	}
}

// methods calls everything the Broker can do, about one name.
func methods() map[string]func(*house, secret.Caller, secret.Ref) error {
	ctx := context.Background()
	v := secret.Text(canary)
	return map[string]func(*house, secret.Caller, secret.Ref) error{
		"Get":    func(h *house, c secret.Caller, r secret.Ref) error { _, err := h.Get(ctx, c, r); return err },
		"GetAll": func(h *house, c secret.Caller, r secret.Ref) error { return h.GetAll(ctx, c, []secret.Ref{r})[0].Err },
		"GiveAll": func(h *house, c secret.Caller, r secret.Ref) error {
			g, _ := h.GiveAll(ctx, c, []secret.Ref{r}, true)
			return g[0].Err
		},
		"Check":    func(h *house, c secret.Caller, r secret.Ref) error { return h.Check(ctx, c, []secret.Ref{r})[0] },
		"Describe": func(h *house, c secret.Caller, r secret.Ref) error { _, err := h.Describe(ctx, c, r); return err },
		"Versions": func(h *house, c secret.Caller, r secret.Ref) error {
			for _, err := range h.Versions(ctx, c, r) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"Issue": func(h *house, c secret.Caller, r secret.Ref) error {
			_, err := h.Issue(ctx, c, r, 0, h.keeper(nil))
			return err
		},
		"Renew":  func(h *house, c secret.Caller, r secret.Ref) error { _, err := h.Renew(ctx, c, r, "x", 0); return err },
		"Revoke": func(h *house, c secret.Caller, r secret.Ref) error { return h.Revoke(ctx, c, r, "x") },
		"Put":    func(h *house, c secret.Caller, r secret.Ref) error { _, err := h.Put(ctx, c, r, v, nil); return err },
		"Swap":   func(h *house, c secret.Caller, r secret.Ref) error { _, err := h.Swap(ctx, c, r, v, nil); return err },
		"Merge": func(h *house, c secret.Caller, r secret.Ref) error {
			r.Field = "f"
			_, err := h.Merge(ctx, c, r, v, nil)
			return err
		},
		"Rollback": func(h *house, c secret.Caller, r secret.Ref) error {
			r.At.Number = 1
			_, err := h.Rollback(ctx, c, r)
			return err
		},
		"Create": func(h *house, c secret.Caller, r secret.Ref) error {
			_, err := h.Create(ctx, c, r, secret.Annotations{})
			return err
		},
		"Delete":   func(h *house, c secret.Caller, r secret.Ref) error { _, err := h.Delete(ctx, c, r, nil); return err },
		"Undelete": func(h *house, c secret.Caller, r secret.Ref) error { _, err := h.Undelete(ctx, c, r); return err },
		"Destroy":  func(h *house, c secret.Caller, r secret.Ref) error { return h.Destroy(ctx, c, r) },
		"RemoveVersions": func(h *house, c secret.Caller, r secret.Ref) error {
			return h.RemoveVersions(ctx, c, secret.Destroy, r, secret.At{Number: 1})
		},
		"MoveStage": func(h *house, c secret.Caller, r secret.Ref) error {
			_, err := h.MoveStage(ctx, c, r, broker.StageMove{Stage: secret.Pending})
			return err
		},
		"Annotate": func(h *house, c secret.Caller, r secret.Ref) error {
			_, err := h.Annotate(ctx, c, r, secret.Change{})
			return err
		},
		"AnnotateVersion": func(h *house, c secret.Caller, r secret.Ref) error {
			_, err := h.AnnotateVersion(ctx, c, r, secret.AttributeChange{})
			return err
		},
		"Limit":  func(h *house, c secret.Caller, r secret.Ref) error { return h.Limit(ctx, c, r, secret.Limits{}) },
		"Backup": func(h *house, c secret.Caller, r secret.Ref) error { _, err := h.Backup(ctx, c, r); return err },
		"Restore": func(h *house, c secret.Caller, r secret.Ref) error {
			_, err := h.Restore(ctx, c, r, []byte("x"))
			return err
		},
		"PutAll": func(h *house, c secret.Caller, r secret.Ref) error {
			_, err := h.PutAll(ctx, c, []broker.Putting{{Ref: r, Value: v}})
			return err
		},
		"Rename": func(h *house, c secret.Caller, r secret.Ref) error {
			to := r
			to.Name = "elsewhere"
			_, err := h.Rename(ctx, c, r, to)
			return err
		},
		"Do": func(h *house, c secret.Caller, r secret.Ref) error {
			return h.Do(ctx, c, broker.Action{Verb: secret.Grant, Env: r.Env, Name: r.Name}, func(context.Context) error {
				h.trace.add("done")
				return nil
			})
		},
	}
}

// Denied callers get the same text for names that exist, are deleted, and
// never were; nothing is looked at, and each denial is recorded.
func TestDeniedBeforeLooking(t *testing.T) {
	for name, call := range methods() {
		t.Run(name, func(t *testing.T) {
			h := open(t, nil)
			h.put(t, "there", canary)
			h.put(t, "gone", canary)
			if _, err := h.Delete(t.Context(), mia(), ref(t, "gone"), nil); err != nil {
				t.Fatal(err)
			}
			h.trace.take()
			var texts []string
			for _, n := range []string{"there", "gone", "none"} {
				before := len(h.log.all())
				err := call(h, eve(), ref(t, n))
				wantKind(t, err, secret.Denied)
				texts = append(texts, strings.ReplaceAll(err.Error(), n, "NAME"))
				if r := h.log.last(); len(h.log.all()) != before+1 || r.Outcome != audit.Denied || r.Principal != "agent:eve" || r.Name != n {
					t.Errorf("the denial's record is %+v", r)
				}
			}
			if texts[0] != texts[1] || texts[1] != texts[2] {
				t.Errorf("the texts differ: %q", texts)
			}
			for _, s := range h.trace.take() {
				if !strings.HasPrefix(s, "decide ") && !strings.HasSuffix(s, " denied") {
					t.Errorf("a denied call went on: %s", s)
				}
			}
		})
	}
}

type anyone struct{}

func (anyone) Decide(policy.Request) policy.Decision { return policy.Decision{Allowed: true} }

func TestAbuseZeroCaller(t *testing.T) {
	t.Run("zero-caller-denied", func(t *testing.T) {
		for name, call := range methods() {
			h := open(t, nil)
			h.put(t, "a", canary)
			// Not even where the policy would let anyone in.
			b, err := broker.New(broker.Config{
				Envs: map[string]broker.Env{"dev": broker.Opened(h.store)}, Policy: anyone{}, Log: h.log, Now: h.clock.now,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, h.Broker = range []*broker.Broker{h.Broker, b} {
				for _, c := range []secret.Caller{{}, {Principal: "mia"}, {Principal: "user:"}} {
					if err := call(h, c, ref(t, "a")); secret.KindOf(err) != secret.Denied {
						t.Errorf("%s by %q: %v", name, c.Principal, err)
					}
					for m, err := range h.List(t.Context(), c, "dev", nil) {
						if secret.KindOf(err) != secret.Denied {
							t.Errorf("list by %q: %v, %v", c.Principal, m.Name, err)
						}
					}
				}
			}
		}
	})
}

func TestNoRecordNoAnswer(t *testing.T) {
	full := secret.Errorf(secret.Unavailable, "", "the disk is full")
	for name, call := range methods() {
		t.Run(name, func(t *testing.T) {
			h := open(t, nil)
			h.put(t, "a", `{"x":"`+canary+`"}`)
			h.log.fail = func(audit.Record) error { return full }
			h.trace.take()
			wantKind(t, call(h, mia(), ref(t, "a")), secret.Unavailable)
			v, err := h.Get(t.Context(), mia(), ref(t, "a"))
			if wantKind(t, err, secret.Unavailable); !v.Value.IsZero() || v.ID != "" {
				t.Error("an answer left without its record")
			}
		})
	}
	t.Run("a failed begin changes nothing", func(t *testing.T) {
		h := open(t, nil)
		h.log.fail = func(audit.Record) error { return full }
		_, err := h.Put(t.Context(), mia(), ref(t, "a"), secret.Text(canary), nil)
		wantKind(t, err, secret.Unavailable)
		if _, err := h.store.Describe(t.Context(), "a"); secret.KindOf(err) != secret.NotFound {
			t.Errorf("the store was written to: %v", err)
		}
	})
	t.Run("a failed end says that the change may have happened", func(t *testing.T) {
		h := open(t, nil)
		h.log.fail = func(r audit.Record) error {
			if r.Phase == audit.End {
				return errors.New("cut")
			}
			return nil
		}
		_, err := h.Put(t.Context(), mia(), ref(t, "a"), secret.Text(canary), nil)
		wantKind(t, err, secret.Unavailable)
		if !strings.Contains(err.Error(), "may have been made") {
			t.Errorf("it says: %v", err)
		}
	})
}

func TestRecords(t *testing.T) {
	h := open(t, nil)
	h.put(t, "a", `{"x":"`+canary+`"}`)
	begin, end := h.log.all()[0], h.log.all()[1]
	if begin.Phase != audit.Begin || begin.Outcome != "" || end.Phase != audit.End || end.Begun == nil || *end.Begun != begin.N {
		t.Errorf("begin %+v, end %+v", begin, end)
	}
	if end.Number != 1 || end.Version == "" || end.Outcome != audit.OK {
		t.Errorf("the end does not tell the version: %+v", end)
	}
	if _, err := h.Get(t.Context(), mia(), ref(t, "a#x")); err != nil {
		t.Fatal(err)
	}
	got := h.log.last()
	want := audit.Record{
		N: got.N, Principal: "user:mia", How: secret.ByUID, Session: "s1", Verb: secret.Get, Env: "dev", Name: "a",
		Version: end.Version, Number: 1, Outcome: audit.OK, Note: "because", For: "run make", Policy: policy.Owner,
	}
	if got != want {
		t.Errorf("\ngot  %+v\nwant %+v", got, want)
	}
	_, err := h.Get(t.Context(), mia(), ref(t, "a#nope"))
	wantKind(t, err, secret.NotFound)
	if !strings.Contains(err.Error(), "it has: x") {
		t.Errorf("the error does not name the fields: %v", err)
	}
	if r := h.log.last(); r.Outcome != "not found" || strings.Contains(r.Reason, "it has") {
		t.Errorf("the record of a missing field: %+v", r)
	}
	c := mia()
	c.Reason = strings.Repeat("x", 1025)
	before := len(h.log.all())
	_, err = h.Get(t.Context(), c, ref(t, "a"))
	wantKind(t, err, secret.Invalid)
	if len(h.log.all()) != before {
		t.Error("an invalid request was recorded")
	}
	text, err := json.Marshal(h.log.all())
	if err != nil || strings.Contains(string(text), canary) {
		t.Errorf("a value is in a record: %v", err)
	}
}

// No error and no record holds a value, whatever goes wrong.
func TestNoValueInErrors(t *testing.T) {
	for _, value := range []string{canary, `"` + canary + `"`, `{"` + canary, `{"a":"` + canary + `","a":1}`, `{"x":"` + canary + `\ud800"}`} {
		for name, call := range methods() {
			h := open(t, nil)
			h.put(t, "a", value)
			for _, s := range []string{"a", "a#x", "a#y", "a@7"} {
				if err := call(h, mia(), ref(t, s)); err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), canary) {
					t.Errorf("%s of %s tells the value", name, s)
				}
			}
			text, err := json.Marshal(h.log.all())
			if err != nil || strings.Contains(string(text), canary) {
				t.Errorf("%s: a value is in a record: %v", name, err)
			}
		}
	}
}

func TestInvalidBeforeAnything(t *testing.T) {
	h := open(t, nil)
	for _, r := range []secret.Ref{{Env: "dev"}, {Env: "dev", Name: "a//b"}, {Env: "dev", Name: "a\x00"}, {Env: "prod", Name: "a"}, {Name: "a"}} {
		_, err := h.Get(t.Context(), mia(), r)
		wantKind(t, err, secret.Invalid)
	}
	for _, s := range []string{"a#f", "a@1"} {
		_, err := h.Put(t.Context(), mia(), ref(t, s), secret.Text(canary), nil)
		wantKind(t, err, secret.Invalid)
		_, err = h.Delete(t.Context(), mia(), ref(t, s), nil)
		wantKind(t, err, secret.Invalid)
		_, err = h.Backup(t.Context(), mia(), ref(t, s))
		wantKind(t, err, secret.Invalid)
	}
	_, err := h.AnnotateVersion(t.Context(), mia(), ref(t, "a#f@1"), secret.AttributeChange{})
	wantKind(t, err, secret.Invalid)
	wantTrace(t, h)
}

func TestConfig(t *testing.T) {
	_, err := broker.New(broker.Config{Envs: map[string]broker.Env{"-x": {}, "dev": {Prefix: "a//"}}})
	wantKind(t, err, secret.Invalid)
	for _, s := range []string{"no policy", "no audit log", "-x", "dev"} {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%v does not say %q", err, s)
		}
	}
}
