package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestPages runs every page of the guide as it is written: each in a home of
// its own, on a terminal of 80 columns, and compares what it shows.
func TestPages(t *testing.T) {
	t.Parallel()
	ran := 0
	for _, file := range pagesToRun(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := readPage(file, string(text))
		if err != nil {
			t.Error(err)
			continue
		}
		if len(p.steps) == 0 {
			continue
		}
		ran++
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			for _, program := range p.needs {
				if _, err := exec.LookPath(program); err != nil {
					t.Skipf("SKIPPED: %s was not run, because %s is not installed", file, program)
				}
			}
			if err := runPage(t, p, pageStore(t, p)...); err != nil {
				t.Error(err)
			}
		})
	}
	if ran == 0 {
		t.Error("no page has a block that runs")
	}
}

func pagesToRun(t *testing.T) []string {
	t.Helper()
	all := []string{"../../README.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/guide/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal("no pages: ", err)
		}
		all = append(all, files...)
	}
	return all
}

// TestPageThatLies shows that a page is not believed.
func TestPageThatLies(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"another output":         "```console run\n$ echo a\nb\n```\n",
		"more output":            "```console run\n$ echo a; echo b\na\n```\n",
		"a silent failure":       "```console run\n$ false\n```\n",
		"another exit code":      "```console run\n$ (exit 3)\n$ echo $?\n4\n```\n",
		"an unanswered prompt":   "```console run\n$ tacit init\n…\n```\n",
		"an answer nobody wants": "<!-- types: y -->\n```console run\n$ echo a\na\n```\n",
	} {
		t.Run(name, func(t *testing.T) {
			p, err := readPage(name, text)
			if err != nil {
				t.Fatal(err)
			}
			if err := runPage(t, p); err == nil {
				t.Error("the page was believed")
			}
		})
	}
}

// pageShell reads names of files from descriptor 3 and runs each in the same
// shell, so that cd, export and $? work as typed.
const pageShell = `rc=0
while IFS= read -r step <&3; do
	(exit $rc)
	. "$step" 3<&-
	rc=$?
	printf '\036%d\036' $rc
done`

// A session runs the steps of one page.
type session struct {
	*pty
	dir   string
	steps *os.File
	types []string
	read  int // how much of the terminal was taken
}

// runPage runs a page, with variables more, and returns where it differs from
// what came.
func runPage(t *testing.T, p page, more ...string) error {
	t.Helper()
	s := newSession(t, p.types, more...)
	var all []error
	for i, step := range p.steps {
		if step.file != "" {
			if err := os.WriteFile(filepath.Join(s.dir, filepath.FromSlash(step.file)), []byte(step.text), 0o600); err != nil {
				return err
			}
			continue
		}
		got, code, err := s.run(step.command)
		if err != nil {
			return fmt.Errorf("%s:%d: %s: %w", p.file, step.line, step.command, err)
		}
		want := step.want
		for len(want) > 0 && want[len(want)-1] == "" { // between two commands
			want = want[:len(want)-1]
		}
		if !shows(want, lines(got)) {
			all = append(all, fmt.Errorf("%s:%d: $ %s\nthe page shows:\n%s\nthere came:\n%s", p.file, step.line, step.command, strings.Join(want, "\n"), got))
		}
		told := i+1 < len(p.steps) && p.steps[i+1].command == "echo $?"
		if code != 0 && len(want) == 0 && !told {
			all = append(all, fmt.Errorf("%s:%d: $ %s\nfailed without a word, exit code %d", p.file, step.line, step.command, code))
		}
	}
	if len(s.types) > 0 {
		all = append(all, fmt.Errorf("%s: nobody asked for what is typed: %q", p.file, s.types))
	}
	return errors.Join(all...)
}

func newSession(t *testing.T, types []string, more ...string) *session {
	t.Helper()
	dir, env := newHome(t)
	env = append(env, more...)
	s := &session{dir: dir, types: types}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", "-c", pageShell)
	c.Dir, c.Env = dir, env
	c.ExtraFiles = []*os.File{r}
	s.pty, s.steps = startPTY(t, 80, c), w
	_ = r.Close()
	t.Cleanup(func() { _ = w.Close() })
	return s
}

// newHome makes a home without a keyring, and without the marks of an agent
// that this machine may carry. dir is an empty folder in it.
func newHome(t *testing.T) (dir string, env []string) {
	t.Helper()
	root := t.TempDir()
	dir = filepath.Join(root, "home", "orchestrator")
	for _, d := range []string{dir, filepath.Join(root, "run")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir, []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(root, "home"), "XDG_RUNTIME_DIR=" + filepath.Join(root, "run"),
		"DBUS_SESSION_BUS_ADDRESS=disabled:", "GORACE=atexit_sleep_ms=10", "LANG=C.UTF-8", "TZ=UTC", "TERM=dumb", "TMPDIR=" + root,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=mia", "GIT_AUTHOR_EMAIL=mia@example.com", "GIT_COMMITTER_NAME=mia", "GIT_COMMITTER_EMAIL=mia@example.com",
	}
}

// run runs one command, answers its prompts, and returns what it printed.
func (s *session) run(command string) (out string, code int, err error) {
	f, err := os.CreateTemp(filepath.Dir(filepath.Dir(s.dir)), "step-")
	if err != nil {
		return "", 0, err
	}
	_, err = f.WriteString(command + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return "", 0, err
	}
	if _, err := fmt.Fprintln(s.steps, f.Name()); err != nil {
		return "", 0, err
	}
	answered := 0
	for {
		var part string
		prompt := false
		if !s.await(func(seen string) bool {
			part = seen[s.read:]
			prompt = len(part) > answered && (strings.HasSuffix(part, "(hidden): ") || strings.HasSuffix(part, "[y/N] "))
			return prompt || strings.HasSuffix(part, "\036")
		}) {
			return part, 0, fmt.Errorf("it does not end; there is:\n%s", part)
		}
		if !prompt {
			s.read += len(part)
			body, status, _ := strings.Cut(strings.TrimSuffix(part, "\036"), "\036")
			code, err = strconv.Atoi(status)
			return body, code, err
		}
		if len(s.types) == 0 {
			return part, 0, fmt.Errorf("it asks, and the page types nothing:\n%s", part)
		}
		answered = len(part)
		if _, err := s.master.WriteString(s.types[0] + "\n"); err != nil {
			return part, 0, err
		}
		s.types = s.types[1:]
	}
}
