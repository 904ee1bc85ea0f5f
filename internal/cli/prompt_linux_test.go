package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A desk is a home with a project and a person at a terminal.
type desk struct {
	t   *testing.T
	dir string
	env []string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t}
	d.dir, d.env = newHome(t)
	d.must("init")
	return d
}

func (d *desk) command(args ...string) *exec.Cmd {
	c := exec.Command("tacit", args...)
	c.Dir, c.Env = d.dir, d.env
	return c
}

// must runs a command without a terminal and returns its stdout.
func (d *desk) must(args ...string) string {
	d.t.Helper()
	var errs bytes.Buffer
	c := d.command(args...)
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		d.t.Fatalf("tacit %s: %v\n%s", args, err, errs.String())
	}
	return string(out)
}

// at runs a command on a terminal.
func (d *desk) at(args ...string) *pty {
	d.t.Helper()
	return startPTY(d.t, 80, d.command(args...))
}

// ended waits for the end, and compares exit code and last lines.
func (d *desk) ended(p *pty, code int, last string) {
	d.t.Helper()
	if got := p.exit(d.t); got != code {
		d.t.Errorf("exit code %d, want %d; there is:\n%s", got, code, p.seen())
	}
	if !strings.HasSuffix(strings.TrimRight(p.seen(), "\n"), last) {
		d.t.Errorf("the end is not %q; there is:\n%s", last, p.seen())
	}
}

const canaryKey = "sk-canary-typed"

func TestHiddenPrompt(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, c := range []struct {
		name, keys string
		code       int
		last       string
		value      string // that is there afterwards; empty: no secret
	}{
		{"control-c", "half\x03", exitUnavailable, "tacit: interrupted: nothing was changed", ""},
		{"control-d", "\x04", exitInvalid, "tacit: no answer: nothing was changed", ""},
		{"enter-alone", "\r", exitInvalid, "tacit: dev:enter-alone: nothing was typed, so nothing was changed", ""},
		{"two-lines", "-----BEGIN\rrest\r", exitInvalid, "  a value of several lines comes from a file, with --file or on stdin", ""},
		{"typed", canaryKey + "\r", exitOK, "put       dev:typed             version 1", canaryKey},
		{"pasted", pasteBegins + "-----BEGIN\rrest\r" + pasteEnds + "\r", exitOK, "put       dev:pasted            version 1", "-----BEGIN\nrest\n"},
		{"long", strings.Repeat("x", 20_000) + "\r", exitOK, "put       dev:long              version 1", strings.Repeat("x", 20_000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := d.at("put", c.name)
			p.expect(t, "value for dev:"+c.name+" (hidden): ")
			p.press(t, c.keys)
			d.ended(p, c.code, c.last)
			if strings.Contains(p.seen(), "canary") || strings.Contains(p.seen(), "half") || strings.Contains(p.seen(), "BEGIN") {
				t.Errorf("what was typed is shown:\n%s", p.seen())
			}
			if got := d.must("list", c.name); (got == "") != (c.value == "") {
				t.Fatalf("the secret is there: %q", got)
			}
			if c.value != "" && d.must("get", c.name) != c.value {
				t.Error("the value is another one")
			}
		})
	}
}

// TestTerminalEchoesAgain: whatever ends a hidden prompt, the terminal is left
// as it was.
func TestTerminalEchoesAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, keys := range map[string]string{"control-C": "\x03", "enter": "value\r"} {
		t.Run(name, func(t *testing.T) {
			c := d.command()
			c.Path, c.Args = "/bin/sh", []string{"sh", "-c", "stty -a > before; tacit put a; stty -a > after"}
			p := startPTY(t, 80, c)
			p.expect(t, "(hidden): ")
			p.press(t, keys)
			p.exit(t)
			before, after := d.read("before"), d.read("after")
			if before != after || !strings.Contains(after, " echo ") {
				t.Errorf("before: %s\nafter: %s", before, after)
			}
		})
	}
}

func (d *desk) read(name string) string {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(b)
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.must("put", "a", "--generate", "hex")
	value := d.must("get", "a")
	for _, c := range []struct {
		name, keys string
		code       int
		last       string
	}{
		{"control-C", "\x03", exitUnavailable, "tacit: interrupted: nothing was changed"},
		{"control-D", "\x04", exitInvalid, "tacit: no answer: nothing was changed"},
		{"enter", "\r", exitInvalid, "tacit: nothing was changed"},
		{"no", "n\r", exitInvalid, "tacit: nothing was changed"},
		{"something else", "yep\r", exitInvalid, "tacit: nothing was changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := d.at("destroy", "a")
			p.expect(t, "destroy dev:a for ever? [y/N] ")
			p.press(t, c.keys)
			d.ended(p, c.code, c.last)
			if d.must("get", "a") != value {
				t.Error("the secret is another one")
			}
		})
	}
	p := d.at("destroy", "a")
	p.expect(t, "[y/N] ")
	p.press(t, "y\r")
	d.ended(p, exitOK, "destroyed dev:a")
}

// TestInterruptedInit: who leaves at the first question has made nothing.
func TestInterruptedInit(t *testing.T) {
	t.Parallel()
	d := &desk{t: t}
	d.dir, d.env = newHome(t)
	p := d.at("init")
	p.expect(t, "make a recovery key, shown once? [y/N] ")
	p.press(t, "\x03")
	d.ended(p, exitUnavailable, "tacit: interrupted: nothing was changed")
	made, err := filepath.Glob(filepath.Join(filepath.Dir(d.dir), ".*"))
	if err != nil || len(made) > 0 {
		t.Errorf("there is %v, %v", made, err)
	}
	if entries, err := os.ReadDir(d.dir); err != nil || len(entries) > 0 {
		t.Errorf("there is %v, %v", entries, err)
	}
}

// TestAgentsTerminalIsNobodys: an agent is not asked, even on a terminal.
func TestAgentsTerminalIsNobodys(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.env = append(d.env, "CLAUDECODE=1")
	d.ended(d.at("put", "a"), exitInvalid, "  give it on stdin:  tacit put dev:a < FILE")
	d.ended(d.at("destroy", "a"), exitInvalid, "  --yes answers it")
}

// TestGetOnTerminal: a terminal gets a newline after a value, and nothing that
// it would take as a command.
func TestGetOnTerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, value := range map[string]string{"text": canaryKey, "lines": "a\nb\n", "binary": "\x00\xff", "escape": "\x1b[31mred\x1b]0;title\a"} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
		d.must("put", name, "--file", name)
		if got := d.must("get", name); got != value {
			t.Errorf("piped, %s is %q", name, got)
		}
	}
	for name, want := range map[string]string{"text": canaryKey + "\n", "lines": "a\nb\n"} {
		p := d.at("get", name)
		d.ended(p, exitOK, strings.TrimSuffix(want, "\n"))
		if p.seen() != want {
			t.Errorf("%s: %q", name, p.seen())
		}
	}
	for _, name := range []string{"binary", "escape"} {
		p := d.at("get", name)
		d.ended(p, exitInvalid, "tacit: dev:"+name+" is no text, and this is a terminal\n  tacit get dev:"+name+" > FILE")
		if strings.Contains(p.seen(), "red") || strings.Contains(p.seen(), "\x1b") {
			t.Errorf("%s was shown: %q", name, p.seen())
		}
	}
}

// TestHelpFitsTheTerminal: at 40 columns the help has lines of 40.
func TestHelpFitsTheTerminal(t *testing.T) {
	t.Parallel()
	d := &desk{t: t}
	d.dir, d.env = newHome(t)
	p := startPTY(t, 40, d.command("store", "--help"))
	p.exit(t)
	for line := range strings.SplitSeq(p.seen(), "\n") {
		if columns(line) > 40 {
			t.Errorf("%d columns: %q", columns(line), line)
		}
	}
}

// TestEnvShowFitsTheTerminal: what a store keeps is broken between words, and is
// one line for a pipe.
func TestEnvShowFitsTheTerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	whole := d.must("env", "show")
	p := startPTY(t, 40, d.command("env", "show"))
	p.exit(t)
	for line := range strings.SplitSeq(p.seen(), "\n") {
		if columns(line) > 40 {
			t.Errorf("%d columns: %q", columns(line), line)
		}
	}
	if !strings.Contains(whole, "\nkeeps        versions, ") || strings.Join(strings.Fields(p.seen()), " ") != strings.Join(strings.Fields(whole), " ") {
		t.Errorf("a terminal shows %q, a pipe %q", p.seen(), whole)
	}
}

// TestCompletionScripts: each shell gets its own script, with tacit in it.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	d := &desk{t: t}
	d.dir, d.env = newHome(t)
	for shell, mark := range map[string]string{
		"bash": "complete -o default -F __start_tacit tacit", "zsh": "#compdef tacit", "fish": "complete -c tacit", "powershell": "Register-ArgumentCompleter",
	} {
		if out := d.must("completion", shell); !strings.Contains(out, mark) {
			t.Errorf("%s: no %q in %d bytes", shell, mark, len(out))
		}
	}
}
