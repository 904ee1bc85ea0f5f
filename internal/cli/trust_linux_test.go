package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func (d *desk) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// check offers a person to ask for what is missing, and shows nothing of what
// is typed.
func TestCheckAsks(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.write("tacit.toml", "[env.dev]\n[secrets]\nA = {ref = \"a\"}\nB = {ref = \"b#f\"}\n")
	d.must("trust", "--yes")
	p := d.at("check")
	p.expect(t, "2 secrets missing: type the values now? [y/N]")
	p.press(t, "n\r")
	d.ended(p, exitNotFound, "B  dev:b#f  put it:  tacit put dev:b#f")

	p = d.at("check")
	p.expect(t, "[y/N]")
	p.press(t, "y\r")
	p.expect(t, "value for dev:a (hidden)")
	p.press(t, canaryKey+"\r")
	p.expect(t, "value for dev:b#f (hidden)")
	p.press(t, canaryKey+"\r")
	if got := p.exit(t); got != exitOK || strings.Contains(p.seen(), canaryKey) {
		t.Errorf("exit code %d; there is:\n%s", got, p.seen())
	}
	if got := d.must("get", "b#f"); got != canaryKey {
		t.Errorf("b#f is %q", got)
	}
	d.must("check")
}

// trust asks, and a no trusts nothing; an agent's terminal is nobody's.
func TestTrustAsks(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.write("policy.cedar", "permit (principal, action, resource);\n")
	p := d.at("trust")
	p.expect(t, "+ permit (principal, action, resource);")
	p.expect(t, "trust these files? [y/N]")
	p.press(t, "\r")
	d.ended(p, exitInvalid, "nothing was changed")
	if c := d.command("check"); c.Run() == nil {
		t.Error("it is trusted")
	}
	p = d.at("trust")
	p.expect(t, "[y/N]")
	p.press(t, "y\r")
	if got := p.exit(t); got != exitOK {
		t.Errorf("exit code %d; there is:\n%s", got, p.seen())
	}
	d.must("check")

	d.write("policy.cedar", "")
	d.env = append(d.env, "CLAUDECODE=1")
	p = d.at("trust")
	d.ended(p, exitDenied, "a person does this, outside of the agent's session")
}
