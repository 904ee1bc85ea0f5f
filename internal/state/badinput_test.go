package state

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/internal/state/internal/lite"
	"github.com/tacit-secrets/tacit/secret"
)

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, f *fixture)
		want secret.Kind
	}{
		{"newer format", func(t *testing.T, f *fixture) {
			f.behind(t, func(c *lite.Conn) error { return c.Exec("PRAGMA user_version = 2") })
		}, secret.Unsupported},
		{"no format", func(t *testing.T, f *fixture) {
			f.behind(t, func(c *lite.Conn) error { return c.Exec("PRAGMA user_version = 0") })
		}, secret.Corrupt},
		{"another program's", func(t *testing.T, f *fixture) {
			f.behind(t, func(c *lite.Conn) error { return c.Exec("PRAGMA application_id = 0") })
		}, secret.Corrupt},
		{"no header", func(t *testing.T, f *fixture) {
			f.behind(t, func(c *lite.Conn) error { return c.Exec("DELETE FROM header") })
		}, secret.Corrupt},
		{"no state", func(t *testing.T, f *fixture) {
			f.behind(t, func(c *lite.Conn) error { return c.Exec("DELETE FROM state") })
		}, secret.Corrupt},
		{"not a database", func(t *testing.T, f *fixture) { f.replace(t, []byte(strings.Repeat("not a database\n", 999))) }, secret.Corrupt},
		{"zero length", func(t *testing.T, f *fixture) { f.replace(t, nil) }, secret.Corrupt},
		{"cut short", func(t *testing.T, f *fixture) { f.cut(t) }, secret.Corrupt},
		{"missing", func(t *testing.T, f *fixture) { noError(t, f.Close()); noError(t, os.Remove(f.path)) }, secret.NotFound},
		{"a folder", func(t *testing.T, f *fixture) {
			noError(t, f.Close())
			noError(t, os.Remove(f.path))
			noError(t, os.Mkdir(f.path, 0o700))
		}, secret.Denied},
		{"a link", func(t *testing.T, f *fixture) {
			noError(t, f.Close())
			noError(t, os.Rename(f.path, f.path+"2"))
			noError(t, os.Symlink(f.path+"2", f.path))
		}, secret.Denied},
		{"writable by others", func(t *testing.T, f *fixture) { noError(t, f.Close()); noError(t, os.Chmod(f.path, 0o660)) }, secret.Denied},
		{"folder writable by others", func(t *testing.T, f *fixture) {
			noError(t, f.Close())
			noError(t, os.Chmod(filepath.Dir(f.path), 0o770))
		}, secret.Denied},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			put(t, f.DB, "a", "x")
			c.do(t, f)
			_, err := Open(t.Context(), f.path, f.options())
			wantKind(t, err, c.want)
			if !strings.Contains(err.Error(), filepath.Dir(f.path)) && c.want != secret.Corrupt {
				t.Errorf("the error does not name the path: %v", err)
			}
		})
	}
}

func (f *fixture) replace(t testing.TB, b []byte) {
	t.Helper()
	noError(t, f.Close())
	noError(t, os.WriteFile(f.path, b, 0o600))
}

func (f *fixture) cut(t testing.TB) {
	t.Helper()
	noError(t, f.Close())
	noError(t, os.Truncate(f.path, 5000))
}

func TestOpenNeedsAnAbsolutePath(t *testing.T) {
	_, err := Open(t.Context(), "store.db", nil)
	wantKind(t, err, secret.Invalid)
	_, err = Create(t.Context(), "store.db", Seed{}, nil)
	wantKind(t, err, secret.Invalid)
}

func TestCreateReplacesNothing(t *testing.T) {
	f := newFixture(t)
	put(t, f.DB, "a", "x")
	id := NewStoreID()
	_, err := Create(t.Context(), f.path, Seed{StoreID: id, Key: f.key, Slots: slot(t, id, f.key)}, f.options())
	wantKind(t, err, secret.Conflict)
	_, err = Create(t.Context(), f.path+"2", Seed{StoreID: "short", Key: f.key}, nil)
	wantKind(t, err, secret.Invalid)
	names, err := filepath.Glob(filepath.Dir(f.path) + "/*.new-*")
	if err != nil || len(names) != 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
	wantGet(t, f.DB, "a", "x")
}

func TestOddPath(t *testing.T) {
	f := newFixture(t)
	noError(t, f.Close())
	odd := filepath.Join(t.TempDir(), "a b?mode=memory#c%41 ü", "s?.db")
	noError(t, os.Mkdir(filepath.Dir(odd), 0o700))
	noError(t, os.Rename(f.path, odd))
	d, err := Open(t.Context(), odd, f.options())
	noError(t, err)
	put(t, d, "a", "x")
	noError(t, d.Close())
	d, err = Open(t.Context(), odd, f.options())
	noError(t, err)
	wantGet(t, d, "a", "x")
	noError(t, d.Close())
}

// TestBusy: another process that holds the store's lock is waited for, and not
// for ever.
func TestBusy(t *testing.T) {
	f := newFixture(t)
	put(t, f.DB, "a", "x")
	d, err := Open(t.Context(), f.path, &Options{Unlock: f.ring.unlock, Wait: time.Millisecond})
	noError(t, err)
	t.Cleanup(func() { noError(t, d.Close()) })
	c, err := lite.Dial(t.Context(), f.path)
	noError(t, err)
	noError(t, c.Exec("BEGIN IMMEDIATE"))
	err = d.Update(t.Context(), func(tx *Tx) error { return tx.Put(row("a"), nil) })
	wantKind(t, err, secret.Unavailable)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Update(ctx, func(tx *Tx) error { return tx.Put(row("a"), nil) }) }()
	cancel()
	err = <-done
	wantKind(t, err, secret.Unavailable)
	if !errors.Is(err, context.Canceled) {
		t.Error("the context's error is not told")
	}
	wantGet(t, d, "a", "x") // readers do not wait
	noError(t, errors.Join(c.Exec("ROLLBACK"), c.Close()))
	put(t, d, "a", "y")
	wantGet(t, f.DB, "a", "y")
}

func TestDoneContext(t *testing.T) {
	both(t, func(t *testing.T, d *DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, err := range []error{
			d.View(ctx, func(*Tx) error { t.Error("called"); return nil }),
			d.Update(ctx, func(*Tx) error { t.Error("called"); return nil }),
		} {
			wantKind(t, err, secret.Unavailable)
			if !errors.Is(err, context.Canceled) {
				t.Error("the context's error is not told")
			}
		}
	})
}

func TestClosed(t *testing.T) {
	both(t, func(t *testing.T, d *DB) {
		put(t, d, "a", "x")
		noError(t, d.Close())
		noError(t, d.Close())
		_, err := get(t, d, "a")
		wantKind(t, err, secret.Unavailable)
		wantKind(t, d.Update(t.Context(), func(tx *Tx) error { return tx.Put(row("a"), nil) }), secret.Unavailable)
		_, err = d.Check(t.Context())
		wantKind(t, err, secret.Unavailable)
	})
}

func TestLimits(t *testing.T) {
	both(t, func(t *testing.T, d *DB) {
		long := strings.Repeat("x", MaxKeyBytes+1)
		big := make([]byte, MaxPayloadBytes+1)
		noError(t, d.Update(t.Context(), func(tx *Tx) error {
			for _, err := range []error{
				tx.Put(row(long), nil), tx.Put(row("a"), big), tx.Put(Key{}, nil), tx.Put(Key{Kind: kindValue}, nil),
				tx.PutValue(long, "", nil), tx.PutValue("a", "b", big),
			} {
				wantKind(t, err, secret.Invalid)
			}
			return nil
		}))
	})
}

func TestBackup(t *testing.T) {
	f := newFixture(t)
	put(t, f.DB, "a", "backed up")
	putValue(t, f.DB, "a", "1", "value")
	var b bytes.Buffer
	noError(t, f.Backup(t.Context(), &b, nil))
	put(t, f.DB, "a", "later")
	wantKind(t, f.restore(t, b.Bytes()), secret.Unavailable) // it is open
	wantGet(t, f.DB, "a", "later")
	seen := f.Generation()
	noError(t, f.Close())
	noError(t, f.restore(t, b.Bytes()))
	d := f.open(t)
	if d.Generation() >= seen {
		t.Fatal("a kill now would not be noticed")
	}
	noError(t, d.AcceptRollback(t.Context(), seen, LogHead{}))
	wantGet(t, d, "a", "backed up")
	if v, err := getValue(t, d, "a", "1"); err != nil || v != "value" {
		t.Fatalf("%q, %v", v, err)
	}
	if d.Epoch() != 2 || d.Generation() <= seen || d.StoreID() != f.StoreID() {
		t.Errorf("epoch %d, generation %d after %d", d.Epoch(), d.Generation(), seen)
	}
	_, err := d.Check(t.Context())
	noError(t, err)
	if _, err := os.Stat(f.path + ".replaced"); err != nil {
		t.Error("the replaced store is gone")
	}
	f.wantAlone(t)
}

// restore puts a backup in the fixture's place.
func (f *fixture) restore(t testing.TB, backup []byte) error {
	t.Helper()
	r, err := Receive(t.Context(), filepath.Dir(f.path), bytes.NewReader(backup), f.options())
	if err != nil {
		return err
	}
	return errors.Join(r.Place(t.Context(), f.path), r.Close())
}

// wantAlone: nothing that was made on the way is left.
func (f *fixture) wantAlone(t testing.TB) {
	t.Helper()
	entries, err := filepath.Glob(filepath.Dir(f.path) + "/*-*")
	noError(t, err)
	for _, e := range entries {
		if e != f.path+"-wal" && e != f.path+"-shm" {
			t.Errorf("left behind: %s", e)
		}
	}
}

// TestRestoreRefuses: what is no sound backup replaces nothing.
func TestRestoreRefuses(t *testing.T) {
	f := newFixture(t)
	put(t, f.DB, "a", "x")
	var b bytes.Buffer
	noError(t, f.Backup(t.Context(), &b, nil))
	noError(t, f.Close())
	for name, text := range map[string][]byte{
		"empty": nil, "no database": []byte("hello"), "cut": b.Bytes()[:b.Len()/2],
		"changed": bytes.ReplaceAll(b.Bytes(), []byte("CREATE TABLE state"), []byte("CREATE TABLE stale")),
	} {
		err := f.restore(t, text)
		if err == nil {
			t.Fatalf("%s was restored", name)
		}
		wantKind(t, err, secret.Corrupt)
	}
	_, err := Receive(t.Context(), filepath.Dir(f.path), bytes.NewReader(b.Bytes()), nil)
	wantKind(t, err, secret.Unauthenticated)
	r, err := Receive(t.Context(), filepath.Dir(f.path), bytes.NewReader(b.Bytes()), f.options())
	noError(t, err)
	noError(t, r.Close())
	f.wantAlone(t)
	wantGet(t, f.open(t), "a", "x")
}

// TestRestoreOverDamage: a damaged store can be replaced, and what it leaves
// beside it does not meet the new one.
func TestRestoreOverDamage(t *testing.T) {
	f := newFixture(t)
	put(t, f.DB, "a", "x")
	var b bytes.Buffer
	noError(t, f.Backup(t.Context(), &b, nil))
	put(t, f.DB, "a", "later")
	g := f.copied(t, func(path string) { noError(t, os.WriteFile(path, []byte("damaged"), 0o600)) })
	noError(t, g.restore(t, b.Bytes()))
	wantGet(t, g.open(t), "a", "x")
	h := f.copied(t, func(path string) { noError(t, os.Remove(path)) })
	noError(t, h.restore(t, b.Bytes()))
	wantGet(t, h.open(t), "a", "x")
}

// TestRestoreTwice: what the first one replaced is still there after the second.
func TestRestoreTwice(t *testing.T) {
	f := newFixture(t)
	put(t, f.DB, "a", "backed up")
	var b bytes.Buffer
	noError(t, f.Backup(t.Context(), &b, nil))
	put(t, f.DB, "a", "the only good one")
	noError(t, f.Close())
	noError(t, f.restore(t, b.Bytes()))
	noError(t, f.restore(t, b.Bytes()))
	g := &fixture{path: f.path + ".replaced", ring: f.ring, key: f.key}
	wantGet(t, g.open(t), "a", "the only good one")
	if _, err := os.Stat(f.path + ".replaced-2"); err != nil {
		t.Error(err)
	}
}

func TestAcceptRollback(t *testing.T) {
	f := newFixture(t)
	f.SetLog(func() LogHead { return LogHead{Size: 1} })
	put(t, f.DB, "a", "x")
	noError(t, f.AcceptRollback(t.Context(), 1000, LogHead{Size: 7}))
	if f.Generation() <= 1000 || f.Epoch() != 2 || f.LogHead().Size != 7 {
		t.Errorf("generation %d, epoch %d, log %d", f.Generation(), f.Epoch(), f.LogHead().Size)
	}
	wantGet(t, f.open(t), "a", "x")
	f.SetLog(func() LogHead { return LogHead{Size: 9, Edge: make([][32]byte, maxEdge+1)} })
	wantKind(t, f.Update(t.Context(), func(tx *Tx) error { return tx.Put(row("a"), nil) }), secret.Invalid)
	wantGet(t, f.open(t), "a", "x")
}
