package wire

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// TestAbuseAnswers: no answer takes more than it may, however it is packed.
func TestAbuseAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		proto  bool // HTTP/2
		answer http.HandlerFunc
		read   bool // the headers are taken, the body is not
	}{
		"headers-of-megabytes":        {false, headers, false},
		"headers-of-megabytes-http-2": {true, headers, false},
		"body-that-unpacks-for-ever":  {false, packed, true},
		"body-without-end":            {false, endless, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(tt.answer)
			s.EnableHTTP2 = tt.proto
			s.StartTLS()
			defer s.Close()
			rt, err := NewTransport(TLS{})
			if err != nil {
				t.Fatal(err)
			}
			own := rt.(*transport)
			own.next.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
			defer own.CloseIdleConnections()
			resp, err := Client(rt).Get(s.URL)
			if (err == nil) != tt.read {
				t.Fatalf("the answer is taken: %v", err)
			}
			if err != nil {
				return
			}
			defer func() { _ = resp.Body.Close() }()
			if n, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, ErrTooLong) || n > MaxBodyBytes {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
}

func headers(w http.ResponseWriter, _ *http.Request) {
	for range 4 {
		w.Header().Add("X-Long", strings.Repeat("x", maxHeaderBytes/2))
	}
}

func packed(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	zeros := make([]byte, 1<<20)
	for range 2 * MaxBodyBytes >> 20 {
		if _, err := z.Write(zeros); err != nil {
			return
		}
	}
	_ = z.Close()
}

func endless(w http.ResponseWriter, _ *http.Request) {
	zeros := make([]byte, 1<<20)
	for range 2 * MaxBodyBytes >> 20 {
		if _, err := w.Write(zeros); err != nil {
			return
		}
	}
}

// TestAbuseEndlessFiles: settings that name a file without an end as one of
// certificates fail, and do not fill the memory.
func TestAbuseEndlessFiles(t *testing.T) {
	const zeros = "/dev/zero"
	if _, err := os.Stat(zeros); err != nil {
		t.Skip("SKIPPED: no endless file here: ", err)
	}
	for what, settings := range map[string]TLS{
		"authorities":        {CACert: zeros},
		"client certificate": {ClientCert: zeros, ClientKey: zeros},
	} {
		if _, err := NewTransport(settings); secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), "/dev/zero: is larger than") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
