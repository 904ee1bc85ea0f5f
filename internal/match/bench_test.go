package match

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// benchMatcher looks for n random values, with all their forms.
func benchMatcher(b *testing.B, n int) *Matcher {
	b.Helper()
	rnd := rand.NewChaCha8([32]byte{1})
	ps := make([]Pattern, n)
	for i := range ps {
		raw := make([]byte, 30)
		_, _ = rnd.Read(raw)
		ps[i] = pattern1(fmt.Sprintf("KEY_%d", i), "sk-"+base64.RawURLEncoding.EncodeToString(raw))
	}
	return mustNew(b, ps...)
}

func BenchmarkWriter(b *testing.B) {
	const size = 1 << 20
	rnd := rand.NewChaCha8([32]byte{2})
	random := make([]byte, size)
	_, _ = rnd.Read(random)
	line := "2026-11-24T13:07:11.042Z INFO  handler=orders status=200 path=/v1/orders/8123 took=12.4ms bytes=5123\n"
	texts := map[string][]byte{
		"log":    bytes.Repeat([]byte(line), size/len(line)+1)[:size],
		"base64": []byte(base64.StdEncoding.EncodeToString(random))[:size],
		"binary": random,
	}
	for _, n := range []int{1, 100, 1000} {
		m := benchMatcher(b, n)
		for _, name := range []string{"log", "base64", "binary"} {
			b.Run(fmt.Sprintf("values=%d/%s", n, name), func(b *testing.B) {
				w := NewWriter(io.Discard, m)
				b.SetBytes(size)
				for b.Loop() {
					for text := texts[name]; len(text) > 0; {
						c := min(len(text), 64<<10)
						_, _ = w.Write(text[:c])
						text = text[c:]
					}
				}
				b.ReportMetric(float64(b.N)*size/1e6/b.Elapsed().Seconds(), "MB/s")
			})
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		benchMatcher(b, 100)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}
