//go:build unix

package child

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "#!/bin/sh\n", 0o600)
	noShebang := write("no-shebang", "exit 3\n", 0o700)
	tests := []struct {
		name   string
		argv   []string
		code   int
		signal string
		kind   secret.Kind
	}{
		{name: "success", argv: []string{"true"}},
		{name: "seven stays seven", argv: []string{"sh", "-c", "exit 7"}, code: 7},
		{name: "the child's own 127", argv: []string{"sh", "-c", "exit 127"}, code: 127},
		{name: "255", argv: []string{"sh", "-c", "exit 255"}, code: 255},
		{name: "TERM", argv: []string{"sh", "-c", "kill -TERM $$"}, code: 143, signal: "SIGTERM"},
		{name: "KILL", argv: []string{"sh", "-c", "kill -KILL $$"}, code: 137, signal: "SIGKILL"},
		{name: "not found", argv: []string{"no-such-command-here"}, code: 127, kind: secret.NotFound},
		{name: "no such file", argv: []string{filepath.Join(dir, "none")}, code: 127, kind: secret.NotFound},
		{name: "not executable", argv: []string{plain}, code: 126, kind: secret.Denied},
		{name: "folder", argv: []string{dir}, code: 126, kind: secret.Invalid},
		{name: "no program", argv: []string{noShebang}, code: 126, kind: secret.Invalid},
		{name: "too large", argv: []string{"true", strings.Repeat("x", 4<<20)}, code: 126, kind: secret.Invalid},
		{name: "nothing", argv: nil, code: 127, kind: secret.Invalid},
		{name: "empty", argv: []string{""}, code: 127, kind: secret.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Run(t.Context(), Config{Argv: tt.argv, Env: os.Environ()})
			if r.Code != tt.code || r.Signal != tt.signal || secret.KindOf(err) != tt.kind || r.Started != (tt.kind == 0) {
				t.Errorf("got code %d, signal %q, started %t, err %v", r.Code, r.Signal, r.Started, err)
			}
		})
	}
}

func TestLookupInTheChildsPath(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "my-command"), []byte("#!/bin/sh\nexit 9\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path, dir string
		argv            string
		code            int
	}{
		{name: "found", path: "/nowhere:" + dir, argv: "my-command", code: 9},
		{name: "the last PATH counts", path: "/nowhere\x00PATH=" + dir, argv: "my-command", code: 9},
		{name: "no relative folders", path: ".:", dir: dir, argv: "my-command", code: 127},
		{name: "relative to the child's folder", dir: dir, argv: "./my-command", code: 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := strings.Split("PATH="+tt.path, "\x00")
			r, err := Run(t.Context(), Config{Argv: []string{tt.argv}, Dir: tt.dir, Env: env})
			if r.Code != tt.code {
				t.Errorf("code %d, want %d: %v", r.Code, tt.code, err)
			}
		})
	}
}

func TestRedactsBothStreams(t *testing.T) {
	m := matcher(t, "KEY", "the-secret-value", "OTHER", "another-secret")
	r, out, errs := runScript(t, `printf 'a the-secret-'; printf 'value b\n'; echo another-secret the-secret-value >&2; exit 4`, m)
	if out != "a ‹KEY› b\n" || errs != "‹OTHER› ‹KEY›\n" {
		t.Errorf("got %q and %q", out, errs)
	}
	if r.Code != 4 || r.Replaced["KEY"] != 2 || r.Replaced["OTHER"] != 1 {
		t.Errorf("result %+v", r)
	}
}

// Without anything to look for, the child has the very files.
func TestStreamsAreTheVeryFilesWithoutRedaction(t *testing.T) {
	in := tempFile(t)
	_, _ = in.WriteString("input\n")
	_, _ = in.Seek(0, io.SeekStart)
	out := tempFile(t)
	r, err := Run(t.Context(), Config{Argv: []string{"sh", "-c", "cat; test -f /dev/stdout && echo file"}, Env: os.Environ(), Stdin: in, Stdout: out})
	if err != nil || r.Code != 0 || contents(t, out) != "input\nfile\n" {
		t.Errorf("got %q, %+v, %v", contents(t, out), r, err)
	}
}

func TestOneDestinationKeepsOneOrder(t *testing.T) {
	out := tempFile(t)
	script := `i=0; while [ $i -lt 200 ]; do echo out$i; echo err$i >&2; i=$((i+1)); done`
	r, err := Run(t.Context(), Config{Argv: []string{"sh", "-c", script}, Env: os.Environ(), Stdout: out, Stderr: out, Redact: matcher(t, "KEY", "the-secret-value")})
	if err != nil || r.Code != 0 {
		t.Fatal(r, err)
	}
	got := lines(contents(t, out))
	for i, l := range got {
		if want := []string{"out", "err"}[i%2]; !strings.HasPrefix(l, want) {
			t.Fatalf("line %d is %q", i, l)
		}
	}
	if len(got) != 400 {
		t.Errorf("%d lines", len(got))
	}
}

// TestAbuseRedactionEndsWithTheChild: a process that the child leaves behind
// with the pipe neither keeps Run waiting nor goes on writing.
func TestAbuseRedactionEndsWithTheChild(t *testing.T) {
	t.Run("grandchild-holds-pipe", func(t *testing.T) {
		for name, loop := range map[string]string{"silent": "sleep 1000", "chatty": "while :; do echo xxxxxxxxxxxxxxxx; done"} {
			t.Run(name, func(t *testing.T) {
				// The child's standard input is the end of a pipe that tells when
				// the last one who holds it is gone.
				alive, held, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer alive.Close()
				out := tempFile(t)
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				script := `exec 3>&0; (` + loop + `) & echo $! the-secret-value`
				r, err := Run(ctx, Config{Argv: []string{"sh", "-c", script}, Env: os.Environ(), Stdin: held, Stdout: out, Redact: matcher(t, "KEY", "the-secret-value")})
				held.Close()
				if err != nil || r.Code != 0 || ctx.Err() != nil {
					t.Fatal(r, err, ctx.Err())
				}
				got := contents(t, out)
				pid := first(t, got)
				if !strings.Contains(got, "‹KEY›\n") {
					t.Error("what the child wrote is missing")
				}
				if name == "silent" {
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
						t.Error("the process left behind was not left alone:", err)
					}
				}
				_ = alive.SetReadDeadline(time.Now().Add(limit))
				if _, err := alive.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Error("the process left behind goes on:", err)
				}
			})
		}
	})
}

// What the child has written lies in the pipe when it ends, because nobody reads
// the destination yet: nothing of it is lost.
func TestWhatLiesInThePipeIsPassedOn(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const size = 900_000
	pids := filepath.Join(t.TempDir(), "pids")
	script := `sleep 1000 & head -c 900000 /dev/zero | tr '\0' x; printf the-secret-value; echo $! $$ >` + pids
	ended := make(chan error)
	go func() {
		defer w.Close()
		_, err := Run(t.Context(), Config{Argv: []string{"sh", "-c", script}, Env: os.Environ(), Stdout: w, Redact: matcher(t, "KEY", "the-secret-value")})
		ended <- err
	}()
	var sleeper, child int
	until(t, func() bool {
		b, _ := os.ReadFile(pids)
		n, _ := fmt.Sscan(string(b), &sleeper, &child)
		return n == 2 && errors.Is(syscall.Kill(child, 0), syscall.ESRCH)
	})
	defer func() { _ = syscall.Kill(sleeper, syscall.SIGKILL) }()
	out := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(r)
		out <- b
	}()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if b := <-out; len(b) != size+len("‹KEY›") || !strings.HasSuffix(string(b), "x‹KEY›") {
		t.Errorf("%d bytes arrived", len(b))
	}
}

// until waits for what only the system knows.
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

// first finds the number that a line of the output begins with.
func first(t *testing.T, out string) int {
	t.Helper()
	for _, l := range lines(out) {
		n := 0
		for _, c := range strings.Fields(l + " x")[0] {
			if c < '0' || c > '9' {
				n = 0
				break
			}
			n = n*10 + int(c-'0')
		}
		if n > 1 {
			return n
		}
	}
	t.Fatal("no process number in the output")
	return 0
}

func TestClosedDestinationReachesTheChild(t *testing.T) {
	for _, redacted := range []bool{true, false} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cfg := Config{Argv: []string{"yes"}, Env: os.Environ(), Stdout: w}
		if redacted {
			cfg.Redact = matcher(t, "KEY", "the-secret-value")
		}
		go func() {
			_, _ = io.ReadFull(r, make([]byte, 10))
			r.Close()
		}()
		got, err := Run(t.Context(), cfg)
		w.Close()
		if err != nil || got.Code != 141 || got.Signal != "SIGPIPE" {
			t.Errorf("redacted %t: %+v, %v", redacted, got, err)
		}
	}
}

// Standard output itself: a write to a closed one would end a Go program.
func TestClosedStandardOutput(t *testing.T) {
	c := tacit(t, "yes")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadFull(out, make([]byte, 100))
	out.Close()
	_ = c.Wait()
	if got := c.ProcessState.ExitCode(); got != 141 {
		t.Errorf("exit code %d, want 141", got)
	}
}

func TestDestinationThatFails(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer full.Close()
	r, err := Run(t.Context(), Config{Argv: []string{"yes"}, Env: os.Environ(), Stdout: full, Redact: matcher(t, "KEY", "the-secret-value")})
	if !errors.Is(err, secret.Unavailable) || !r.Started || r.Code != 141 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestContextEndsTheChild(t *testing.T) {
	tests := []struct {
		name, script string
		code         int
	}{
		{"asked", "echo ready; exec sleep 1000", 143},
		{"own way", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done", 3},
		{"killed", "trap '' TERM; echo ready; while :; do sleep 0.01; done", 137},
		{"suspended", "(until ps -o state= -p $$ | grep -q T; do sleep 0.01; done; echo ready) & kill -STOP $$; exec sleep 1000", 143},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			go func() {
				_, _ = bufio.NewReader(r).ReadString('\n')
				cancel()
			}()
			got, err := Run(ctx, Config{Argv: []string{"sh", "-c", tt.script}, Env: os.Environ(), Stdout: w, Grace: 300 * time.Millisecond})
			w.Close()
			if err != nil || got.Code != tt.code {
				t.Errorf("%+v, %v; want code %d", got, err, tt.code)
			}
		})
	}
	t.Run("done before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if r, err := Run(ctx, Config{Argv: []string{"true"}, Env: os.Environ()}); r.Started || !errors.Is(err, secret.Unavailable) {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestSignalsArePassedOn(t *testing.T) {
	for name, s := range map[string]syscall.Signal{
		"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "TERM": syscall.SIGTERM,
		"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "ALRM": syscall.SIGALRM, "WINCH": syscall.SIGWINCH, "CONT": syscall.SIGCONT,
	} {
		t.Run(name, func(t *testing.T) {
			c := tacit(t, "sh", "-c", `trap 'echo got; exit 9' `+name+`; echo ready; while :; do sleep 0.01; done`)
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			b := bufio.NewReader(out)
			if l, err := b.ReadString('\n'); l != "ready\n" {
				t.Fatal(l, err)
			}
			if err := c.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			rest, _ := io.ReadAll(b)
			_ = c.Wait()
			if string(rest) != "got\n" || c.ProcessState.ExitCode() != 9 {
				t.Errorf("got %q, exit code %d", rest, c.ProcessState.ExitCode())
			}
		})
	}
}

// Under nohup, the child ignores hangups as it would without tacit.
func TestIgnoredSignalsStayIgnored(t *testing.T) {
	c := tacit(t)
	c.Path = "/bin/sh"
	c.Args = []string{"sh", "-c", `trap '' HUP INT; exec "$0" sh -c 'kill -HUP $$; kill -INT $$; echo alive'`, self(t)}
	out, err := c.Output()
	if string(out) != "alive\n" || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestLimitsComeBackInTheChild(t *testing.T) {
	c := tacit(t)
	c.Path = "/bin/sh"
	// tacit lowers its own limit again when the child has begun.
	script := `ulimit -S -c; i=0; while [ $i -lt 500 ]; do grep -q 'core file size  *0 ' /proc/$PPID/limits && exit 5; sleep 0.01; i=$((i+1)); done`
	c.Args = []string{"sh", "-c", `ulimit -S -c 7 2>/dev/null || exit 77; exec "$0" sh -c "$1"`, self(t), script}
	out, err := c.Output()
	if c.ProcessState.ExitCode() == 77 {
		t.Skip("SKIPPED: the hard limit of core dumps is 0 here")
	}
	if _, err := os.Stat("/proc/self/limits"); err != nil {
		t.Skip("SKIPPED: no /proc here")
	}
	if string(out) != "7\n" || c.ProcessState.ExitCode() != 5 {
		t.Errorf("the child's limit is %q, then code %d, %v", out, c.ProcessState.ExitCode(), err)
	}
}
