package mem_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

func config() backendtest.Config {
	return backendtest.Config{
		New:           func(_ backendtest.TB, now func() time.Time) secret.Backend { return mem.New(now) },
		Second:        func(_ backendtest.TB, b secret.Backend, _ func() time.Time) secret.Backend { return b },
		MaxValueBytes: mem.MaxValueBytes,
		Capabilities: []string{
			"versions", "swap", "create", "undelete", "remove versions", "stages", "annotations", "attributes", "limits", "backup", "batch", "batch put", "rename", "watch",
		},
	}
}

func TestConformance(t *testing.T) {
	asked := strings.Join(backendtest.Run(t, config()), "\n") + "\n"
	golden := "testdata/cases.golden"
	if os.Getenv("TACIT_TEST_UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(asked), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != asked {
		t.Errorf("the cases asked are not those of %s (%v): look, then TACIT_TEST_UPDATE=1", golden, err)
	}
}

// TestPurge: only what is over is removed, and never a new secret of its name.
func TestPurge(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := mem.New(func() time.Time { return now })
	for _, n := range []secret.Name{"live", "deleted", "over", "again"} {
		if _, err := s.Put(t.Context(), n, secret.Text("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	for n, window := range map[secret.Name]time.Duration{"deleted": 3 * time.Hour, "over": time.Hour, "again": time.Hour} {
		if _, err := s.Delete(t.Context(), n, &secret.DeleteOptions{Window: window}); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(2 * time.Hour)
	due, err := s.Expired(t.Context())
	if err != nil || len(due) != 2 || due[0] != "again" || due[1] != "over" {
		t.Fatalf("%q, %v", due, err)
	}
	if _, err := s.Put(t.Context(), "again", secret.Text("new"), nil); err != nil {
		t.Fatal(err)
	}
	for _, n := range []secret.Name{"live", "deleted", "again", "none"} {
		if err := s.Purge(t.Context(), n); secret.KindOf(err) != secret.NotFound {
			t.Errorf("%s: %v", n, err)
		}
	}
	if err := s.Purge(t.Context(), "over"); err != nil {
		t.Error(err)
	}
	if due, err := s.Expired(t.Context()); err != nil || len(due) != 0 {
		t.Errorf("%q, %v", due, err)
	}
	if v, err := s.Get(t.Context(), "again", secret.At{}); err != nil || string(v.Value.Reveal()) != "new" {
		t.Errorf("the new secret: %v", err)
	}
}
