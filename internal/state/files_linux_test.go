package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tacit-secrets/tacit/internal/state/internal/lite"
	"github.com/tacit-secrets/tacit/secret"
	"golang.org/x/sys/unix"
)

func TestAbuseFiles(t *testing.T) {
	t.Run("files-0600-under-umask-000", func(t *testing.T) {
		old := syscall.Umask(0)
		defer syscall.Umask(old)
		f := newFixture(t)
		put(t, f.DB, "a", "x")
		f.open(t)
		for _, p := range append([]string{f.path}, lite.Sides(f.path)...) {
			info, err := os.Stat(p)
			noError(t, err)
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %04o", p, info.Mode().Perm())
			}
		}
		info, err := os.Stat(filepath.Dir(f.path))
		noError(t, err)
		if info.Mode().Perm() != 0o700 {
			t.Errorf("the folder has mode %04o", info.Mode().Perm())
		}
		file, err := os.Create(filepath.Join(t.TempDir(), "backup"))
		noError(t, err)
		noError(t, f.Backup(t.Context(), file, nil))
		noError(t, file.Close())
	})
}

func TestForeignOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a file away")
	}
	f := newFixture(t)
	noError(t, f.Close())
	noError(t, os.Chown(f.path, 12345, -1))
	_, err := Open(t.Context(), f.path, f.options())
	wantKind(t, err, secret.Denied)
	noError(t, os.Chown(f.path, 0, -1))
	noError(t, os.Chown(filepath.Dir(f.path), 12345, -1))
	_, err = Open(t.Context(), f.path, f.options())
	wantKind(t, err, secret.Denied)
	noError(t, os.Chown(filepath.Dir(f.path), 0, -1))
}

// mounted runs a test with a small tmpfs; where that is forbidden it is
// skipped.
func mounted(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		t.Skipf("mounting is forbidden here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// onto moves the closed store to another folder.
func (f *fixture) onto(t *testing.T, dir string) {
	t.Helper()
	noError(t, f.Close())
	b, err := os.ReadFile(f.path)
	noError(t, err)
	f.path = filepath.Join(dir, "store.db")
	noError(t, os.WriteFile(f.path, b, 0o600))
	f.DB, err = Open(t.Context(), f.path, f.options())
	noError(t, err)
}

func TestFullDisk(t *testing.T) {
	f := newFixture(t)
	f.onto(t, mounted(t, "512k"))
	put(t, f.DB, "a", "before")
	big := func(tx *Tx) error { return tx.PutValue("big", "1", make([]byte, 1<<20)) }
	err := f.Update(t.Context(), big)
	wantKind(t, err, secret.Unavailable)
	if !strings.Contains(err.Error(), "full") {
		t.Errorf("the error does not say so: %v", err)
	}
	wantGet(t, f.DB, "a", "before")
	put(t, f.DB, "a", "after")
	wantGet(t, f.DB, "a", "after")
	_, err = f.Check(t.Context())
	noError(t, err)
}

func TestReadOnlyFolder(t *testing.T) {
	f := newFixture(t)
	dir := mounted(t, "4m")
	f.onto(t, dir)
	put(t, f.DB, "a", "x")
	noError(t, f.Close())
	noError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	_, err := Open(t.Context(), f.path, f.options())
	wantKind(t, err, secret.Denied)
	if !strings.Contains(err.Error(), f.path) {
		t.Errorf("the error does not name the path: %v", err)
	}
	_, err = Create(t.Context(), filepath.Join(dir, "new", "store.db"), Seed{}, nil)
	wantKind(t, err, secret.Denied)
}

// TestFileSizeLimit: a limit on the size of files looks like a full disk, and
// does not kill the process.
func TestFileSizeLimit(t *testing.T) {
	j := newShared(t)
	j.Do = "limited"
	noError(t, j.start(t).End())
	d, err := Open(t.Context(), j.Path, j.options())
	noError(t, err)
	wantGet(t, d, "shared", "0")
	_, err = d.Check(t.Context())
	noError(t, err)
	noError(t, d.Close())
}

// ofThisSystem writes more than the process may.
func (j job) ofThisSystem(ctx context.Context, d *DB) error {
	small := func(tx *Tx) error { return tx.Put(row("b"), nil) }
	if err := d.Update(ctx, small); err != nil {
		return err
	}
	limit := unix.Rlimit{Cur: 256 << 10, Max: 256 << 10}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	err := d.Update(ctx, func(tx *Tx) error { return tx.PutValue("big", "1", make([]byte, 1<<20)) })
	if !errors.Is(err, secret.Unavailable) {
		return fmt.Errorf("beyond the limit the error is %w", err)
	}
	return d.Update(ctx, small)
}
