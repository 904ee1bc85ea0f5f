package cli

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// A keyVault is an empty vault of a test's own, in the server that make
// test-stores starts.
type keyVault struct {
	Address, CA, Authority string
	Endpoint               string `json:"identity_endpoint"` // of a managed identity
	Header                 string `json:"identity_header"`
}

// newKeyVault asks for a vault; want may name a tenant, and an application with
// its federated credential.
func newKeyVault(t *testing.T, want map[string]string) keyVault {
	t.Helper()
	another := os.Getenv("TACIT_TEST_AZURE_NEW")
	if another == "" {
		why := "TACIT_TEST_AZURE_NEW is not set: make test-stores starts a Key Vault"
		if os.Getenv("TACIT_TEST_STORES") == "required" {
			t.Fatal(why)
		}
		t.Skip("SKIPPED: " + why)
	}
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var v keyVault
	askJSON(t, http.DefaultTransport, request(t, "POST", another, body), "", &v)
	return v
}

// set makes a version of a secret, as another client does.
func (v keyVault) set(t *testing.T, name, value string) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(v.CA))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	var token struct {
		Token string `json:"access_token"`
	}
	resource := "https://" + strings.TrimPrefix(v.Address, "https://127.")
	askJSON(t, transport, request(t, "GET", v.Endpoint+"?api-version=2019-08-01&resource="+resource, nil), "X-IDENTITY-HEADER: "+v.Header, &token)
	body, err := json.Marshal(map[string]string{"value": value})
	if err != nil {
		t.Fatal(err)
	}
	askJSON(t, transport, request(t, "PUT", v.Address+"/secrets/"+name+"?api-version=7.4", body), "Authorization: Bearer "+token.Token, &struct{}{})
}

// table is what tacit.toml says of the vault instead of its name in Azure.
func (v keyVault) table() string {
	return "address = \"" + v.Address + "\"\nauthority = \"" + v.Authority + "\"\nca_cert = '''\n" + v.CA + "'''\n"
}

func request(t *testing.T, method, url string, body []byte) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// askJSON asks with a header, "name: value", unless it is empty.
func askJSON(t *testing.T, transport http.RoundTripper, r *http.Request, header string, into any) {
	t.Helper()
	if name, value, ok := strings.Cut(header, ": "); ok {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := (&http.Client{Timeout: time.Minute, Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s", r.Method, r.URL.Redacted(), answer.Status)
	}
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}
