package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tacit-secrets/tacit/audit/internal/disk"
	"github.com/tacit-secrets/tacit/secret"
)

// TestFullDisk is the abuse case short-write-on-full-disk on a real one.
func TestFullDisk(t *testing.T) {
	cfg := config(t)
	if err := disk.MakeDir(cfg.Dir); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", cfg.Dir, "tmpfs", 0, "size=32k,mode=700"); err != nil {
		t.Skipf("no small disk can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(cfg.Dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	l, key := create2(t, cfg)
	var acked []string
	for i := 0; ; i++ {
		name := fmt.Sprint("n", i)
		_, err := l.Append(t.Context(), record(name))
		if err != nil {
			if secret.KindOf(err) != secret.Unavailable || i < 10 {
				t.Fatalf("%d: %v", i, err)
			}
			break
		}
		acked = append(acked, name)
	}
	sound(t, cfg, VerifyOptions{FirstKey: key})
	has(t, cfg.Dir, acked)
	if err := unix.Mount("tmpfs", cfg.Dir, "tmpfs", unix.MS_REMOUNT, "size=1m,mode=700"); err != nil {
		t.Fatal(err)
	}
	add(t, l, "last")
	has(t, cfg.Dir, append(acked, "last"))
	sound(t, cfg, VerifyOptions{FirstKey: key})
}

// TestModes: nobody else may look, whatever the umask.
func TestModes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	cfg := config(t)
	cfg.MaxBytes = 1
	l, _ := create2(t, cfg)
	add(t, l, "a", "b")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, pattern := range []string{"audit*", "audit/*"} {
		some, err := filepath.Glob(filepath.Join(cfg.KeyDir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	if len(all) < 5 {
		t.Errorf("only %v", all)
	}
	for _, path := range all {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		want := uint32(0o600)
		if st.Mode&unix.S_IFDIR != 0 {
			want = 0o700
		}
		if got := st.Mode & 0o777; got != want {
			t.Errorf("%s has mode %o", filepath.Base(path), got)
		}
	}
}

// TestDescriptorsCloseOnExec: nothing of a log reaches a child.
func TestDescriptorsCloseOnExec(t *testing.T) {
	cfg := config(t)
	create2(t, cfg)
	all, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range all {
		to, err := os.Readlink(path)
		if err != nil || !strings.HasPrefix(to, cfg.KeyDir) {
			continue
		}
		found++
		fd, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			t.Fatal(err)
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s has flags %x, %v", filepath.Base(to), flags, err)
		}
	}
	if found != 2 { // the segment and the lock
		t.Errorf("%d descriptors", found)
	}
}
