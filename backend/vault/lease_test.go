package vault

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// thePostgres skips a test where no PostgreSQL was started for tests.
func thePostgres(t testing.TB) *url.URL {
	t.Helper()
	text := os.Getenv("TACIT_TEST_POSTGRES")
	if text == "" {
		const why = "TACIT_TEST_POSTGRES is not set: make test-stores starts one"
		if os.Getenv("TACIT_TEST_STORES") == "required" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// database mounts the engine over PostgreSQL, with a role app, and returns the
// mount.
func (s server) database(t testing.TB, pg *url.URL, ttl, most string) string {
	t.Helper()
	mount := unique() + "/db"
	s.must(t, http.MethodPost, "sys/mounts/"+mount, map[string]any{"type": "database"})
	t.Cleanup(func() {
		_, _ = s.admin(t).do(context.Background(), request{method: http.MethodDelete, path: "sys/mounts/" + mount})
	})
	password, _ := pg.User.Password()
	s.must(t, http.MethodPost, mount+"/config/pg", map[string]any{
		"plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "username": pg.User.Username(), "password": password,
		"connection_url": "postgresql://{{username}}:{{password}}@" + pg.Host + pg.Path + "?sslmode=disable", "password_authentication": "scram-sha-256",
	})
	s.must(t, http.MethodPost, mount+"/roles/app", map[string]any{
		"db_name": "pg", "default_ttl": ttl, "max_ttl": most,
		"creation_statements": []string{`CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`},
	})
	return mount
}

// login connects to PostgreSQL with what was issued.
func login(t testing.TB, pg *url.URL, v secret.Value) error {
	t.Helper()
	var c struct{ Username, Password string }
	if err := json.Unmarshal(v.Reveal(), &c); err != nil || c.Username == "" || c.Password == "" {
		t.Fatalf("what was issued has no username and password: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "psql", "-h", pg.Hostname(), "-p", pg.Port(), "-U", c.Username, "-d", strings.TrimPrefix(pg.Path, "/"), "-Atc", "select 6 * 7")
	cmd.Env = append(os.Environ(), "PGPASSWORD="+c.Password, "PGCONNECT_TIMEOUT=10")
	out, err := cmd.CombinedOutput()
	if err == nil && strings.TrimSpace(string(out)) != "42" {
		t.Fatalf("psql says %q", out)
	}
	if err != nil {
		return errors.New(string(out))
	}
	return nil
}

func TestDatabaseLease(t *testing.T) {
	s, pg := theServer(t), thePostgres(t)
	mount := s.database(t, pg, "10m", "1h")
	b := s.admin(t)
	name := secret.Name(mount + "/creds/app")
	l, err := b.Issue(t.Context(), name, 0)
	if err != nil || l.Name != name || !strings.HasPrefix(l.ID, string(name)+"/") || !l.Renewable {
		t.Fatalf("issued %+v, %v", l, err)
	}
	if left := time.Until(l.Expires); left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("ends in %s", left)
	}
	if err := login(t, pg, l.Value); err != nil {
		t.Fatalf("the credential does not work: %v", err)
	}
	r, err := b.Renew(t.Context(), l.ID, 30*time.Minute)
	if err != nil || !r.Expires.After(l.Expires) || !r.Value.IsZero() {
		t.Errorf("renewed %+v, %v", r, err)
	}
	most, err := b.Renew(t.Context(), l.ID, 5*time.Hour)
	if left := time.Until(most.Expires); err != nil || left > time.Hour {
		t.Errorf("renewed beyond its limit: %s, %v", left, err)
	}
	if err := b.Revoke(t.Context(), l.ID); err != nil {
		t.Fatal(err)
	}
	if err := login(t, pg, l.Value); err == nil || !strings.Contains(err.Error(), "password authentication failed") {
		t.Errorf("the credential works after it was revoked: %v", err)
	}
	if err := b.Revoke(t.Context(), l.ID); err != nil {
		t.Errorf("again: %v", err)
	}
	if _, err := b.Renew(t.Context(), l.ID, 0); !errors.Is(err, secret.NotFound) {
		t.Errorf("renewed what ended: %v", err)
	}
	if _, err := b.Issue(t.Context(), secret.Name(mount+"/creds/none"), 0); !errors.Is(err, secret.NotFound) || !strings.Contains(err.Error(), "vault list "+mount+"/roles") {
		t.Errorf("no such role: %v", err)
	}
}

func TestStaticCredential(t *testing.T) {
	s, pg := theServer(t), thePostgres(t)
	mount := s.database(t, pg, "10m", "1h")
	user := unique()
	sql := exec.CommandContext(t.Context(), "psql", pg.String(), "-c", "CREATE ROLE "+user+" LOGIN PASSWORD 'x'")
	if out, err := sql.CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	s.must(t, http.MethodPost, mount+"/static-roles/fixed", map[string]any{"db_name": "pg", "username": user, "rotation_period": "1h"})
	l, err := s.admin(t).Issue(t.Context(), secret.Name(mount+"/static-creds/fixed"), 0)
	if err != nil || l.ID != "" || l.Renewable || time.Until(l.Expires) > time.Hour || time.Until(l.Expires) < 50*time.Minute {
		t.Fatalf("issued %+v, %v", l, err)
	}
	if err := login(t, pg, l.Value); err != nil {
		t.Errorf("the credential does not work: %v", err)
	}
}

func TestCertificate(t *testing.T) {
	s := theServer(t)
	mount := unique() + "/pki"
	s.must(t, http.MethodPost, "sys/mounts/"+mount, map[string]any{"type": "pki"})
	t.Cleanup(func() {
		_, _ = s.admin(t).do(context.Background(), request{method: http.MethodDelete, path: "sys/mounts/" + mount})
	})
	s.must(t, http.MethodPost, mount+"/root/generate/internal", map[string]any{"common_name": "test", "ttl": "24h"})
	s.must(t, http.MethodPost, mount+"/roles/web", map[string]any{"allowed_domains": "example.com", "allow_subdomains": true, "ttl": "1h", "max_ttl": "2h"})
	s.must(t, http.MethodPost, mount+"/roles/leased", map[string]any{"allow_any_name": true, "ttl": "1h", "generate_lease": true})
	b := s.admin(t)
	l, err := b.Issue(t.Context(), secret.Name(mount+"/issue/web?common_name=www.example.com&alt_names=a.example.com"), 30*time.Minute)
	if err != nil || l.ID != "" || l.Renewable {
		t.Fatalf("issued %+v, %v", l, err)
	}
	if left := time.Until(l.Expires); left < 28*time.Minute || left > 30*time.Minute {
		t.Errorf("ends in %s", left)
	}
	var c struct {
		Certificate string `json:"certificate"`
		Key         string `json:"private_key"`
	}
	if json.Unmarshal(l.Value.Reveal(), &c) != nil || !strings.HasPrefix(c.Certificate, "-----BEGIN CERTIFICATE") || !strings.Contains(c.Key, "PRIVATE KEY") {
		t.Error("no certificate")
	}
	if l, err = b.Issue(t.Context(), secret.Name(mount+"/issue/leased?common_name=x"), 0); err != nil || l.ID == "" || l.Renewable {
		t.Fatalf("issued %+v, %v", l, err)
	}
	if err := b.Revoke(t.Context(), l.ID); err != nil {
		t.Error(err)
	}
	for name, kind := range map[string]secret.Kind{
		"/issue/web?common_name=evil.org":        secret.Invalid,
		"/issue/none?common_name=x":              secret.NotFound,
		"/issue/web?common_name=a&common_name=b": secret.Invalid,
		"/issue/web?%zz":                         secret.Invalid,
		"/cert/ca":                               secret.Unsupported,
	} {
		if l, err := b.Issue(t.Context(), secret.Name(mount+name), 0); !errors.Is(err, kind) || !l.Value.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIssueReadsNoSecrets: what a KV engine keeps, or the store's own things,
// is not had under the verb issue.
func TestIssueReadsNoSecrets(t *testing.T) {
	s := theServer(t)
	s.readable(t, "lease/kept")
	keys := unique()
	s.must(t, http.MethodPost, "sys/mounts/"+keys, map[string]any{"type": "transit"})
	t.Cleanup(func() {
		_, _ = s.admin(t).do(context.Background(), request{method: http.MethodDelete, path: "sys/mounts/" + keys})
	})
	s.must(t, http.MethodPost, keys+"/keys/k", map[string]any{"exportable": true})
	b := s.admin(t)
	for _, name := range []secret.Name{
		"secret/data/lease/kept", "secret/lease/kept", "cubbyhole/x", "sys/policies/acl/default", "sys/audit", "identity/entity/id", "auth/token/lookup-self",
		secret.Name(keys) + "/export/encryption-key/k", "auth/token/create", "sys/raw/x",
	} {
		l, err := b.Issue(t.Context(), name, 0)
		if !l.Value.IsZero() || !errors.Is(err, secret.Unsupported) && !errors.Is(err, secret.NotFound) && !errors.Is(err, secret.Invalid) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
}

// FuzzIssuing: whatever a name is, what is asked for lies below the mount that
// was told, and its parameters stay parameters.
func FuzzIssuing(f *testing.F) {
	for _, s := range []string{"database/creds/app", "pki/issue/web?common_name=a.example.com", "database/../sys/audit", "database/creds/a?ttl=1s&ttl=2s", "database/creds/%2e%2e/x", "database/creds/a#b", "database?x", "sys/audit"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := secret.Name(s)
		if n.Check() != nil {
			return
		}
		c := newClockwork(time.Hour, time.Hour)
		b := c.open(t, Auth{Token: secret.Text(c.make())})
		r, err := b.issuing(t.Context(), n, time.Minute)
		if err != nil {
			if secret.KindOf(err) == 0 {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		path, _, _ := strings.Cut(s, "?")
		var params map[string]string
		if r.path != path || !strings.HasPrefix(r.path, "database/") || strings.Contains(r.path, "..") || r.body != nil && json.Unmarshal(r.body, &params) != nil {
			t.Fatalf("%q asks for %q with %s", s, r.path, r.body)
		}
	})
}
