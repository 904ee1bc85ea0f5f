package lite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// older makes a file of a format that never was: without the table of values.
func older(t *testing.T) *Conn {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	noError(t, MakeFolder(dir))
	path := filepath.Join(dir, "store.db")
	noError(t, MakeFile(path))
	c, err := Dial(t.Context(), path)
	noError(t, err)
	t.Cleanup(func() { noError(t, c.Close()) })
	noError(t, c.Create())
	noError(t, c.Exec("DROP TABLE value"))
	noError(t, c.Exec("INSERT INTO row VALUES (x'01', x'02')"))
	noError(t, c.Exec("PRAGMA user_version = 0"))
	return c
}

func addValues(c *Conn) error { return c.Exec(schema()[3]) }

func version(t *testing.T, c *Conn) int64 {
	t.Helper()
	v, err := c.Number("PRAGMA user_version")
	noError(t, err)
	return v
}

// TestMigrate: an older file is brought on with what is in it, and kept.
func TestMigrate(t *testing.T) {
	c := older(t)
	noError(t, c.migrate(map[int64]migration{0: addValues}))
	noError(t, c.CheckFormat())
	if n, err := c.Number("SELECT count(*) FROM row"); n != 1 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
	info, err := os.Stat(c.Path + ".format-0")
	noError(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the copy has mode %v", info.Mode())
	}
	old, err := Dial(t.Context(), c.Path+".format-0")
	noError(t, err)
	if version(t, old) != 0 {
		t.Error("the copy is not of the old format")
	}
	noError(t, old.Close())
}

// TestMigrateFails: one that fails, in whatever way, changes nothing but that
// there is a copy.
func TestMigrateFails(t *testing.T) {
	broken := errors.New("broken")
	for name, m := range map[string]migration{
		"error":         func(c *Conn) error { return errors.Join(addValues(c), broken) },
		"wrong-schema":  func(c *Conn) error { return c.Exec("CREATE TABLE value (x)") },
		"nothing-comes": nil,
	} {
		t.Run(name, func(t *testing.T) {
			c := older(t)
			err := c.migrate(map[int64]migration{0: m})
			if err == nil || name != "error" && !errors.Is(err, secret.Corrupt) {
				t.Fatalf("the error is %v", err)
			}
			tables, err := c.Number("SELECT count(*) FROM sqlite_schema WHERE name = 'value'")
			noError(t, err)
			if version(t, c) != 0 || tables != 0 {
				t.Error("something was changed")
			}
			if m != nil {
				noError(t, c.migrate(map[int64]migration{0: addValues}))
			}
		})
	}
}

// TestMigrateTwice: who comes second, while the first has not ended, does nothing.
func TestMigrateTwice(t *testing.T) {
	c := older(t)
	ran := 0
	done := make(chan error)
	noError(t, c.migrate(map[int64]migration{0: func(*Conn) error {
		go func() {
			other, err := Dial(t.Context(), c.Path)
			if err == nil {
				err = other.migrate(map[int64]migration{0: func(*Conn) error { ran++; return nil }})
				err = errors.Join(err, other.Close())
			}
			done <- err
		}()
		return addValues(c)
	}}))
	noError(t, <-done)
	if ran != 0 {
		t.Error("it was migrated twice")
	}
}

// TestDocumentedSchema: docs/format.md shows the schema as it is.
func TestDocumentedSchema(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/format.md")
	noError(t, err)
	for _, s := range schema() {
		if !strings.Contains(string(page), "\n"+s+"\n") {
			t.Errorf("the page does not have: %s", s)
		}
	}
}

// TestSettings: each connection has the settings on which the promises rest.
func TestSettings(t *testing.T) {
	c := older(t)
	for name, want := range map[string]int64{
		"secure_delete": 1, "trusted_schema": 0, "cell_size_check": 1, "synchronous": 2, "busy_timeout": 10000,
	} {
		if got, err := c.Number("PRAGMA " + name); got != want || err != nil {
			t.Errorf("%s is %d, %v", name, got, err)
		}
	}
	// Defensive: the schema cannot be written as rows.
	noError(t, c.Exec("PRAGMA writable_schema = ON"))
	if err := c.Exec("UPDATE sqlite_schema SET sql = '' WHERE name = 'row'"); err == nil {
		t.Error("the schema can be written as rows")
	}
}
