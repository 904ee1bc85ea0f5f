package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// display starts an X server without a screen and returns its name.
func display(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"Xvfb", "xclip"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip("SKIPPED: there is no ", name, " here")
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := exec.Command("Xvfb", "-displayfd", "3", "-nolisten", "tcp")
	c.ExtraFiles = []*os.File{w}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	var n int
	if _, err := fmt.Fscan(r, &n); err != nil {
		t.Skip("SKIPPED: no X server starts here: ", err)
	}
	return fmt.Sprintf(":%d", n)
}

// TestCopyToX11: the value is on the clipboard of a real X server and nowhere
// else, and gone afterwards; what somebody copied meanwhile stays.
func TestCopyToX11(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.env = append(d.env, "DISPLAY="+display(t))
	d.put("a", "canary-value")
	held := func() string {
		c := d.command()
		path, _ := exec.LookPath("xclip")
		c.Path, c.Args = path, []string{"xclip", "-selection", "clipboard", "-out"}
		out, _ := c.Output() // fails while nothing is there
		return string(out)
	}
	// xclip ends before the X server has heard of it.
	holds := func(want string) {
		t.Helper()
		eventually(t, "the clipboard's change", func() bool { return held() == want })
	}
	for name, meanwhile := range map[string]bool{"control-C": false, "copied meanwhile": true} {
		p := d.at("get", "--copy", "a")
		p.expect(t, "copied    dev:a                 with xclip, for 30s; ctrl-C clears it")
		holds("canary-value")
		if arguments := argumentsOfAll(t); strings.Contains(arguments, "canary-value") {
			t.Errorf("%s: the value is in somebody's arguments", name)
		}
		want := ""
		if meanwhile {
			c := d.command()
			path, _ := exec.LookPath("xclip")
			c.Path, c.Args, c.Stdin = path, []string{"xclip", "-selection", "clipboard", "-in"}, strings.NewReader("theirs")
			if err := c.Run(); err != nil {
				t.Fatal(err)
			}
			want = "theirs"
			holds(want)
		}
		p.press(t, "\x03")
		d.ended(p, exitOK, "cleared   dev:a")
		holds(want)
		if strings.Contains(p.seen(), "canary") {
			t.Errorf("%s: the value is shown:\n%s", name, p.seen())
		}
	}
	// Without a terminal it clears by itself; the log has it.
	if out := d.must("get", "--copy", "a", "--clear-after", "1s", "--json"); out != `{"env":"dev","name":"a","clipboard":"xclip","cleared":true}`+"\n" {
		t.Errorf("%q", out)
	}
	holds("")
	if n := strings.Count(d.must("audit", "list", "--json", "--name", "a"), `"verb":"get"`); n != 3 {
		t.Errorf("%d gets are on record", n)
	}
}

// argumentsOfAll returns the arguments of every process.
func argumentsOfAll(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var all strings.Builder
	for _, f := range files {
		b, _ := os.ReadFile(f)
		all.Write(b)
	}
	return all.String()
}

// TestCopyToTmux: in tmux its own buffer takes the value, and is removed.
func TestCopyToTmux(t *testing.T) {
	t.Parallel()
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		t.Skip("SKIPPED: there is no tmux here")
	}
	d := newDesk(t)
	d.put("a", "canary-value")
	socket := filepath.Join(t.TempDir(), "tmux")
	do := func(args ...string) (string, error) {
		c := d.command()
		c.Path, c.Args = tmux, append([]string{"tmux", "-S", socket, "-f", "/dev/null"}, args...)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := do("new-session", "-d", "-x", "80", "-y", "24", "sh"); err != nil {
		t.Skip("SKIPPED: no tmux starts here: ", out)
	}
	t.Cleanup(func() { _, _ = do("kill-server") })
	_, _ = do("send-keys", "tacit get --copy a", "Enter")
	eventually(t, "the copy", func() bool { out, err := do("show-buffer", "-b", "tacit"); return err == nil && out == "canary-value" })
	_, _ = do("send-keys", "C-c")
	eventually(t, "the clearing", func() bool { out, _ := do("list-buffers"); return out == "" })
	if out, _ := do("capture-pane", "-p"); strings.Contains(out, "canary") || !strings.Contains(out, "with tmux") {
		t.Errorf("there is:\n%s", out)
	}
}

// TestCopyToTerminal: a terminal that is known for it gets the sequence, no
// other does: no clipboard is an error, never a print.
func TestCopyToTerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.put("a", "canary-value")
	env := d.env
	d.env = append(env, "TERM=xterm-kitty")
	p := d.at("get", "--copy", "a")
	p.expect(t, "\x1b]52;c;Y2FuYXJ5LXZhbHVl\a")
	p.expect(t, "clearing in")
	p.press(t, "\x03")
	d.ended(p, exitOK, "cleared   dev:a")
	if !strings.Contains(p.seen(), "\x1b]52;c;\a") || strings.Contains(p.seen(), "canary") {
		t.Errorf("there is %q", p.seen())
	}
	d.env = append(env, "TERM=linux")
	p = d.at("get", "--copy", "a")
	d.ended(p, exitUnavailable, "or a terminal known for OSC 52, such as kitty or foot")
	if strings.Contains(p.seen(), "canary") || strings.Contains(p.seen(), "Y2FuYXJ5") {
		t.Errorf("the value was printed: %q", p.seen())
	}
	d.env = append(env, "TERM=xterm-kitty", "CLAUDECODE=1")
	p = d.at("get", "--copy", "a")
	if code := p.exit(t); code != exitDenied || strings.Contains(p.seen(), "Y2FuYXJ5") {
		t.Errorf("an agent got %d, %q", code, p.seen())
	}
}
