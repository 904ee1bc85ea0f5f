package child

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tacit-secrets/tacit/secret"
)

// memory returns a folder of this test in memory.
func memory(t *testing.T) string {
	t.Helper()
	if !inMemory("/dev/shm") {
		t.Skip("SKIPPED: /dev/shm is not in memory here")
	}
	dir, err := os.MkdirTemp("/dev/shm", "test-child-*")
	if err != nil {
		t.Skip("SKIPPED: /dev/shm cannot be written here: ", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newTestFiles(t *testing.T, root string) *Files {
	t.Helper()
	f, err := NewFiles([]string{root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestAbuseFileSecrets(t *testing.T) {
	t.Run("file-secret-refused-off-tmpfs", func(t *testing.T) {
		disk := t.TempDir()
		if inMemory(disk) {
			t.Skip("SKIPPED: the temporary folder is in memory here")
		}
		f, err := NewFiles([]string{disk, filepath.Join(disk, "none"), ""})
		if f != nil || !errors.Is(err, secret.Unsupported) {
			t.Errorf("got %v", err)
		}
		if entries, err := os.ReadDir(disk); err != nil || len(entries) != 0 {
			t.Errorf("something was made: %v, %v", entries, err)
		}
	})
}

func TestFiles(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	root := memory(t)
	f := newTestFiles(t, root)
	path, err := f.Add("CERT", secret.Binary([]byte("a\x00b\n")))
	if err != nil {
		t.Fatal(err)
	}
	for p, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		if info, err := os.Lstat(p); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "a\x00b\n" {
		t.Errorf("the file holds %d bytes, %v", len(b), err)
	}
	for _, name := range []string{"CERT", "../CERT", "", "a/b"} {
		if _, err := f.Add(name, secret.Text("x")); !errors.Is(err, secret.Invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if entries, _ := os.ReadDir(root); len(entries) != 0 {
		t.Errorf("%v is left", entries)
	}
}

func TestSweep(t *testing.T) {
	root := memory(t)
	dead, live := newTestFiles(t, root), newTestFiles(t, root)
	for _, f := range []*Files{dead, live} {
		if _, err := f.Add("CERT", secret.Text("value")); err != nil {
			t.Fatal(err)
		}
	}
	dead.lock.Close() // as the end of its process does
	foreign := filepath.Join(root, "tacit-other")
	link := filepath.Join(root, folderPrefix()+"link")
	kept := filepath.Join(t.TempDir(), "kept")
	for _, err := range []error{os.Mkdir(foreign, 0o700), os.WriteFile(kept, nil, 0o600), os.Symlink(filepath.Dir(kept), link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	Sweep([]string{t.TempDir(), root})
	for path, there := range map[string]bool{dead.dir: false, live.dir: true, foreign: true, kept: true} {
		if _, err := os.Stat(path); there != (err == nil) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// The child does not hold the folder: after a kill of tacit it is swept while
// the child may still run.
func TestFilesAreNotInherited(t *testing.T) {
	f := newTestFiles(t, memory(t))
	r, out, _ := runScript(t, `ls -l /proc/$$/fd`, nil)
	if r.Code != 0 || strings.Contains(out, f.dir) {
		t.Errorf("the child has %s", out)
	}
}

func TestNoDescriptorsLeak(t *testing.T) {
	m := matcher(t, "KEY", "the-secret-value")
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	once := func() {
		out := tempFile(t)
		defer out.Close()
		for _, argv := range [][]string{{"true"}, {"no-such-command-here"}, {"sh", "-c", "sleep 0.01 & echo x"}} {
			_, _ = Run(t.Context(), Config{Argv: argv, Env: os.Environ(), Stdout: out, Stderr: out, Redact: m})
		}
	}
	once()
	before := count()
	for range 5 {
		once()
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestHarden(t *testing.T) {
	before, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	l := Harden()
	defer func() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(before), 0, 0, 0) }()
	defer func() { l.lift() }()
	if got, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || got != 0 {
		t.Errorf("dumpable is %d, %v", got, err)
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil || core.Cur != 0 {
		t.Errorf("core dumps up to %d bytes, %v", core.Cur, err)
	}
}
