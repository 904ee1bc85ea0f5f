package state

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

const benchRows = 10_000

func filled(b *testing.B) *DB {
	b.Helper()
	d := newFixture(b).DB
	for i := 0; i < benchRows; i += 500 {
		noError(b, d.Update(b.Context(), func(tx *Tx) error {
			for j := range 500 {
				id := fmt.Sprint(i + j)
				if err := tx.Put(row(id), make([]byte, 200)); err != nil {
					return err
				}
				if err := tx.PutValue(id, "1", make([]byte, 100)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	return d
}

// callers runs f b.N times in all on n goroutines.
func callers(b *testing.B, n int, f func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range n {
		wg.Go(func() {
			for {
				i := int(next.Add(1))
				if i > b.N {
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
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkFsync is what a durable write costs on this machine at least.
func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	noError(b, err)
	b.Cleanup(func() { noError(b, f.Close()) })
	callers(b, 1, func(i int) error {
		if _, err := f.WriteAt([]byte{byte(i), byte(i >> 8)}, 0); err != nil {
			return err
		}
		return f.Sync()
	})
}

func BenchmarkView(b *testing.B) {
	d := filled(b)
	for _, n := range []int{1, 2, 8, 32} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			callers(b, n, func(i int) error {
				id := fmt.Sprint(i % benchRows)
				return d.View(context.Background(), func(tx *Tx) error {
					if _, err := tx.Get(row(id)); err != nil {
						return err
					}
					_, err := tx.GetValue(id, "1")
					return err
				})
			})
		})
	}
}

func BenchmarkUpdate(b *testing.B) {
	d := newFixture(b).DB
	var n atomic.Int64
	for _, c := range []int{1, 8, 32, 128} {
		b.Run(fmt.Sprint(c), func(b *testing.B) {
			callers(b, c, func(int) error {
				id := fmt.Sprint(n.Add(1))
				k := row(fmt.Sprint(n.Load() % benchRows))
				return d.Update(context.Background(), func(tx *Tx) error {
					if _, err := tx.Get(k); err != nil {
						_ = err
					}
					if err := tx.Put(k, make([]byte, 200)); err != nil {
						return err
					}
					return tx.PutValue("s", id, make([]byte, 100))
				})
			})
		})
	}
}

func BenchmarkScan(b *testing.B) {
	d := filled(b)
	for b.Loop() {
		err := d.View(b.Context(), func(tx *Tx) error {
			for _, err := range tx.Scan(KindSecret) {
				if err != nil {
					return err
				}
			}
			return nil
		})
		noError(b, err)
	}
}

func BenchmarkOpen(b *testing.B) {
	f := newFixture(b)
	put(b, f.DB, "a", "v")
	noError(b, f.Close())
	for b.Loop() {
		d, err := Open(b.Context(), f.path, f.options())
		noError(b, err)
		_, err = get(b, d, "a")
		noError(b, err)
		noError(b, d.Close())
	}
}

// BenchmarkPut writes single rows, as the server's own state does.
func BenchmarkPut(b *testing.B) {
	d := newFixture(b).DB
	for _, c := range []int{1, 32} {
		b.Run(fmt.Sprint(c), func(b *testing.B) {
			callers(b, c, func(i int) error {
				k := row(fmt.Sprint(i % benchRows))
				return d.Update(context.Background(), func(tx *Tx) error { return tx.Put(k, make([]byte, 200)) })
			})
		})
	}
}
