package cli

import (
	"strings"
	"testing"
)

// TestRunWatchOnTerminal: after a restart too, the command has the terminal and
// heeds its signals, and ctrl-C ends it and tacit.
func TestRunWatchOnTerminal(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "[secrets]\nKEY = {ref = \"app/key\"}\n")
	w.put(t, "app/key", "canary-value-one")
	c := w.command(t, "run", "--watch", "--", "sh", "-c",
		`grep -q '`+ignoredHere(t)+`' /proc/self/status || echo some signals are ignored
[ -n "$(ps -o stat= -p $$ | grep +)" ] && echo "in the foreground: $KEY"
while :; do sleep 0.02; done`)
	p := startPTY(t, 80, c)
	p.expect(t, "in the foreground: canary-value-one")
	w.put(t, "app/key", "canary-value-two")
	p.expect(t, "in the foreground: canary-value-two")
	p.press(t, "\x03")
	if code := p.exit(t); code != 130 {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(p.seen(), "ignored") || strings.Contains(p.seen(), "started again") {
		t.Errorf("there is:\n%s", p.seen())
	}
}
