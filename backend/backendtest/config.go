package backendtest

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// Config says what is tested and what it promises. What is zero is what a
// store without limits of its own does.
type Config struct {
	// New returns a new, empty backend whose clock is now, unless OwnClock
	// says otherwise.
	New func(t TB, now func() time.Time) secret.Backend
	// Second returns another instance over the same store; nil if there can
	// be none.
	Second func(t TB, b secret.Backend, now func() time.Time) secret.Backend
	// Capabilities is what secret.Capabilities must say.
	Capabilities []string
	// Unsupported are those of the Capabilities that this store, as it is
	// configured, answers with Unsupported.
	Unsupported []string

	// MaxValueBytes is the size of the largest value.
	MaxValueBytes int
	// NoEmpty: a value of no bytes is Invalid.
	NoEmpty bool
	// TextUTF8: text that is no UTF-8 comes back as binary.
	TextUTF8 bool
	// Refuses tells the names that are sound but that this store cannot hold:
	// each method answers Invalid. Nil: there are none.
	Refuses func(n secret.Name) bool
	// NoTimes: the store tells no time of anything.
	NoTimes bool
	// NoPurge: deleted secrets are kept for ever, or it is not told how long.
	NoPurge bool

	// OwnClock: the store's clock cannot be set. Cases that need time to pass
	// are asked if Hour says how.
	OwnClock bool
	// Hour is how long a case waits, with OwnClock, where it means an hour:
	// some seconds. Zero: such cases are not asked.
	Hour time.Duration

	// Lag is how long a list may trail behind writes. Zero: not at all.
	Lag time.Duration
	// Wait bounds what must happen soon. Zero means ten seconds.
	Wait time.Duration
	// Budget bounds a case: its context ends then, and it fails. Zero: none.
	Budget time.Duration

	// Lease is a name that a Lessor issues credentials for; empty: its cases
	// ask only what needs none.
	Lease secret.Name

	// Skips are cases that this store is known to fail, and why, with a link:
	// deviations of an emulator. One that passes fails the test, as does one
	// that there is not.
	Skips map[string]string
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

// check refuses a Config that contradicts itself.
func (c Config) check(t *testing.T) {
	t.Helper()
	for _, word := range c.Unsupported {
		if !slices.Contains(c.Capabilities, word) {
			t.Errorf("%q is unsupported, but no capability", word)
		}
	}
	if c.Hour != 0 && !c.OwnClock {
		t.Errorf("an hour is %s, but the clock can be set", c.Hour)
	}
}

// word is what secret.Capabilities calls an interface; empty if it is none.
func word[I any]() string {
	return map[reflect.Type]string{
		reflect.TypeFor[secret.Versioner]():        "versions",
		reflect.TypeFor[secret.Swapper]():          "swap",
		reflect.TypeFor[secret.Creator]():          "create",
		reflect.TypeFor[secret.Undeleter]():        "undelete",
		reflect.TypeFor[secret.VersionRemover]():   "remove versions",
		reflect.TypeFor[secret.Stager]():           "stages",
		reflect.TypeFor[secret.Annotator]():        "annotations",
		reflect.TypeFor[secret.VersionAnnotator](): "attributes",
		reflect.TypeFor[secret.Limiter]():          "limits",
		reflect.TypeFor[secret.Archiver]():         "backup",
		reflect.TypeFor[secret.BatchGetter]():      "batch",
		reflect.TypeFor[secret.Batcher]():          "batch put",
		reflect.TypeFor[secret.Renamer]():          "rename",
		reflect.TypeFor[secret.Watcher]():          "watch",
		reflect.TypeFor[secret.Lessor]():           "leases",
		reflect.TypeFor[secret.Prober]():           "posture",
		reflect.TypeFor[secret.Grantor]():          "rules",
	}[reflect.TypeFor[I]()]
}

// as returns the backend as an optional interface, unless it has none of that
// kind, or has it configured away.
func as[I any](t *T) (I, bool) {
	i, ok := t.b.(I)
	if !ok || slices.Contains(t.cfg.Unsupported, word[I]()) {
		var none I
		return none, false
	}
	return i, true
}

// A want tells whether a case is asked of a store.
type want func(t *T) bool

// is wants an optional interface.
func is[I any](t *T) bool { _, ok := as[I](t); return ok }

// both joins conditions of a case.
func both(all ...want) want {
	return func(t *T) bool { return !slices.ContainsFunc(all, func(w want) bool { return !w(t) }) }
}

func not(w want) want { return func(t *T) bool { return !w(t) } }

// settable wants a clock that can be set.
func settable(t *T) bool { return !t.cfg.OwnClock }

// passes wants time that passes while a case is asked.
func passes(t *T) bool { return !t.cfg.OwnClock || t.cfg.Hour > 0 }
