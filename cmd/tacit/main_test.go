package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The test binary is the tacit command where a test needs main itself.
const role = "TACIT_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(role) == "main" {
		main()
	}
	os.Exit(m.Run())
}

// A home is a user of the machine with a project, for one test.
type home struct {
	t       testing.TB
	dir     string // the project
	program string
}

// newHome makes a project with a store that a key file unlocks and one declared
// secret, DB.
func newHome(t testing.TB, program string) *home {
	t.Helper()
	root := t.TempDir()
	h := &home{t, filepath.Join(root, "project"), program}
	for _, dir := range []string{h.dir, filepath.Join(root, "home")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h.ok("", "init", "--key-file")
	h.ok("canary-value", "put", "app/db", "--declare", "DB")
	return h
}

// own is the home folder of the user.
func (h *home) own(path ...string) string {
	return filepath.Join(append([]string{filepath.Dir(h.dir), "home"}, path...)...)
}

// command makes a command of tacit in the project, without marks of an agent
// and without a keyring.
func (h *home) command(argv ...string) *exec.Cmd {
	c := exec.CommandContext(h.t.Context(), h.program, argv...)
	c.Dir = h.dir
	c.Env = []string{"HOME=" + h.own(), "PATH=" + os.Getenv("PATH"), "DBUS_SESSION_BUS_ADDRESS=disabled:", "GORACE=atexit_sleep_ms=10", role + "=main"}
	return c
}

// ok runs a command that must succeed.
func (h *home) ok(stdin string, argv ...string) string {
	h.t.Helper()
	c := h.command(argv...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		h.t.Fatalf("tacit %s: %v: %s", argv[0], err, out)
	}
	return string(out)
}

func self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
