package tacit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit"
	"github.com/tacit-secrets/tacit/secret"
)

// callers is how many ask at once.
const callers = 32

// opened is a project in a temporary home with n secrets, key file and log on
// the disk that the machine has.
func opened(b *testing.B, n int) *tacit.Project {
	b.Helper()
	dir, done := newProject()
	b.Cleanup(done)
	p, err := tacit.Open(b.Context(), dir, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Close() })
	each(b, n, func(i int) error {
		_, err := p.Put(b.Context(), nameOf(i), secret.Text(fmt.Sprintf("value-%028d", i)))
		return err
	})
	return p
}

func nameOf(i int) string { return fmt.Sprintf("team-%d/service-%d/api-key", i%100, i) }

// each calls f n times in all, on as many goroutines as there are callers.
func each(b *testing.B, n int, f func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkReads reads through everything that a program meets: policy, the
// embedded store, the audit log. The budget is 20,000/s where an fsync takes
// at most 1 ms.
func BenchmarkReads(b *testing.B) {
	const secrets = 10_000
	p := opened(b, secrets)
	fsync := fsyncTime(b)
	b.ResetTimer()
	each(b, b.N, func(i int) error {
		_, err := p.Get(b.Context(), nameOf(i%secrets))
		return err
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
	b.ReportMetric(fsync, "fsync-ms")
}

// BenchmarkPuts writes durably through everything; each put is two records and
// a transaction. The budget is 8,000/s.
func BenchmarkPuts(b *testing.B) {
	p := opened(b, 1000)
	fsync := fsyncTime(b)
	value := secret.Text("0123456789abcdef0123456789abcdef")
	b.ResetTimer()
	each(b, b.N, func(i int) error {
		_, err := p.Put(b.Context(), nameOf(1000+i), value)
		return err
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
	b.ReportMetric(fsync, "fsync-ms")
}

// fsyncTime is what one durable write costs this machine: the limit that
// everything recorded is held against.
func fsyncTime(b *testing.B) float64 {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	const times = 100
	begun := time.Now()
	for range times {
		if _, err := f.WriteString("a line as long as a record of the audit log, which has some four hundred bytes\n"); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(time.Since(begun).Microseconds()) / times / 1000
}
