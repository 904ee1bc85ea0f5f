package azurekv

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/azurekv/internal/azurewire"
	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/backend/backendtest/fault"
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// quick is defaults without waiting for anybody.
func quick() tuning {
	return tuning{now: time.Now, retryDelay: time.Millisecond, retries: 5, poll: time.Millisecond, settle: 5 * time.Second, pages: 100}
}

// tb is what the helpers need of a test, a benchmark or a case.
type tb interface {
	Helper()
	Cleanup(func())
	TempDir() string
	Fatalf(format string, args ...any)
}

// serve starts a vault and returns it with the settings to reach it, by an
// application with a certificate.
func serve(t tb, o azurewire.Options) (*azurewire.Server, Settings) {
	t.Helper()
	s, err := azurewire.Start(o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, settingsOf(t, s)
}

func settingsOf(t tb, s *azurewire.Server) Settings {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, s.CA, 0o600); err != nil {
		t.Fatalf("%v", err)
	}
	file, key := application(t)
	s.AllowCertificate("app", key)
	return Settings{Address: s.Address, Credential: "cert", TenantID: "adfs", ClientID: "app", CertFile: file, Authority: s.Authority, TLS: wire.TLS{CACert: ca}}
}

func opened(t tb, s Settings, tune tuning) *Backend {
	t.Helper()
	b, err := open(s, tune)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(b.http.CloseIdleConnections)
	return b
}

func config(o azurewire.Options) backendtest.Config {
	return backendtest.Config{
		New: func(t backendtest.TB, now func() time.Time) secret.Backend {
			o.Now = now
			_, settings := serve(t, o)
			tune := quick()
			tune.now = now
			return opened(t, settings, tune)
		},
		Second: func(t backendtest.TB, b secret.Backend, _ func() time.Time) secret.Backend {
			first, ok := b.(*Backend)
			if !ok {
				t.Fatalf("another backend: %T", b)
			}
			return opened(t, first.settings, first.tune)
		},
		Capabilities:  []string{"versions", "undelete", "annotations", "attributes", "backup", "posture", "rules"},
		MaxValueBytes: MaxValueBytes,
	}
}

func TestConformance(t *testing.T) {
	asked := strings.Join(backendtest.Run(t, config(azurewire.Options{EmptyPages: true})), "\n") + "\n"
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

// TestEndpoint breaks what goes over the wire to a vault.
func TestEndpoint(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	backendtest.RunEndpoint(t, backendtest.EndpointConfig{
		Target: server.Address, TargetCACert: settings.TLS.CACert,
		Open: func(t backendtest.TB, address, caCert string) secret.Backend {
			server.Reset()
			s := settings
			s.Address, s.Authority, s.TLS.CACert = address, address+"/", caCert
			return opened(t, s, quick())
		},
		Data: func(r *http.Request) bool {
			return r.Header.Get("Authorization") != "" && (strings.HasPrefix(r.URL.Path, "/secrets") || strings.HasPrefix(r.URL.Path, "/deletedsecrets"))
		},
		Error: func(status int, message string) fault.Answer {
			return answerOf(azurewire.Fault{Status: status, Code: "Some", Message: message})
		},
		Throttled: answerOf(azurewire.Throttled("0")),
		Denied:    answerOf(azurewire.Forbidden("getSecret", "app--db")),
		Expired: answerOf(azurewire.Fault{Status: 401, Code: "Unauthorized", Message: "AKV10035: Token is expired."}).
			With("WWW-Authenticate", `Bearer realm="", authorization_uri="https://login.example/common", error="insufficient_claims", claims="e30="`),
		SignsIn: true,
	})
}

// answerOf is a fault as the proxy gives it.
func answerOf(f azurewire.Fault) fault.Answer {
	w := httptest.NewRecorder()
	f.WriteTo(w)
	a := fault.Answer{Status: w.Code, Body: w.Body.String()}
	for k, v := range w.Header() {
		a = a.With(k, v[0])
	}
	return a
}
