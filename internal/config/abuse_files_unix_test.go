//go:build unix

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tacit-secrets/tacit/secret"
)

// Files that are not what they seem are refused with the reason, and never
// waited for, followed or passed over.
func TestAbuseFiles(t *testing.T) {
	for _, name := range fileNames() {
		for what, make := range map[string]func(path string) error{
			"symlink":      func(p string) error { return os.Symlink("/etc/hostname", p) },
			"dangling":     func(p string) error { return os.Symlink("/nowhere/at/all", p) },
			"endless":      func(p string) error { return os.Symlink("/dev/zero", p) },
			"fifo":         func(p string) error { return unix.Mkfifo(p, 0o600) },
			"folder":       func(p string) error { return os.Mkdir(p, 0o700) },
			"huge":         func(p string) error { return os.WriteFile(p, make1MiB(), 0o600) },
			"anyone-wrote": func(p string) error { return writeMode(p, 0o602) },
		} {
			t.Run(what+"-"+name+"-refused", func(t *testing.T) {
				s := victim(t, trustedDev)
				path := filepath.Join(s.dir, name)
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
				if err := make(path); err != nil {
					t.Fatal(err)
				}
				kind := secret.Denied
				if what == "huge" {
					kind = secret.Invalid
				}
				s.refused(t, kind, path)
				if got, _ := DeclaredRefs(stackSystem(s.dir), ""); got != nil && name == FileName {
					t.Errorf("completion offers %v", got)
				}
			})
		}
	}
	t.Run("parent-toml-of-other-user-ignored", func(t *testing.T) {
		s := victim(t, trustedDev)
		mkdir(t, filepath.Join(s.dir, "sub"))
		sys := stackSystem(filepath.Join(s.dir, "sub"))
		sys.UID++ // to them, the files are another user's
		_, err := Open(t.Context(), sys, stackOptions)
		if secret.KindOf(err) != secret.Denied || !strings.Contains(err.Error(), "belongs to another user") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("folder-anyone-can-write-refused", func(t *testing.T) {
		s := victim(t, trustedDev)
		if err := os.Chmod(s.dir, 0o777); err != nil {
			t.Fatal(err)
		}
		s.refused(t, secret.Denied, "anyone can write it")
	})
	t.Run("toml-above-home-not-found", func(t *testing.T) {
		s := victim(t, trustedDev)
		below := filepath.Join(s.dir, "home", "work")
		mkdir(t, below)
		if _, ok, err := findRoot(below, filepath.Join(s.dir, "home")); ok || err != nil {
			t.Errorf("found above the home folder: %v", err)
		}
		if root, ok, err := findRoot(below, "/elsewhere"); !ok || root != s.dir || err != nil {
			t.Errorf("not found at %s: %q, %v", s.dir, root, err)
		}
	})
}

func make1MiB() []byte { return []byte("# " + strings.Repeat("x", MaxFileBytes)) }

func writeMode(path string, mode os.FileMode) error {
	if err := os.WriteFile(path, []byte(trustedDev), 0o600); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// A text that costs its reader more than it cost its writer is refused before
// the parser sees it; the test would not end otherwise.
func TestAbuseTOMLBomb(t *testing.T) {
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, tt := range map[string]struct{ text, want string }{
		"arrays":            {"x = " + strings.Repeat("[", 1<<19), "nested more than"},
		"tables":            {"x = " + strings.Repeat("{a=", 300_000), "nested more than"},
		"after-odd-quotes":  {"x = ['''a''''," + strings.Repeat("[", 1<<19), "nested more than"},
		"after-comment":     {"# '''\nx = " + strings.Repeat("[", 1<<19), "nested more than"},
		"after-string":      {"x = \"\\\"'''\"\ny = " + strings.Repeat("[", 1<<19), "nested more than"},
		"dotted-key":        {strings.Repeat("a.", 1<<18) + "a = 1", "more than 64 dots"},
		"dotted-table":      {"[" + strings.Repeat("a.", 1<<18) + "a]", "more than 64 dots"},
		"quoted-dotted-key": {strings.Repeat("\"a\" . ", 1<<17) + "a = 1", "more than 64 dots"},
		"settings":          {many("a%d=1\n", 90_000), "more than 20000 settings"},
		"elements":          {"x = [" + strings.Repeat("1,", 1<<18) + "]", "more than 20000 settings"},
		"environments":      {many("[env.e%d]\n", 5000), "more than 64 environments"},
		"secrets":           {many("[secrets.A%d]\n", 25_000), "more than 20000 secrets"},
		"joined":            {many("[env.e%d]\n", 20) + many("[secrets.A%d]\n", 10_000), "more than 128000 together"},
		"problems":          {many("[secrets.A%d]\nref=\"//\"\n", 1500), "tacit.toml:2:"},
	} {
		t.Run("toml-bomb-"+name+"-refused", func(t *testing.T) {
			_, err := ParseFile(FileName, []byte(tt.text))
			if secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 4096 {
				t.Errorf("got %.200v", err)
			}
		})
	}
	// What people write is far below.
	text := "x = '''[[[[''' # [[[[\n" + strings.Repeat("y = \"[[[[ \\\" [[\"\n", 40)
	if err := bounded("x", []byte(text)); err != nil {
		t.Errorf("brackets in strings and comments count: %v", err)
	}
}

// A .git file that anyone wrote must not bind a folder to another project's
// store.
func TestAbuseWorktree(t *testing.T) {
	// git lays a linked worktree out like this; the attacker writes all of it
	// within the clone.
	link := func(t *testing.T, clone stack, gitDir string, back string) {
		t.Helper()
		clone.write(t, ".git", "gitdir: "+gitDir+"\n")
		if back == "" {
			return
		}
		mkdir(t, gitDir)
		if err := os.WriteFile(filepath.Join(gitDir, "gitdir"), []byte(back+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	clone := func(t *testing.T, s stack) stack {
		c := stack{dir: filepath.Join(filepath.Dir(s.dir), "clone")}
		mkdir(t, c.dir)
		c.write(t, FileName, trustedDev)
		return c
	}
	t.Run("worktree-is-shared", func(t *testing.T) {
		s := victim(t, trustedDev)
		c := clone(t, s)
		link(t, c, filepath.Join(s.dir, ".git", "worktrees", "c"), filepath.Join(c.dir, ".git"))
		if got, err := c.gets(t, nil); err != nil || got != abuseValue {
			t.Errorf("a worktree that both sides name: %v", err)
		}
	})
	t.Run("worktree-claimed-by-one-side-refused", func(t *testing.T) {
		s := victim(t, trustedDev)
		c := clone(t, s)
		mkdir(t, filepath.Join(s.dir, ".git", "worktrees", "other"))
		link(t, c, filepath.Join(s.dir, ".git", "worktrees", "other"), "")
		c.refused(t, secret.NotFound, "bound to no store")
		link(t, c, filepath.Join(s.dir, ".git", "worktrees", "other"), "/somewhere/else/.git")
		c.refused(t, secret.NotFound, "bound to no store")
	})
	t.Run("worktree-through-linked-folder-refused", func(t *testing.T) {
		s := victim(t, trustedDev)
		c := clone(t, s)
		sub := stack{dir: filepath.Join(c.dir, "sub")}
		mkdir(t, sub.dir)
		sub.write(t, FileName, trustedDev)
		link(t, c, filepath.Join(c.dir, "fake", ".git", "worktrees", "c"), filepath.Join(c.dir, ".git"))
		if err := os.Symlink(s.dir, filepath.Join(c.dir, "fake", "sub")); err != nil {
			t.Fatal(err)
		}
		sub.refused(t, secret.NotFound, "bound to no store")
	})
	t.Run("worktree-fifo-is-not-waited-for", func(t *testing.T) {
		s := victim(t, trustedDev)
		c := clone(t, s)
		gitDir := filepath.Join(c.dir, "fake", ".git", "worktrees", "c")
		mkdir(t, gitDir)
		if err := unix.Mkfifo(filepath.Join(gitDir, "gitdir"), 0o600); err != nil {
			t.Fatal(err)
		}
		link(t, c, gitDir, "")
		c.refused(t, secret.NotFound, "bound to no store")
	})
	t.Run("worktree-with-other-files-refused", func(t *testing.T) {
		s := victim(t, trustedDev)
		c := clone(t, s)
		link(t, c, filepath.Join(s.dir, ".git", "worktrees", "c"), filepath.Join(c.dir, ".git"))
		c.write(t, LocalName, "[env.more]\n")
		c.refused(t, secret.Denied, "its files differ")
	})
}
