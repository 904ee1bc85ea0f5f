package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A pty is a terminal as a person would have it: a command on it, what it
// printed, and a keyboard.
type pty struct {
	master *os.File
	cmd    *exec.Cmd
	mu     sync.Mutex
	out    bytes.Buffer
	grown  chan struct{} // one token when out has grown
	ended  chan error
}

// ptyWait bounds each wait for a terminal: generous, since it is a limit for
// what hangs and not an expectation.
const ptyWait = 2 * time.Minute

// startPTY starts argv on a new terminal of so many columns. extra are further
// files of the process, from descriptor 3 on.
func startPTY(t *testing.T, columns int, c *exec.Cmd) *pty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("SKIPPED: there are no terminals here: ", err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	p := &pty{master: master, cmd: c, grown: make(chan struct{}, 1), ended: make(chan error, 1)}
	go p.read()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = master.Close()
	})
	return p
}

func (p *pty) read() {
	buf := make([]byte, 4096)
	for {
		n, err := p.master.Read(buf)
		p.mu.Lock()
		p.out.Write(buf[:n])
		p.mu.Unlock()
		select {
		case p.grown <- struct{}{}:
		default:
		}
		if err != nil { // EIO: nobody holds the other end any more
			p.ended <- p.cmd.Wait()
			return
		}
	}
}

// seen returns what was printed so far.
func (p *pty) seen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.ReplaceAll(p.out.String(), "\r\n", "\n")
}

// await waits until what was printed satisfies ok.
func (p *pty) await(ok func(seen string) bool) bool {
	limit := time.After(ptyWait)
	for !ok(p.seen()) {
		select {
		case <-p.grown:
		case err := <-p.ended:
			p.ended <- err
			return ok(p.seen())
		case <-limit:
			return false
		}
	}
	return true
}

// expect waits for a text.
func (p *pty) expect(t *testing.T, text string) {
	t.Helper()
	if !p.await(func(seen string) bool { return strings.Contains(seen, text) }) {
		t.Fatalf("%q did not come; there is:\n%s", text, p.seen())
	}
}

// press types keys.
func (p *pty) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := p.master.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// exit waits for the end and returns the exit code.
func (p *pty) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(ptyWait):
		t.Fatalf("it did not end; there is:\n%s", p.seen())
		return -1
	}
}
