// Package crashtest lets a test kill processes. It starts the test binary again
// to do a job, reads what the job acknowledged line by line, and kills it at a
// moment that depends on how far it got, not on how fast the machine is. What
// the jobs are, and what must hold afterwards, is the test's. For tests only.
package crashtest

import (
	"bufio"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Times returns how often a test kills: text if it is a number, as
// TACIT_TEST_CRASHES has it, and else usual.
func Times(text string, usual int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return usual
}

// A Process does a job. It is killed at the latest when its test ends.
type Process struct {
	*exec.Cmd
	In  io.WriteCloser
	Out *bufio.Reader
	t   testing.TB
}

// Start starts the test binary with these arguments and with env, each
// NAME=value, besides its own environment. Its errors go where the test's go.
func Start(t testing.TB, env []string, args ...string) *Process {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...) //nolint:gosec // it is this very program
	cmd.Env = append(cmd.Environ(), env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &Process{Cmd: cmd, In: in, Out: bufio.NewReader(out), t: t}
}

// Lines returns the next n whole lines of the process, fewer if it ends before.
// An unfinished line at the end is dropped: it was never said.
func (p *Process) Lines(n int) (lines []string) {
	for len(lines) < n {
		line, err := p.Out.ReadString('\n')
		if err != nil {
			return lines
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines
}

// Kill kills the process a moment after one of its next most lines, or while it
// starts, and returns all that it said.
func (p *Process) Kill(most int) []string {
	p.t.Helper()
	starting := most / 10
	lines := p.Lines(max(0, rand.IntN(most+starting)-starting)) //nolint:gosec // chance, not a secret
	p.pause()
	if err := p.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	lines = append(lines, p.Lines(math.MaxInt)...)
	_ = p.Wait() // killed
	return lines
}

// End reads what the process says to its end, and returns how that was.
func (p *Process) End() error {
	_, _ = io.Copy(io.Discard, p.Out)
	return p.Wait()
}

// pause lets a few milliseconds pass: when to kill, not what to wait for.
func (p *Process) pause() {
	time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond) //nolint:gosec // chance, not a secret
}
