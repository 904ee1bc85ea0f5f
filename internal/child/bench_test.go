package child

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/tacit-secrets/tacit/internal/match"
	"github.com/tacit-secrets/tacit/secret"
)

func benchMatcher(b *testing.B) *match.Matcher {
	b.Helper()
	var ps []match.Pattern
	for i := range 100 {
		ps = append(ps, match.Pattern{Label: fmt.Sprintf("KEY_%d", i), Value: secret.Text(fmt.Sprintf("sk-%d-value-%08x", i, i*0x9e3779b1))})
	}
	m, err := match.New(ps)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// BenchmarkRedactedOutput measures what a child can write through redaction
// for 100 values, with both processes and the pipe between them.
func BenchmarkRedactedOutput(b *testing.B) {
	const size = 1 << 30
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	line := "2026-11-24T13:07:11.042Z INFO handler=orders status=200 path=/v1/orders/8123 took=12.4ms"
	m := benchMatcher(b)
	for b.Loop() {
		argv := []string{"sh", "-c", fmt.Sprintf("yes '%s' | head -c %d", line, size)}
		if r, err := Run(b.Context(), Config{Argv: argv, Env: os.Environ(), Stdout: null, Redact: m}); err != nil || r.Code != 0 {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(b.N)*size/1e6/b.Elapsed().Seconds(), "MB/s")
}

func BenchmarkStart(b *testing.B) {
	b.Run("run", func(b *testing.B) {
		m := benchMatcher(b)
		for b.Loop() {
			if _, err := Run(b.Context(), Config{Argv: []string{"true"}, Env: os.Environ(), Stdout: os.Stderr, Redact: m}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	})
	b.Run("exec", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command("true").Run(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	})
}
