// Package backendtest asks a backend for every promise of package secret, each
// by a named case. A backend's test calls [Run]; the list of cases that it was
// asked is golden, so that no promise is lost in silence.
//
// It asks only through the contract: it knows no backend, and what a backend
// does beyond the contract is that backend's own test. Cases for backends with
// an endpoint (certificates, throttling) come with the first of them.
package backendtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// Config says what is tested and what it promises.
type Config struct {
	// New returns a new, empty backend whose clock is now.
	New func(t TB, now func() time.Time) secret.Backend
	// Second returns another instance over the same store; nil if there can
	// be none.
	Second func(t TB, b secret.Backend, now func() time.Time) secret.Backend
	// Capabilities is what secret.Capabilities must say.
	Capabilities []string
	// MaxValueBytes is the size of the largest value.
	MaxValueBytes int
	// Wait bounds what must happen soon. Zero means ten seconds.
	Wait time.Duration
}

// TB is what a case needs of a test.
type TB interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(f func())
	TempDir() string
}

// A T is one case under way.
type T struct {
	TB
	cfg Config
	mu  sync.Mutex
	at  time.Time
	b   secret.Backend
	nth map[secret.VersionID]int // of its secret's puts: stores count versions, or not
	n   map[secret.Name]int
}

// A testCase asks for one promise. Cases of optional interfaces are asked of
// the backends that implement them.
type testCase struct {
	name  string
	needs func(b secret.Backend) bool
	ask   func(t *T)
}

// Run asks all cases that apply, each as a subtest, and returns their names.
func Run(t *testing.T, cfg Config) []string {
	t.Helper()
	var asked []string
	for _, c := range applying(t, cfg) {
		asked = append(asked, c.name)
		t.Run(c.name, func(t *testing.T) { c.ask(newT(t, cfg)) })
	}
	return asked
}

// Failures asks all cases and returns the names of those that fail: for
// backends that are broken on purpose.
func Failures(t *testing.T, cfg Config) []string {
	t.Helper()
	var failed []string
	for _, c := range applying(t, cfg) {
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { r.failed = r.failed || recover() != nil }()
			c.ask(newT(r, cfg))
		}()
		<-done
		if r.failed {
			failed = append(failed, c.name)
		}
	}
	return failed
}

func applying(t *testing.T, cfg Config) []testCase {
	t.Helper()
	b := cfg.New(t, time.Now)
	all := slices.Concat(baseCases(), eachCases(), writeCases(), versionCases(), optionalCases(), manyCases(), listCases(), watchCases())
	if cfg.Second != nil {
		all = append(all, togetherCases()...)
	}
	return slices.DeleteFunc(all, func(c testCase) bool { return c.needs != nil && !c.needs(b) })
}

func newT(tb TB, cfg Config) *T {
	t := &T{TB: tb, cfg: cfg, at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), nth: map[secret.VersionID]int{}, n: map[secret.Name]int{}}
	t.b = cfg.New(tb, t.now)
	return t
}

// now is the backend's clock: it moves by a millisecond at each look, so that
// nothing happens at the same time.
func (t *T) now() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = t.at.Add(time.Millisecond)
	return t.at
}

// pass lets time go by.
func (t *T) pass(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = t.at.Add(d)
}

// recorder is a TB that notes failures instead of failing.
type recorder struct {
	TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }

func (r *recorder) Fatalf(string, ...any) {
	r.failed = true
	runtime.Goexit()
}

// is makes a needs function of an interface.
func is[I any](b secret.Backend) bool { _, ok := b.(I); return ok }

// use returns the backend as an optional interface that needs has seen.
func use[I any](t *T) I {
	t.Helper()
	i, ok := t.b.(I)
	if !ok {
		t.Fatalf("%T is no %s", t.b, fmt.Sprintf("%T", (*I)(nil))[1:])
	}
	return i
}

// both joins conditions of a case.
func both(all ...func(secret.Backend) bool) func(secret.Backend) bool {
	return func(b secret.Backend) bool {
		return !slices.ContainsFunc(all, func(has func(secret.Backend) bool) bool { return !has(b) })
	}
}

func not(has func(secret.Backend) bool) func(secret.Backend) bool {
	return func(b secret.Backend) bool { return !has(b) }
}

// canary is part of every value, and of no error.
const canary = "canary-7f3a"

func text(s string) secret.Value { return secret.Text(canary + s) }

// put writes a value and returns its version.
func (t *T) put(n secret.Name, s string) secret.Version {
	t.Helper()
	return t.putWith(n, s, nil)
}

func (t *T) putWith(n secret.Name, s string, o *secret.PutOptions) secret.Version {
	t.Helper()
	v, err := t.b.Put(t.Context(), n, text(s), o)
	t.ok(err)
	return t.note(n, v)
}

// note remembers the how manieth of its secret's puts made a version.
func (t *T) note(n secret.Name, v secret.Version) secret.Version {
	if _, known := t.nth[v.ID]; !known {
		t.n[n]++
		t.nth[v.ID] = t.n[n]
	}
	return v
}

// reads expects the value of a version.
func (t *T) reads(n secret.Name, at secret.At, want string) secret.Version {
	t.Helper()
	v, err := t.b.Get(t.Context(), n, at)
	t.ok(err)
	if !v.Value.Equal(text(want)) {
		t.Errorf("%s %+v has another value than %q", n, at, want)
	}
	return v
}

func (t *T) describe(n secret.Name) secret.Meta {
	t.Helper()
	m, err := t.b.Describe(t.Context(), n)
	t.ok(err)
	return m
}

func (t *T) ok(err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// fails expects an error of exactly one kind and state, without a value in its
// text or in that of a cause.
func (t *T) fails(err error, k secret.Kind, s secret.State) {
	t.Helper()
	if secret.KindOf(err) != k || secret.StateOf(err) != s {
		t.Errorf("error %v is of kind %q and state %q, want %q and %q", err, secret.KindOf(err).Error(), secret.StateOf(err).Error(), k.Error(), s.Error())
	}
	for other := secret.Invalid; other <= secret.Corrupt; other++ {
		if errors.Is(err, other) != (other == k) {
			t.Errorf("error %v is of kind %q too, or not of its own", err, other.Error())
		}
	}
	t.clean(err)
}

// clean expects an error without a value in its text or in that of a cause.
func (t *T) clean(err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.Contains(err.Error(), canary) || strings.Contains(fmt.Sprintf("%+v", err), canary) {
			t.Errorf("an error tells a value")
		}
	}
}

// wait bounds what must happen soon.
func (t *T) wait() time.Duration { return cmp.Or(t.cfg.Wait, 10*time.Second) }
