package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
)

// writtenMan writes all pages and returns their folder.
func writtenMan(t *testing.T) (dir string, root *cobra.Command) {
	t.Helper()
	home := t.TempDir()
	dir = filepath.Join(home, "man1")
	quiet, err := os.Create(filepath.Join(home, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	a := &app{Streams: Streams{Out: quiet, Err: quiet}, sys: config.NewSystem(home, home, "mia", nil), now: time.Now}
	if err := a.run(t.Context(), []string{"man", "--out", dir}); err != nil {
		t.Fatal(err)
	}
	return dir, a.root()
}

// TestManPages: each command has a page that names its flags, and what reads
// such pages has nothing to say about it.
func TestManPages(t *testing.T) {
	dir, root := writtenMan(t)
	eachCommand(root, func(c *cobra.Command) {
		page, err := os.ReadFile(filepath.Join(dir, manName(c)+".1"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(flagLines(c.Flags(), 1000), "\n") {
			name, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
			if name != "" && !strings.Contains(string(page), "\n.B "+roffText(name)+"\n") {
				t.Errorf("%s: the page lacks %s", c.CommandPath(), name)
			}
		}
	})
	for _, reader := range []struct{ argv, passes []string }{
		{argv: []string{"mandoc", "-T", "lint", "-W", "warning"}, passes: []string{"missing date"}},
		{argv: []string{"groff", "-man", "-Tutf8", "-ww", "-z"}},
	} {
		t.Run(reader.argv[0], func(t *testing.T) {
			path, err := exec.LookPath(reader.argv[0])
			if err != nil {
				t.Skipf("SKIPPED: %s is not installed, so the manual pages were not checked by it", reader.argv[0])
			}
			pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
			if err != nil || len(pages) < 40 {
				t.Fatal(len(pages), err)
			}
			out, err := exec.CommandContext(t.Context(), path, append(reader.argv[1:], pages...)...).CombinedOutput()
			found := 0
			for line := range strings.SplitSeq(string(out), "\n") {
				if line != "" && !containsAny(line, reader.passes) {
					found++
					t.Error(strings.TrimPrefix(line, dir))
				}
			}
			if _, failed := err.(*exec.ExitError); err != nil && !failed { //nolint:errorlint // what exec documents
				t.Fatal(err)
			}
		})
	}
}

func containsAny(s string, texts []string) bool {
	for _, text := range texts {
		if strings.Contains(s, text) {
			return true
		}
	}
	return false
}

// TestManPageReads looks at what a person sees of a page, in 80 columns.
func TestManPageReads(t *testing.T) {
	path, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("SKIPPED: groff is not installed, so no manual page was looked at")
	}
	dir, _ := writtenMan(t)
	for page, texts := range map[string][]string{
		"tacit.1":               {"NAME\n       tacit - Secrets your agents use but never see\n", "\nENVIRONMENT\n", "TACIT_ENV", "\n       put         Write a new version of a secret", "tacit-store(1)"},
		"tacit-put.1":           {"\n       tacit put REFERENCE | --batch [flags]\n", "       printf %s \"$TOKEN\" | tacit put ci/token\n", "\nOPTIONS OF EVERY COMMAND\n"},
		"tacit-store-key-add.1": {"age1…", "~/.ssh/id_ed25519.pub", "tacit-store-key(1)"},
		"tacit-completion.1":    {"\"${fpath[1]}/_tacit\""},
		"tacit-list.1":          {"-l, --long\n              also version, age and tags\n"},
	} {
		out, err := exec.CommandContext(t.Context(), path, "-man", "-Tutf8", "-rLL=80n", "-P-cbou", filepath.Join(dir, page)).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if !strings.Contains(string(out), text) {
				t.Errorf("%s: no %q in:\n%s", page, text, out)
			}
		}
		for line := range strings.SplitSeq(string(out), "\n") {
			if columns(line) > 80 {
				t.Errorf("%s: %d columns: %q", page, columns(line), line)
			}
		}
	}
}

// TestRoffTakesTextForText: no text of ours becomes a request, or is changed by
// an escape.
func TestRoffTakesTextForText(t *testing.T) {
	for text, want := range map[string]string{
		".so /etc/passwd": `\&.so /etc/passwd`,
		"'br":             `\&\(aqbr`,
		`a\fBb`:           `a\efBb`,
		"--out FILE":      `\-\-out FILE`,
		"…":               `\[u2026]`,
		"~/.config":       `\(ti/.config`,
		`say "x"`:         `say \(dqx\(dq`,
	} {
		if got := roffText(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	if got := roffLines("a\n.b\n\n"); got != "a\n\\&.b" {
		t.Errorf("got %q", got)
	}
}
