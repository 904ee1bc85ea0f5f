package move_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

const canary = "canary-b07a"

func mia() secret.Caller { return secret.Caller{Principal: "user:mia", How: secret.ByUID} }

// log keeps records in memory.
type log struct {
	mu      sync.Mutex
	records []audit.Record
}

func (l *log) Append(_ context.Context, rs ...audit.Record) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := uint64(len(l.records))
	l.records = append(l.records, rs...)
	return first, nil
}

// writes counts the changes on record that were made.
func (l *log) writes() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if r.Phase == audit.End && r.Outcome == audit.OK {
			n++
		}
	}
	return n
}

// house is two environments, dev and prod.
type house struct {
	*broker.Broker
	log       *log
	policy    policy.Decider
	dev, prod *mem.Store
}

// open makes a house; target, if not nil, makes prod's backend of its store.
func open(t testing.TB, target func(*mem.Store) secret.Backend) *house {
	t.Helper()
	h := &house{log: &log{}, dev: mem.New(nil), prod: mem.New(nil)}
	var prod secret.Backend = h.prod
	if target != nil {
		prod = target(h.prod)
	}
	src, err := policy.Parse("policy.cedar", []byte(`
permit (principal == Agent::"lister", action == Action::"list", resource);
permit (principal == Agent::"reader", action in [Action::"list", Action::"get"], resource in Folder::"dev:");
permit (principal == Agent::"mover", action in [Action::"list", Action::"get"], resource in Folder::"dev:");
permit (principal == Agent::"mover", action in [Action::"list", Action::"put"], resource in Folder::"prod:");`))
	if err != nil {
		t.Fatal(err)
	}
	set, err := policy.New(policy.Config{Owner: "user:mia", Sources: []*policy.Source{src}})
	if err != nil {
		t.Fatal(err)
	}
	h.policy = set
	h.Broker, err = broker.New(broker.Config{
		Envs: map[string]broker.Env{"dev": broker.Opened(h.dev), "prod": broker.Opened(prod)}, Policy: set, Log: h.log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func put(t testing.TB, s *mem.Store, n secret.Name, v string, o *secret.PutOptions) secret.Version {
	t.Helper()
	out, err := s.Put(t.Context(), n, secret.Text(canary+v), o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func place(s string) move.Place {
	env, prefix, _ := strings.Cut(s, ":")
	if prefix == "" || strings.HasSuffix(prefix, "/") {
		return move.Place{Env: env, Prefix: prefix}
	}
	return move.Place{Env: env, Name: secret.Name(prefix)}
}

// run copies and returns what was done, one line each.
func run(t testing.TB, c move.Copy) ([]string, error) {
	t.Helper()
	var out []string
	err := c.Run(t.Context(), func(s move.Step) {
		line := string(s.Action) + " " + s.To.String()
		if s.Err != nil {
			line += " " + secret.KindOf(s.Err).Error()
		}
		out = append(out, line)
	})
	if err != nil && strings.Contains(err.Error(), canary) {
		t.Errorf("an error tells a value: %v", err)
	}
	slices.Sort(out)
	return out, err
}

func (h *house) copy(from, to string) move.Copy {
	return move.Copy{Broker: h.Broker, Caller: mia(), From: place(from), To: place(to)}
}

func want(t *testing.T, got []string, err error, lines ...string) {
	t.Helper()
	if err != nil || !slices.Equal(got, lines) {
		t.Errorf("\ngot  %q, %v\nwant %q", got, err, lines)
	}
}

func TestCopyKeepsWhatBelongsToASecret(t *testing.T) {
	h := open(t, nil)
	expires := time.Now().Add(time.Hour).UTC()
	put(t, h.dev, "app/db", "old", nil)
	now := put(t, h.dev, "app/db", "now", &secret.PutOptions{
		Annotations: &secret.Annotations{Description: "d", Tags: map[string]string{"owner": "payments"}},
		Attributes:  &secret.Attributes{ContentType: "text/plain", Expires: expires},
	})
	next := put(t, h.dev, "app/db", "next", &secret.PutOptions{Stages: []secret.Stage{secret.Pending, "canary"}})
	got, err := run(t, h.copy("dev:app/db", "prod:db"))
	want(t, got, err, "create prod:db")

	m, err := h.prod.Describe(t.Context(), "db")
	if err != nil || m.Description != "d" || m.Tags["owner"] != "payments" {
		t.Errorf("%+v, %v", m.Annotations, err)
	}
	v, err := h.prod.Get(t.Context(), "db", secret.At{})
	if err != nil || v.ID != now.ID || !v.Expires.Equal(expires) || v.ContentType != "text/plain" || string(v.Value.Reveal()) != canary+"now" {
		t.Errorf("%+v, %v", v, err)
	}
	for _, s := range []secret.Stage{secret.Pending, "canary"} {
		if v, err = h.prod.Get(t.Context(), "db", secret.At{Stage: s}); err != nil || v.ID != next.ID {
			t.Errorf("%s: %+v, %v", s, v, err)
		}
	}
	before := h.log.writes()
	got, err = run(t, h.copy("dev:app/db", "prod:db"))
	want(t, got, err, "same prod:db")
	if h.log.writes() != before {
		t.Error("a second copy wrote something")
	}
	if _, err := h.dev.Annotate(t.Context(), "app/db", secret.Change{Tags: secret.TagChange{Set: map[string]string{"tier": "1"}}}); err != nil {
		t.Fatal(err)
	}
	never := time.Time{}
	if _, err := h.dev.AnnotateVersion(t.Context(), "app/db", secret.At{}, secret.AttributeChange{Expires: &never}); err != nil {
		t.Fatal(err)
	}
	got, err = run(t, h.copy("dev:app/db", "prod:db"))
	want(t, got, err, "annotate prod:db")
	got, err = run(t, h.copy("dev:app/db", "prod:db"))
	want(t, got, err, "same prod:db")
}

func TestCopyTrees(t *testing.T) {
	h := open(t, nil)
	for i := range 600 { // more than two chunks
		put(t, h.dev, secret.Name(fmt.Sprintf("app/n%03d", i)), "v", nil)
	}
	put(t, h.dev, "app2/x", "v", nil)
	put(t, h.prod, "team/own", "theirs", nil)
	got, err := run(t, h.copy("dev:app/", "prod:team/"))
	if err != nil || len(got) != 600 || got[0] != "create prod:team/n000" {
		t.Fatalf("%d steps, %v", len(got), err)
	}
	put(t, h.dev, "app/n007", "newer", nil)
	got, err = run(t, h.copy("dev:app/", "prod:team/"))
	if err != nil || !slices.Contains(got, "update prod:team/n007") || len(slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "same ") })) != 1 {
		t.Errorf("%q, %v", got, err)
	}
	v, err := h.prod.Get(t.Context(), "team/n007", secret.At{Stage: secret.Previous})
	if err != nil || string(v.Value.Reveal()) != canary+"v" {
		t.Errorf("what was current is not previous: %v", err)
	}
	if _, err := h.prod.Get(t.Context(), "team/own", secret.At{}); err != nil {
		t.Error("copying took something away")
	}
}

// A version that the target has, but not as its current one, becomes current.
func TestCopyMovesCurrentBack(t *testing.T) {
	h := open(t, nil)
	put(t, h.dev, "a", "one", nil)
	if _, err := run(t, h.copy("dev:a", "prod:a")); err != nil {
		t.Fatal(err)
	}
	put(t, h.prod, "a", "theirs", nil)
	got, err := run(t, h.copy("dev:a", "prod:a"))
	want(t, got, err, "update prod:a")
	v, err := h.prod.Get(t.Context(), "a", secret.At{})
	if err != nil || string(v.Value.Reveal()) != canary+"one" {
		t.Errorf("%v", err)
	}
}

func TestCopyRefuses(t *testing.T) {
	h := open(t, nil)
	put(t, h.dev, "a", "v", nil)
	put(t, h.dev, "gone", "v", nil)
	put(t, h.prod, "gone", "v", nil)
	if _, err := h.prod.Delete(t.Context(), "gone", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := h.dev.Create(t.Context(), "void", secret.Annotations{}); err != nil {
		t.Fatal(err)
	}
	got, err := run(t, h.copy("dev:", "prod:"))
	if secret.KindOf(err) != secret.Conflict || !slices.Equal(got, []string{"create prod:a", "refuse prod:gone conflict", "refuse prod:void not found"}) {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range [][2]string{{"dev:", "dev:"}, {"dev:", "dev:below/"}, {"dev:x/y/", "dev:x/"}, {"dev:a", "dev:"}} {
		if _, err := run(t, h.copy(bad[0], bad[1])); secret.KindOf(err) != secret.Invalid {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if _, err := run(t, h.copy("dev:none/", "prod:")); secret.KindOf(err) != secret.NotFound {
		t.Errorf("err = %v", err)
	}
	long := h.copy("dev:", "prod:"+strings.Repeat("x", 511)+"/")
	if got, err := run(t, long); secret.KindOf(err) != secret.Invalid || len(got) != 3 {
		t.Errorf("names too long for the target: %q, %v", got, err)
	}
	c := h.copy("dev:a", "prod:b")
	c.Lossy = []string{"everything"}
	if _, err := run(t, c); secret.KindOf(err) != secret.Invalid {
		t.Errorf("err = %v", err)
	}
}

// plain keeps versions and nothing else.
type plain struct{ secret.Backend }

func TestCopyNamesWhatIsLost(t *testing.T) {
	h := open(t, func(s *mem.Store) secret.Backend { return plain{s} })
	put(t, h.dev, "a", "v", &secret.PutOptions{Annotations: &secret.Annotations{Tags: map[string]string{"k": "v"}}, Attributes: &secret.Attributes{ContentType: "x/y"}})
	put(t, h.dev, "b", "v", nil)
	c := h.copy("dev:", "prod:")
	got, err := run(t, c)
	if secret.KindOf(err) != secret.Unsupported || !strings.Contains(err.Error(), "--lossy attributes,tags") || !slices.Equal(got, []string{"create prod:b", "refuse prod:a unsupported"}) {
		t.Errorf("%q, %v", got, err)
	}
	c.Lossy = []string{"tags", "attributes"}
	got, err = run(t, c)
	want(t, got, err, "create prod:a", "same prod:b") // such a store keeps no identities; the values are compared
}

// racing changes a secret behind the back of a copy, once it was listed.
type racing struct {
	*mem.Store
	once *sync.Once
	t    testing.TB
}

func (r racing) PutBatch(ctx context.Context, puts []secret.Putting) ([]secret.Version, error) {
	r.once.Do(func() { put(r.t, r.Store, "n3", "theirs", nil) })
	return r.Store.PutBatch(ctx, puts)
}

func TestCopyOverwritesNoChangeItDidNotSee(t *testing.T) {
	h := open(t, func(s *mem.Store) secret.Backend { return racing{s, &sync.Once{}, t} })
	for i := range 5 {
		put(t, h.dev, secret.Name(fmt.Sprintf("n%d", i)), "v", nil)
	}
	got, err := run(t, h.copy("dev:", "prod:"))
	if secret.KindOf(err) != secret.Conflict || !slices.Equal(got, []string{"create prod:n0", "create prod:n1", "create prod:n2", "create prod:n3 conflict", "create prod:n4"}) {
		t.Errorf("%q, %v", got, err)
	}
	v, err := h.prod.Get(t.Context(), "n3", secret.At{})
	if err != nil || string(v.Value.Reveal()) != canary+"theirs" {
		t.Errorf("a change of another was overwritten: %v", err)
	}
}

// slow is interrupted by the first put that comes to it, keeps what it was given
// all the same, and answers nobody who left. It has no batches.
type slow struct {
	secret.Backend
	interrupt func()
}

func (s slow) Put(ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	s.interrupt()
	out, err := s.Backend.Put(context.WithoutCancel(ctx), n, v, o)
	if err == nil {
		err = ctx.Err()
	}
	return out, err
}

// TestCopyInterruptedTellsWhatIsThere: what was under way is there or not, and
// is told; nothing else is begun.
func TestCopyInterruptedTellsWhatIsThere(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	h := open(t, func(s *mem.Store) secret.Backend { return slow{struct{ secret.Backend }{s}, interrupt} })
	for i := range 300 {
		put(t, h.dev, secret.Name(fmt.Sprintf("s/%03d", i)), "x", nil)
	}
	told := map[string]bool{}
	c := h.copy("dev:s/", "prod:s/")
	if err := c.Run(ctx, func(s move.Step) { told[string(s.To.Name)] = s.Err == nil }); secret.KindOf(err) != secret.Unavailable {
		t.Errorf("the copy ends with %v", err)
	}
	there := 0
	for m, err := range h.prod.List(t.Context(), nil) {
		if there++; err != nil || !told[string(m.Name)] {
			t.Errorf("%s is there, and was not told: %v", m.Name, err)
		}
	}
	if there == 0 || there > 2*broker.InFlight {
		t.Errorf("%d are there", there)
	}
}

func TestCopyIsDecided(t *testing.T) {
	h := open(t, nil)
	put(t, h.dev, "a", "v", nil)
	c := h.copy("dev:", "prod:")
	for _, who := range []secret.Principal{"agent:lister", "agent:reader"} { // one lacks get, the other put
		c.Caller = secret.Caller{Principal: who, How: secret.ByMark}
		if _, err := run(t, c); secret.KindOf(err) != secret.Denied {
			t.Errorf("%s: %v", who, err)
		}
	}
	if _, err := h.prod.Get(t.Context(), "a", secret.At{}); err == nil {
		t.Error("it was copied")
	}
}

// Whatever lies at both places, afterwards the target has what the source has,
// nothing of its own is lost, and copying again does nothing.
func TestCopyProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := open(t, nil)
		fill := func(s *mem.Store, label string) map[string]bool {
			names := map[string]bool{}
			for i := range rapid.IntRange(0, 12).Draw(r, label) {
				n := secret.Name(rapid.SampledFrom([]string{"a", "a/b", "a/b/c", "a.b", "b", "c"}).Draw(r, "name"))
				if _, err := s.Put(t.Context(), n, secret.Text(fmt.Sprint(label, i)), nil); err != nil {
					r.Fatal(err)
				}
				names[string(n)] = true
			}
			return names
		}
		dev, prod := fill(h.dev, "dev"), fill(h.prod, "prod")
		c := h.copy("dev:", "prod:")
		if err := c.Run(t.Context(), func(move.Step) {}); err != nil && len(dev) > 0 {
			r.Fatal(err)
		}
		for n := range dev {
			x, err := h.dev.Get(t.Context(), secret.Name(n), secret.At{})
			y, err2 := h.prod.Get(t.Context(), secret.Name(n), secret.At{})
			if err != nil || err2 != nil || !x.Value.Equal(y.Value) || x.ID != y.ID {
				r.Fatalf("%s differs: %v %v", n, err, err2)
			}
		}
		for n := range prod {
			if _, err := h.prod.Get(t.Context(), secret.Name(n), secret.At{}); err != nil {
				r.Fatalf("%s is lost: %v", n, err)
			}
		}
		for d, err := range move.Diff(t.Context(), h.Broker, mia(), place("dev:"), place("prod:")) {
			if err != nil || d.Change != move.Added {
				r.Fatalf("%+v, %v", d, err)
			}
		}
		before := h.log.writes()
		_ = c.Run(t.Context(), func(move.Step) {})
		if h.log.writes() != before {
			r.Fatal("copying again wrote something")
		}
	})
}

func TestDiff(t *testing.T) {
	h := open(t, nil)
	raw := func(s *mem.Store, n secret.Name, v string) {
		if _, err := s.Put(t.Context(), n, secret.Text(v), nil); err != nil {
			t.Fatal(err)
		}
	}
	raw(h.dev, "same", "x")
	raw(h.prod, "same", "x")
	raw(h.dev, "only/dev", "x")
	raw(h.prod, "only/prod", "x")
	raw(h.dev, "db", `{"user":"u","password":"1","gone":1}`)
	raw(h.prod, "db", `{"user":"u","password":"2","new":1}`)
	raw(h.dev, "text", "1")
	raw(h.prod, "text", "2")
	var got []string
	for d, err := range move.Diff(t.Context(), h.Broker, mia(), place("dev:"), place("prod:")) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(d.Change, " ", d.Rel, " ", d.Fields))
	}
	if w := []string{
		"changed db [{gone removed} {new added} {password changed}]", "removed only/dev []", "added only/prod []", "changed text []",
	}; !slices.Equal(got, w) {
		t.Errorf("\ngot  %q\nwant %q", got, w)
	}
	c := secret.Caller{Principal: "agent:lister", How: secret.ByMark}
	var last error
	for _, err := range move.Diff(t.Context(), h.Broker, c, place("dev:"), place("prod:")) {
		last = err
	}
	if secret.KindOf(last) != secret.Denied {
		t.Errorf("a diff without get: %v", last)
	}
}

// disordered lists backwards.
type disordered struct{ *mem.Store }

func (d disordered) List(ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	var all []secret.Meta
	for m := range d.Store.List(ctx, o) {
		all = append(all, m)
	}
	slices.Reverse(all)
	return func(yield func(secret.Meta, error) bool) {
		for _, m := range all {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func TestDisorderIsRefused(t *testing.T) {
	h := open(t, func(s *mem.Store) secret.Backend { return disordered{s} })
	for _, n := range []secret.Name{"a", "b", "c"} {
		put(t, h.dev, n, "v", nil)
		put(t, h.prod, n, "v", nil)
	}
	if _, err := run(t, h.copy("dev:", "prod:")); secret.KindOf(err) != secret.Unsupported {
		t.Errorf("err = %v", err)
	}
}
