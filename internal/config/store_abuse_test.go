package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"github.com/tacit-secrets/tacit/secret"
)

// written makes a stack whose secret was written six times, the last value being
// "value 5", and keeps it open, so that the write-ahead log is there.
func written(t *testing.T) (stack, *Opened) {
	t.Helper()
	s := newStack(t)
	x := s.open(t)
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range 6 {
		writeValue(t, x, fmt.Sprint("value ", i))
	}
	return s, x
}

func writeValue(t *testing.T, x *Opened, value string) {
	t.Helper()
	if _, err := x.Broker.Put(t.Context(), x.Caller, secret.Ref{Env: "dev", Name: "a"}, secret.Text(value), nil); err != nil {
		t.Fatal(err)
	}
}

// thief is a copy of the home of a stack, in which a file can be changed before
// the project is opened with it.
type thief struct {
	stack
	home string
}

func (s stack) stolen(t *testing.T) thief {
	t.Helper()
	th := thief{s, filepath.Join(t.TempDir(), "home")}
	if err := os.CopyFS(th.home, os.DirFS(filepath.Join(filepath.Dir(s.dir), "home"))); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(th.home, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return errors.Join(err, os.Chmod(path, 0o600))
	})
	if err != nil {
		t.Fatal(err)
	}
	return th
}

// read opens the project over the copy and reads the secret.
func (th thief) read(t *testing.T) (string, error) {
	t.Helper()
	x, err := Open(t.Context(), NewSystem(th.dir, th.home, "mia", nil), stackOptions)
	if err != nil {
		return "", err
	}
	v, err := x.Broker.Get(t.Context(), x.Caller, secret.Ref{Env: "dev", Name: "a"})
	if closed := x.Close(); closed != nil && !errors.Is(closed, secret.Corrupt) {
		t.Error(closed)
	}
	if err != nil {
		return "", err
	}
	return string(v.Value.Reveal()), nil
}

// file is the store's database in the copy.
func (th thief) file(x *Opened, suffix string) string {
	return filepath.Join(th.home, ".local/share/tacit", x.StoreID, "store.db"+suffix)
}

func (th thief) wantCorrupt(t *testing.T) {
	t.Helper()
	if got, err := th.read(t); !errors.Is(err, secret.Corrupt) {
		t.Errorf("%q was served, the error is %v", got, err)
	}
}

func mustBytes(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustWrite(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAbuseStore: the store and its log anchor each other, so that an older store
// is corrupt, though each of its bytes is sound.
func TestAbuseStore(t *testing.T) {
	t.Run("untouched-copy-is-served", func(t *testing.T) {
		s, _ := written(t)
		if got, err := s.stolen(t).read(t); got != "value 5" {
			t.Errorf("%q, %v: the tests below do not test", got, err)
		}
	})
	t.Run("wal-deleted-is-corrupt", func(t *testing.T) {
		s, x := written(t)
		th := s.stolen(t)
		if err := os.Remove(th.file(x, "-wal")); err != nil {
			t.Fatal(err)
		}
		th.wantCorrupt(t)
	})
	t.Run("wal-byte-flipped-is-corrupt", testLogFlipped)
	t.Run("store-rolled-back-log-kept", func(t *testing.T) {
		s, x := written(t)
		old := s.stolen(t)
		writeValue(t, x, "value 6")
		th := s.stolen(t)
		for _, suffix := range []string{"", "-wal"} {
			mustWrite(t, th.file(x, suffix), mustBytes(t, old.file(x, suffix)))
		}
		th.wantCorrupt(t)
	})
	t.Run("log-rolled-back-store-kept", func(t *testing.T) {
		s, x := written(t)
		old := s.stolen(t)
		writeValue(t, x, "value 6")
		writeValue(t, x, "value 7") // whose commit knows of the log of the one before
		th := s.stolen(t)
		const segment = ".local/state/tacit/%s/audit/00000001.jsonl"
		name := fmt.Sprintf(segment, x.StoreID)
		mustWrite(t, filepath.Join(th.home, name), mustBytes(t, filepath.Join(old.home, name)))
		th.wantCorrupt(t)
	})
	t.Run("backup-holds-no-signing-key", testBackupWithoutKey)
	t.Run("name-and-value-not-in-store", func(t *testing.T) {
		s, x := written(t)
		const name = "canary/of-a-name"
		if _, err := x.Broker.Put(t.Context(), x.Caller, secret.Ref{Env: "dev", Name: name}, secret.Text("canary of a value"), nil); err != nil {
			t.Fatal(err)
		}
		th := s.stolen(t)
		for _, suffix := range []string{"", "-wal"} {
			b := mustBytes(t, th.file(x, suffix))
			if bytes.Contains(b, []byte("canary")) || bytes.Contains(b, []byte(s.dir)) || len(b) < 4096 {
				t.Errorf("store.db%s has the name, the value or the folder in the clear", suffix)
			}
		}
	})
}

// testLogFlipped: whichever byte of the write-ahead log is changed, the right
// value is served, or the store is corrupt: an older one does not pass.
func testLogFlipped(t *testing.T) {
	s, x := written(t)
	th := s.stolen(t)
	state := filepath.Join(th.home, ".local/state")
	kept := filepath.Join(t.TempDir(), "state")
	if err := os.CopyFS(kept, os.DirFS(state)); err != nil {
		t.Fatal(err)
	}
	whole, data := mustBytes(t, th.file(x, "-wal")), mustBytes(t, th.file(x, ""))
	step := 1 + len(whole)/50
	if os.Getenv("TACIT_TEST_SOAK") != "" {
		step = 1
	}
	found, tried := 0, 0
	for at := -1; at < len(whole); at += step {
		tried++
		flipped := bytes.Clone(whole)
		if at >= 0 { // at first it must be served as it is
			flipped[at] ^= 1 << (at % 8)
		}
		mustWrite(t, th.file(x, ""), data)
		mustWrite(t, th.file(x, "-wal"), flipped)
		for _, err := range []error{os.RemoveAll(th.file(x, "-shm")), os.RemoveAll(state), os.CopyFS(state, os.DirFS(kept))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		switch got, err := th.read(t); {
		case at < 0 && err != nil:
			t.Fatal(err)
		case err == nil && got == "value 5":
		case errors.Is(err, secret.Corrupt):
			found++
		default:
			t.Fatalf("byte %d of %d: %q was served, the error is %v", at, len(whole), got, err)
		}
	}
	if found < tried/4 {
		t.Errorf("%d of %d flips were found: the test does not test", found, tried)
	}
	t.Logf("%d of %d flips were found, the others changed nothing", found, tried)
}

// testBackupWithoutKey: who has a backup, and even the store's key, cannot sign
// records in the log's name.
func testBackupWithoutKey(t *testing.T) {
	s, x := written(t)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := OpenStore(t.Context(), stackSystem(s.dir), stackOptions, false)
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	if err := errors.Join(admin.Backup(t.Context(), &sealed, []string{id.Recipient().String()}), admin.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(&sealed, id)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(x.sys.storeDir(x.StoreID), "*"))
	if err != nil {
		t.Fatal(err)
	}
	keys := 0
	for _, name := range names {
		b := mustBytes(t, name)
		if len(b) < 40 || filepath.Ext(name) != ".key" {
			continue
		}
		keys++
		if bytes.Contains(plain, b) || bytes.Contains(plain, b[len(b)-32:]) {
			t.Errorf("%s is in the backup", name)
		}
	}
	if keys == 0 {
		t.Errorf("no signing key was looked for among %v", names)
	}
	if !bytes.Contains(plain, []byte("SQLite format 3\x00")) {
		t.Error("that is no backup")
	}
}
