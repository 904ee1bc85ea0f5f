package child

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A screen is a terminal whose other end the test holds.
type screen struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	mu     sync.Mutex
	text   strings.Builder
	more   chan struct{}
	done   chan struct{}
}

// openTerminal opens both ends of a new one.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("SKIPPED: no pseudo terminals here: ", err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	master, slave := openTerminal(t)
	s := &screen{t: t, master: master, slave: slave, more: make(chan struct{}, 1), done: make(chan struct{})}
	go s.read()
	t.Cleanup(func() {
		slave.Close()
		select {
		case <-s.done: // the terminal hangs up when its last user is gone
		case <-time.After(limit): // one that is stopped never goes
		}
		master.Close()
	})
	return s
}

func (s *screen) read() {
	defer close(s.done)
	b := make([]byte, 4096)
	for {
		n, err := s.master.Read(b)
		s.mu.Lock()
		s.text.Write(b[:n])
		s.mu.Unlock()
		select {
		case s.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// expect waits until text was shown after what was expected before.
func (s *screen) expect(text string) {
	s.t.Helper()
	deadline := time.After(limit)
	for {
		s.mu.Lock()
		all := s.text.String()
		if i := strings.Index(all, text); i >= 0 {
			s.text.Reset()
			s.text.WriteString(all[i+len(text):])
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		select {
		case <-s.more:
		case <-deadline:
			s.t.Fatalf("waited for %q, the screen shows %q", text, all)
		}
	}
}

func (s *screen) write(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.master, keys); err != nil {
		s.t.Fatal(err)
	}
}

// start starts c as the leader of a new session on this terminal.
func (s *screen) start(c *exec.Cmd) {
	s.t.Helper()
	c.Stdin, c.Stdout, c.Stderr = s.slave, s.slave, s.slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
}

// shell starts an interactive shell with job control and a command "tacit".
func (s *screen) shell() *exec.Cmd {
	s.t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		s.t.Skip("SKIPPED: no bash here to test job control with")
	}
	c := exec.Command(bash, "--noprofile", "--norc", "--noediting", "-i")
	c.Env = append(os.Environ(), "PS1=$ ", "TERM=dumb", "T="+self(s.t))
	s.start(c)
	s.write("stty -echo; tacit() { TACIT_TEST_ROLE=run \"$T\" \"$@\"; }; echo u''p\n")
	s.expect("up\r\n")
	return c
}

const foregroundScript = `read -r a b c d group e f front rest </proc/$$/stat; test -t 0 && test -t 1 && test -t 2 && echo terminal; ` +
	`test "$group" = "$front" && echo front; test "$group" = "$$" && echo leads; `

func TestTerminalIsHandedOver(t *testing.T) {
	s := newScreen(t)
	c := tacit(t, "sh", "-c", foregroundScript+`echo value-of-the-test; exit 7`)
	s.start(c)
	s.expect("terminal\r\nfront\r\nleads\r\nvalue-of-the-test\r\n")
	_ = c.Wait()
	if c.ProcessState.ExitCode() != 7 {
		t.Errorf("exit code %d", c.ProcessState.ExitCode())
	}
}

func TestInterruptKeyArrivesOnce(t *testing.T) {
	t.Run("handed over", func(t *testing.T) {
		s := newScreen(t)
		c := tacit(t, self(t), countInterrupts)
		s.start(c)
		s.expect("ready\r\n")
		s.write("\x03")
		s.expect("total 1\r\n")
		_ = c.Wait()
		if c.ProcessState.ExitCode() != 5 {
			t.Errorf("exit code %d", c.ProcessState.ExitCode())
		}
	})
	t.Run("one group with a pipeline", func(t *testing.T) {
		s := newScreen(t)
		s.shell()
		file := filepath.Join(t.TempDir(), "out")
		s.write("tacit $T " + countInterrupts + " >" + file + "; echo code $?\n")
		s.expect("ready\r\n")
		s.write("\x03")
		s.expect("code 5\r\n")
		b, err := os.ReadFile(file)
		if err != nil || string(b) != "total 1\n" {
			t.Errorf("got %q, %v", b, err)
		}
		s.write("exit\n")
	})
	t.Run("by kill", func(t *testing.T) {
		s := newScreen(t)
		c := tacit(t, self(t), countInterrupts)
		s.start(c)
		s.expect("ready\r\n")
		if err := c.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		s.expect("total 1\r\n")
		_ = c.Wait()
	})
}

func TestSuspendAndContinue(t *testing.T) {
	s := newScreen(t)
	s.shell()
	s.write(`tacit sh -c 'echo started; read -r l; echo "read $l"; ` + foregroundScript + ` exit 6'; echo code $?` + "\n")
	s.expect("started\r\n")
	s.write("\x1a")
	s.expect("Stopped")
	s.expect("code 148\r\n")
	s.write("echo shell answers\n") // it has its terminal back
	s.expect("shell answers\r\n")
	s.write("bg; echo\n") // in the background, reading stops it again
	s.expect("&\r\n")
	s.write("while ! jobs | grep -q Stopped; do sleep 0.05; done; echo stopped again\n")
	s.expect("stopped again\r\n")
	s.write("fg; echo then $?\n")
	s.expect("\r\n") // fg names the job
	s.write("a line\n")
	s.expect("read a line\r\nterminal\r\nfront\r\nleads\r\n")
	s.expect("then 6\r\n")
	s.write("echo after; exit\n") // and again after the end
	s.expect("after\r\n")
}

// A child that is killed in raw mode leaves a usable terminal behind.
func TestTerminalIsRestoredAfterAKill(t *testing.T) {
	s := newScreen(t)
	before, err := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	c := tacit(t, "sh", "-c", `stty raw -echo; kill -KILL $$`)
	s.start(c)
	_ = c.Wait()
	after, err := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Error("the settings differ", err)
	}
	if c.ProcessState.ExitCode() != 137 {
		t.Errorf("exit code %d", c.ProcessState.ExitCode())
	}
}

func TestReapsAsProcessOne(t *testing.T) {
	script := `for i in 1 2 3 4 5; do (sleep 0.05 &); done; i=0
while [ $i -lt 200 ]; do
  n=0; for f in /proc/[0-9]*/status; do n=$((n+1)); done
  [ $n -le 2 ] && exit 11
  sleep 0.05; i=$((i+1))
done; grep -h State /proc/[0-9]*/status; exit 12`
	c := tacit(t)
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("SKIPPED: no unshare here")
	}
	c.Path = unshare
	probe := []string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child"}
	if os.Getuid() != 0 {
		probe = append(probe, "--user", "--map-root-user")
	}
	if out, err := exec.Command(probe[0], append(probe[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no process namespaces here: %s", out)
	}
	c.Args = append(probe, self(t), "sh", "-c", script)
	out, err := c.CombinedOutput()
	if e := (*exec.ExitError)(nil); !errors.As(err, &e) || e.ExitCode() != 11 {
		t.Errorf("%v: %s", err, out)
	}
}

// A child whose tacit was killed is asked to end: nobody waits for it any more.
func TestKilledTacitEndsTheChild(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out")
	c := tacit(t, "sh", "-c", `trap 'echo asked >>`+file+`; exit' TERM; echo ready >`+file+`; while :; do sleep 0.01; done`)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	said := func(text string) func() bool {
		return func() bool {
			b, _ := os.ReadFile(file)
			return string(b) == text
		}
	}
	until(t, said("ready\n"))
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	until(t, said("ready\nasked\n"))
}
