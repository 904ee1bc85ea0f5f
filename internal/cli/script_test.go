package cli

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tacit-secrets/tacit/internal/child"
)

// TestMain makes this test binary the tacit command of the scripts.
func TestMain(m *testing.M) {
	testscript.Main(heedful{m}, map[string]func(){
		"tacit": func() {
			limits := child.Harden()
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(Main(ctx, os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Limits: limits}))
		},
	})
}

// heedful runs tests with no signal ignored, since what they start inherits
// that: a shell that starts them in the background ignores two.
type heedful struct{ m *testing.M }

// Run implements testscript.TestingM.
func (h heedful) Run() int {
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGQUIT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s) // taken from them, and given to nobody
		}
	}
	return h.m.Run()
}

// TestScripts runs the stories in testdata/script: a command, what it prints,
// and what it leaves behind.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: false,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":      code,
			"flip":      flip,
			"identity":  ageIdentity,
			"listen":    listen,
			"heard":     heard,
			"number":    number,
			"silentbus": silentBus,
		},
		Condition: condition,
	})
}

// setup gives a script a home of its own, without a keyring and without the
// marks of an agent that the machine may carry.
func setup(e *testscript.Env) error {
	// A name for a folder in memory that a script may make.
	memory := "/dev/shm/test" + strings.ReplaceAll(e.WorkDir, string(filepath.Separator), "-")
	e.Setenv("MEMORY", memory)
	e.Defer(func() { _ = os.RemoveAll(memory) })
	home := filepath.Join(e.WorkDir, "home")
	for k, v := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": "", "XDG_STATE_HOME": "",
		"XDG_RUNTIME_DIR": filepath.Join(e.WorkDir, "run"), "DBUS_SESSION_BUS_ADDRESS": "disabled:",
		"CLAUDECODE": "", "CLAUDE_CODE_CHILD_SESSION": "", "TACIT_SESSION": "", "NO_COLOR": "1", "TZ": "UTC",
		"GORACE": "atexit_sleep_ms=10", // a second otherwise, at the end of each process
	} {
		e.Setenv(k, v)
	}
	for _, dir := range []string{home, filepath.Join(e.WorkDir, "run"), filepath.Join(e.WorkDir, "project")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// code runs a command and compares its exit code: code 3 tacit get x
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command [argument...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := err.(*exec.ExitError); ok { //nolint:errorlint // what Exec documents
		got = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// listen takes what comes to a unix socket and writes it to a file, until the
// script ends: listen SOCKET FILE
func listen(ts *testscript.TestScript, _ bool, args []string) {
	in, err := net.Listen("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	out, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := in.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(out, c)
			_ = c.Close()
		}
	})
	ts.Defer(func() {
		_ = in.Close()
		wg.Wait()
		_ = out.Close()
	})
}

// heard waits until what was sent to a socket of listen is in its file. One
// connection is read after the other, so its own comes last: heard SOCKET
func heard(ts *testscript.TestScript, _ bool, args []string) {
	c, err := net.Dial("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(c.(*net.UnixConn).CloseWrite())
	_, err = io.Copy(io.Discard, c)
	ts.Check(err)
	ts.Check(c.Close())
}

// number sets a variable to the n of the newest record that filters select:
// number VAR [filter...]
func number(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("tacit", append([]string{"audit", "list", "--json", "--limit", "1"}, args[1:]...)...))
	var r struct {
		N *uint64 `json:"n"`
	}
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &r); err != nil || r.N == nil {
		ts.Fatalf("no record %v: %v", args[1:], err)
	}
	ts.Setenv(args[0], strconv.FormatUint(*r.N, 10))
}

// flip changes one bit of a file: flip FILE OFFSET (from the end if negative)
func flip(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	if n < 0 {
		n += len(b)
	}
	b[n] ^= 1
	ts.Check(os.WriteFile(path, b, 0o600))
}
