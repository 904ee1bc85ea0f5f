//go:build unix

package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

// A printed collects what a command prints while it runs.
type printed struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *printed) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *printed) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// running is a tacit run --watch.
type running struct {
	t         *testing.T
	w         *world
	cmd       *exec.Cmd
	out, errs printed
}

// watch declares secrets and starts a shell script that is given them.
func (w *world) watch(t *testing.T, script string, flags ...string) *running {
	t.Helper()
	r := &running{t: t, w: w, cmd: w.command(t, append(append([]string{"run", "--watch"}, flags...), "--", "sh", "-c", script)...)}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.errs
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	return r
}

func (r *running) prints(want string) {
	r.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(r.out.String(), want) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%q did not come; there is:\n%s\n%s", want, &r.out, &r.errs)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *running) tells(want string) {
	r.t.Helper()
	eventually(r.t, want, func() bool { return strings.Contains(r.errs.String(), want) })
}

// ends waits for the end and compares the exit code.
func (r *running) ends(code int) {
	r.t.Helper()
	err := r.cmd.Wait()
	if e, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok || r.cmd.ProcessState.ExitCode() != code {
		r.t.Errorf("%v, %v, want exit code %d; there is:\n%s\n%s", err, e, code, &r.out, &r.errs)
	}
	if s := r.out.String() + r.errs.String(); strings.Contains(s, "canary") {
		r.t.Errorf("a value is shown:\n%s", s)
	}
}

// newWatched makes a world with secrets declared.
func newWatched(t *testing.T, toml string) *world {
	w := newWorld(t)
	path := filepath.Join(w.project, "tacit.toml")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, toml...), 0o600); err != nil {
		t.Fatal(err)
	}
	w.tacit(t, nil, "trust", "--yes")
	return w
}

func (w *world) put(t *testing.T, name, value string) {
	t.Helper()
	w.tacit(t, strings.NewReader(value), "put", name)
}

// A command is started again for a new version: only then, and with it. What it
// prints of the old value is masked too. Its own end is the end.
func TestRunWatchRestarts(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "[secrets]\nKEY = {ref = \"app/key\"}\n")
	w.put(t, "app/key", "canary-value-one")
	w.put(t, "other", "x")
	seen := filepath.Join(w.project, "seen")
	r := w.watch(t, `echo "$KEY" >> seen; echo "begun $(cat seen | tr '\n' ' ')"
trap 'exit 0' TERM; while [ ! -e stop ]; do sleep 0.02; done; exit 0`)
	r.prints("begun ‹KEY› \n")
	w.put(t, "other", "y")                  // is not given
	w.put(t, "app/key", "canary-value-one") // a new version, and no new value
	w.put(t, "app/key", "canary-value-two")
	r.prints("begun ‹KEY› ‹KEY› \n")
	w.put(t, "app/key", "canary-value-three")
	r.prints("begun ‹KEY› ‹KEY› ‹KEY› \n")
	if err := os.WriteFile(filepath.Join(w.project, "stop"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.ends(0)
	if b, err := os.ReadFile(seen); err != nil || string(b) != "canary-value-one\ncanary-value-two\ncanary-value-three\n" {
		t.Errorf("the command was given %q, %v", b, err)
	}
	if !strings.Contains(r.errs.String(), "replaced KEY 6 times") {
		t.Errorf("not counted over all starts:\n%s", &r.errs)
	}
}

// What cannot be had any more ends nothing: the command goes on with what it
// has.
func TestRunWatchGoesOnWhileMissing(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "[secrets]\nKEY = {ref = \"app/key\"}\n")
	w.put(t, "app/key", "canary-value-one")
	r := w.watch(t, `echo begun; trap 'exit 3' INT; while :; do sleep 0.02; done`)
	r.prints("begun\n")
	w.tacit(t, nil, "delete", "app/key")
	r.tells("sh goes on with the values it has")
	w.tacit(t, nil, "undelete", "app/key")
	w.put(t, "app/key", "canary-value-two")
	r.prints("begun\nbegun\n")
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	r.ends(3)
}

// answers is a Getter whose answers a test chooses.
type answers struct{ value, err any }

func (a *answers) GetAll(_ context.Context, c secret.Caller, refs []secret.Ref) []secret.Result {
	out := make([]secret.Result, len(refs))
	for i := range refs {
		switch {
		case c.Principal != "agent:reviewer":
			out[i].Err = errors.New("decided for somebody else")
		case a.err != nil:
			out[i].Err = a.err.(error)
		default:
			out[i].Version.Value = secret.Text(a.value.(string))
		}
	}
	return out
}

// An agent's right is asked for each time. Once it is gone, nothing new is
// given, and what runs goes on.
func TestRunWatchDecidesEachTime(t *testing.T) {
	t.Parallel()
	errs, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer errs.Close()
	from := &answers{value: "canary-value-one"}
	d := config.Declaration{Var: "KEY", Ref: secret.Ref{Env: "dev", Name: "app/key"}, Required: true}
	w := &watched{
		app: &app{Streams: Streams{Err: errs}}, from: from, argv: []string{"server"},
		giving: &giving{caller: secret.Caller{Principal: "agent:reviewer"}, wanted: []config.Declaration{d}, all: []config.Declaration{d}},
	}
	holds := func(want string, fresh bool) {
		t.Helper()
		if got := w.fresh(t.Context()); got != fresh || len(w.plan.got) != 1 || string(w.plan.got[0].Value.Reveal()) != want {
			t.Fatalf("fresh %v, %d values", got, len(w.plan.got))
		}
	}
	holds("canary-value-one", true)
	holds("canary-value-one", false)
	from.value = "canary-value-two"
	from.err = secret.Errorf(secret.Denied, "", "agent:reviewer may not get dev:app/key")
	holds("canary-value-one", false)
	said, err := os.ReadFile(errs.Name())
	if want := "tacit: agent:reviewer may not get dev:app/key\n  server goes on with the values it has\n"; err != nil || string(said) != want {
		t.Errorf("it said %q, %v", said, err)
	}
	from.err = nil
	holds("canary-value-two", true)
	if len(w.past) != 1 || string(w.past[0].Value.Reveal()) != "canary-value-one" {
		t.Errorf("%d values of before are looked for", len(w.past))
	}
}

// A command that was started again and fails at once is tried again; one that
// never worked, or that ends well, is over.
func TestRunWatchTriesAgain(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "[secrets]\nKEY = {ref = \"app/key\"}\n")
	w.put(t, "app/key", "canary-value-one")
	r := w.watch(t, `echo "$KEY" >> seen; echo begun; n=$(wc -l < seen)
case $n in 1) trap 'exit 0' TERM; while :; do sleep 0.02; done;; 2) exit 9;; *) exit 0;; esac`)
	r.prints("begun\n")
	w.put(t, "app/key", "canary-value-two")
	r.tells("sh ended with exit code 9 right after it was started again\n  it is started again in 1s; ctrl-C ends this")
	r.prints("begun\nbegun\nbegun\n")
	r.ends(0)
	r = w.watch(t, "exit 9")
	r.ends(9)
}

// With a signal, the command goes on: its files hold the new value when the
// signal comes, and its output is searched for old and new.
func TestRunWatchSignals(t *testing.T) {
	t.Parallel()
	w := newWatched(t, "[secrets]\nCERT = {ref = \"app/cert\", as = \"file\"}\n")
	if dir, err := os.MkdirTemp("/dev/shm", "test-watch-*"); err == nil {
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		w.env = append(w.env, "XDG_RUNTIME_DIR="+dir)
	} else {
		t.Skip("SKIPPED: no folder in memory here: ", err)
	}
	w.put(t, "app/cert", "canary-value-one")
	r := w.watch(t, `old=$(cat "$CERT"); echo "begun $old"
trap 'echo "again $(cat "$CERT") $old $(ls -A "$(dirname "$CERT")")"' HUP; trap 'exit 4' TERM
while :; do sleep 0.02; done`, "--on-change", "signal:HUP")
	r.prints("begun ‹CERT›\n")
	w.put(t, "app/cert", "canary-value-two")
	r.prints("again ‹CERT› ‹CERT› CERT\n")
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	r.ends(4)
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	var b backoff
	for i, want := range []string{"1s", "2s", "4s", "8s", "16s", "32s", "1m0s", "1m0s"} {
		if got := b.after(0); got.String() != want {
			t.Errorf("pause %d: %s", i, got)
		}
	}
	if got := b.after(runsFor); got != pauseFirst {
		t.Errorf("after it ran for a while: %s", got)
	}
}

func TestOnChange(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]os.Signal{"restart": nil, "signal:HUP": syscall.SIGHUP, "signal:USR1": syscall.SIGUSR1, "signal:USR2": syscall.SIGUSR2} {
		if got, err := onChange(in); err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "hup", "signal:", "signal:KILL", "signal:9", "restart "} {
		if _, err := onChange(in); !errors.Is(err, secret.Invalid) {
			t.Errorf("%q: %v", in, err)
		}
	}
}
