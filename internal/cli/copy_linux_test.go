package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Whoever interrupts a copy is told how far it came, and finishes it by running
// it again. A dumb terminal is never told to go back in its line.
func TestCopyInterrupted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var in strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&in, "{\"name\":\"app/n%d\",\"value\":\"canary\"}\n", i)
	}
	c := d.command("put", "--batch")
	c.Stdin = strings.NewReader(in.String())
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	half := regexp.MustCompile(`\ntacit: interrupted: [1-9][0-9]* of 4000 secrets are there\n  run it again: what was copied is not written twice\n$`)
	d.env = append(d.env, "TERM=dumb")
	for i := range 10 { // a busy machine may be told to stop too late
		to := fmt.Sprintf("try%d/", i)
		before := d.logged()
		p := d.at("copy", "-r", "app/", to)
		// A record for each secret: some hundreds are written by then.
		for limit := time.Now().Add(ptyWait); d.logged() < before+400_000 && time.Now().Before(limit); {
			time.Sleep(time.Millisecond)
		}
		p.press(t, "\x03")
		if p.exit(t) == exitOK {
			continue
		}
		if !half.MatchString(p.seen()) || strings.Contains(p.seen(), "canary") {
			t.Errorf("interrupted, it says:\n%s", p.seen())
		}
		again := d.at("copy", "-r", "app/", to)
		if code := again.exit(t); code != exitOK || strings.Contains(p.seen()+again.seen(), "\r") {
			t.Errorf("exit code %d; there is:\n%q", code, again.seen())
		}
		if out := d.must("diff", "app/", to); out != "" {
			t.Errorf("they differ:\n%s", out)
		}
		return
	}
	t.Error("no copy was interrupted: the test does not test")
}

// logged is the size of the audit log.
func (d *desk) logged() (n int64) {
	d.t.Helper()
	all, err := filepath.Glob(filepath.Join(d.stateHome(), "tacit", "*", "audit", "*.jsonl"))
	if err != nil || len(all) == 0 {
		d.t.Fatalf("no audit log: %v", err)
	}
	for _, f := range all {
		if info, err := os.Stat(f); err == nil {
			n += info.Size()
		}
	}
	return n
}

func (d *desk) stateHome() string {
	home := ""
	for _, v := range d.env {
		if s, ok := strings.CutPrefix(v, "XDG_STATE_HOME="); ok {
			return s
		}
		if s, ok := strings.CutPrefix(v, "HOME="); ok {
			home = s
		}
	}
	return filepath.Join(home, ".local", "state")
}
