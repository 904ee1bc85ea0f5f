package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// declaredByStrangers has names that a shell would run, were they put on its
// line as they are: the beginning that they share comes unquoted.
const declaredByStrangers = `project = "p"
default_env = "dev"
[env.dev]
backend = "local"
[env.prod]
backend = "local"
prefix = "prod/"
[secrets.PASSWORD]
ref = "app/db#password"
[secrets.TOKEN]
ref = "ci/token"
description = "$(touch pwned)"
[secrets.X1]
ref = "x$(touch pwned)1"
[secrets.X2]
ref = "x$(touch pwned)2"
`

// shells are started so that nothing of this machine's own settings is read.
// bash comes without the package bash-completion, and with it where it is
// installed.
func shells() map[string][]string {
	const pack = "/usr/share/bash-completion/bash_completion"
	const load = "PS1='> '; source <(tacit completion bash)"
	return map[string][]string{
		"bash":         {load, "bash", "--norc", "--noprofile"},
		"bash, packed": {". " + pack + "; " + load, "bash", "--norc", "--noprofile"},
		"zsh":          {"PS1='> '; bindkey -e; autoload -Uz compinit; compinit -u; source <(tacit completion zsh)", "zsh", "-f"},
		"fish":         {"function fish_prompt; echo -n '> '; end; tacit completion fish | source", "fish", "--no-config"},
	}
}

// TestCompletionInShells presses the tab key in real shells.
func TestCompletionInShells(t *testing.T) {
	t.Parallel()
	for name, shell := range shells() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, env := newHome(t)
			if err := os.WriteFile(filepath.Join(dir, "tacit.toml"), []byte(declaredByStrangers), 0o600); err != nil {
				t.Fatal(err)
			}
			c := startShell(t, dir, env, shell)
			for typed, want := range map[string]string{
				"tacit env li\t":                         "tacit env list",
				"tacit help roll\t":                      "tacit help rollback",
				"tacit -e prod get dev:app\t":            "tacit -e prod get dev:app/db",
				"tacit whoa\t":                           "tacit whoami",
				"tacit get app\t":                        "tacit get app/db",
				"tacit get app/db@\t":                    "tacit get app/db@previous",
				"tacit get app/db#\t":                    "tacit get app/db#password",
				"tacit get pr\tci\t":                     "tacit get prod:ci/token",
				"tacit get prod:app/db@\t":               "tacit get prod:app/db@previous",
				"tacit copy de\t pro\t":                  "tacit copy dev: prod:",
				"tacit run --only PASSWORD,TO\t":         "tacit run --only PASSWORD,TOKEN",
				"tacit run --env V=ci\t":                 "tacit run --env V=ci/token",
				"tacit put x --generate pass\t":          "tacit put x --generate password",
				"tacit --environment pr\tget ci\t":       "tacit --environment prod get ci/token",
				"tacit --reason 'a b' get app\t":         "tacit --reason a b get app/db",
				"tacit policy check tacit.t\t":           "tacit policy check tacit.toml",
				"tacit get x\t\t":                        "tacit get x",
				"tacit --reason '$(touch pwned)' whoa\t": "tacit --reason $(touch pwned) whoami",
				"tacit audit list --outcome unavai\t":    "tacit audit list --outcome unavailable",
			} {
				if got := c.completed(t, typed); got != want {
					t.Errorf("%q became %q, want %q", typed, got, want)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
				t.Error("completion ran what a stranger's tacit.toml names")
			}
		})
	}
}

// A shell is one that waits for a line.
type shell struct {
	*pty
	marks int
}

func startShell(t *testing.T, dir string, env, shellCommand []string) *shell {
	t.Helper()
	load, argv := shellCommand[0], shellCommand[1:]
	path, err := exec.LookPath(argv[0])
	if err != nil {
		t.Skipf("SKIPPED: %s is not installed", argv[0])
	}
	if file, _, ok := strings.Cut(strings.TrimPrefix(load, ". "), ";"); ok && strings.HasPrefix(load, ". ") {
		if _, err := os.Stat(file); err != nil {
			t.Skipf("SKIPPED: the package bash-completion is not installed")
		}
	}
	cmd := exec.Command(path, argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(env, "HISTFILE=", "SHELL="+path)
	s := &shell{pty: startPTY(t, 200, cmd)}
	s.press(t, load+"\n")
	return s
}

// completed types keys, and returns what then stands on the line: it is given
// to echo.
func (s *shell) completed(t *testing.T, typed string) string {
	t.Helper()
	s.marks++
	mark := fmt.Sprintf("line%d:", s.marks)
	s.press(t, typed+"\x01echo "+mark+" \x05\n") // to the beginning of the line and to its end
	line := func(seen string) (string, bool) {
		for l := range strings.SplitSeq(seen, "\n") {
			if text, ok := strings.CutPrefix(l, mark+" "); ok {
				return strings.TrimRight(text, " \r"), true
			}
		}
		return "", false
	}
	if !s.await(func(seen string) bool { _, ok := line(seen); return ok }) {
		t.Fatalf("%q: no line came; there is:\n%s", typed, s.seen())
	}
	got, _ := line(s.seen())
	return got
}
