package awssm

import (
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/awssm/internal/awswire"
)

// BenchmarkReferences reads a hundred references at 50 ms for each answer, by
// batches and, where these are denied, one by one.
func BenchmarkReferences(b *testing.B) {
	for _, k := range []struct{ name, value string }{{"AWS_ACCESS_KEY_ID", awswire.Root().ID}, {"AWS_SECRET_ACCESS_KEY", awswire.Root().Secret}, {"AWS_CONFIG_FILE", os.DevNull}, {"AWS_SHARED_CREDENTIALS_FILE", os.DevNull}} {
		b.Setenv(k.name, k.value)
	}
	for _, denied := range []bool{false, true} {
		name := "batch"
		if denied {
			name = "single"
		}
		b.Run(name, func(b *testing.B) {
			l := newLab(b, Settings{})
			names := l.many(b, 100)
			l.allows(func(c awswire.Call) bool { return !denied || c.Operation != "BatchGetSecretValue" })
			var sent atomic.Int64
			l.bends(func(_ string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
				sent.Add(1)
				time.Sleep(50 * time.Millisecond)
				next(w, r)
			})
			for b.Loop() {
				for _, r := range l.GetBatch(b.Context(), names) {
					if r.Err != nil {
						b.Fatal(r.Err)
					}
				}
			}
			b.ReportMetric(float64(sent.Load())/float64(b.N), "requests/op")
		})
	}
}
