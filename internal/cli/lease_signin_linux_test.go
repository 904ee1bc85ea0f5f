package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/internal/config"
)

// answer is ask with what the store says.
func (d *database) answer(method, path string, data any) {
	d.t.Helper()
	r, err := http.NewRequest(method, d.vault+"/v1/"+path, bytes.NewReader([]byte("{}")))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", d.root)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(text, &struct{ Data any }{data}) != nil {
		d.t.Fatalf("%s %s: %d, %v", method, path, resp.StatusCode, err)
	}
}

// A token that tacit made by signing in dies with the command, unless a lease
// lives with it that a person holds.
func TestStoresLeaseWithASignIn(t *testing.T) {
	d := newDatabase(t, "10m", "1h")
	role := d.mount + "-approle"
	rules := fmt.Sprintf(`path %q { capabilities = ["read"] } path "sys/leases/+" { capabilities = ["update"] }`, d.mount+"/creds/app")
	d.ask(http.MethodPut, "sys/policies/acl/"+role, map[string]any{"policy": rules})
	d.ask(http.MethodPost, "sys/auth/"+role, map[string]any{"type": "approle"})
	t.Cleanup(func() { d.ask(http.MethodDelete, "sys/auth/"+role, nil) })
	d.ask(http.MethodPost, "auth/"+role+"/role/ci", map[string]any{"token_policies": role, "token_ttl": "20m"})
	var id struct {
		Role   string `json:"role_id"`
		Secret string `json:"secret_id"`
	}
	d.answer(http.MethodGet, "auth/"+role+"/role/ci/role-id", &id)
	d.answer(http.MethodPost, "auth/"+role+"/role/ci/secret-id", &id)

	path := filepath.Join(d.project, config.FileName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, fmt.Sprintf("[env.prod.auth]\nmethod = \"approle\"\nmount = %q\n", role)...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	d.env = append(d.env, "VAULT_TOKEN=", "VAULT_ROLE_ID="+id.Role, "VAULT_SECRET_ID="+id.Secret)
	d.tacit(t, nil, "trust", "--yes")

	out := strings.Fields(string(d.tacit(t, nil, "run", "--no-redact", "--", "sh", "-c", `echo "$DB_USER $DB_PASSWORD"`)))
	if len(out) != 2 || d.works(credential{out[0], out[1]}) {
		t.Errorf("told %d words", len(out))
	}
	if n := d.tokens(role); n != 0 {
		t.Errorf("%d tokens are left of a run", n)
	}
	var c struct{ Username, Password string }
	if err := json.Unmarshal(d.tacit(t, nil, "lease", "issue", "prod:"+d.mount+"/creds/app"), &c); err != nil || !d.works(credential{c.Username, c.Password}) {
		t.Fatalf("the credential died with the command that issued it: %v", err)
	}
	d.tacit(t, nil, "lease", "revoke", "--all", "--yes")
	if d.works(credential{c.Username, c.Password}) {
		t.Error("it works after it was revoked")
	}
	if n := d.tokens(role); n != 1 { // the one that the lease lived with
		t.Errorf("%d tokens are left", n)
	}
}

// tokens counts those that a policy's sign-ins made and that live.
func (d *database) tokens(policy string) int {
	d.t.Helper()
	var all struct{ Keys []string }
	d.answer("LIST", "auth/token/accessors", &all)
	n := 0
	for _, accessor := range all.Keys {
		text, err := json.Marshal(map[string]string{"accessor": accessor})
		if err != nil {
			d.t.Fatal(err)
		}
		r, err := http.NewRequest(http.MethodPost, d.vault+"/v1/auth/token/lookup-accessor", bytes.NewReader(text))
		if err != nil {
			d.t.Fatal(err)
		}
		r.Header.Set("X-Vault-Token", d.root)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			d.t.Fatal(err)
		}
		said, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if bytes.Contains(said, []byte(policy)) {
			n++
		}
	}
	return n
}
