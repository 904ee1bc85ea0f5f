package audit

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/audit/internal/disk"
	"github.com/tacit-secrets/tacit/secret"
)

func BenchmarkAppend(b *testing.B) {
	cfg := config(b)
	l, _ := create2(b, cfg)
	fsync := fdatasync(b)
	for b.Loop() {
		add(b, l, "claude/api")
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(fsync, "fdatasync-µs")
}

func BenchmarkAppendGrouped32(b *testing.B) {
	cfg := config(b)
	l, _ := create2(b, cfg)
	fsync := fdatasync(b)
	b.SetParallelism(max(1, 32/runtime.GOMAXPROCS(0)))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := l.Append(b.Context(), record("claude/api")); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(fsync, "fdatasync-µs")
}

// BenchmarkAppend32AtOnce is one caller with 32 records: all reads of a command.
func BenchmarkAppend32AtOnce(b *testing.B) {
	cfg := config(b)
	l, _ := create2(b, cfg)
	rs := make([]Record, 32)
	for b.Loop() {
		for i := range rs {
			rs[i] = record("claude/api")
		}
		if _, err := l.Append(b.Context(), rs...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(32*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkOpen opens a log with a full segment, as each command does.
func BenchmarkOpen(b *testing.B) {
	cfg := config(b)
	store := &testStore{}
	cfg.Store = store
	l, _ := create2(b, cfg)
	rs := make([]Record, 1000)
	for l.offset < 12<<20 {
		for i := range rs {
			rs[i] = record("claude/api")
		}
		if _, err := l.Append(b.Context(), rs...); err != nil {
			b.Fatal(err)
		}
	}
	store.head = l.Head()
	add(b, l, "after the store")
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l, err := Open(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		_ = l.Close()
	}
}

func BenchmarkVerify(b *testing.B) {
	cfg := config(b)
	l, _ := create2(b, cfg)
	rs := make([]Record, 100)
	for range 100 {
		for i := range rs {
			rs[i] = Record{Principal: "user:mia", Verb: secret.Get, Env: "dev", Name: "claude/api", Outcome: OK}
		}
		if _, err := l.Append(b.Context(), rs...); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if r, err := Verify(b.Context(), cfg.Dir, VerifyOptions{}); err != nil || !r.Sound() {
			b.Fatal(r.Damage, err)
		}
	}
	b.ReportMetric(10_000*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// fdatasync measures the machine's own limit, in microseconds: one small
// durable write.
func fdatasync(b *testing.B) float64 {
	b.Helper()
	f, err := disk.OpenAppend(filepath.Join(b.TempDir(), "x"), os.O_CREATE)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	const times = 500
	begun := time.Now()
	for range times {
		if _, err := f.Write(make([]byte, 600)); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(time.Since(begun).Microseconds()) / times
}
