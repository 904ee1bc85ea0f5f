package vault

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest/fault"
	"github.com/tacit-secrets/tacit/secret"
)

// BenchmarkReferences reads 100 secrets as a run does, the first one alone and
// then 32 at once, from a server that takes 50 ms longer for each answer. The
// budget is 0.4 s. Cold, the first read asks what is mounted.
func BenchmarkReferences(b *testing.B) {
	s := theServer(b)
	mount := s.mount(b, "2")
	near := s.with(b, mount, func(*Settings) {})
	for i := range 100 {
		put(b, near, reference(i), "x")
	}
	p := fault.New(b, s.tls, s.ca)
	p.Set(fault.Rule{Do: fault.Slow(50 * time.Millisecond)})
	far := func() *Backend {
		return s.with(b, mount, func(c *Settings) { c.Address, c.TLS.CACert = p.Address, p.CACert })
	}
	warm := far()
	for name, open := range map[string]func() *Backend{"warm": func() *Backend { return warm }, "cold": far} {
		b.Run(name, func(b *testing.B) {
			before := len(p.Seen())
			for b.Loop() {
				readAll(b, open())
			}
			b.ReportMetric(float64(len(p.Seen())-before)/float64(b.N), "requests/op")
		})
	}
}

// BenchmarkList lists 1,000 secrets in 20 folders from the same server.
func BenchmarkList(b *testing.B) {
	s := theServer(b)
	mount := s.mount(b, "2")
	near := s.with(b, mount, func(*Settings) {})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for j := range 50 {
				_, err := near.Put(b.Context(), secret.Name(fmt.Sprintf("app/%02d/%02d", i, j)), secret.Text("x"), nil)
				ok(b, err)
			}
		})
	}
	wg.Wait()
	p := fault.New(b, s.tls, s.ca)
	p.Set(fault.Rule{Do: fault.Slow(50 * time.Millisecond)})
	far := s.with(b, mount, func(c *Settings) { c.Address, c.TLS.CACert = p.Address, p.CACert })
	for name, plain := range map[string]bool{"OpenBao": false, "Vault": true} {
		b.Run(name, func(b *testing.B) {
			far.listing.plain.Store(plain)
			before := len(p.Seen())
			for b.Loop() {
				if got := listed(b, far, nil); len(got) != 1000 {
					b.Fatalf("%d are listed", len(got))
				}
			}
			b.ReportMetric(float64(len(p.Seen())-before)/float64(b.N), "requests/op")
		})
	}
}

func reference(i int) secret.Name { return secret.Name(fmt.Sprintf("app/%03d", i)) }

func readAll(b *testing.B, from *Backend) {
	b.Helper()
	read := func(i int) {
		if _, err := from.Get(b.Context(), reference(i), secret.At{}); err != nil {
			b.Error(err)
		}
	}
	read(0)
	next := make(chan int, 99)
	for i := range 99 {
		next <- i + 1
	}
	close(next)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for i := range next {
				read(i)
			}
		})
	}
	wg.Wait()
}
