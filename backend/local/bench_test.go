package local_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tacit-secrets/tacit/backend/local"
	"github.com/tacit-secrets/tacit/secret"
)

const benchSecrets = 10_000

func benchName(i int) secret.Name {
	return secret.Name(fmt.Sprintf("team-%d/service-%d/api-key", i%100, i))
}

// filled returns a store with 10,000 secrets.
func filled(b *testing.B) *local.Store {
	b.Helper()
	s, _ := newFile(b).open(b, nil)
	many(b, 64, benchSecrets, func(i int) error {
		_, err := s.Put(b.Context(), benchName(i), secret.Text(fmt.Sprintf("value-%028d", i)), nil)
		return err
	})
	return s
}

// many runs f n times in all, on callers goroutines.
func many(b testing.TB, callers, n int, f func(i int) error) {
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

func measure(b *testing.B, callers int, f func(i int) error) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	many(b, callers, b.N, f)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkGet reads one of 10,000 secrets. The budget is 100,000/s at the best
// number of callers; BenchmarkBareSQLite is the limit that it is held against.
func BenchmarkGet(b *testing.B) {
	s := filled(b)
	for _, n := range []int{1, 2, 8, 32} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			measure(b, n, func(i int) error {
				_, err := s.Get(b.Context(), benchName(i%benchSecrets), secret.At{})
				return err
			})
		})
	}
}

// BenchmarkPut writes durably; BenchmarkFsync is what one write of the machine
// costs at least.
func BenchmarkPut(b *testing.B) {
	for _, versions := range []string{"new", "over"} {
		s := filled(b)
		var next atomic.Int64
		for _, n := range []int{1, 32} {
			b.Run(fmt.Sprint(versions, "/", n), func(b *testing.B) {
				measure(b, n, func(int) error {
					i := int(next.Add(1))
					name := benchName(benchSecrets + i)
					if versions == "over" {
						name = benchName(i % 100)
					}
					_, err := s.Put(b.Context(), name, secret.Text("0123456789abcdef0123456789abcdef"), nil)
					return err
				})
			})
		}
	}
}

func BenchmarkList(b *testing.B) {
	s := filled(b)
	for _, names := range []bool{false, true} {
		for _, kind := range []string{"all", "page"} {
			b.Run(fmt.Sprintf("%s/names=%v", kind, names), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					n := 0
					opts := &secret.ListOptions{Names: names}
					if kind == "page" {
						opts.After = string(benchName(77))
					}
					for _, err := range s.List(b.Context(), opts) {
						noError(b, err)
						if n++; kind == "page" && n == 100 {
							break
						}
					}
				}
			})
		}
	}
	b.Run("after a change", func(b *testing.B) {
		for b.Loop() {
			put(b, s, benchName(1), "x")
			for _, err := range s.List(b.Context(), nil) {
				noError(b, err)
			}
		}
	})
}

func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	noError(b, err)
	b.Cleanup(func() { noError(b, f.Close()) })
	measure(b, 1, func(i int) error {
		if _, err := f.WriteAt([]byte{byte(i), byte(i >> 8)}, 0); err != nil {
			return err
		}
		return f.Sync()
	})
}

// BenchmarkBareSQLite reads a row of the same size from SQLite, without
// sealing: what BenchmarkGet is held against.
func BenchmarkBareSQLite(b *testing.B) {
	db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "bare.db"))
	noError(b, err)
	b.Cleanup(func() { noError(b, db.Close()) })
	for _, s := range []string{
		"PRAGMA journal_mode = WAL", "CREATE TABLE t (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID",
		"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) INSERT INTO t SELECT printf('team-%d/service-%d/api-key', i % 100, i), randomblob(200) FROM n",
	} {
		_, err := db.Exec(s)
		noError(b, err)
	}
	read, err := db.Prepare("SELECT value FROM t WHERE key = ?")
	noError(b, err)
	b.Cleanup(func() { noError(b, read.Close()) })
	for _, n := range []int{1, 2, 8, 32} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			measure(b, n, func(i int) error {
				var value []byte
				return read.QueryRow(string(benchName(i % benchSecrets))).Scan(&value)
			})
		})
	}
}
