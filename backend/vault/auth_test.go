package vault

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// hidden stands in every credential that a test makes up, and in no error.
const hidden = "hidden-4c1d"

func unique() string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return "t" + hex.EncodeToString(b[:])
}

// method mounts a method of signing in at a path of its own.
func (s server) method(t testing.TB, kind string) string {
	t.Helper()
	path := unique() + "/" + kind // a mount may hold "/"
	s.must(t, http.MethodPost, "sys/auth/"+path, map[string]any{"type": kind})
	t.Cleanup(func() {
		_, _ = s.admin(t).do(context.Background(), request{method: http.MethodDelete, path: "sys/auth/" + path})
	})
	return path
}

// policy lets a name of the mount secret/ be read, and returns how it is called.
func (s server) readable(t testing.TB, name string) (policy string) {
	t.Helper()
	policy = unique()
	s.must(t, http.MethodPost, "secret/data/"+name, map[string]any{"data": map[string]any{"password": "x"}})
	s.must(t, http.MethodPut, "sys/policies/acl/"+policy, map[string]any{
		"policy": `path "secret/data/` + name + `" { capabilities = ["read"] } path "secret/metadata/` + name + `" { capabilities = ["read"] }`,
	})
	return policy
}

// signedIn is a backend over the mount secret/ that signs in by a.
func (s server) signedIn(t testing.TB, a Auth) *Backend {
	t.Helper()
	b, err := New(Settings{Address: s.address, Auth: a})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// mustRead fails a test unless a name can be read.
func mustRead(t testing.TB, b *Backend, name secret.Name) {
	t.Helper()
	if v, err := b.Get(t.Context(), name, secret.At{}); err != nil || !strings.Contains(string(v.Value.Reveal()), "password") {
		t.Fatalf("read %v, %v", v.Number, err)
	}
}

// refuses fails a test unless signing in is refused, in words that help and
// hide.
func refusesSignIn(t testing.TB, b *Backend, words ...string) {
	t.Helper()
	_, err := b.Get(t.Context(), "app/db", secret.At{})
	if !errors.Is(err, secret.Unauthenticated) || !strings.Contains(err.Error(), "\n  ") {
		t.Errorf("got %v", err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q lacks %q", err, w)
		}
	}
	if strings.Contains(err.Error(), hidden) {
		t.Errorf("it tells a credential: %v", err)
	}
}

func TestApprole(t *testing.T) {
	s := theServer(t)
	mount, policy := s.method(t, "approle"), s.readable(t, "auth/approle")
	role := func(name string, more map[string]any) string {
		body := map[string]any{"token_policies": policy}
		for k, v := range more {
			body[k] = v
		}
		s.must(t, http.MethodPost, "auth/"+mount+"/role/"+name, body)
		var id struct {
			ID string `json:"role_id"`
		}
		decode(t, s.must(t, http.MethodGet, "auth/"+mount+"/role/"+name+"/role-id", nil), &id)
		return id.ID
	}
	secretID := func(name string) string {
		var id struct {
			ID string `json:"secret_id"`
		}
		decode(t, s.must(t, http.MethodPost, "auth/"+mount+"/role/"+name+"/secret-id", map[string]any{}), &id)
		return id.ID
	}
	app, open := role("app", nil), role("open", map[string]any{"bind_secret_id": false, "secret_id_bound_cidrs": nil, "token_bound_cidrs": "127.0.0.0/8"})

	mustRead(t, s.signedIn(t, Auth{Method: "approle", Mount: mount, RoleID: app, SecretID: secret.Text(secretID("app"))}), "auth/approle")
	file := filepath.Join(t.TempDir(), "id")
	if err := os.WriteFile(file, []byte(secretID("app")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRead(t, s.signedIn(t, Auth{Method: "approle", Mount: mount, RoleID: app, SecretIDFile: file}), "auth/approle")
	mustRead(t, s.signedIn(t, Auth{Method: "approle", Mount: mount, RoleID: open}), "auth/approle")
	refusesSignIn(t, s.signedIn(t, Auth{Method: "approle", Mount: mount, RoleID: app, SecretID: secret.Text(hidden)}), mount, "audit log")
	refusesSignIn(t, s.signedIn(t, Auth{Method: "approle", Mount: mount, RoleID: app, SecretIDFile: file + "-none"}))

	b := s.signedIn(t, Auth{Method: "approle", Mount: "nowhere", RoleID: app})
	if _, err := b.Get(t.Context(), "app/db", secret.At{}); !errors.Is(err, secret.Invalid) && !errors.Is(err, secret.Unauthenticated) {
		t.Errorf("no such method: %v", err)
	}

	t.Run("wrapped", func(t *testing.T) {
		wrap := func(path string) string { return s.wrapped(t, http.MethodPost, path) }
		id := wrap("auth/" + mount + "/role/app/secret-id")
		a := Auth{Method: "approle", Mount: mount, RoleID: app, SecretID: secret.Text(id), Wrapped: true}
		b := s.signedIn(t, a)
		mustRead(t, b, "auth/approle")
		s.revoke(t, b) // signing in again does not open the wrapping again
		mustRead(t, b, "auth/approle")
		refusesSignIn(t, s.signedIn(t, a), "opened already", "secret-id-accessor/destroy")
		// A wrapping that was made elsewhere is not opened.
		foreign := wrap("auth/token/create")
		a.SecretID = secret.Text(foreign)
		refusesSignIn(t, s.signedIn(t, a), "was not opened")
		if got := s.call(t, http.MethodPost, "sys/wrapping/lookup", map[string]string{"token": foreign}); !got.ok() {
			t.Error("the foreign wrapping was opened")
		}
	})
}

func decode(t testing.TB, got *answer, data any) {
	t.Helper()
	if err := json.Unmarshal(got.Data, data); err != nil {
		t.Fatal(err)
	}
}

// wrapped makes a request whose answer is wrapped, and returns its token.
func (s server) wrapped(t testing.TB, method, path string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.address+"/v1/"+path, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", s.token)
	r.Header.Set("X-Vault-Wrap-TTL", "60")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var told struct {
		Wrap struct {
			Token string `json:"token"`
		} `json:"wrap_info"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&told); err != nil || told.Wrap.Token == "" {
		t.Fatalf("%d, %v", resp.StatusCode, err)
	}
	return told.Wrap.Token
}

// revoke ends the token that a backend uses.
func (s server) revoke(t testing.TB, b *Backend) {
	t.Helper()
	s.must(t, http.MethodPost, "auth/token/revoke", map[string]string{"token": b.session.signed.token})
}

func TestUserpass(t *testing.T) {
	s := theServer(t)
	mount, policy := s.method(t, "userpass"), s.readable(t, "auth/userpass")
	s.must(t, http.MethodPost, "auth/"+mount+"/users/mia.smith", map[string]any{"password": hidden, "token_policies": policy})
	a := Auth{Method: "userpass", Mount: mount, Username: "mia.smith", Password: secret.Text(hidden)}
	b := s.signedIn(t, a)
	mustRead(t, b, "auth/userpass")
	s.revoke(t, b)
	mustRead(t, b, "auth/userpass")
	a.Password = secret.Text(hidden + "-wrong")
	refusesSignIn(t, s.signedIn(t, a), "password", mount)
	a.Username = "nobody"
	refusesSignIn(t, s.signedIn(t, a))
}

// identity makes tokens of an issuer of the test's own.
type identity struct{ key *ecdsa.PrivateKey }

func newIdentity(t testing.TB) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return identity{key}
}

func (i identity) public(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&i.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (i identity) token(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	all := jwt.MapClaims{"iss": "https://issuer.example", "sub": "repo:acme/app", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
	for k, v := range claims {
		all[k] = v
	}
	out, err := jwt.NewWithClaims(jwt.SigningMethodES256, all).SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestJWT(t *testing.T) {
	s := theServer(t)
	mount, policy, issuer := s.method(t, "jwt"), s.readable(t, "auth/jwt"), newIdentity(t)
	s.must(t, http.MethodPost, "auth/"+mount+"/config", map[string]any{"jwt_validation_pubkeys": []string{issuer.public(t)}, "bound_issuer": "https://issuer.example", "default_role": "ci"})
	s.must(t, http.MethodPost, "auth/"+mount+"/role/ci", map[string]any{
		"role_type": "jwt", "user_claim": "sub", "bound_audiences": []string{"https://vault.example"}, "bound_subject": "repo:acme/app", "token_policies": policy,
	})
	good := jwt.MapClaims{"aud": "https://vault.example"}
	a := Auth{Method: "jwt", Mount: mount, Role: "ci", JWT: secret.Text(issuer.token(t, good))}
	mustRead(t, s.signedIn(t, a), "auth/jwt")
	a.Role = "" // the method has a role of its own
	mustRead(t, s.signedIn(t, a), "auth/jwt")
	for what, token := range map[string]string{
		"another audience": issuer.token(t, jwt.MapClaims{"aud": "https://other.example"}),
		"another subject":  issuer.token(t, jwt.MapClaims{"aud": "https://vault.example", "sub": "repo:evil/app"}),
		"it ended":         issuer.token(t, jwt.MapClaims{"aud": "https://vault.example", "exp": time.Now().Add(-time.Hour).Unix()}),
		"another key":      newIdentity(t).token(t, good),
		"no token":         hidden,
	} {
		t.Run(what, func(t *testing.T) {
			a := a
			a.JWT = secret.Text(token)
			refusesSignIn(t, s.signedIn(t, a), "identity token")
		})
	}
	t.Run("file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		write := func(token string) {
			if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(issuer.token(t, good))
		b := s.signedIn(t, Auth{Method: "jwt", Mount: mount, JWTFile: file})
		mustRead(t, b, "auth/jwt")
		s.revoke(t, b)
		write(hidden) // it is read at each sign-in
		refusesSignIn(t, b)
		write(issuer.token(t, good))
		mustRead(t, b, "auth/jwt")
	})
	t.Run("github", func(t *testing.T) { s.tryGitHub(t, mount, issuer) })
}

// tryGitHub signs in with the token that a job of GitHub Actions asks for: from
// a server that looks at who asks, and for whom.
func (s server) tryGitHub(t *testing.T, mount string, issuer identity) {
	asked := 0
	github := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.Header.Get("Authorization") != "Bearer "+hidden || r.URL.Query().Get("api-version") != "2.0" || r.Method != http.MethodGet {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		aud := r.URL.Query().Get("audience")
		if aud == "" {
			aud = "https://github.com/acme" // what GitHub itself says then
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"count": 1, "value": issuer.token(t, jwt.MapClaims{"aud": aud})})
	}))
	defer github.Close()
	a := Auth{Method: "jwt", Mount: mount, GitHub: wire.GitHub{URL: github.URL + "/token?api-version=2.0", Token: secret.Text(hidden), Audience: "https://vault.example"}}
	b := s.signedIn(t, a)
	mustRead(t, b, "auth/jwt")
	s.revoke(t, b)
	mustRead(t, b, "auth/jwt")
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
	for what, change := range map[string]func(*Auth){
		"no audience":      func(a *Auth) { a.GitHub.Audience = "" },
		"another audience": func(a *Auth) { a.GitHub.Audience = "https://other.example" },
		"another job":      func(a *Auth) { a.GitHub.Token = secret.Text(hidden + "x") },
	} {
		t.Run(what, func(t *testing.T) {
			a := a
			change(&a)
			refusesSignIn(t, s.signedIn(t, a))
		})
	}
	for _, address := range []string{"http://github.example/token", "ftp://x/", "https://user:" + hidden + "@x/", "x"} {
		a.GitHub.URL = address
		if _, err := New(Settings{Address: s.address, Auth: a}); !errors.Is(err, secret.Invalid) || strings.Contains(err.Error(), hidden) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestKubernetes signs in with the token of a service account, which the store
// has a Kubernetes look at.
func TestKubernetes(t *testing.T) {
	s := theServer(t)
	mount, policy, issuer := s.method(t, "kubernetes"), s.readable(t, "auth/kubernetes"), newIdentity(t)
	account := jwt.MapClaims{
		"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:prod:app", "aud": []string{"https://kubernetes.default.svc"},
		"kubernetes.io": map[string]any{"namespace": "prod", "serviceaccount": map[string]any{"name": "app", "uid": "u-1"}},
	}
	first, second := issuer.token(t, account), issuer.token(t, account)
	reviewed := map[string]int{}
	kubernetes := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct {
			Spec struct {
				Token string `json:"token"`
			} `json:"spec"`
		}
		if r.URL.Path != "/apis/authentication.k8s.io/v1/tokenreviews" || json.NewDecoder(r.Body).Decode(&review) != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		reviewed[review.Spec.Token]++
		known := review.Spec.Token == first || review.Spec.Token == second
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": map[string]any{
			"authenticated": known, "audiences": []string{"https://kubernetes.default.svc"}, "user": map[string]any{"username": "system:serviceaccount:prod:app", "uid": "u-1", "groups": []string{"system:serviceaccounts"}},
		}})
	}))
	defer kubernetes.Close()
	s.must(t, http.MethodPost, "auth/"+mount+"/config", map[string]any{"kubernetes_host": kubernetes.URL, "kubernetes_ca_cert": certificate(kubernetes.Certificate()), "disable_local_ca_jwt": true, "token_reviewer_jwt": first})
	s.must(t, http.MethodPost, "auth/"+mount+"/role/app", map[string]any{
		"bound_service_account_names": "app", "bound_service_account_namespaces": "prod", "token_policies": policy,
	})
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(first)
	b := s.signedIn(t, Auth{Method: "kubernetes", Mount: mount, Role: "app", JWTFile: file})
	mustRead(t, b, "auth/kubernetes")
	s.revoke(t, b)
	write(second) // Kubernetes puts a new one there
	mustRead(t, b, "auth/kubernetes")
	if reviewed[first] != 1 || reviewed[second] != 1 {
		t.Errorf("reviewed %d and %d times", reviewed[first], reviewed[second])
	}
	write(issuer.token(t, jwt.MapClaims{"sub": "system:serviceaccount:dev:app"}))
	s.revoke(t, b)
	refusesSignIn(t, b, "service account")
	refusesSignIn(t, s.signedIn(t, Auth{Method: "kubernetes", Mount: mount, Role: "app"}), "/var/run/secrets")
}

func certificate(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// Settings that no method can sign in with are refused before anything is asked.
func TestWrongAuth(t *testing.T) {
	for what, a := range map[string]Auth{
		"no method":        {Method: "ldap"},
		"no role id":       {Method: "approle"},
		"nothing wrapped":  {Method: "approle", RoleID: "x", Wrapped: true},
		"no user":          {Method: "userpass", Password: secret.Text(hidden)},
		"user is a path":   {Method: "userpass", Username: "a/../b", Password: secret.Text(hidden)},
		"no role":          {Method: "kubernetes"},
		"no token":         {Method: "jwt"},
		"two tokens":       {Method: "jwt", JWT: secret.Text(hidden), JWTFile: "x"},
		"no certificate":   {Method: "cert"},
		"region is a host": {Method: "aws", Region: "x.evil.example/"},
		"mount climbs":     {Method: "approle", RoleID: "x", Mount: "../sys"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := New(Settings{Address: "http://127.0.0.1:1", Auth: a})
			if !errors.Is(err, secret.Invalid) || strings.Contains(err.Error(), hidden) {
				t.Errorf("got %v", err)
			}
		})
	}
}
