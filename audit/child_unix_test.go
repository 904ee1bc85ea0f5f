//go:build unix

package audit

import (
	"errors"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tacit-secrets/tacit/secret"
)

// childOnUnix limits the size of files and appends until it stops.
func childOnUnix(t *testing.T, args []string) {
	limit, err := strconv.ParseUint(args[2], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	l := reopen(t, childConfig(t, args[1]))
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: unix.RLIM_INFINITY}); err != nil {
		t.Fatal(err)
	}
	_, err = l.Append(t.Context(), record("over the limit"))
	if secret.KindOf(err) != secret.Unavailable || !errors.Is(err, syscall.EFBIG) {
		t.Errorf("%v", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}); err != nil {
		t.Fatal(err)
	}
	add(t, l, "after")
	say("ack after")
}

func TestAbuseAuditProcesses(t *testing.T) {
	t.Run("fsize-limit-mid-record", func(t *testing.T) {
		dir := t.TempDir()
		cfg := childConfig(t, dir)
		l, key := create2(t, cfg)
		add(t, l, "before")
		c := child(t, "fsize", dir, strconv.FormatInt(l.offset+100, 10))
		said := acks(c.Lines(10))
		if err := c.Wait(); err != nil || len(said) != 1 {
			t.Errorf("said %q, %v", said, err)
		}
		add(t, l, "last")
		if got := names(t, cfg.Dir); got != "before after last" {
			t.Errorf("read %q", got)
		}
		sound(t, cfg, VerifyOptions{FirstKey: key})
	})
	t.Run("lock-held-by-stopped-process", func(t *testing.T) {
		dir := t.TempDir()
		cfg := childConfig(t, dir)
		cfg.LockWait = 100 * time.Millisecond
		l, _ := create2(t, cfg)
		c := child(t, "hold", dir)
		if said := c.Lines(1); !slices.Equal(said, []string{"held"}) {
			t.Fatalf("%q", said)
		}
		if err := c.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		_, err := l.Append(t.Context(), record("a"))
		if secret.KindOf(err) != secret.Unavailable {
			t.Errorf("append: %v", err)
		}
		if _, err := Open(t.Context(), cfg); secret.KindOf(err) != secret.Unavailable {
			t.Errorf("open: %v", err)
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("it took %s", took)
		}
		if err := errors.Join(c.Process.Signal(syscall.SIGCONT), c.In.Close(), c.Wait()); err != nil {
			t.Fatal(err)
		}
		add(t, l, "b")
		if got := names(t, cfg.Dir); got != "b" {
			t.Errorf("read %q", got)
		}
	})
}
