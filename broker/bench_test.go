package broker_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// BenchmarkReferences resolves 100 references of a store that takes 50 ms for
// each answer. The budget is 0.4 s.
func BenchmarkReferences(b *testing.B) {
	h, _ := openSlow(b, 50*time.Millisecond)
	refs := make([]secret.Ref, 100)
	for i := range refs {
		refs[i] = ref(b, fmt.Sprintf("n%d", i))
		h.put(b, string(refs[i].Name), canary)
	}
	for b.Loop() {
		for _, r := range h.GetAll(b.Context(), mia(), refs) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/100refs")
}

// BenchmarkGetAudited reads through policy and a real audit log, with 32
// callers at once. The budget is 20,000/s where an fsync takes at most 1 ms.
func BenchmarkGetAudited(b *testing.B) {
	key, err := seal.NewKey()
	if err != nil {
		b.Fatal(err)
	}
	l, _, err := audit.Create(b.Context(), audit.Config{Dir: b.TempDir(), KeyDir: b.TempDir(), Key: key})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	set, err := policy.New(policy.Config{Owner: "user:mia"})
	if err != nil {
		b.Fatal(err)
	}
	br, err := broker.New(broker.Config{Envs: map[string]broker.Env{"dev": broker.Opened(mem.New(nil))}, Policy: set, Log: l})
	if err != nil {
		b.Fatal(err)
	}
	r := ref(b, "claude/api")
	if _, err := br.Put(b.Context(), mia(), r, secret.Text(canary), nil); err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(16) // times GOMAXPROCS
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := br.Get(b.Context(), mia(), r); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
	b.ReportMetric(float64(fsync(b).Microseconds())/1000, "fsync-ms")
}

// fsync measures what one costs here, since it bounds every audited call.
func fsync(b *testing.B) time.Duration {
	f, err := os.CreateTemp(b.TempDir(), "")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	start := time.Now()
	const times = 50
	for range times {
		if _, err := f.WriteString("one line of a log\n"); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start) / times
}
