package awssm

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// A store that is down is asked by one batch, as often as by any request, and
// answers for all.
func TestBatchAsksOnceWhatIsDown(t *testing.T) {
	var asked atomic.Int32
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer down.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	b, err := New(Settings{Region: "eu-west-1", Endpoint: down.URL})
	if err != nil {
		t.Fatal(err)
	}
	b.backoff = time.Millisecond
	names := make([]secret.Name, 100)
	for i := range names {
		names[i] = secret.Name(fmt.Sprintf("app/%d", i))
	}
	for i, r := range b.GetBatch(t.Context(), names) {
		e, ok := r.Err.(*secret.Error) //nolint:errorlint // as it is
		if !ok || e.Kind != secret.Unavailable || e.Name != names[i] {
			t.Errorf("%s: %v", names[i], r.Err)
		}
	}
	if n := asked.Load(); n != tries {
		t.Errorf("it was asked %d times, want %d", n, tries)
	}
}
