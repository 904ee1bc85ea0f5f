package cli

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
		env: []string{"VAULT_TOKEN=" + os.Getenv("TACIT_TEST_VAULT_TOKEN")},
	}
}

func awsStore() store {
	return store{
		name: "aws", label: "moto", backend: "awssm", address: os.Getenv("TACIT_TEST_AWS_ENDPOINT"),
		lines: []string{`region = "eu-west-1"`},
		env:   []string{"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true"},
	}
}

func azureStore() store {
	return store{
		name: "azure", label: "Key Vault", backend: "azurekv", address: os.Getenv("TACIT_TEST_AZURE_ADDR"), caCert: os.Getenv("TACIT_TEST_AZURE_CACERT"),
		env: []string{
			"AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential",
			"IDENTITY_ENDPOINT=" + os.Getenv("TACIT_TEST_AZURE_IDENTITY_ENDPOINT"), "IDENTITY_HEADER=" + os.Getenv("TACIT_TEST_AZURE_IDENTITY_HEADER"),
		},
	}
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
