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
