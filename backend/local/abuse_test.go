package local_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tacit-secrets/tacit/backend/local"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

func TestAbuse(t *testing.T) {
	t.Run("row-swapped-between-secrets", testRowSwapped)
	t.Run("old-row-replayed-found-by-check", testOldRowReplayed)
	t.Run("wal-byte-flipped-is-corrupt", testWALFlipped)
	t.Run("deleted-wrap-not-in-file", testNothingLeft)
}

// behind changes the file as one would who has it, but no key.
func (f file) behind(t *testing.T, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", f.Path)
	noError(t, err)
	for _, s := range statements {
		_, err := db.Exec(s)
		noError(t, err)
	}
	noError(t, db.Close())
}

// closed makes a store, fills it, and closes it.
func closed(t *testing.T, fill func(*local.Store)) file {
	t.Helper()
	f := newFile(t)
	s, db, err := f.tryOpen(t.Context(), nil)
	noError(t, err)
	fill(s)
	noError(t, db.Close())
	return f
}

func testRowSwapped(t *testing.T) {
	const saved = "CREATE TABLE o AS SELECT key, x'' AS wrapped, sealed FROM row UNION ALL SELECT key, wrapped, sealed FROM value"
	for _, c := range []struct{ name, swap string }{
		{"heads", "UPDATE row SET sealed = (SELECT sealed FROM o WHERE o.key <> row.key AND wrapped = x'')"},
		{"values", "UPDATE value SET (wrapped, sealed) = (SELECT wrapped, sealed FROM o WHERE o.key <> value.key AND wrapped <> x'')"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := closed(t, func(s *local.Store) {
				put(t, s, "a", "of a")
				put(t, s, "b", "of b")
			})
			f.behind(t, saved, c.swap, "DROP TABLE o")
			s, db := f.open(t, nil)
			for _, n := range []secret.Name{"a", "b"} {
				_, err := s.Get(t.Context(), n, secret.At{})
				wantKind(t, err, secret.Corrupt)
				_, err = s.Put(t.Context(), n, secret.Text("of b"), nil)
				if c.name == "heads" {
					wantKind(t, err, secret.Corrupt)
				}
			}
			_, err := db.Check(t.Context())
			wantKind(t, err, secret.Corrupt)
		})
	}
}

// testOldRowReplayed puts a head back as it was. Its value is dropped by then:
// a get finds that out; where it is not, Check does.
func testOldRowReplayed(t *testing.T) {
	for _, versions := range []int{2, local.DefaultVersions + 1} {
		t.Run(fmt.Sprint(versions, " versions"), func(t *testing.T) {
			f := closed(t, func(s *local.Store) { put(t, s, "a", "1") })
			copied := filepath.Join(t.TempDir(), "old.db")
			f.behind(t, fmt.Sprintf("VACUUM INTO '%s'", copied))
			s, db, err := f.tryOpen(t.Context(), nil)
			noError(t, err)
			for i := range versions - 1 {
				put(t, s, "a", fmt.Sprint(i+2))
			}
			noError(t, db.Close())
			f.behind(t, fmt.Sprintf("ATTACH '%s' AS old; UPDATE row SET sealed = (SELECT sealed FROM old.row o WHERE o.key = row.key) WHERE key IN (SELECT key FROM old.row); DETACH old", copied))
			s, db = f.open(t, nil)
			if v, err := s.Get(t.Context(), "a", secret.At{}); versions > local.DefaultVersions {
				wantKind(t, err, secret.Corrupt)
			} else if err == nil && string(v.Value.Reveal()) != "1" {
				t.Fatal("a value was served that never was the head's current one")
			}
			_, err = db.Check(t.Context())
			wantKind(t, err, secret.Corrupt)
		})
	}
}

// A flipped byte silently ends the write-ahead log: the store is then an older
// one, of a lower generation than the audit log knows. It serves what was true
// at that generation, or nothing.
func testWALFlipped(t *testing.T) {
	f := newFile(t)
	s, db := f.open(t, nil)
	history := map[uint64]string{db.Generation(): ""}
	for i := range 6 {
		value := fmt.Sprint("value ", i)
		put(t, s, "a", value)
		history[db.Generation()] = value
	}
	lower := 0
	flips(t, f, "-wal", 4999, func(g file) {
		s, d, err := g.tryOpen(t.Context(), nil)
		if err != nil {
			wantKind(t, err, secret.Corrupt)
			return
		}
		defer closeDamaged(t, d)
		want, ok := history[d.Generation()]
		if !ok {
			t.Fatalf("generation %d never was", d.Generation())
		}
		if d.Generation() < db.Generation() {
			lower++
		}
		v, err := s.Get(t.Context(), "a", secret.At{})
		if err == nil && string(v.Value.Reveal()) != want {
			t.Fatalf("generation %d has %q, not %q", d.Generation(), v.Value.Reveal(), want)
		}
		if err != nil && want != "" {
			wantKind(t, err, secret.Corrupt)
		}
	})
	if lower == 0 {
		t.Fatal("no flip shortened the log: the test does not test")
	}
}

// testNothingLeft looks for the sealed bytes of what was destroyed.
func testNothingLeft(t *testing.T) {
	f := newFile(t)
	s, _ := f.open(t, nil)
	put(t, s, "a", "1")
	put(t, s, "b", "1")
	wraps := f.column(t, "SELECT wrapped FROM value")
	noError(t, s.Destroy(t.Context(), "a"))
	noError(t, s.DestroyVersions(t.Context(), "b", secret.At{}))
	if len(wraps) != 2 {
		t.Fatalf("%d wraps to begin with", len(wraps))
	}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(f.Path + suffix)
		noError(t, err)
		for _, w := range wraps {
			if bytes.Contains(b, w) {
				t.Errorf("store.db%s still has the key of a destroyed value", suffix)
			}
		}
	}
}

func (f file) column(t *testing.T, query string) (out [][]byte) {
	t.Helper()
	db, err := sql.Open("sqlite", f.Path)
	noError(t, err)
	defer func() { noError(t, db.Close()) }()
	rows, err := db.Query(query)
	noError(t, err)
	defer func() { noError(t, errors.Join(rows.Err(), rows.Close())) }()
	for rows.Next() {
		var b []byte
		noError(t, rows.Scan(&b))
		out = append(out, b)
	}
	return out
}

// flips calls try with copies of the store in each of which a bit of one of
// the files is flipped: in a soak each bit of it.
func flips(t *testing.T, f file, suffix string, step int, try func(file)) {
	t.Helper()
	whole := map[string][]byte{}
	for _, s := range []string{"", "-wal"} {
		b, err := os.ReadFile(f.Path + s)
		if errors.Is(err, os.ErrNotExist) && s != suffix {
			continue
		}
		noError(t, err)
		whole[s] = b
	}
	g := file{Path: filepath.Join(t.TempDir(), "f", "store.db"), Keys: f.Keys}
	noError(t, os.Mkdir(filepath.Dir(g.Path), 0o700))
	if os.Getenv("TACIT_TEST_SOAK") != "" {
		step = 1
	}
	for bit := 0; bit < 8*len(whole[suffix]); bit += step {
		for s, b := range whole {
			noError(t, os.WriteFile(g.Path+s, b, 0o600))
		}
		flipped := slices.Clone(whole[suffix])
		flipped[bit/8] ^= 1 << (bit % 8)
		noError(t, os.WriteFile(g.Path+suffix, flipped, 0o600))
		try(g)
		for _, s := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(g.Path + s); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
}

// closeDamaged closes a store that may be damaged, which closing may notice.
func closeDamaged(t *testing.T, db *state.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		wantKind(t, err, secret.Corrupt)
	}
}

// TestFlippedBits: whichever bit of the file is changed, what is served is
// right, or an error says that it is not.
func TestFlippedBits(t *testing.T) {
	want := map[secret.Name]string{"a": "value of a", "b/c": "value of b/c"}
	f := closed(t, func(s *local.Store) {
		for n, v := range want {
			put(t, s, n, "first of "+string(n))
			put(t, s, n, v)
		}
	})
	found, tried := 0, 0
	flips(t, f, "", 331, func(g file) {
		tried++
		if !sound(t, g, want) {
			found++
		}
	})
	if found == 0 {
		t.Fatal("no flip was noticed: the test does not test")
	}
	t.Logf("%d of %d flips were noticed, the others changed nothing", found, tried)
}

// sound reports whether everything is served; anything but that and Corrupt
// fails the test.
func sound(t *testing.T, f file, want map[secret.Name]string) bool {
	t.Helper()
	s, db, err := f.tryOpen(t.Context(), nil)
	if err != nil {
		wantKind(t, err, secret.Corrupt, secret.Unsupported, secret.Unauthenticated)
		return false
	}
	defer closeDamaged(t, db)
	ok := true
	for name, value := range want {
		v, err := s.Get(t.Context(), name, secret.At{})
		switch {
		case err != nil:
			wantKind(t, err, secret.Corrupt, secret.NotFound)
			ok = false
		case string(v.Value.Reveal()) != value:
			t.Fatalf("%s: another value was served", name)
		}
	}
	listed := 0
	for m, err := range s.List(t.Context(), nil) {
		if err != nil {
			wantKind(t, err, secret.Corrupt)
			ok = false
			break
		}
		if want[m.Name] == "" {
			t.Fatalf("there never was a secret %q", m.Name)
		}
		listed++
	}
	if !ok || listed != len(want) {
		_, err := db.Check(t.Context())
		wantKind(t, err, secret.Corrupt)
		return false
	}
	return true
}
