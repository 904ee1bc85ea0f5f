package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// get asks a server as a backend does.
func get(t *testing.T, ctx context.Context, url string, conf TLS) error { //nolint:revive // t first, as in every helper
	t.Helper()
	rt, err := NewTransport(conf)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := Client(rt).Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// throughProxy asks a server through a proxy.
func throughProxy(t *testing.T, address string) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://store.example/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: address})}).RoundTrip(r)
	if err == nil {
		_ = answer.Body.Close()
	}
	return err
}

func TestFailure(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			<-r.Context().Done()
		case "/short":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "x")
		case "/long":
			for range 17 {
				_, _ = w.Write(make([]byte, 1<<20))
			}
		case "/loop":
			w.Header().Set(ViaHeader, "1")
		}
	}))
	defer plain.Close()
	closed, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	over, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		what   string
		err    error
		kind   secret.Kind
		says   string
		unsent bool
	}{
		{"untrusted", get(t, t.Context(), secure.URL, TLS{}), secret.Invalid, "authority that is not trusted", true},
		{"no TLS", get(t, t.Context(), strings.Replace(plain.URL, "http:", "https:", 1), TLS{}), secret.Invalid, "does not speak TLS", true},
		{"closed", get(t, t.Context(), "http://"+closed.Addr().String(), TLS{}), secret.Unavailable, "connection refused", true},
		{"closed proxy", throughProxy(t, closed.Addr().String()), secret.Unavailable, "HTTPS_PROXY", true},
		{"slow to connect", &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}, secret.Unavailable, "no answer in time", true},
		{"slow", get(t, soon, plain.URL+"/slow", TLS{}), secret.Unavailable, "no answer in time", false},
		{"interrupted", get(t, over, plain.URL+"/", TLS{}), secret.Unavailable, "interrupted", false},
		{"short", get(t, t.Context(), plain.URL+"/short", TLS{}), secret.Unavailable, "broke off", false},
		{"long", get(t, t.Context(), plain.URL+"/long", TLS{}), secret.Corrupt, "longer than 16777216 bytes", false},
		{"loop", get(t, t.Context(), plain.URL+"/loop", TLS{}), secret.Invalid, "tacit itself", false},
		{"unknown host", fmt.Errorf("wrapped: %w", &net.DNSError{Name: "nowhere.example", IsNotFound: true}), secret.Unavailable, "nowhere.example", true},
		{"else", errors.New("canary"), secret.Unavailable, "no answer", false},
	} {
		kind, text := Failure(c.err)
		if c.err == nil || kind != c.kind || !strings.Contains(text, c.says) || strings.Contains(text, "canary") {
			t.Errorf("%s: %v is %s: %q", c.what, c.err, kind.Error(), text)
		}
		if Unsent(c.err) != c.unsent {
			t.Errorf("%s: unsent is %v", c.what, !c.unsent)
		}
	}
}
