package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/crashtest"
	"github.com/tacit-secrets/tacit/secret"
)

// stackCrashes returns how often a writer is killed.
func stackCrashes() int { return crashtest.Times(os.Getenv("TACIT_TEST_CRASHES"), 10) }

// said is what a killed process acknowledged, and what it was about to do.
type said struct {
	about, put, got, deleting, deleted []string
}

func hear(lines []string) (s said) {
	to := map[string]*[]string{"about": &s.about, "put": &s.put, "got": &s.got, "deleting": &s.deleting, "deleted": &s.deleted}
	for _, l := range lines {
		w := strings.Fields(l)
		if len(w) != 2 {
			continue // a report of the test binary
		}
		if list := to[w[0]]; list != nil {
			*list = append(*list, w[1])
		}
	}
	return s
}

// TestStackKilled kills a writer at random moments. No write, deletion or
// record that it acknowledged is missing, nothing is in the store that has no
// record of having begun, and store and log open together each time.
func TestStackKilled(t *testing.T) {
	const each = 10 // crashes of one store, so that logs stay short
	acknowledged := 0
	for n := range stackCrashes() {
		if n%each == 0 {
			t.Run(fmt.Sprint("from ", n), func(t *testing.T) {
				s := newStack(t)
				for i := range min(each, stackCrashes()-n) {
					acknowledged += killOnce(t, s, n+i)
				}
			})
		}
	}
	if acknowledged < stackCrashes() {
		t.Fatalf("only %d changes were acknowledged: the test does not test", acknowledged)
	}
	t.Logf("%d changes were acknowledged and kept", acknowledged)
}

func killOnce(t *testing.T, s stack, n int) (acknowledged int) {
	t.Helper()
	heard := hear(s.start(t, "work", strconv.Itoa(n)).Kill(60))
	x := s.open(t)
	s.holds(t, x, heard)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	return len(heard.put) + len(heard.deleted)
}

// holds compares store and log with what was heard of a process that died.
func (s stack) holds(t *testing.T, x *Opened, h said) {
	t.Helper()
	there := s.values(t, x, h)
	_, about := s.verify(t, x)
	for _, name := range h.put {
		if about[name].put != 1 {
			t.Fatalf("the record of %s being put was acknowledged and is missing: %+v", name, about[name])
		}
	}
	for _, name := range h.got {
		if about[name].got < 1 {
			t.Fatalf("the record of %s being read was acknowledged and is missing", name)
		}
	}
	for _, name := range h.deleted {
		if about[name].deleted != 1 {
			t.Fatalf("the record of %s being deleted was acknowledged and is missing", name)
		}
	}
	for name := range there {
		if about[name].begun == 0 {
			t.Fatalf("%s is in the store, and no record says that it was put", name)
		}
	}
}

// values demands that what was acknowledged is so, and returns what is there.
func (s stack) values(t *testing.T, x *Opened, h said) map[string]bool {
	t.Helper()
	var refs []secret.Ref
	for _, name := range h.about {
		refs = append(refs, ref(name))
	}
	there := map[string]bool{}
	for i, res := range x.Broker.GetAll(t.Context(), x.Caller, refs) {
		name := h.about[i]
		is := "none"
		switch {
		case res.Err == nil && string(res.Version.Value.Reveal()) == "value of "+name:
			is = "put"
		case errors.Is(res.Err, secret.Deleted):
			is = "deleted"
		case !errors.Is(res.Err, secret.NotFound):
			t.Fatalf("%s: %v", name, res.Err)
		}
		there[name] = is != "none"
		may := []string{"none", "put"}
		switch {
		case slices.Contains(h.deleted, name):
			may = []string{"deleted"}
		case slices.Contains(h.deleting, name):
			may = []string{"put", "deleted"}
		case slices.Contains(h.put, name):
			may = []string{"put"}
		}
		if !slices.Contains(may, is) {
			t.Fatalf("%s is %s, and should be %s", name, is, strings.Join(may, " or "))
		}
		if !there[name] {
			delete(there, name)
		}
	}
	return there
}

// dying kills its own process before or after one of the records of a change.
type dying struct {
	audit.Appender
	when  string
	phase audit.Phase
}

func (d dying) Append(ctx context.Context, rs ...audit.Record) (uint64, error) {
	if rs[0].Phase == d.phase && d.when == "before" {
		suicide()
	}
	n, err := d.Appender.Append(ctx, rs...)
	if rs[0].Phase == d.phase && err == nil && d.when == "after" {
		suicide()
	}
	return n, err
}

// suicide ends this process as a signal does that nobody can catch.
func suicide() {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		_ = p.Kill()
	}
	select {}
}

// die puts one name, and dies at the point that args say.
func die(ctx context.Context, s stack, args []string) error {
	x, err := Open(ctx, stackSystem(s.dir), stackOptions)
	if err != nil {
		return err
	}
	policy, err := x.decider()
	if err != nil {
		return err
	}
	envs, err := x.environments()
	if err != nil {
		return err
	}
	log := dying{x.appender, args[0], audit.Phase(args[1])}
	if x.Broker, err = broker.New(broker.Config{Envs: envs, Policy: policy, Log: log}); err != nil {
		return err
	}
	if _, err := x.Broker.Put(ctx, x.Caller, ref(args[2]), secret.Text("v"), nil); err != nil {
		return err
	}
	return errors.New("it lives")
}

// TestAbuseStackKilled kills a writer between the steps of one change.
func TestAbuseStackKilled(t *testing.T) {
	t.Run("kill-between-begin-and-commit", func(t *testing.T) {
		s := newStack(t)
		for _, c := range []struct {
			when, phase string
			there       bool
			begun, put  int
		}{
			{"before", "begin", false, 0, 0},
			{"after", "begin", false, 1, 0}, // between begin and change
			{"before", "end", true, 1, 0},   // between change and end
			{"after", "end", true, 1, 1},    // between end and answer
		} {
			name := c.when + "/" + c.phase
			p := s.start(t, "die", c.when, c.phase, name)
			if err := p.End(); err == nil || p.ProcessState.ExitCode() >= 0 {
				t.Fatalf("%s: it was not killed: %v", name, err)
			}
			x := s.open(t)
			_, err := x.Broker.Get(t.Context(), x.Caller, ref(name))
			if (err == nil) != c.there || err != nil && !errors.Is(err, secret.NotFound) {
				t.Errorf("%s: %v", name, err)
			}
			r, about := s.verify(t, x)
			if a := about[name]; a.begun != c.begun || a.put != c.put {
				t.Errorf("%s: %+v", name, a)
			}
			if unknown := c.begun > c.put; unknown != (len(r.Open) > 0 && isLast(t, x, r.Open[len(r.Open)-1], name)) {
				t.Errorf("%s: outcome unknown of %v", name, r.Open)
			}
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// isLast reports whether record n is about a name.
func isLast(t *testing.T, x *Opened, n uint64, name string) bool {
	t.Helper()
	for r, err := range audit.Read(t.Context(), x.LogDir(), audit.Filter{Name: name}) {
		if err != nil {
			t.Fatal(err)
		}
		if r.N == n {
			return true
		}
	}
	return false
}
