package vault

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/backend/backendtest/fault"
	"github.com/tacit-secrets/tacit/secret"
)

func TestConformanceKV2(t *testing.T) {
	s := theServer(t)
	golden(t, "kv2.golden", backendtest.Run(t, backendtest.Config{
		New:           func(t backendtest.TB, _ func() time.Time) secret.Backend { return s.fresh(t, "2") },
		Second:        s.second,
		Capabilities:  []string{"versions", "swap", "create", "undelete", "remove versions", "annotations", "limits", "leases", "posture", "rules"},
		MaxValueBytes: MaxValueBytes,
		NoPurge:       true,
		OwnClock:      true,
		Hour:          3 * time.Second,
		Refuses:       func(n secret.Name) bool { return !printable(string(n)) },
		Skips: map[string]string{
			"own time to delete goes before the store's": "of two times the shorter one counts: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#delete_version_after",
		},
	}))
}

func TestConformanceKV1(t *testing.T) {
	s := theServer(t)
	golden(t, "kv1.golden", backendtest.Run(t, backendtest.Config{
		New:           func(t backendtest.TB, _ func() time.Time) secret.Backend { return s.fresh(t, "1") },
		Second:        s.second,
		Capabilities:  []string{"versions", "swap", "create", "undelete", "remove versions", "annotations", "limits", "leases", "posture", "rules"},
		Unsupported:   []string{"versions", "swap", "create", "undelete", "remove versions", "annotations", "limits"},
		MaxValueBytes: MaxValueBytes,
		OwnClock:      true,
		Refuses:       func(n secret.Name) bool { return !printable(string(n)) || strings.Contains(string(n), "..") },
		NoTimes:       true,
	}))
}

func TestEndpoint(t *testing.T) {
	s := theServer(t)
	says := func(status int, message string) fault.Answer {
		body := jsonBody(map[string][]string{"errors": {message}})
		return fault.Answer{Status: status, Body: string(body), Header: http.Header{"Content-Type": {"application/json"}}}
	}
	golden(t, "endpoint.golden", backendtest.RunEndpoint(t, backendtest.EndpointConfig{
		Target: s.tls, TargetCACert: s.ca,
		Open: func(t backendtest.TB, address, ca string) secret.Backend {
			settings := s.settings(s.mount(t, "2"))
			settings.Address, settings.TLS.CACert = address, ca
			b, err := New(settings)
			if err != nil {
				t.Fatalf("%v", err)
			}
			b.retry.base, b.retry.most = time.Millisecond, 10*time.Millisecond
			return b
		},
		Data: func(r *http.Request) bool {
			return strings.HasPrefix(r.URL.Path, "/v1/test/")
		},
		Error:   says,
		Denied:  says(http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n"),
		Expired: says(http.StatusForbidden, "permission denied"),
	}))
}

// golden compares the cases that were asked with those that were before, so
// that none is lost in silence.
func golden(t *testing.T, name string, asked []string) {
	t.Helper()
	file, text := filepath.Join("testdata", name), strings.Join(asked, "\n")+"\n"
	if os.Getenv("TACIT_TEST_UPDATE") != "" {
		ok(t, os.WriteFile(file, []byte(text), 0o600))
	}
	if want, err := os.ReadFile(file); err != nil || string(want) != text {
		t.Errorf("the cases asked are not those of %s (%v): look, then TACIT_TEST_UPDATE=1", file, err)
	}
}
