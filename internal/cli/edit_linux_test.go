package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/internal/child"
)

// inMemory gives a desk a folder in memory of its own.
func (d *desk) inMemory() string {
	d.t.Helper()
	f, err := child.NewFiles(child.MemoryRoots(""))
	if err != nil {
		d.t.Skip("SKIPPED: no folder in memory here: ", err)
	}
	_ = f.Close()
	dir, err := os.MkdirTemp("/dev/shm", "test-edit-*")
	if err != nil {
		d.t.Skip("SKIPPED: no folder in memory here: ", err)
	}
	d.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d.env = append(d.env, "XDG_RUNTIME_DIR="+dir)
	return dir
}

// put writes a value from a file.
func (d *desk) put(name, value string) {
	d.t.Helper()
	path := filepath.Join(d.t.TempDir(), "value")
	if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.must("put", name, "--file", path)
}

// empty fails if anything is left in a folder.
func (d *desk) empty(dir string) {
	d.t.Helper()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		d.t.Errorf("there is %v, %v", entries, err)
	}
}

// TestEditInVim: the real editor, with settings that would leave copies on the
// disk, on a real terminal.
func TestEditInVim(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("vim"); err != nil {
		t.Skip("SKIPPED: there is no vim here")
	}
	d := newDesk(t)
	memory := d.inMemory()
	d.put("app/db", `{"user":"canary-old"}`)
	home := filepath.Dir(d.dir)
	places := filepath.Join(home, "places")
	for _, dir := range []string{"swap", "undo", "backup"} {
		if err := os.MkdirAll(filepath.Join(places, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	settings := "set nocompatible directory=" + places + "/swap// undofile undodir=" + places + "/undo backup backupdir=" + places + "/backup\n"
	if err := os.WriteFile(filepath.Join(home, ".vimrc"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	d.env = append(d.env, "EDITOR=vim", "TERM=xterm")
	p := d.at("edit", "app/db")
	p.expect(t, "canary-old")
	p.press(t, ":%s/old/new/\r")
	p.press(t, "yy:wq\r")
	d.ended(p, exitOK, "put       dev:app/db            version 2")
	if got := d.must("get", "app/db"); got != `{"user":"canary-new"}` {
		t.Errorf("the value is %q", got)
	}
	d.empty(memory)
	err := filepath.WalkDir(home, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), "canary") {
			t.Errorf("%s holds the value", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// script writes an editor of a few lines.
func (d *desk) script(text string) {
	d.t.Helper()
	path := filepath.Join(filepath.Dir(d.dir), "editor")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		d.t.Fatal(err)
	}
	d.env = append(d.env, "EDITOR="+path)
}

// TestEditAsksToGoOn: who wrote no JSON is asked, and mends it or keeps a draft.
func TestEditAsksToGoOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	memory := d.inMemory()
	d.put("a", `{"x":1}`)
	d.script(`grep -q '` + ignoredHere(t) + `' /proc/self/status || echo some signals are ignored
printf 'edit: '; read -r line; printf '%s\n' "$line" > "$1"`)
	p := d.at("edit", "a")
	p.expect(t, "edit: ")
	p.press(t, "{\"x\":canary}\r")
	p.expect(t, "line 1, column 6: something else is expected here\ngo on editing? [y/N] ")
	p.press(t, "y\r")
	p.await(func(seen string) bool { return strings.Count(seen, "edit: ") == 2 })
	p.press(t, "{\"x\":2}\r")
	d.ended(p, exitOK, "put       dev:a                 version 2")
	if strings.Contains(p.seen(), "ignored") {
		t.Errorf("an editor was started with ignored signals:\n%s", p.seen())
	}
	d.empty(memory)

	for name, keys := range map[string]string{"no": "n\r", "control-C": "\x03"} {
		p = d.at("edit", "a")
		p.expect(t, "edit: ")
		p.press(t, "oops\r")
		p.expect(t, "go on editing? [y/N] ")
		p.press(t, keys)
		if code := p.exit(t); code == exitOK || !strings.Contains(p.seen(), "the draft is kept in memory") {
			t.Errorf("%s: exit code %d; there is:\n%s", name, code, p.seen())
		}
		d.must("edit", "a", "--discard")
	}
	if got := d.must("get", "a"); got != `{"x":2}` {
		t.Errorf("the value is %q", got)
	}
}

// TestEditorHasTheTerminal: its keys reach the editor alone, and a suspended
// editor gives the terminal back to the shell.
func TestEditorHasTheTerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	memory := d.inMemory()
	d.put("a", "canary-value")
	// It starts nothing once it is ready: a shell that is stopped while it starts
	// a process waits for ever.
	d.script(`sleep 1000 &
trap 'echo canary-caught > "$1"; kill $!; exit 0' INT
trap 'echo woken' CONT
echo ready; while :; do wait; done`)
	p := d.at("edit", "a")
	p.expect(t, "ready")
	p.press(t, "\x03")
	d.ended(p, exitOK, "put       dev:a                 version 2")
	d.empty(memory)
	c := d.command()
	c.Path, c.Args = "/bin/bash", []string{"bash", "--norc", "-i"}
	c.Env = append(c.Env, "PS1=> ", "HISTFILE=")
	if _, err := os.Stat(c.Path); err != nil {
		t.Skip("SKIPPED: there is no bash here")
	}
	sh := startPTY(t, 120, c)
	sh.expect(t, "> ")
	sh.press(t, "tacit edit a\n")
	sh.expect(t, "ready")
	sh.press(t, "\x1a")
	sh.expect(t, "Stopped")
	sh.press(t, "fg\n")
	sh.expect(t, "woken")
	sh.press(t, "\x03")
	sh.expect(t, "unchanged dev:a")
	sh.press(t, "exit\n")
}

// ignoredHere matches the signals that a command ignores which is started from
// here without tacit: behind a shell's "&" there are some.
func ignoredHere(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "grep", "^SigIgn:", "/proc/self/status").Output()
	if err != nil {
		t.Fatal(err)
	}
	return "^" + strings.TrimSpace(string(out)) + "$"
}
