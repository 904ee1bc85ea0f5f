package local_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/local"
	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// A clock is a test's time.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// A file is a store's file, and the folder with the key that opens it.
type file struct{ Path, Keys string }

func (f file) options() *state.Options {
	u := seal.Unlocker{KeyDir: f.Keys}
	return &state.Options{Unlock: u.Unlock}
}

// newFile makes an empty store.
func newFile(t testing.TB) file {
	t.Helper()
	f := file{Path: filepath.Join(t.TempDir(), "store", "store.db"), Keys: t.TempDir()}
	key, err := seal.NewKey()
	noError(t, err)
	id := state.NewStoreID()
	u := seal.Unlocker{KeyDir: f.Keys}
	slot, err := u.NewSlot(t.Context(), id, key, seal.Method{Kind: seal.KeyFile})
	noError(t, err)
	db, err := state.Create(t.Context(), f.Path, state.Seed{StoreID: id, Key: key, Slots: seal.Slots{slot}}, f.options())
	noError(t, err)
	noError(t, db.Close())
	return f
}

// open opens the file once more.
func (f file) open(t testing.TB, now func() time.Time) (*local.Store, *state.DB) {
	t.Helper()
	s, db, err := f.tryOpen(t.Context(), now)
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	return s, db
}

func (f file) tryOpen(ctx context.Context, now func() time.Time) (*local.Store, *state.DB, error) {
	db, err := state.Open(ctx, f.Path, f.options())
	if err != nil {
		return nil, nil, err
	}
	s, err := local.New(db, &local.Options{Now: now})
	return s, db, err
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t testing.TB, err error, kinds ...error) {
	t.Helper()
	if !slices.ContainsFunc(kinds, func(k error) bool { return errors.Is(err, k) }) {
		t.Fatalf("the error is %v (%v), want one of %v", err, secret.KindOf(err), kinds)
	}
}

func put(t testing.TB, b secret.Backend, name secret.Name, value string) secret.Version {
	t.Helper()
	v, err := b.Put(t.Context(), name, secret.Text(value), nil)
	noError(t, err)
	return v
}

func get(t testing.TB, b secret.Backend, name secret.Name) string {
	t.Helper()
	v, err := b.Get(t.Context(), name, secret.At{})
	noError(t, err)
	return string(v.Value.Reveal())
}

func TestPutGet(t *testing.T) {
	f := newFile(t)
	s, _ := f.open(t, nil)
	put(t, s, "a/b", "one")
	put(t, s, "a/b", "two")
	if got := get(t, s, "a/b"); got != "two" {
		t.Fatalf("got %q", got)
	}
	other, _ := f.open(t, nil)
	if got := get(t, other, "a/b"); got != "two" {
		t.Fatalf("the other has %q", got)
	}
	put(t, other, "a/b", "three")
	if got := get(t, s, "a/b"); got != "three" {
		t.Fatalf("after the other's put: %q", got)
	}
}
