// Package backendtest asks a backend for every promise of package secret, each
// by a named case. A backend's test calls [Run]; the list of cases that it was
// asked is golden, so that no promise is lost in silence.
//
// It asks only through the contract: it knows no backend, and what a backend
// does beyond the contract is that backend's own test. Cases for backends with
// an endpoint (certificates, throttling) come with the first of them.
package backendtest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
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
	var out []testCase
	for _, c := range slices.Concat(baseCases(), writeCases(), versionCases(), optionalCases(), manyCases(), listCases()) {
		if c.needs == nil || c.needs(b) {
			out = append(out, c)
		}
	}
	if cfg.Second != nil {
		out = append(out, togetherCases()...)
	}
	return out
}

func newT(tb TB, cfg Config) *T {
	t := &T{TB: tb, cfg: cfg, at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
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

// canary is part of every value, and of no error.
const canary = "canary-7f3a"

func text(s string) secret.Value { return secret.Text(canary + s) }

// put writes a value and returns its version.
func (t *T) put(n secret.Name, s string) secret.Version {
	t.Helper()
	v, err := t.b.Put(t.Context(), n, text(s), nil)
	t.ok(err)
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

func (t *T) ok(err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// fails expects an error of a kind and state, without a value in its text.
func (t *T) fails(err error, k secret.Kind, s secret.State) {
	t.Helper()
	if secret.KindOf(err) != k || secret.StateOf(err) != s {
		t.Errorf("error %v is of kind %q and state %q, want %q and %q", err, secret.KindOf(err).Error(), secret.StateOf(err).Error(), k.Error(), s.Error())
	}
	t.clean(err)
}

// wait bounds what must happen soon.
const wait = 10 * time.Second
