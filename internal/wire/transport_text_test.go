package wire_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// The authorities may be given as a file or as the PEM text itself; a server
// that they do not vouch for is refused either way.
func TestAuthoritiesAsText(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	own := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	for text, ok := range map[string]bool{own: true, "\n" + own: true, "": false} {
		rt, err := wire.NewTransport(wire.TLS{CACert: text})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := wire.Client(rt).Get(s.URL)
		if err == nil {
			_ = answer.Body.Close()
		}
		if (err == nil) != ok {
			t.Errorf("with %d bytes of authorities: %v", len(text), err)
		}
	}
	if _, err := wire.NewTransport(wire.TLS{CACert: "-----BEGIN CERTIFICATE-----\nx"}); secret.KindOf(err) != secret.Invalid {
		t.Errorf("no certificate: %v", err)
	}
}
