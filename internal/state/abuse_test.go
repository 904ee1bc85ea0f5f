package state

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tacit-secrets/tacit/internal/state/internal/lite"
	"github.com/tacit-secrets/tacit/secret"
)

// behind executes statements on the closed store's file, behind tacit's back.
func (f *fixture) behind(t testing.TB, do func(c *lite.Conn) error) {
	t.Helper()
	noError(t, f.Close())
	c, err := lite.Dial(t.Context(), f.path)
	noError(t, err)
	noError(t, errors.Join(do(c), c.Close()))
}

// file returns everything that lies in the store's folder.
func (f *fixture) file(t testing.TB) []byte {
	t.Helper()
	var all []byte
	for _, p := range append([]string{f.path}, lite.Sides(f.path)...) {
		b, err := os.ReadFile(p)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// copied returns a copy of the open store's files: what a crash would leave.
func (f *fixture) copied(t testing.TB, change func(path string)) *fixture {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	noError(t, os.Mkdir(dir, 0o700))
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(f.path + suffix)
		noError(t, err)
		noError(t, os.WriteFile(filepath.Join(dir, "store.db"+suffix), b, 0o600))
	}
	g := &fixture{path: filepath.Join(dir, "store.db"), ring: f.ring, key: f.key}
	change(g.path)
	return g
}

func putValue(t testing.TB, d *DB, id, version, value string) {
	t.Helper()
	noError(t, d.Update(t.Context(), func(tx *Tx) error { return tx.PutValue(id, version, []byte(value)) }))
}

func getValue(t testing.TB, d *DB, id, version string) (string, error) {
	t.Helper()
	var out []byte
	err := d.View(t.Context(), func(tx *Tx) error {
		var err error
		out, err = tx.GetValue(id, version)
		return err
	})
	return string(out), err
}

func TestAbuse(t *testing.T) {
	t.Run("row-swapped-between-secrets", testRowSwapped)
	t.Run("old-row-replayed-found-by-check", testOldRowReplayed)
	t.Run("foreign-schema-trigger-refused", testForeignSchema)
	t.Run("deleted-wrap-not-in-file", testDeletedWrap)
	t.Run("wal-deleted-is-corrupt", testWALDeleted)
	t.Run("wal-byte-flipped-is-corrupt", testWALFlipped)
}

func testRowSwapped(t *testing.T) {
	f := newFixture(t)
	put(t, f.DB, "a", "of a")
	put(t, f.DB, "b", "of b")
	putValue(t, f.DB, "a", "1", "of a")
	putValue(t, f.DB, "b", "1", "of b")
	f.behind(t, func(c *lite.Conn) error {
		return errors.Join(
			c.Exec("CREATE TEMP TABLE o AS SELECT key, x'' AS wrapped, sealed FROM row UNION ALL SELECT * FROM value"),
			c.Exec("UPDATE row SET sealed = (SELECT sealed FROM o WHERE o.key <> row.key AND wrapped = x'')"),
			c.Exec("UPDATE value SET (wrapped, sealed) = (SELECT wrapped, sealed FROM o WHERE o.key <> value.key AND wrapped <> x'')"))
	})
	d := f.open(t)
	for _, name := range []string{"a", "b"} {
		_, err := get(t, d, name)
		wantKind(t, err, secret.Corrupt)
		_, err = getValue(t, d, name, "1")
		wantKind(t, err, secret.Corrupt)
	}
	err := d.View(t.Context(), func(tx *Tx) error {
		for _, err := range tx.Scan(KindSecret) {
			return err
		}
		return nil
	})
	wantKind(t, err, secret.Corrupt)
	_, err = d.Check(t.Context())
	wantKind(t, err, secret.Corrupt)
}

func testOldRowReplayed(t *testing.T) {
	for _, c := range []struct{ name, save, back string }{
		{"head put back", "CREATE TEMP TABLE o AS SELECT * FROM row", "UPDATE row SET sealed = (SELECT sealed FROM o WHERE o.key = row.key) WHERE key IN (SELECT key FROM o)"},
		{"head taken away", "CREATE TEMP TABLE o AS SELECT 1", "DELETE FROM row"},
		{"value put back", "CREATE TEMP TABLE o AS SELECT * FROM value", "INSERT INTO value SELECT * FROM o"},
		{"value taken away", "CREATE TEMP TABLE o AS SELECT 1", "DELETE FROM value"},
		{"older state", "CREATE TEMP TABLE o AS SELECT sealed FROM state", "UPDATE state SET sealed = (SELECT sealed FROM o)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			put(t, f.DB, "a", "old")
			putValue(t, f.DB, "a", "1", "gone")
			other, err := lite.Dial(t.Context(), f.path) // an attacker with the file, not the key
			noError(t, err)
			noError(t, other.Exec(c.save))
			put(t, f.DB, "a", "new")
			noError(t, f.Update(t.Context(), func(tx *Tx) error { return tx.DeleteValue("a", "1") }))
			putValue(t, f.DB, "a", "2", "kept")
			_, err = f.Check(t.Context())
			noError(t, err)
			noError(t, f.Close())
			noError(t, errors.Join(other.Exec(c.back), other.Close()))
			d := f.open(t)
			_, err = d.Check(t.Context())
			wantKind(t, err, secret.Corrupt)
		})
	}
}

func testForeignSchema(t *testing.T) {
	for _, object := range []string{
		"CREATE TRIGGER t AFTER UPDATE ON row BEGIN DELETE FROM value; END",
		"CREATE VIEW v AS SELECT * FROM row",
		"CREATE TABLE other (x)",
		"CREATE INDEX i ON row (sealed)",
		"DROP TABLE value",
		"ALTER TABLE row ADD COLUMN x ANY",
		"ALTER TABLE row RENAME TO old",
	} {
		t.Run(object, func(t *testing.T) {
			f := newFixture(t)
			put(t, f.DB, "a", "x")
			f.behind(t, func(c *lite.Conn) error { return c.Exec(object) })
			_, err := Open(t.Context(), f.path, f.options())
			wantKind(t, err, secret.Corrupt)
		})
	}
}

// TestForeignTriggerMeanwhile: a trigger that is added while the store is open
// does not run.
func TestForeignTriggerMeanwhile(t *testing.T) {
	f := newFixture(t)
	put(t, f.DB, "a", "x")
	c, err := lite.Dial(t.Context(), f.path)
	noError(t, err)
	noError(t, errors.Join(c.Exec("CREATE TRIGGER t AFTER INSERT ON row BEGIN DELETE FROM row; END"), c.Close()))
	err = f.Update(t.Context(), func(tx *Tx) error { return tx.Put(row("b"), nil) })
	wantKind(t, err, secret.Corrupt)
	noError(t, f.Close())
	c, err = lite.Dial(t.Context(), f.path)
	noError(t, err)
	if n, err := c.Number("SELECT count(*) FROM row"); err != nil || n != 1 {
		t.Errorf("%d rows, %v: the trigger ran", n, err)
	}
	noError(t, c.Close())
}

// wraps returns the wrapped data keys in the file.
func wraps(t testing.TB, path string) (out [][]byte) {
	t.Helper()
	c, err := lite.Dial(t.Context(), path, "query_only = ON")
	noError(t, err)
	noError(t, c.Each("SELECT wrapped FROM value", nil, func(scan func(...any) error) error {
		var b []byte
		err := scan(&b)
		out = append(out, b)
		return err
	}))
	noError(t, c.Close())
	return out
}

func testDeletedWrap(t *testing.T) {
	t.Run("deleted", func(t *testing.T) {
		f := newFixture(t)
		putValue(t, f.DB, "a", "1", "x")
		putValue(t, f.DB, "a", "2", "y")
		w := wraps(t, f.path)
		if len(w) != 2 || !bytes.Contains(f.file(t), w[0]) {
			t.Fatal("the wraps were not in the file to begin with")
		}
		noError(t, f.Update(t.Context(), func(tx *Tx) error {
			tx.Scrub()
			return errors.Join(tx.DeleteValue("a", "1"), tx.DeleteValue("a", "2"))
		}))
		for _, b := range w {
			if bytes.Contains(f.file(t), b) {
				t.Error("a deleted value's key is still in the file")
			}
		}
	})
	t.Run("rekeyed", func(t *testing.T) {
		f := newFixture(t)
		putValue(t, f.DB, "a", "1", "x")
		old := wraps(t, f.path)[0]
		oldSlots, err := f.Slots()
		noError(t, err)
		f.rekey(t)
		noError(t, f.Compact(t.Context()))
		for _, b := range [][]byte{old, oldSlots[0].Wrapped, []byte(f.key.ID())} {
			if bytes.Contains(f.file(t), b) {
				t.Error("what the old key wrapped is still in the file")
			}
		}
		got, err := getValue(t, f.DB, "a", "1")
		if err != nil || got != "x" {
			t.Fatalf("the value is %q, %v", got, err)
		}
	})
}

// testWALDeleted: without its write-ahead log the store is an older one. That
// is for the audit log to say, which names a higher generation; here it must
// be seen that it can.
func testWALDeleted(t *testing.T) {
	f := newFixture(t)
	put(t, f.DB, "a", "new")
	g := f.copied(t, func(path string) { noError(t, os.Remove(path+"-wal")) })
	d, err := Open(t.Context(), g.path, g.options())
	if err != nil {
		wantKind(t, err, secret.Corrupt)
		return
	}
	defer func() { noError(t, d.Close()) }()
	if d.Generation() >= f.Generation() {
		t.Fatalf("generation %d after the log of generation %d was taken away", d.Generation(), f.Generation())
	}
}

// testWALFlipped: a flipped byte silently ends the write-ahead log there, so
// that it too leaves an older store, or the right one, and never another.
func testWALFlipped(t *testing.T) {
	f := newFixture(t)
	put(t, f.DB, "a", "first")
	putValue(t, f.DB, "a", "1", "first")
	put(t, f.DB, "a", "second")
	size, step := len(f.wal(t)), 211
	if os.Getenv("TACIT_TEST_SOAK") != "" {
		step = 1
	}
	for at := 0; at < size; at += step {
		g := f.copied(t, func(path string) { flip(t, path+"-wal", at, 1<<(at%8)) })
		d, err := Open(t.Context(), g.path, g.options())
		if err != nil {
			wantKind(t, err, secret.Corrupt)
			continue
		}
		got, err := get(t, d, "a")
		switch current := d.Generation() == f.Generation(); {
		case d.Generation() > f.Generation(), err == nil && current && got != "second", err == nil && got != "first" && got != "second":
			t.Errorf("byte %d: %q at generation %d", at, got, d.Generation())
		case err != nil && current:
			wantKind(t, err, secret.Corrupt)
		}
		noError(t, d.Close())
	}
}

func (f *fixture) wal(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(f.path + "-wal")
	noError(t, err)
	return b
}

func flip(t testing.TB, path string, at int, mask byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	noError(t, err)
	b[at] ^= mask
	noError(t, os.WriteFile(path, b, 0o600))
}

// TestFlippedBytes: whichever byte of the file is changed, what is served is
// right, or an error says that it is not.
func TestFlippedBytes(t *testing.T) {
	f := newFixture(t)
	want := map[string]string{}
	for _, name := range []string{"a", "b", "c"} {
		put(t, f.DB, name, "payload of "+name)
		putValue(t, f.DB, name, "1", "value of "+name)
		want[name] = name
	}
	noError(t, f.Close())
	whole, err := os.ReadFile(f.path)
	noError(t, err)
	step := 307
	if os.Getenv("TACIT_TEST_SOAK") != "" {
		step = 1
	}
	path := filepath.Join(t.TempDir(), "f", "store.db")
	noError(t, os.Mkdir(filepath.Dir(path), 0o700))
	noError(t, os.WriteFile(path, whole, 0o600))
	found := 0
	for bit := 0; bit < 8*len(whole); bit += step {
		flip(t, path, bit/8, byte(1<<(bit%8)))
		if !served(t, path, f.options(), want) {
			found++
		}
		noError(t, os.WriteFile(path, whole, 0o600))
	}
	if found == 0 {
		t.Fatal("no flip was noticed: the test does not test")
	}
	t.Logf("%d of %d flips were noticed, the others changed nothing", found, (8*len(whole)+step-1)/step)
}

// served reports whether everything was as it should; a wrong value or kind
// fails the test.
func served(t *testing.T, path string, opts *Options, want map[string]string) bool {
	t.Helper()
	d, err := Open(t.Context(), path, opts)
	if err != nil {
		wantKind(t, err, secret.Corrupt, secret.Unsupported, secret.Unauthenticated)
		return false
	}
	defer func() {
		if err := d.Close(); err != nil {
			wantKind(t, err, secret.Corrupt)
		}
	}()
	ok := true
	see := func(got, want string, err error) {
		if err != nil {
			wantKind(t, err, secret.Corrupt, secret.NotFound)
			ok = false
		} else if got != want {
			t.Fatalf("%q was served instead of %q", got, want)
		}
	}
	for name := range want {
		got, err := get(t, d, name)
		see(got, "payload of "+name, err)
		got, err = getValue(t, d, name, "1")
		see(got, "value of "+name, err)
	}
	if !ok {
		_, err := d.Check(t.Context())
		wantKind(t, err, secret.Corrupt)
	}
	return ok
}
