package child

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tacit-secrets/tacit/internal/match"
	"github.com/tacit-secrets/tacit/secret"
)

// The test binary is tacit itself where a test needs it as a process of its
// own: with another session, terminal, limits or as process 1.
const role = "TACIT_TEST_ROLE"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(role) == "run": // which the child does not see any more
		os.Exit(runAsTacit())
	case len(os.Args) == 2 && os.Args[1] == countInterrupts:
		os.Exit(count())
	case len(os.Args) == 2 && hostile(os.Args[1]) != nil:
		os.Exit(hostile(os.Args[1])())
	}
	ignoreNothing()
	goleak.VerifyTestMain(m)
}

// ignoreNothing has the processes of the tests begin with no signal ignored, also below
// nohup: a shell cannot catch what it was started to ignore.
func ignoreNothing() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}

func runAsTacit() int {
	limits := Harden()
	env, err := Build(os.Environ(), nil, false)
	if err != nil {
		return 99
	}
	m, err := match.New([]match.Pattern{{Label: "KEY", Value: secret.Text("value-of-the-test")}})
	if err != nil {
		return 99
	}
	r, err := Run(context.Background(), Config{
		Argv: os.Args[1:], Env: env, Limits: limits, Redact: m,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "tacit:", err)
	}
	return r.Code
}

// countInterrupts makes the test binary a child that counts what arrives. A
// shell cannot: it takes two interrupts in a row for one.
const countInterrupts = "count-interrupts"

func count() int {
	got := make(chan os.Signal, 10)
	signal.Notify(got, os.Interrupt)
	fmt.Fprintln(os.Stderr, "ready")
	n := 0
	for wait := limit; ; wait = 300 * time.Millisecond {
		select {
		case <-got:
			n++
		case <-time.After(wait):
			fmt.Println("total", n)
			return 5
		}
	}
}

// self returns the path of the test binary.
func self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// tacit makes a command that runs argv under the test binary.
func tacit(t testing.TB, argv ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), self(t), argv...)
	c.Env = append(os.Environ(), role+"=run")
	return c
}

// limit is how long anything in these tests may take: only a failure does.
const limit = 20 * time.Second

// start runs a script of sh and returns what it wrote to both streams.
func runScript(t *testing.T, script string, m *match.Matcher) (Result, string, string) {
	t.Helper()
	out, errs := tempFile(t), tempFile(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	r, err := Run(ctx, Config{Argv: []string{"sh", "-c", script}, Env: os.Environ(), Stdout: out, Stderr: errs, Redact: m})
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatal("it took too long")
	}
	return r, contents(t, out), contents(t, errs)
}

func tempFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func contents(t testing.TB, f *os.File) string {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func matcher(t testing.TB, labelsAndValues ...string) *match.Matcher {
	t.Helper()
	var ps []match.Pattern
	for i := 0; i < len(labelsAndValues); i += 2 {
		ps = append(ps, match.Pattern{Label: labelsAndValues[i], Value: secret.Text(labelsAndValues[i+1])})
	}
	m, err := match.New(ps)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func lines(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }
