//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limit is how long anything in these tests may take: only a failure does.
const limit = 20 * time.Second

// until waits for what another process does.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about")
		}
	}
}

// An interrupt before the command is started ends tacit at once; the command is
// not started and the store is as it was.
func TestInterruptWhileUnlocking(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			h := newHome(t, self(t))
			keys := h.own(".config", "tacit", "keys")
			key := filepath.Join(t.TempDir(), "key")
			waits := filepath.Join(t.TempDir(), "waits")
			h.settings(fmt.Sprintf(`["sh", "-c", "test -e %s && cat %s && exit; umask 77; head -c 32 /dev/urandom | base64 | tee %s"]`, key, key, key))
			h.ok("", "store", "key", "add", "--command")
			kept := filepath.Join(t.TempDir(), "keys")
			if err := os.Rename(keys, kept); err != nil {
				t.Fatal(err)
			}
			h.settings(fmt.Sprintf(`["sh", "-c", "echo >%s; exec sleep 1000"]`, waits))

			started, status := filepath.Join(t.TempDir(), "started"), filepath.Join(t.TempDir(), "status")
			c := h.command("run", "--", "touch", started)
			c.Env = append(c.Env, "TACIT_RUN_STATUS="+status)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- c.Wait() }()
			until(t, func() bool { _, err := os.Stat(waits); return err == nil })
			if err := c.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			until(t, func() bool { return len(ended) > 0 })
			if <-ended; c.ProcessState.ExitCode() != 5 {
				t.Errorf("exit code %d", c.ProcessState.ExitCode())
			}
			if _, err := os.Stat(started); err == nil {
				t.Error("the command was started")
			}
			if b, _ := os.ReadFile(status); !strings.HasPrefix(string(b), `{"by":"tacit","code":5,"started":false`) {
				t.Errorf("the status is %s", b)
			}
			if err := os.Rename(kept, keys); err != nil {
				t.Fatal(err)
			}
			if got := h.ok("", "run", "--no-redact", "--", "sh", "-c", "echo $DB"); got != "canary-value\n" {
				t.Errorf("the store gives %q", got)
			}
		})
	}
}

// settings writes the user's own configuration.
func (h *home) settings(command string) {
	h.t.Helper()
	text := "[unlock]\ncommand = " + command + "\n"
	if err := os.WriteFile(h.own(".config", "tacit", "config.toml"), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// Under nohup and behind a script's & a command ignores hangups and interrupts:
// it does so under tacit, too.
func TestIgnoredSignalsStayIgnored(t *testing.T) {
	h := newHome(t, self(t))
	c := h.command()
	c.Path = "/bin/sh"
	c.Args = []string{"sh", "-c", `trap '' INT HUP; exec "$0" run -- sh -c 'kill -INT $$; kill -HUP $$; echo alive'`, self(t)}
	out, err := c.Output()
	if string(out) != "alive\n" || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
}

// main refuses core dumps of tacit, and the command has its own limit.
func TestNoCoreDumps(t *testing.T) {
	if _, err := os.Stat("/proc/self/limits"); err != nil {
		t.Skip("SKIPPED: no /proc here")
	}
	h := newHome(t, self(t))
	c := h.command()
	c.Path = "/bin/sh"
	script := `ulimit -S -c; i=0; while [ $i -lt 500 ]; do grep -q 'core file size  *0 ' /proc/$PPID/limits && exit 5; sleep 0.01; i=$((i+1)); done`
	c.Args = []string{"sh", "-c", `ulimit -S -c 7 2>/dev/null || exit 77; exec "$0" run -- sh -c "$1"`, self(t), script}
	out, _ := c.Output()
	switch code := c.ProcessState.ExitCode(); {
	case code == 77:
		t.Skip("SKIPPED: the hard limit of core dumps is 0 here")
	case string(out) != "7\n" || code != 5:
		t.Errorf("the command's limit is %q, exit code %d", out, code)
	}
}
