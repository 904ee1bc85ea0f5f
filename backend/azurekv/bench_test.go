package azurekv

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/azurekv/internal/azurewire"
	"github.com/tacit-secrets/tacit/secret"
)

// BenchmarkReferences reads 100 references, 32 at once, from a vault that takes
// 50 ms for each answer: with a token, and from a cold start, where challenge
// and sign-in come first.
func BenchmarkReferences(b *testing.B) {
	server, settings := serve(b, azurewire.Options{})
	warm := opened(b, settings, defaults())
	warm.limits.limiters = newLimiters(quick())
	for i := range 100 {
		if _, err := warm.Put(b.Context(), reference(i), secret.Text("x"), nil); err != nil {
			b.Fatal(err)
		}
	}
	warm.limits.limiters = newLimiters(defaults())
	server.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/secrets") {
			time.Sleep(50 * time.Millisecond)
		}
		return false
	})
	for name, open := range map[string]func() *Backend{
		"warm": func() *Backend { return warm },
		"cold": func() *Backend { return opened(b, settings, defaults()) },
	} {
		b.Run(name, func(b *testing.B) {
			before, rounds := server.Requests(), 0
			for b.Loop() {
				rounds++
				readAll(b, open())
			}
			b.ReportMetric(float64(server.Requests()-before)/float64(rounds), "requests/op")
		})
	}
}

func reference(i int) secret.Name { return secret.Name(fmt.Sprintf("app/%03d", i)) }

func readAll(b *testing.B, from *Backend) {
	b.Helper()
	var wg sync.WaitGroup
	next := make(chan int, 100)
	for i := range 100 {
		next <- i
	}
	close(next)
	for range 32 {
		wg.Go(func() {
			for i := range next {
				if _, err := from.Get(b.Context(), reference(i), secret.At{}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
