package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkRun measures what tacit run costs over starting the command alone:
// a store with a key file, one declared secret, policy, the audit log with its
// fsync. Both are started in turn. The budget is 15 ms over the command alone.
func BenchmarkRun(b *testing.B) {
	program := built(b)
	command, err := exec.LookPath("true")
	if err != nil {
		b.Skip("SKIPPED: no command true here")
	}
	h := newHome(b, program)
	kinds := map[string]func() *exec.Cmd{
		"exec":    func() *exec.Cmd { return exec.CommandContext(b.Context(), command) },
		"version": func() *exec.Cmd { return h.command("version") }, // the start of the program alone
		"run":     func() *exec.Cmd { return h.command("run", "--", command) },
	}
	took := map[string][]time.Duration{}
	for b.Loop() {
		for name, kind := range kinds {
			c := kind()
			start := time.Now()
			if err := c.Run(); err != nil {
				b.Fatal(err)
			}
			took[name] = append(took[name], time.Since(start))
		}
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	median := map[string]time.Duration{}
	for name, all := range took {
		slices.Sort(all)
		median[name] = all[len(all)/2]
		b.ReportMetric(ms(median[name]), name+"-ms")
	}
	b.ReportMetric(ms(median["run"]-median["exec"]), "over-ms")
	b.ReportMetric(ms(took["run"][0]-took["exec"][0]), "over-min-ms")
}

// built builds the program as it is released, and returns its path.
func built(b *testing.B) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "tacit")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-o", program, ".")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return program
}
