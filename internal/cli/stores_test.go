package cli

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/backend/awssm"
	"github.com/tacit-secrets/tacit/backend/azurekv"
	"github.com/tacit-secrets/tacit/backend/backendtest/fault"
	"github.com/tacit-secrets/tacit/backend/vault"
	"github.com/tacit-secrets/tacit/internal/config"
)

// A store is one that make test-stores starts, or the embedded one.
type store struct {
	name    string // as in the names of environments
	label   string // as people say it
	backend string
	lines   []string // of its table in tacit.toml, without prefix and address
	address string
	caCert  string
	env     []string // how the user's shell lets tacit sign in

	data                       func(r *http.Request) bool // requests about secrets
	throttled, denied, expired fault.Answer               // how it says so
	refused                    string                     // a name that it does not take
	most                       int                        // bytes of a value
	other                      []string                   // lines that lead to a place that there is not
}

// elsewhere is the store at a place that there is not.
func (s store) elsewhere() store {
	for _, l := range s.other {
		if address, ok := strings.CutPrefix(l, "address "); ok {
			s.address, s.caCert = address, ""
			return s
		}
	}
	s.lines = s.other
	return s
}

// table is an environment over the store.
func (s store) table(env, prefix string) string {
	lines := append([]string{"[env." + env + "]", fmt.Sprintf("backend = %q", s.backend), fmt.Sprintf("prefix = %q", prefix)}, s.lines...)
	if s.address != "" {
		lines = append(lines, fmt.Sprintf("address = %q", s.address))
	}
	if s.caCert != "" {
		lines = append(lines, fmt.Sprintf("ca_cert = %q", s.caCert))
	}
	return strings.Join(lines, "\n") + "\n"
}

// theStores are the embedded one and those that were started. Where none was,
// the test is skipped; where all are required, a missing one is an error.
func theStores(t *testing.T) []store {
	t.Helper()
	all := []store{{name: "local", label: "embedded", backend: "local"}}
	for _, s := range []store{vaultStore(), awsStore(), azureStore()} {
		switch {
		case s.address != "":
			all = append(all, s)
		case os.Getenv("TACIT_TEST_STORES") == "required":
			t.Fatalf("%s was not started", s.label)
		}
	}
	if len(all) == 1 {
		t.Skip("no store was started: make test-stores starts them")
	}
	return all
}

func vaultStore() store {
	return store{
		name: "vault", label: "OpenBao", backend: "vault", address: os.Getenv("TACIT_TEST_VAULT_ADDR"),
		env:       []string{"VAULT_TOKEN=" + os.Getenv("TACIT_TEST_VAULT_TOKEN")},
		data:      func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1/secret/") },
		throttled: fault.JSON(429, `{"errors":["request path \"secret\": rate limit quota exceeded"]}`).With("Retry-After", "1"),
		denied:    fault.JSON(403, `{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`),
		refused:   "app/no\u00a0break", most: vault.MaxValueBytes,
		other: []string{`mount = "nosuch"`},
	}
}

func awsStore() store {
	return store{
		name: "aws", label: "moto", backend: "awssm", address: os.Getenv("TACIT_TEST_AWS_ENDPOINT"),
		lines:     []string{`region = "eu-west-1"`},
		env:       []string{"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true"},
		data:      func(*http.Request) bool { return true },
		throttled: awsSays("ThrottlingException", "Rate exceeded"),
		denied:    awsSays("AccessDeniedException", "User: arn:aws:iam::123456789012:user/mia is not authorized to perform this action"),
		expired:   awsSays("ExpiredTokenException", "The security token included in the request is expired"),
		refused:   "app/with space", most: awssm.MaxValueBytes,
		other: []string{`region = "us-west-2"`},
	}
}

func azureStore() store {
	return store{
		name: "azure", label: "Key Vault", backend: "azurekv", address: os.Getenv("TACIT_TEST_AZURE_ADDR"), caCert: os.Getenv("TACIT_TEST_AZURE_CACERT"),
		env: []string{
			"AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential",
			"IDENTITY_ENDPOINT=" + os.Getenv("TACIT_TEST_AZURE_IDENTITY_ENDPOINT"), "IDENTITY_HEADER=" + os.Getenv("TACIT_TEST_AZURE_IDENTITY_HEADER"),
		},
		data:      func(r *http.Request) bool { return r.Header.Get("Authorization") != "" },
		throttled: azureSays(429, "Throttled", "The request was not processed because too many requests were received.").With("Retry-After", "1"),
		denied:    azureSays(403, "Forbidden", "The user, group or application does not have secrets get permission on key vault"),
		expired: azureSays(401, "Unauthorized", "AKV10035: Token is expired.").
			With("WWW-Authenticate", `Bearer realm="", authorization_uri="https://login.example/common", error="insufficient_claims", claims="e30="`),
		refused: "", most: azurekv.MaxValueBytes,
		other: []string{"address https://no-such-vault.invalid"},
	}
}

func awsSays(code, message string) fault.Answer {
	a := fault.JSON(400, `{"__type":"`+code+`","message":"`+message+`"}`)
	return a.With("Content-Type", "application/x-amz-json-1.1")
}

func azureSays(status int, code, message string) fault.Answer {
	return fault.JSON(status, `{"error":{"code":"`+code+`","message":"`+message+`"}}`)
}

// unique is part of what a test stores, so that it meets nothing of another.
func unique(t *testing.T) string {
	t.Helper()
	b := make([]byte, 4)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return "t" + hex.EncodeToString(b)
}

// storeWorld is a project whose environments lie in stores: which table each
// has, by its name.
func storeWorld(t *testing.T, stores []store, tables map[string]string) *world {
	t.Helper()
	w := newWorld(t)
	for _, s := range stores {
		w.env = append(w.env, s.env...)
	}
	text := "default_env = \"dev\"\n[env.dev]\n[env.staging]\n"
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		text += tables[name]
	}
	if err := os.WriteFile(filepath.Join(w.project, config.FileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.tacit(t, nil, "trust", "--yes")
	return w
}
