// Package backendtest asks a backend for every promise of package secret, each
// by a named case. A backend's test calls [Run], and [RunEndpoint] if its store
// is reached over a wire; the lists of cases that it was asked are golden, so
// that no promise is lost in silence.
//
// It asks only through the contract: it knows no backend, and what a backend
// does beyond the contract is that backend's own test.
package backendtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// A T is one case under way.
type T struct {
	TB
	cfg Config
	ctx context.Context // that of the test, with a limit
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
	needs want
	ask   func(t *T)
	raw   bool // it opens what it asks itself
}

// Run asks all cases that apply, each as a subtest, and returns their names.
func Run(t *testing.T, cfg Config) []string {
	t.Helper()
	cfg.check(t)
	return runAll(t, applying(t, cfg), cfg)
}

func runAll(t *testing.T, cases []testCase, cfg Config) []string {
	t.Helper()
	var asked []string
	for _, c := range cases {
		asked = append(asked, c.name)
		t.Run(c.name, func(t *testing.T) {
			if why, known := cfg.Skips[c.name]; known {
				skip(t, cfg, c, why)
				return
			}
			c.run(t, cfg)
		})
	}
	for c := range cfg.Skips {
		if !slices.Contains(asked, c) {
			t.Errorf("there is no case %q to be skipped", c)
		}
	}
	return asked
}

// skip asks a case that is known to fail.
func skip(t *testing.T, cfg Config, c testCase, why string) {
	t.Helper()
	if !c.fails(t, cfg) {
		t.Errorf("it passes: take it off the list of deviations (%s)", why)
		return
	}
	t.Skip(why)
}

// Failures asks all cases and returns the names of those that fail: for
// backends that are broken on purpose.
func Failures(t *testing.T, cfg Config) []string {
	t.Helper()
	var failed []string
	for _, c := range applying(t, cfg) {
		if c.fails(t, cfg) {
			failed = append(failed, c.name)
		}
	}
	return failed
}

// fails asks a case whose failure is an answer, not a failure.
func (c testCase) fails(t *testing.T, cfg Config) bool {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if recover() != nil {
				r.failed = true
			}
		}()
		c.run(r, cfg)
	}()
	<-done
	return r.failed
}

// run asks a case, within its budget.
func (c testCase) run(tb TB, cfg Config) {
	tb.Helper()
	t := bareT(tb, cfg)
	if !c.raw {
		t.b = cfg.New(tb, t.now)
	}
	start := time.Now()
	c.ask(t)
	if took := time.Since(start); t.cfg.Budget > 0 && took > t.cfg.Budget {
		t.Errorf("it took %s, its budget is %s", took.Round(time.Millisecond), t.cfg.Budget)
	}
}

func applying(t *testing.T, cfg Config) []testCase {
	t.Helper()
	one := newT(t, cfg)
	all := slices.Concat(baseCases(), narrowCases(), eachCases(), writeCases(), versionCases(), optionalCases(), manyCases(), listCases(), watchCases(), leaseCases(), postureCases())
	if cfg.Second != nil {
		all = append(all, togetherCases()...)
	}
	return slices.DeleteFunc(all, func(c testCase) bool { return c.needs != nil && !c.needs(one) })
}

func newT(tb TB, cfg Config) *T {
	t := bareT(tb, cfg)
	t.b = cfg.New(tb, t.now)
	return t
}

// bareT is a case without a backend.
func bareT(tb TB, cfg Config) *T {
	t := &T{TB: tb, cfg: cfg, ctx: tb.Context(), at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), nth: map[secret.VersionID]int{}, n: map[secret.Name]int{}}
	if cfg.OwnClock {
		t.at = time.Now().UTC().Truncate(time.Second)
	}
	t.limit()
	return t
}

// limit ends the case's context when its budget is used up.
func (t *T) limit() {
	if t.cfg.Budget > 0 {
		ctx, cancel := context.WithTimeout(t.ctx, t.cfg.Budget)
		t.ctx = ctx
		t.Cleanup(cancel)
	}
}

// Context is done when the budget of the case is used up.
func (t *T) Context() context.Context { return t.ctx }

// now is the backend's clock: it moves by a millisecond at each look, so that
// nothing happens at the same time.
func (t *T) now() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = t.at.Add(time.Millisecond)
	return t.at
}

// moment is a time that stores tell which keep whole seconds.
func (t *T) moment(d time.Duration) time.Time { return t.now().Truncate(time.Second).Add(d) }

// hours is the time that stands for so many hours on the store's clock.
func (t *T) hours(n int) time.Duration {
	if t.cfg.OwnClock {
		return time.Duration(n) * t.cfg.Hour
	}
	return time.Duration(n) * time.Hour
}

// pass lets time go by. With a clock of the store's own it does so by waiting:
// there is nothing to be seen before.
func (t *T) pass(d time.Duration) {
	if t.cfg.OwnClock {
		time.Sleep(d)
		return
	}
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

// use returns the backend as an optional interface that needs has seen.
func use[I any](t *T) I {
	t.Helper()
	i, ok := as[I](t)
	if !ok {
		t.Fatalf("%T is no %s", t.b, reflect.TypeFor[I]())
	}
	return i
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
