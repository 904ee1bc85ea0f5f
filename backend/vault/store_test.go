package vault

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/secret"
)

// A server is the one that test/stores/openbao.sh started.
type server struct{ address, tls, ca, token string }

// theServer skips a test where there is none, and fails it where there must be.
func theServer(t testing.TB) server {
	t.Helper()
	s := server{os.Getenv("TACIT_TEST_VAULT_ADDR"), os.Getenv("TACIT_TEST_VAULT_TLS_ADDR"), os.Getenv("TACIT_TEST_VAULT_CACERT"), os.Getenv("TACIT_TEST_VAULT_TOKEN")}
	if s.address == "" || s.token == "" {
		const why = "TACIT_TEST_VAULT_ADDR is not set: make test-stores starts an OpenBao"
		if os.Getenv("TACIT_TEST_STORES") == "required" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	return s
}

// settings of a mount, signed in as root.
func (s server) settings(mount string) Settings {
	return Settings{Address: s.address, Mount: mount, Auth: Auth{Method: "token", Token: secret.Text(s.token)}}
}

// admin is a backend whose requests a test may make itself.
func (s server) admin(t backendtest.TB) *Backend {
	t.Helper()
	b, err := New(s.settings("secret"))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return b
}

// call makes one request as root.
func (s server) call(t backendtest.TB, method, path string, body any) *answer {
	t.Helper()
	r := request{method: method, path: path}
	if body != nil {
		r.body = jsonBody(body)
	}
	b := s.admin(t)
	got, err := b.do(t.Context(), r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

// must is call for what succeeds.
func (s server) must(t backendtest.TB, method, path string, body any) *answer {
	t.Helper()
	got := s.call(t, method, path, body)
	if !got.ok() {
		t.Fatalf("%s %s: %d %q", method, path, got.status, got.Errors)
	}
	return got
}

// mount makes a KV engine of a version at a path of its own, below a folder.
func (s server) mount(t backendtest.TB, version string) string {
	t.Helper()
	var b [6]byte
	_, _ = rand.Read(b[:])
	path := "test/" + hex.EncodeToString(b[:])
	s.must(t, http.MethodPost, "sys/mounts/"+path, map[string]any{"type": "kv", "options": map[string]string{"version": version}})
	t.Cleanup(func() {
		a := s.admin(t)
		_, _ = a.do(context.Background(), request{method: http.MethodDelete, path: "sys/mounts/" + path})
	})
	if version == "2" { // the engine makes itself ready, and refuses meanwhile: who does not wait long sees that
		s.must(t, http.MethodGet, path+"/config", nil)
	}
	return path
}

// fresh is a backend over a new mount.
func (s server) fresh(t backendtest.TB, version string) *Backend {
	t.Helper()
	b, err := New(s.settings(s.mount(t, version)))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return b
}

func (s server) second(t backendtest.TB, b secret.Backend, _ func() time.Time) secret.Backend {
	t.Helper()
	first, ok := b.(*Backend)
	if !ok {
		t.Fatalf("%T is none of ours", b)
	}
	other, err := New(first.settings)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return other
}

func unmarshal(t testing.TB, b []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// cleaning is a test whose context is no longer done when it is cleaned up.
type cleaning struct{ testing.TB }

func (cleaning) Context() context.Context { return context.Background() }
