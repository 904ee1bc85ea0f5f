package awssm

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/awssm/internal/awswire"
	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/backend/backendtest/fault"
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// promises are those of the contract, as AWS lets them be kept.
func promises() backendtest.Config {
	return backendtest.Config{
		Capabilities:  []string{"versions", "swap", "create", "undelete", "stages", "annotations", "batch", "posture", "rules"},
		MaxValueBytes: MaxValueBytes,
		NoEmpty:       true,
		TextUTF8:      true,
		Refuses:       func(n secret.Name) bool { _, err := secretID(n); return err != nil },
		Second: func(tb backendtest.TB, b secret.Backend, _ func() time.Time) secret.Backend {
			return open(tb, b.(*Backend).settings)
		},
	}
}

// TestConformanceWire asks every promise over a server that answers as AWS.
func TestConformanceWire(t *testing.T) {
	isolate(t)
	cfg := promises()
	cfg.New = func(tb backendtest.TB, now func() time.Time) secret.Backend {
		return open(tb, Settings{Region: "eu-west-1", Endpoint: serve(tb, awswire.Options{Now: now})})
	}
	golden(t, "testdata/cases.golden", backendtest.Run(t, cfg))
}

// TestConformanceEndpoint breaks what goes over the wire.
func TestConformanceEndpoint(t *testing.T) {
	isolate(t)
	var current http.Handler
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.ServeHTTP(w, r) }))
	t.Cleanup(target.Close)
	golden(t, "testdata/endpoint.golden", backendtest.RunEndpoint(t, backendtest.EndpointConfig{
		Target: target.URL,
		Open: func(tb backendtest.TB, address, caCert string) secret.Backend {
			current = awswire.New(awswire.Options{})
			b := open(tb, Settings{Region: "eu-west-1", Endpoint: address, TLS: wire.TLS{CACert: caCert}})
			b.steady = true
			return b
		},
		Write: func(r *http.Request) bool {
			op := operationOf(r)
			return !strings.HasPrefix(op, "Get") && !strings.HasPrefix(op, "List") && !strings.HasPrefix(op, "Describe") && !strings.HasPrefix(op, "Batch")
		},
		Batch: func(r *http.Request) bool { return operationOf(r) == "BatchGetSecretValue" },
		Error: func(status int, message string) fault.Answer {
			code := map[int]string{400: "InvalidParameterException", 401: "UnrecognizedClientException", 403: "AccessDeniedException", 429: "ThrottlingException"}[status]
			if status >= 500 {
				code = "InternalServiceError"
			}
			return answer(status, code, message)
		},
		Throttled:    answer(400, "ThrottlingException", "Rate exceeded"),
		Denied:       answer(400, "AccessDeniedException", "User: arn:aws:iam::111122223333:user/mia is not authorized to perform: secretsmanager:GetSecretValue on resource: x because no identity-based policy allows the secretsmanager:GetSecretValue action"),
		Expired:      answer(400, "ExpiredTokenException", "The security token included in the request is expired"),
		SignsIn:      true,
		NoRetryAfter: true,
	}))
}

func operationOf(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager.")
}

// answer is an error as AWS's front end spells it.
func answer(status int, code, message string) fault.Answer {
	a := fault.JSON(status, `{"__type":"`+code+`","message":"`+strings.NewReplacer(`"`, `'`, "\n", " ", `\`, "").Replace(message)+`"}`)
	a.Header.Set("Content-Type", "application/x-amz-json-1.1")
	return a
}

// serve starts a wire server and returns its address.
func serve(tb backendtest.TB, o awswire.Options) string {
	srv := httptest.NewServer(awswire.New(o))
	tb.Cleanup(srv.Close)
	return srv.URL
}

// open returns a backend that waits little between tries.
func open(tb backendtest.TB, s Settings) *Backend {
	tb.Helper()
	b, err := New(s)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(func() { _ = b.Close() })
	b.backoff = 20 * time.Millisecond
	return b
}

// isolate gives the SDK the key of the wire server and nothing else.
func isolate(t *testing.T) {
	t.Helper()
	for _, kv := range os.Environ() {
		if k, _, _ := strings.Cut(kv, "="); strings.HasPrefix(k, "AWS_") {
			t.Setenv(k, "")
			if err := os.Unsetenv(k); err != nil {
				t.Fatal(err)
			}
		}
	}
	none := t.TempDir() + "/none"
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": awswire.Root().ID, "AWS_SECRET_ACCESS_KEY": awswire.Root().Secret,
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true", "HOME": t.TempDir(),
	} {
		t.Setenv(k, v)
	}
}

// golden compares the cases that were asked with those that were before.
func golden(t *testing.T, file string, asked []string) {
	t.Helper()
	got := strings.Join(asked, "\n") + "\n"
	if os.Getenv("TACIT_TEST_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("the cases asked are not those of %s: look, then TACIT_TEST_UPDATE=1", file)
	}
}
