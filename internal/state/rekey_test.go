package state

import (
	"context"
	"errors"
	"testing"

	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/internal/state/internal/lite"
	"github.com/tacit-secrets/tacit/secret"
)

// rekey puts a new key in place.
func (f *fixture) rekey(t testing.TB) *seal.Key {
	t.Helper()
	next := f.ring.add(t)
	noError(t, f.Rekey(t.Context(), f.Key(), next, slot(t, f.StoreID(), next)))
	return next
}

func TestRekey(t *testing.T) {
	f := newFixture(t)
	putValue(t, f.DB, "a", "1", "x")
	put(t, f.DB, "a", "head")
	other := f.open(t)
	wantGet(t, other, "a", "head")
	before := f.AuditKey()
	next := f.rekey(t)
	if f.KeyID() != next.ID() {
		t.Fatal("the key is still the old one")
	}
	for _, d := range []*DB{f.DB, other, f.open(t)} {
		got, err := getValue(t, d, "a", "1")
		if err != nil || got != "x" || d.KeyID() != next.ID() {
			t.Fatalf("the value is %q, %v", got, err)
		}
		wantGet(t, d, "a", "head")
		_, err = d.Check(t.Context())
		noError(t, err)
	}
	wrapped, err := before.Wrap([]byte("r"), []byte("k"))
	noError(t, err)
	if got, err := other.AuditKey().Unwrap([]byte("r"), wrapped); err != nil || string(got) != "k" {
		t.Fatal("the audit key did not survive")
	}
	err = f.Rekey(t.Context(), f.key, next, slot(t, f.StoreID(), next))
	wantKind(t, err, secret.Conflict)
}

// TestAbuseWrongKey: a key that is not the store's is told from a header that
// was changed. Passphrases themselves are package seal's.
func TestAbuseWrongKey(t *testing.T) {
	t.Run("passphrase-wrong-vs-corrupt", func(t *testing.T) {
		f := newFixture(t)
		other := f.ring.add(t)
		wrong := &Options{Unlock: func(context.Context, string, seal.Slots) (*seal.Key, error) { return other, nil }}
		_, err := Open(t.Context(), f.path, wrong)
		wantKind(t, err, secret.Unauthenticated)
		f.behind(t, func(c *lite.Conn) error {
			return c.Exec("UPDATE header SET body = CAST(body || x'00' AS BLOB)")
		})
		_, err = Open(t.Context(), f.path, f.options())
		wantKind(t, err, secret.Corrupt)
	})
}

// TestRekeyedElsewhere: who cannot unlock the new key reads nothing more.
func TestRekeyedElsewhere(t *testing.T) {
	f := newFixture(t)
	put(t, f.DB, "a", "head")
	opts := f.options()
	ring := &keyring{keys: map[string]*seal.Key{f.key.ID(): f.key}}
	opts.Unlock = ring.unlock
	other, err := Open(t.Context(), f.path, opts)
	noError(t, err)
	t.Cleanup(func() { noError(t, other.Close()) })
	f.rekey(t)
	_, err = get(t, other, "a")
	wantKind(t, err, secret.Unauthenticated)
	_, err = Open(t.Context(), f.path, opts)
	wantKind(t, err, secret.Unauthenticated)
	_, err = Open(t.Context(), f.path, nil)
	wantKind(t, err, secret.Unauthenticated)
}

func TestSetSlots(t *testing.T) {
	f := newFixture(t)
	other := f.open(t)
	more := slot(t, f.StoreID(), f.key)[0]
	noError(t, f.SetSlots(t.Context(), func(s seal.Slots) (seal.Slots, error) { return s.Add(more) }))
	_, err := get(t, other, "a")
	wantKind(t, err, secret.NotFound)
	for _, d := range []*DB{f.DB, other} {
		s, err := d.Slots()
		if err != nil || len(s) != 2 {
			t.Fatalf("%d slots, %v", len(s), err)
		}
	}
	failed := errors.New("no")
	err = f.SetSlots(t.Context(), func(seal.Slots) (seal.Slots, error) { return nil, failed })
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if f.ring.asked != 1 {
		t.Fatalf("the key was asked for %d times", f.ring.asked)
	}
}

// TestOldHeaderPutBack: slots that were removed do not come back.
func TestOldHeaderPutBack(t *testing.T) {
	f := newFixture(t)
	var old []byte
	c, err := lite.Dial(t.Context(), f.path)
	noError(t, err)
	_, err = c.Get("SELECT body FROM header", nil, &old)
	noError(t, errors.Join(err, c.Close()))
	f.rekey(t)
	f.behind(t, func(c *lite.Conn) error { return c.Exec("UPDATE header SET body = ?", old) })
	_, err = Open(t.Context(), f.path, f.options())
	wantKind(t, err, secret.Corrupt)
}
