package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/secret"
)

// A keyring is the test's way to unlock: it knows some keys by their ids.
type keyring struct {
	mu    sync.Mutex
	keys  map[string]*seal.Key
	asked int
}

func (k *keyring) unlock(_ context.Context, _ string, slots seal.Slots) (*seal.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	for _, s := range slots {
		if key := k.keys[s.KEK]; key != nil {
			return key, nil
		}
	}
	return nil, secret.Errorf(secret.Unauthenticated, "", "no key fits")
}

func (k *keyring) add(t testing.TB) *seal.Key {
	t.Helper()
	key, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil {
		k.keys = map[string]*seal.Key{}
	}
	k.keys[key.ID()] = key
	return key
}

// slot returns a slot that names a key; the keyring needs no more.
func slot(t testing.TB, storeID string, key *seal.Key) seal.Slots {
	t.Helper()
	u := seal.Unlocker{KeyDir: t.TempDir()}
	s, err := u.NewSlot(t.Context(), storeID, key, seal.Method{Kind: seal.KeyFile})
	if err != nil {
		t.Fatal(err)
	}
	return seal.Slots{s}
}

// A fixture is a store in a folder of its own, and what opens it.
type fixture struct {
	path string
	ring *keyring
	key  *seal.Key
	*DB
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{path: filepath.Join(t.TempDir(), "store", "store.db"), ring: &keyring{}}
	f.key = f.ring.add(t)
	id := NewStoreID()
	db, err := Create(t.Context(), f.path, Seed{StoreID: id, Key: f.key, Slots: slot(t, id, f.key)}, f.options())
	if err != nil {
		t.Fatal(err)
	}
	f.DB = db
	t.Cleanup(func() { noError(t, f.Close()) })
	return f
}

func (f *fixture) options() *Options { return &Options{Unlock: f.ring.unlock} }

// open opens the same file once more.
func (f *fixture) open(t testing.TB) *DB {
	t.Helper()
	db, err := Open(t.Context(), f.path, f.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { noError(t, db.Close()) })
	return db
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t testing.TB, err error, kinds ...secret.Kind) {
	t.Helper()
	if !slices.Contains(kinds, secret.KindOf(err)) {
		t.Fatalf("the error is %v (%v), want one of %v", err, secret.KindOf(err), kinds)
	}
	if _, ok := errors.AsType[*secret.Error](err); !ok {
		t.Fatalf("%T is not a *secret.Error", err)
	}
}

func row(name string) Key { return Key{Kind: KindSecret, Name: name} }

func put(t testing.TB, d *DB, name, payload string) {
	t.Helper()
	noError(t, d.Update(t.Context(), func(tx *Tx) error { return tx.Put(row(name), []byte(payload)) }))
}

func get(t testing.TB, d *DB, name string) (string, error) {
	t.Helper()
	var out []byte
	err := d.View(t.Context(), func(tx *Tx) error {
		var err error
		out, err = tx.Get(row(name))
		return err
	})
	return string(out), err
}

func wantGet(t testing.TB, d *DB, name, want string) {
	t.Helper()
	got, err := get(t, d, name)
	if err != nil || got != want {
		t.Fatalf("%s is %q, %v; want %q", name, got, err, want)
	}
}

// both runs a test on a file and in memory.
func both(t *testing.T, f func(t *testing.T, d *DB)) {
	t.Run("file", func(t *testing.T) { f(t, newFixture(t).DB) })
	t.Run("memory", func(t *testing.T) {
		d, err := Memory(t.Context(), nil)
		noError(t, err)
		t.Cleanup(func() { noError(t, d.Close()) })
		f(t, d)
	})
}

func TestRows(t *testing.T) {
	both(t, func(t *testing.T, d *DB) {
		_, err := get(t, d, "a")
		wantKind(t, err, secret.NotFound)
		put(t, d, "a", "one")
		wantGet(t, d, "a", "one")
		put(t, d, "a", "two")
		wantGet(t, d, "a", "two")
		noError(t, d.Update(t.Context(), func(tx *Tx) error { return tx.Delete(row("a")) }))
		_, err = get(t, d, "a")
		wantKind(t, err, secret.NotFound)
		put(t, d, "", "empty name")
		wantGet(t, d, "", "empty name")
		put(t, d, "empty", "")
		wantGet(t, d, "empty", "")
		r, err := d.Check(t.Context())
		noError(t, err)
		if r.Rows != 2 || r.Generation != d.Generation() || r.Generation != 6 {
			t.Fatalf("the report is %+v", r)
		}
	})
}

func TestValues(t *testing.T) {
	both(t, func(t *testing.T, d *DB) {
		big := bytes.Repeat([]byte{7}, 3<<20)
		noError(t, d.Update(t.Context(), func(tx *Tx) error {
			return errors.Join(tx.PutValue("s", "v1", []byte("x")), tx.PutValue("s", "v2", big), tx.PutValue("", "", nil))
		}))
		noError(t, d.View(t.Context(), func(tx *Tx) error {
			one, err1 := tx.GetValue("s", "v1")
			two, err2 := tx.GetValue("s", "v2")
			if string(one) != "x" || !bytes.Equal(two, big) {
				err1 = errors.Join(err1, errors.New("other values"))
			}
			return errors.Join(err1, err2)
		}))
		err := d.Update(t.Context(), func(tx *Tx) error { return tx.PutValue("s", "v1", []byte("y")) })
		wantKind(t, err, secret.Conflict)
		noError(t, d.Update(t.Context(), func(tx *Tx) error { tx.Scrub(); return tx.DeleteValue("s", "v1") }))
		err = d.View(t.Context(), func(tx *Tx) error { _, err := tx.GetValue("s", "v1"); return err })
		wantKind(t, err, secret.NotFound)
		r, err := d.Check(t.Context())
		noError(t, err)
		if r.Values != 2 {
			t.Fatalf("the report is %+v", r)
		}
	})
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	both(t, func(t *testing.T, d *DB) {
		put(t, d, "a", "old")
		before := d.Generation()
		failed := errors.New("no")
		err := d.Update(t.Context(), func(tx *Tx) error {
			noError(t, tx.Put(row("a"), []byte("new")))
			noError(t, tx.Put(row("b"), []byte("new")))
			if got, _ := tx.Get(row("a")); string(got) != "new" {
				t.Errorf("a transaction does not see its own change")
			}
			return failed
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		wantGet(t, d, "a", "old")
		_, err = get(t, d, "b")
		wantKind(t, err, secret.NotFound)
		if d.Generation() != before {
			t.Fatal("a failed change counts")
		}
		err = d.View(t.Context(), func(tx *Tx) error { return tx.Put(row("a"), nil) })
		wantKind(t, err, secret.Invalid)
	})
}

func TestScan(t *testing.T) {
	both(t, func(t *testing.T, d *DB) {
		noError(t, d.Update(t.Context(), func(tx *Tx) error {
			for i := range 600 {
				k := Key{KindSecret, fmt.Sprint(i % 2), fmt.Sprint(i)}
				noError(t, tx.Put(k, []byte(k.Name)))
			}
			return tx.Put(Key{KindLocal, "0", "x"}, nil)
		}))
		count := func(tx *Tx) (all, zero int, _ error) {
			for r, err := range tx.Scan(KindSecret) {
				if err != nil {
					return 0, 0, err
				}
				if string(r.Payload) != r.Name {
					t.Errorf("%v holds %q", r.Key, r.Payload)
				}
				all++
			}
			for r, err := range tx.ScanParent(KindSecret, "0") {
				if err != nil || r.Parent != "0" {
					return 0, 0, errors.Join(err, fmt.Errorf("parent %s", r.Parent))
				}
				zero++
			}
			return all, zero, nil
		}
		noError(t, d.View(t.Context(), func(tx *Tx) error {
			all, zero, err := count(tx)
			if err == nil && (all != 600 || zero != 300) {
				t.Errorf("a scan saw %d and %d rows", all, zero)
			}
			return err
		}))
		failed := errors.New("undo")
		err := d.Update(t.Context(), func(tx *Tx) error {
			noError(t, tx.Delete(Key{KindSecret, "0", "2"}))
			noError(t, tx.Put(Key{KindSecret, "1", "new"}, []byte("new")))
			if all, zero, err := count(tx); err != nil || all != 600 || zero != 299 {
				t.Errorf("a scan saw %d and %d rows: %v", all, zero, err)
			}
			return failed
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
	})
}

// TestOneFailsAlone: of those who share a transaction only the failing one
// fails.
func TestOneFailsAlone(t *testing.T) {
	both(t, func(t *testing.T, d *DB) {
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				err := d.Update(t.Context(), func(tx *Tx) error {
					if err := tx.Put(row(fmt.Sprint(i)), []byte("v")); err != nil {
						return err
					}
					if i%3 == 0 {
						return secret.Errorf(secret.Conflict, "", "third")
					}
					return nil
				})
				if (err != nil) != (i%3 == 0) {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		wg.Wait()
		for i := range 64 {
			if _, err := get(t, d, fmt.Sprint(i)); (err != nil) != (i%3 == 0) {
				t.Errorf("%d: %v", i, err)
			}
		}
	})
}

func TestPanicIsTheCallersOwn(t *testing.T) {
	d := newFixture(t).DB
	defer func() {
		if recover() != "mine" {
			t.Error("the panic was swallowed")
		}
		put(t, d, "a", "still works")
	}()
	_ = d.Update(t.Context(), func(*Tx) error { panic("mine") })
}

func TestTwoInstances(t *testing.T) {
	f := newFixture(t)
	other := f.open(t)
	for i := range 50 {
		want := fmt.Sprint(i)
		put(t, f.DB, "a", want)
		wantGet(t, other, "a", want)
		wantGet(t, f.DB, "a", want)
		put(t, other, "a", want+"'")
		wantGet(t, f.DB, "a", want+"'")
		wantGet(t, other, "a", want+"'")
	}
	if f.Generation() != other.Generation() {
		t.Fatalf("generations %d and %d", f.Generation(), other.Generation())
	}
}

func TestReopen(t *testing.T) {
	f := newFixture(t)
	put(t, f.DB, "a", "kept")
	f.SetLog(func() LogHead { return LogHead{Size: 3, Root: [32]byte{1}, Edge: [][32]byte{{2}, {3}}} })
	put(t, f.DB, "b", "kept")
	noError(t, f.Close())
	d := f.open(t)
	wantGet(t, d, "a", "kept")
	if h := d.LogHead(); h.Size != 3 || h.Root != [32]byte{1} || len(h.Edge) != 2 || d.Generation() != 3 || d.Epoch() != 1 {
		t.Fatalf("%+v, generation %d", h, d.Generation())
	}
	if d.StoreID() != f.StoreID() || d.KeyID() != f.key.ID() {
		t.Fatal("another identity")
	}
}

func TestSyncLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	noError(t, syncLeft(path)) // nobody has it open, and nobody was killed
	noError(t, os.WriteFile(path+"-wal", nil, 0o600))
	noError(t, syncLeft(path))
	noError(t, os.WriteFile(path+"-wal", []byte("frames"), 0o200)) // it is synced: what cannot be opened fails
	noError(t, os.Chmod(path+"-wal", 0o200))
	if err := syncLeft(path); os.Getuid() != 0 && err == nil {
		t.Error("a log that cannot be synced was taken for durable")
	}
	noError(t, os.Remove(path+"-wal"))
	noError(t, os.Symlink(path+"-gone", path+"-wal"))
	noError(t, syncLeft(path))
}
