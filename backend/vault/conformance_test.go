package vault

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/secret"
)

// contextOf is a context for cleaning up, when the test's own is done.
func contextOf(backendtest.TB) context.Context { return context.Background() }

func TestConformanceKV2(t *testing.T) {
	s := theServer(t)
	backendtest.Run(t, backendtest.Config{
		New:           func(t backendtest.TB, _ func() time.Time) secret.Backend { return s.fresh(t, "2") },
		Second:        s.second,
		Capabilities:  []string{"versions", "swap", "create", "undelete", "remove versions", "annotations", "limits"},
		MaxValueBytes: sized,
		NoPurge:       true,
		OwnClock:      true,
		Hour:          3 * time.Second,
		Refuses:       func(n secret.Name) bool { return !printable(string(n)) },
		Skips: map[string]string{
			"own time to delete goes before the store's": "of two times the shorter one counts: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#delete_version_after",
		},
	})
}

func TestConformanceKV1(t *testing.T) {
	s := theServer(t)
	backendtest.Run(t, backendtest.Config{
		New:           func(t backendtest.TB, _ func() time.Time) secret.Backend { return s.fresh(t, "1") },
		Second:        s.second,
		Capabilities:  []string{"versions", "swap", "create", "undelete", "remove versions", "annotations", "limits"},
		Unsupported:   []string{"versions", "swap", "create", "undelete", "remove versions", "annotations", "limits"},
		MaxValueBytes: sized,
		OwnClock:      true,
		Refuses:       func(n secret.Name) bool { return !printable(string(n)) || strings.Contains(string(n), "..") },
		NoTimes:       true,
	})
}
