package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// benchSecrets is how many secrets a large project has.
const benchSecrets = 10_000

// measured runs a command that must succeed, and reports its peak memory.
func (w *world) measured(b *testing.B, args ...string) (peakMB float64) {
	b.Helper()
	cmd := w.command(b, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil {
		b.Fatalf("tacit %s: %v\n%s", strings.Join(args, " "), err, &errs)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		b.Fatal("no usage")
	}
	return float64(usage.Maxrss) / 1024
}

// BenchmarkExport writes 10,000 secrets of one prefix to a file, audit on; and
// 1,000, to show that memory does not grow with them.
func BenchmarkExport(b *testing.B) {
	for _, n := range []int{1000, benchSecrets} {
		for _, format := range []string{"json", "dotenv"} {
			b.Run(fmt.Sprintf("%s-%d", format, n), func(b *testing.B) {
				w := newWorld(b)
				w.fill(b, "app/", n)
				peak := 0.0
				for b.Loop() {
					peak = max(peak, w.measured(b, "export", "app/", "--format", format, "--out", "out"))
				}
				report(b, n, peak)
			})
		}
	}
}

// BenchmarkImport takes 10,000 variables over: written, read back, compared.
func BenchmarkImport(b *testing.B) {
	w := newWorld(b)
	w.dotenv(b, benchSecrets)
	peak, round := 0.0, 0
	for b.Loop() {
		round++
		peak = max(peak, w.measured(b, "import", "all.env", "--to", fmt.Sprintf("r%d/", round), "--no-declare", "--yes"))
	}
	report(b, benchSecrets, peak)
}

// BenchmarkImportDeclaring also declares all of them, in one edit.
func BenchmarkImportDeclaring(b *testing.B) {
	peak := 0.0
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b)
		w.dotenv(b, benchSecrets)
		b.StartTimer()
		peak = max(peak, w.measured(b, "import", "all.env", "--yes"))
	}
	report(b, benchSecrets, peak)
}

func report(b *testing.B, n int, peak float64) {
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "secrets/s")
	b.ReportMetric(peak, "peak-MB")
}

// dotenv writes a file of n variables.
func (w *world) dotenv(b *testing.B, n int) {
	b.Helper()
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "APP_SERVICE_KEY_%05d=value-%028d\n", i, i)
	}
	if err := os.WriteFile(filepath.Join(w.project, "all.env"), []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
}
