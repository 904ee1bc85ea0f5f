package audit

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/audit/internal/disk"
	"github.com/tacit-secrets/tacit/internal/crashtest"
	"github.com/tacit-secrets/tacit/secret"
)

// childConfig is config for a folder that several processes share.
func childConfig(t testing.TB, dir string) Config {
	t.Helper()
	return Config{Dir: filepath.Join(dir, "audit"), KeyDir: dir, Key: newTestKey(t), MinFree: 1, MaxBytes: 20_000}
}

// child starts this test binary again, to do one of the jobs of TestChild.
func child(t *testing.T, job string, args ...string) *crashtest.Process {
	t.Helper()
	return crashtest.Start(t, nil, append([]string{"-test.run=^TestChild$", "--", job}, args...)...)
}

// TestChild is no test: it is what the processes do that other tests start.
func TestChild(t *testing.T) {
	args := flag.Args()
	if len(args) < 2 {
		t.Skip("it is run by other tests")
	}
	switch args[0] {
	case "append":
		childAppends(t, args[1], args[2], args[3])
	case "hold":
		childHolds(t, args[1])
	default:
		childOnUnix(t, args)
	}
}

// say tells the parent, at once.
func say(format string, args ...any) { _, _ = fmt.Fprintf(os.Stdout, format+"\n", args...) }

// childAppends appends by four callers, and says what was acknowledged.
func childAppends(t *testing.T, dir, id, count string) {
	n, err := strconv.Atoi(count)
	if err != nil {
		t.Fatal(err)
	}
	l := reopen(t, childConfig(t, dir))
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for i := k; i < n; i += 4 {
				name := fmt.Sprintf("%s/%d", id, i)
				if _, err := l.Append(t.Context(), record(name)); err != nil {
					t.Error(err)
					return
				}
				say("ack %s", name)
			}
		})
	}
	wg.Wait()
}

func childHolds(t *testing.T, dir string) {
	lock, err := disk.OpenLock(filepath.Join(dir, "audit.lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Take(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	say("held")
	_, _ = io.ReadAll(os.Stdin)
}

// acks returns which of the lines acknowledge a record.
func acks(lines []string) (names []string) {
	for _, l := range lines {
		if name, ok := strings.CutPrefix(l, "ack "); ok {
			names = append(names, name)
		}
	}
	return names
}

// has fails unless the log has all these names, in this order if ordered.
func has(t *testing.T, dir string, want []string) map[string]uint64 {
	t.Helper()
	at := map[string]uint64{}
	last := uint64(0)
	for r, err := range Read(t.Context(), dir, Filter{Verb: secret.Get}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := at[r.Name]; twice || r.N <= last {
			t.Fatalf("%s is there twice, or out of order", r.Name)
		}
		last, at[r.Name] = r.N, r.N
	}
	for _, w := range want {
		if _, ok := at[w]; !ok {
			t.Fatalf("%s was acknowledged and is missing", w)
		}
	}
	return at
}

func TestTenProcesses(t *testing.T) {
	dir := t.TempDir()
	cfg := childConfig(t, dir)
	l, key := create2(t, cfg)
	var started []*crashtest.Process
	for i := range 10 {
		started = append(started, child(t, "append", dir, "p"+strconv.Itoa(i), "100"))
	}
	var all []string
	for i, p := range started {
		all = append(all, acks(p.Lines(math.MaxInt))...)
		if err := p.Wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
	}
	add(t, l, "last")
	if at := has(t, cfg.Dir, append(all, "last")); len(at) != 1001 {
		t.Errorf("%d records", len(at))
	}
	if r := sound(t, cfg, VerifyOptions{FirstKey: key}); r.Records != 1001 || r.Segments < 5 || len(r.Recovered) != 0 {
		t.Errorf("%d records in %d segments, recovered %v", r.Records, r.Segments, r.Recovered)
	}
}

// TestKilledWriters kills a process that appends at random points.
func TestKilledWriters(t *testing.T) {
	dir := t.TempDir()
	cfg := childConfig(t, dir)
	first, key := create2(t, cfg)
	_ = first.Close()
	var all []string
	for i := range crashtest.Times(os.Getenv("TACIT_TEST_CRASHES"), 20) {
		all = append(all, acks(child(t, "append", dir, "r"+strconv.Itoa(i), "100000").Kill(60))...)
	}
	l := reopen(t, cfg)
	add(t, l, "last")
	has(t, cfg.Dir, append(all, "last"))
	sound(t, cfg, VerifyOptions{FirstKey: key})
}
