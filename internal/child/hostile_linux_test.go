package child

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

func (s *screen) settings() unix.Termios {
	s.t.Helper()
	t, err := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return *t
}

// TestAbuseTerminal: whatever a child does to the terminal before it dies, the
// one who started tacit has it back as it was.
func TestAbuseTerminal(t *testing.T) {
	for name, script := range map[string]string{
		"killed-in-raw-mode":        `stty raw -echo; kill -KILL $$`,
		"streams-closed-and-killed": `stty raw -echo; exec >&- 2>&- <&-; kill -KILL $$`,
		// The child's own group gives the foreground away before it dies.
		"foreground-given-away": `stty raw -echo; exec "$T" ` + giveForeground,
		// A group of its own, which has no members any more.
		"foreground-of-nobody": `stty raw -echo; exec "$T" ` + orphanForeground,
	} {
		t.Run(name, func(t *testing.T) {
			s := newScreen(t)
			before := s.settings()
			c := tacit(t, "sh", "-c", script)
			c.Env = append(c.Env, "T="+self(t))
			s.start(c)
			_ = c.Wait()
			if s.settings() != before {
				t.Errorf("the settings differ; the screen shows %q", s)
			}
			if c.ProcessState.ExitCode() != 137 {
				t.Errorf("exit code %d; the screen shows %q", c.ProcessState.ExitCode(), s)
			}
		})
	}
}

// The test binary is also children that no shell can be.
const (
	giveForeground   = "give-foreground"
	orphanForeground = "orphan-foreground"
	tellDumpable     = "tell-dumpable"
	rawKeys          = "raw-keys"
)

// hostile returns what such a child does; nil if it is none.
func hostile(name string) func() int {
	switch name {
	case giveForeground: // to the group of its parent, and dies
		return func() int {
			group, err := unix.Getpgid(os.Getppid())
			return moveForeground(group, err, func() {})
		}
	case orphanForeground: // to a group that has ended
		return func() int {
			c := exec.Command("sleep", "1000")
			c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if c.Start() != nil {
				return 1
			}
			return moveForeground(c.Process.Pid, nil, func() { _ = c.Process.Kill(); _ = c.Wait() })
		}
	case tellDumpable:
		return func() int {
			n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
			fmt.Println(n, err)
			return 0
		}
	case rawKeys:
		return readKeys
	default:
		return nil
	}
}

// readKeys shows each key as a number, stops itself at s and ends at q.
func readKeys() int {
	before, err := term.MakeRaw(0)
	if err != nil {
		return 1
	}
	defer func() { _ = term.Restore(0, before) }()
	fmt.Print("up")
	for key := make([]byte, 1); key[0] != 'q'; {
		if _, err := os.Stdin.Read(key); err != nil {
			return 2
		}
		fmt.Printf("<%02x>", key[0])
		if key[0] != 's' {
			continue
		}
		_ = unix.Kill(os.Getpid(), unix.SIGSTOP)
		now, err := unix.IoctlGetTermios(0, unix.TCGETS)
		if err == nil && now.Lflag&unix.ICANON == 0 {
			fmt.Print("raw again")
		}
	}
	return 9
}

func moveForeground(group int, err error, then func()) int {
	if err != nil || unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, group) != nil {
		return 3
	}
	then()
	_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	return 4
}

// A full-screen editor reads each key itself, also those for interrupting and
// suspending; its settings are gone while the shell has the terminal and come
// back with it.
func TestRawModeChild(t *testing.T) {
	s := newScreen(t)
	s.shell()
	s.write("tacit $T " + rawKeys + "; echo code $?\n")
	s.expect("up")
	s.write("\x03")
	s.expect("<03>")
	s.write("\x1a")
	s.expect("<1a>")
	s.write("s")
	s.expect("<73>")
	s.expect("Stopped")
	s.write("stty -a | grep -c -e ' icanon'; fg; echo then $?\n")
	s.expect("1\r\n")
	s.expect("raw again")
	s.write("q")
	s.expect("then 9\r\n")
	s.write("exit\n")
}

func TestWindowSize(t *testing.T) {
	s := newScreen(t)
	resize := func(rows, cols uint16) {
		if err := unix.IoctlSetWinsize(int(s.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}); err != nil {
			t.Fatal(err)
		}
	}
	resize(24, 80)
	c := tacit(t, "sh", "-c", `trap 'stty size; n=$((n+1)); [ $n -eq 2 ] && exit 4' WINCH; stty size; while :; do sleep 0.01; done`)
	s.start(c)
	s.expect("24 80\r\n")
	resize(50, 132)
	s.expect("50 132\r\n")
	resize(30, 100)
	s.expect("30 100\r\n")
	_ = c.Wait()
	if c.ProcessState.ExitCode() != 4 {
		t.Errorf("exit code %d", c.ProcessState.ExitCode())
	}
}

// TestAbuseStops: a child that stops itself stops tacit where a shell can
// continue both, and is continued at once where nobody could.
func TestAbuseStops(t *testing.T) {
	t.Run("child-stops-itself", func(t *testing.T) {
		s := newScreen(t)
		s.shell()
		s.write("tacit sh -c 'kill -STOP $$; echo goes on; exit 3'; echo code $?\n")
		s.expect("Stopped")
		s.expect("code 148\r\n")
		s.write("fg; echo then $?\n")
		s.expect("goes on\r\n")
		s.expect("then 3\r\n")
		s.write("exit\n")
	})
	t.Run("orphaned-process-group", func(t *testing.T) {
		s := newScreen(t)
		c := tacit(t, "sh", "-c", `kill -TSTP $$; echo one; kill -STOP $$; echo two; exit 3`)
		s.start(c) // the leader of its session: no shell is above it
		s.expect("one\r\n")
		s.expect("two\r\n")
		_ = c.Wait()
		if c.ProcessState.ExitCode() != 3 {
			t.Errorf("exit code %d", c.ProcessState.ExitCode())
		}
	})
	t.Run("terminal-goes-away", func(t *testing.T) {
		master, slave := openTerminal(t)
		file := filepath.Join(t.TempDir(), "out")
		c := tacit(t, "sh", "-c", `trap 'exit 6' HUP; echo ready >`+file+`; while :; do sleep 0.01; done`)
		(&screen{t: t, slave: slave}).start(c)
		slave.Close()
		until(t, func() bool { b, _ := os.ReadFile(file); return string(b) == "ready\n" })
		master.Close()
		_ = c.Wait()
		if c.ProcessState.ExitCode() != 6 {
			t.Errorf("exit code %d", c.ProcessState.ExitCode())
		}
	})
}

// The child can be debugged and dump core as it would without tacit.
func TestChildIsDumpable(t *testing.T) {
	c := tacit(t, self(t), tellDumpable)
	out, err := c.Output()
	if err != nil || string(out) != "1 <nil>\n" {
		t.Errorf("dumpable is %q, %v", out, err)
	}
}

// TestAbuseNobodyReads: where nobody reads the output of a child that has
// ended, a signal still ends tacit.
func TestAbuseNobodyReads(t *testing.T) {
	t.Run("destination-blocks-for-ever", func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		file := filepath.Join(t.TempDir(), "pid")
		c := tacit(t, "sh", "-c", `head -c 200000 /dev/zero; echo $$ >`+file+`; exit 8`)
		var errs strings.Builder
		c.Stdout, c.Stderr = w, &errs
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		pid := 0
		until(t, func() bool {
			b, _ := os.ReadFile(file)
			n, _ := fmt.Sscan(string(b), &pid)
			return n == 1 && syscall.Kill(pid, 0) != nil
		})
		until(t, func() bool {
			_ = c.Process.Signal(syscall.SIGTERM)
			return len(ended) > 0
		})
		if <-ended; c.ProcessState.ExitCode() != 8 || !strings.Contains(errs.String(), "nobody read it") {
			t.Errorf("exit code %d, %q", c.ProcessState.ExitCode(), errs.String())
		}
	})
}
