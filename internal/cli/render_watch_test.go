//go:build unix

package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// eventually waits for what another process will do.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// A file follows its secrets, stays as it was while one is missing, and the
// command ends quietly when it is interrupted.
func TestRenderWatch(t *testing.T) {
	w := newWorld(t)
	put := func(value string) { w.tacit(t, strings.NewReader(value), "put", "app/db") }
	put("one")
	template, out := filepath.Join(w.project, "in.tpl"), filepath.Join(w.project, "out")
	if err := os.WriteFile(template, []byte("x={{ secret \"app/db\" }}"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := w.command(t, "render", template, "--out", out, "--watch")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	holds := func(want string) func() bool {
		return func() bool { b, err := os.ReadFile(out); return err == nil && string(b) == want }
	}
	eventually(t, "the first file", holds("x=one"))
	put("two")
	eventually(t, "the second file", holds("x=two"))
	w.tacit(t, nil, "delete", "app/db")
	if !holds("x=two")() {
		t.Error("the file did not stay while its secret was deleted")
	}
	w.tacit(t, nil, "undelete", "app/db")
	put("three")
	eventually(t, "the third file", holds("x=three"))
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("interrupted: %v\n%s", err, &errs)
	}
}
