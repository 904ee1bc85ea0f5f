package config

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/internal/crashtest"
	"github.com/tacit-secrets/tacit/secret"
)

// A stack is a project with everything that stands over its store: the log,
// the policy, the Broker. Several processes open it.
type stack struct {
	dir string // the project; the home is beside it
	key string // the log's first key
}

func stackSystem(dir string) System {
	return NewSystem(dir, filepath.Join(filepath.Dir(dir), "home"), "mia", nil)
}

// stackOptions wait long for other processes: a busy machine is no failure.
var stackOptions = Options{NoKeyring: true, wait: 5 * time.Minute}

func newStack(t testing.TB) stack {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := stack{dir: filepath.Join(root, "project")}
	for _, d := range []string{s.dir, filepath.Join(root, "home")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	m, err := Init(t.Context(), stackSystem(s.dir), InitOptions{Options: stackOptions})
	if err != nil {
		t.Fatal(err)
	}
	s.key = m.AuditKey
	return s
}

func (s stack) open(t testing.TB) *Opened {
	t.Helper()
	x, err := Open(t.Context(), stackSystem(s.dir), stackOptions)
	if err != nil {
		t.Fatalf("it does not open: %v", err)
	}
	return x
}

// recorded is what a log says about one name.
type recorded struct{ begun, put, deleted, got int }

// verify demands a sound log, and returns what it says about each name.
func (s stack) verify(t testing.TB, x *Opened) (audit.Report, map[string]recorded) {
	t.Helper()
	about := map[string]recorded{}
	head, _ := x.LogHead()
	r, err := audit.Verify(t.Context(), x.LogDir(), audit.VerifyOptions{FirstKey: s.key, Head: &head, Each: func(r audit.Record) error {
		a := about[r.Name]
		switch {
		case r.Phase == audit.Begin:
			a.begun++
		case r.Outcome != audit.OK:
		case r.Verb == secret.Put:
			a.put++
		case r.Verb == secret.Delete:
			a.deleted++
		case r.Verb == secret.Get:
			a.got++
		}
		about[r.Name] = a
		return nil
	}})
	if err != nil || !r.Sound() {
		t.Fatalf("the log is not sound: %v %v", r.Damage, err)
	}
	return r, about
}

// start runs a job of TestStackChild in another process.
func (s stack) start(t testing.TB, job string, args ...string) *crashtest.Process {
	t.Helper()
	return crashtest.Start(t, nil, append([]string{"-test.run=^TestStackChild$", "--", job, s.dir}, args...)...)
}

// TestStackChild is no test: it is what the processes do that other tests
// start.
func TestStackChild(t *testing.T) {
	args := flag.Args()
	if len(args) < 2 {
		t.Skip("it is run by other tests")
	}
	s := stack{dir: args[1]}
	jobs := map[string]func(context.Context, stack, []string) error{"work": work, "share": share, "die": die}
	if err := jobs[args[0]](context.Background(), s, args[2:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, args[0], err) // the parent does not read the rest
		t.FailNow()
	}
}

// tell says something to the parent, in one write.
func tell(words ...any) { _, _ = fmt.Fprintln(os.Stdout, words...) }

func ref(name string) secret.Ref { return secret.Ref{Env: "dev", Name: secret.Name(name)} }

// work puts, gets and deletes until it is killed, and says what was
// acknowledged, and before that what it is about to do.
func work(ctx context.Context, s stack, args []string) error {
	x, err := Open(ctx, stackSystem(s.dir), stackOptions)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	failed := make(chan error, 3)
	for g := range 3 {
		wg.Go(func() {
			for i := 0; ; i++ {
				if err := workOnce(ctx, x, fmt.Sprintf("w/%s/%d/%d", args[0], g, i), i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	return <-failed
}

func workOnce(ctx context.Context, x *Opened, name string, i int) error {
	tell("about", name)
	if _, err := x.Broker.Put(ctx, x.Caller, ref(name), secret.Text("value of "+name), nil); err != nil {
		return err
	}
	tell("put", name)
	if i%2 == 0 {
		if _, err := x.Broker.Get(ctx, x.Caller, ref(name)); err != nil {
			return err
		}
		tell("got", name)
	}
	if i%3 != 0 {
		return nil
	}
	tell("deleting", name)
	if _, err := x.Broker.Delete(ctx, x.Caller, ref(name), nil); err != nil {
		return err
	}
	tell("deleted", name)
	return nil
}

// share writes to names of its own and to one that all have. It opens the
// project anew for every ten writes, as commands do.
func share(ctx context.Context, s stack, args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for i := 0; i < n; i += 10 {
		if err := shareSome(ctx, s, args[0], i, min(i+10, n)); err != nil {
			return err
		}
	}
	return nil
}

func shareSome(ctx context.Context, s stack, id string, from, to int) (err error) {
	x, err := Open(ctx, stackSystem(s.dir), stackOptions)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	for i := from; i < to; i++ {
		v := fmt.Sprintf("%s/%d", id, i)
		for _, name := range []string{"own/" + v, "shared"} {
			if _, err := x.Broker.Put(ctx, x.Caller, ref(name), secret.Text(v), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestStackProcesses lets ten processes write 100 times, each to names of its
// own and to a shared one, with everything on.
func TestStackProcesses(t *testing.T) {
	const processes, writes = 10, 100
	for _, c := range []struct{ limit, kept int }{{2000, processes * writes}, {0, 10}} {
		t.Run(fmt.Sprint("limit ", c.limit), func(t *testing.T) {
			s := newStack(t)
			x := s.open(t)
			defer func() { _ = x.Close() }()
			if c.limit > 0 {
				create(t, x, "shared")
				if err := x.Broker.Limit(t.Context(), x.Caller, ref("shared"), secret.Limits{MaxVersions: c.limit}); err != nil {
					t.Fatal(err)
				}
			}
			var started []*crashtest.Process
			for id := range processes {
				started = append(started, s.start(t, "share", strconv.Itoa(id), strconv.Itoa(writes)))
			}
			for id, p := range started {
				if err := p.End(); err != nil {
					t.Fatalf("process %d: %v", id, err)
				}
			}
			checkOwn(t, x, processes, writes)
			checkShared(t, x, processes*writes, c.kept)
			r, about := s.verify(t, x)
			if a := about["shared"]; a.put < processes*writes || len(r.Open) != 0 || len(r.Recovered) != 0 {
				t.Errorf("%+v, open %v, recovered %v", a, r.Open, r.Recovered)
			}
		})
	}
}

func create(t *testing.T, x *Opened, name string) {
	t.Helper()
	if _, err := x.Broker.Create(t.Context(), x.Caller, ref(name), secret.Annotations{}); err != nil {
		t.Fatal(err)
	}
}

// checkOwn demands every value that was written to a name of its own.
func checkOwn(t *testing.T, x *Opened, processes, writes int) {
	t.Helper()
	var refs []secret.Ref
	for id := range processes {
		for i := range writes {
			refs = append(refs, ref(fmt.Sprintf("own/%d/%d", id, i)))
		}
	}
	for i, res := range x.Broker.GetAll(t.Context(), x.Caller, refs) {
		want := strings.TrimPrefix(string(refs[i].Name), "own/")
		if res.Err != nil || string(res.Version.Value.Reveal()) != want {
			t.Fatalf("%s is not what was written: %v", refs[i].Name, res.Err)
		}
	}
}

// checkShared demands that the last versions are there, without gaps.
func checkShared(t *testing.T, x *Opened, last, kept int) {
	t.Helper()
	n := 0
	for v, err := range x.Broker.Versions(t.Context(), x.Caller, ref("shared")) {
		if want := uint64(last - n); err != nil || v.Number != want {
			t.Fatalf("version %d comes where %d should: %v", v.Number, want, err)
		}
		n++
	}
	if n != kept {
		t.Fatalf("%d versions are left, want %d", n, kept)
	}
}
