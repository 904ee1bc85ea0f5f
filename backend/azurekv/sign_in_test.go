package azurekv

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/azurekv/internal/azurewire"
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

const (
	tenant  = "3f9c1d62-7b1e-4c55-9d0e-0f4a5b6c7d8e"
	another = "a0b1c2d3-7b1e-4c55-9d0e-0f4a5b6c7d8e"
)

// one puts and gets a secret.
func one(t *testing.T, b *Backend) error {
	t.Helper()
	if _, err := b.Put(t.Context(), "claude/api", secret.Text("one"), nil); err != nil {
		return err
	}
	v, err := b.Get(t.Context(), "claude/api", secret.At{})
	if err == nil && string(v.Value.Reveal()) != "one" {
		t.Errorf("another value")
	}
	return err
}

// TestColdStart: of callers that come at once, one brings the challenge and the
// token.
func TestColdStart(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	if err := one(t, opened(t, settings, quick())); err != nil {
		t.Fatal(err)
	}
	challenges, tokens := server.Count("challenge"), server.Count("token")
	b := opened(t, settings, quick())
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if _, err := b.Get(t.Context(), "claude/api", secret.At{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if c, k := server.Count("challenge")-challenges, server.Count("token")-tokens; c != 1 || k != 1 {
		t.Errorf("%d challenges, %d tokens", c, k)
	}
}

// TestWarm: with a token, callers do not wait for each other.
func TestWarm(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	if err := one(t, b); err != nil {
		t.Fatal(err)
	}
	const callers = 8
	met := make(chan struct{}, callers)
	all := make(chan struct{})
	server.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		met <- struct{}{}
		select {
		case <-all:
		case <-r.Context().Done():
		}
		return false
	})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if _, err := b.Get(t.Context(), "claude/api", secret.At{}); err != nil {
				t.Error(err)
			}
		})
	}
	for range callers {
		select {
		case <-met:
		case <-time.After(20 * time.Second):
			t.Error("one waits for another")
		}
	}
	close(all)
	wg.Wait()
}

// TestFailedColdStart: those that waited for a first one that failed go on.
func TestFailedColdStart(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	if err := one(t, opened(t, settings, quick())); err != nil {
		t.Fatal(err)
	}
	var first sync.Once
	server.Before(func(w http.ResponseWriter, _ *http.Request) (answered bool) {
		first.Do(func() {
			answered = true
			azurewire.Fault{Status: 400, Code: "BadParameter"}.WriteTo(w)
		})
		return answered
	})
	b := opened(t, settings, quick())
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed := 0
	for range 16 {
		wg.Go(func() {
			if _, err := b.Get(t.Context(), "claude/api", secret.At{}); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed++
			}
		})
	}
	wg.Wait()
	if failed != 1 {
		t.Errorf("%d of 16 failed with the first one", failed)
	}
}

// TestTokenEndsMidRun: refused tokens are replaced, whether the vault says why
// or only that they ended, by its clock.
func TestTokenEndsMidRun(t *testing.T) {
	now := time.Now()
	server, settings := serve(t, azurewire.Options{Now: func() time.Time { return now }})
	b := opened(t, settings, quick())
	for what, end := range map[string]func(){
		"revoked": server.Revoke,
		"ended":   func() { now = now.Add(2 * time.Hour) },
	} {
		if err := one(t, b); err != nil {
			t.Fatalf("%s, before: %v", what, err)
		}
		end()
		if err := one(t, b); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if server.Count("expired") == 0 || server.Count("revoked") == 0 {
		t.Errorf("no token was refused")
	}
}

// jwt signs a federated token, as a CI system does.
func jwt(t *testing.T, key *rsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(map[string]string{"alg": "RS256", "typ": "JWT"}) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

const (
	issuer  = "https://token.actions.githubusercontent.com"
	subject = "repo:acme/orchestrator:environment:prod"
)

func claims(sub, aud string, life time.Duration) map[string]any {
	return map[string]any{"iss": issuer, "sub": sub, "aud": aud, "exp": time.Now().Add(life).Unix()}
}

// federated is a vault whose application trusts an issuer for a subject.
func federated(t *testing.T) (*azurewire.Server, Settings, *rsa.PrivateKey) {
	t.Helper()
	key, err := applicationKey()
	if err != nil {
		t.Fatal(err)
	}
	server, settings := serve(t, azurewire.Options{Tenant: tenant})
	server.Federate("job", issuer, subject, &key.PublicKey)
	settings.Credential, settings.ClientID, settings.TenantID, settings.CertFile = "workload", "job", tenant, ""
	return server, settings, key
}

// TestWorkloadIdentity: a token of a file is shown to the authority, which
// checks its signature, issuer, subject, audience and end.
func TestWorkloadIdentity(t *testing.T) {
	for what, c := range map[string]struct {
		claims map[string]any
		works  bool
	}{
		"right":             {claims(subject, azurewire.Federation, time.Hour), true},
		"another subject":   {claims("repo:acme/orchestrator:pull_request", azurewire.Federation, time.Hour), false},
		"another audience":  {claims(subject, "https://vault.azure.net", time.Hour), false},
		"one that is over":  {claims(subject, azurewire.Federation, -time.Hour), false},
		"one with no claim": {map[string]any{}, false},
	} {
		_, settings, key := federated(t)
		settings.TokenFile = filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(settings.TokenFile, []byte(jwt(t, key, c.claims)), 0o600); err != nil {
			t.Fatal(err)
		}
		err := one(t, opened(t, settings, quick()))
		if c.works && err != nil || !c.works && (secret.KindOf(err) != secret.Unauthenticated || !strings.Contains(err.Error(), "federated-credential") || !strings.Contains(err.Error(), "AADSTS700213")) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Signed by somebody else.
	_, settings, _ := federated(t)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	settings.TokenFile = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(settings.TokenFile, []byte(jwt(t, stranger, claims(subject, azurewire.Federation, time.Hour))), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := one(t, opened(t, settings, quick())); secret.KindOf(err) != secret.Unauthenticated {
		t.Errorf("a stranger's token: %v", err)
	}
}

// TestGitHubIdentity: the token comes from where GitHub hands it out, for the
// audience that Azure wants.
func TestGitHubIdentity(t *testing.T) {
	_, settings, key := federated(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer request-token" || r.URL.Query().Get("job") != "7" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		b, _ := json.Marshal(map[string]string{"value": jwt(t, key, claims(subject, r.URL.Query().Get("audience"), time.Hour))})
		_, _ = w.Write(b)
	}))
	defer server.Close()
	settings.GitHub = wire.GitHub{URL: server.URL + "/token?job=7", Token: secret.Text("request-token")}
	if err := one(t, opened(t, settings, quick())); err != nil {
		t.Error(err)
	}
	settings.GitHub.Token = secret.Text("another-token")
	err := one(t, opened(t, settings, quick()))
	if secret.KindOf(err) != secret.Unauthenticated || strings.Contains(err.Error(), "another-token") || !strings.Contains(err.Error(), "id-token: write") {
		t.Errorf("a refused token: %v", err)
	}
	settings.GitHub.URL = "http://127.0.0.1:1/"
	if err := one(t, opened(t, settings, quick())); secret.KindOf(err) != secret.Unavailable {
		t.Errorf("GitHub does not answer: %v", err)
	}
}

// TestManagedIdentity: the endpoint of the platform is asked, and told which
// identity is meant.
func TestManagedIdentity(t *testing.T) {
	server, settings := serve(t, azurewire.Options{Tenant: another}) // managed identities take no heed of it
	t.Setenv("IDENTITY_ENDPOINT", server.Identity)
	t.Setenv("IDENTITY_HEADER", server.IdentityHeader())
	asked := make(chan string, 4)
	server.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/msi") {
			asked <- r.URL.Query().Get("client_id")
		}
		return false
	})
	settings.Credential, settings.TenantID, settings.ClientID, settings.CertFile = "managed:4f1c9b7a-user-assigned", "", "", ""
	if err := one(t, opened(t, settings, quick())); err != nil {
		t.Fatal(err)
	}
	if id := <-asked; id != "4f1c9b7a-user-assigned" {
		t.Errorf("the identity %q was asked for", id)
	}
}

// TestDefaultChain: what the environment says comes first.
func TestDefaultChain(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	server.Allow("svc", "right")
	settings.Credential, settings.TenantID, settings.ClientID, settings.CertFile, settings.Authority = "", "", "", "", ""
	t.Setenv("AZURE_AUTHORITY_HOST", server.Authority)
	t.Setenv("AZURE_TENANT_ID", "adfs")
	t.Setenv("AZURE_CLIENT_ID", "svc")
	t.Setenv("AZURE_CLIENT_SECRET", "right")
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
	if err := one(t, opened(t, settings, quick())); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AZURE_CLIENT_SECRET", "wrong-and-never-told")
	for _, way := range []string{"default", "env"} {
		settings.Credential = way
		err := one(t, opened(t, settings, quick()))
		if secret.KindOf(err) != secret.Unauthenticated || !strings.Contains(err.Error(), "AADSTS7000215") || strings.Contains(err.Error(), "wrong-and-never-told") || strings.Contains(err.Error(), "Trace") {
			t.Errorf("%s: a wrong secret: %v", way, err)
		}
	}
}

// TestCommandLineSignIn: the command's own words are not repeated, and what to
// type is told.
func TestCommandLineSignIn(t *testing.T) {
	_, settings := serve(t, azurewire.Options{Tenant: tenant})
	settings.ClientID, settings.CertFile, settings.TenantID = "", "", ""
	bin := t.TempDir()
	script := "#!/bin/sh\necho 'ERROR: AADSTS700082: The refresh token has expired. Trace ID: 17e0; user mia@acme.example' >&2\nexit 1\n"
	for _, name := range []string{"az", "azd"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	for way, remedy := range map[string]string{"cli": "az login --tenant " + tenant, "azd": "azd auth login"} {
		settings.Credential = way
		err := one(t, opened(t, settings, quick()))
		if secret.KindOf(err) != secret.Unauthenticated || !strings.Contains(err.Error(), remedy) || !strings.Contains(err.Error(), "AADSTS700082") || strings.Contains(err.Error(), "mia@") {
			t.Errorf("%s: %v", way, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	for _, way := range []string{"cli", "azd"} {
		settings.Credential = way
		if err := one(t, opened(t, settings, quick())); secret.KindOf(err) != secret.Unauthenticated || !strings.Contains(err.Error(), "not installed here") {
			t.Errorf("%s that there is not: %v", way, err)
		}
	}
}

// TestWrongTenant: a vault of another tenant is told with the setting to make.
func TestWrongTenant(t *testing.T) {
	for _, own := range []string{"adfs", another} {
		_, settings := serve(t, azurewire.Options{Tenant: tenant})
		settings.TenantID = own
		err := one(t, opened(t, settings, quick()))
		if secret.KindOf(err) != secret.Unauthenticated || !strings.Contains(err.Error(), "\n  set the vault's:  tenant_id = \""+tenant+"\"") {
			t.Errorf("%s: %v", own, err)
		}
	}
}

// TestNoVault: a server that asks for a token for somebody else gets none.
func TestNoVault(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	server.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/secrets") {
			return false
		}
		if r.Header.Get("Authorization") != "" {
			t.Errorf("it is shown a token")
		}
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/`+tenant+`", resource="https://vault.azure.net"`)
		azurewire.Fault{Status: 401, Code: "Unauthorized"}.WriteTo(w)
		return true
	})
	err := one(t, opened(t, settings, quick()))
	if secret.KindOf(err) != secret.Unauthenticated || !strings.Contains(err.Error(), "is not the vault of that name") {
		t.Errorf("%v", err)
	}
	if server.Count("token") != 0 {
		t.Errorf("a token was asked for")
	}
}

func TestSettings(t *testing.T) {
	good := Settings{Address: "https://my-vault.vault.azure.net"}
	if b, err := New(good); err != nil || b.vault != "my-vault" || b.host != "my-vault.vault.azure.net" {
		t.Errorf("%v", err)
	}
	for what, change := range map[string]func(s *Settings){
		"no address":            func(s *Settings) { s.Address = "" },
		"plain http":            func(s *Settings) { s.Address = "http://my-vault.vault.azure.net" },
		"a path":                func(s *Settings) { s.Address += "/secrets/x" },
		"a query":               func(s *Settings) { s.Address += "?x=y" },
		"a user":                func(s *Settings) { s.Address = "https://a:b@my-vault.vault.azure.net" },
		"a name alone":          func(s *Settings) { s.Address = "my-vault" },
		"an unknown way":        func(s *Settings) { s.Credential = "password" },
		"an id of another way":  func(s *Settings) { s.Credential = "cli:abc" },
		"two ids":               func(s *Settings) { s.Credential, s.ClientID = "managed:abc", "def" },
		"a plain authority":     func(s *Settings) { s.Authority = "http://login.example" },
		"no certificate":        func(s *Settings) { s.Credential = "cert" },
		"a missing certificate": func(s *Settings) { s.Credential, s.TenantID, s.ClientID, s.CertFile = "cert", "t", "c", "/nowhere" },
		"no pipeline":           func(s *Settings) { s.Credential = "pipelines" },
		"GitHub in the clear": func(s *Settings) {
			s.Credential, s.TenantID, s.ClientID, s.GitHub = "workload", "t", "c", wire.GitHub{URL: "http://github.example/token", Token: secret.Text("x")}
		},
		"GitHub by another way": func(s *Settings) { s.GitHub.URL = "https://x" },
	} {
		s := good
		change(&s)
		if _, err := New(s); secret.KindOf(err) != secret.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestClouds: the vault's host tells its cloud, and a directory of authorities
// is asked only of Microsoft's own.
func TestClouds(t *testing.T) {
	for address, authority := range map[string]string{
		"https://v.vault.azure.net":         "",
		"https://v.vault.azure.cn":          "https://login.chinacloudapi.cn/",
		"https://v.vault.usgovcloudapi.net": "https://login.microsoftonline.us/",
	} {
		b, err := New(Settings{Address: address})
		if err != nil {
			t.Fatal(err)
		}
		if got := b.clientOptions().Cloud.ActiveDirectoryAuthorityHost; got != authority {
			t.Errorf("%s: %s", address, got)
		}
	}
	for authority, known := range map[string]bool{"": true, "https://login.microsoftonline.com/": true, "https://login.sovcloud-identity.fr/": true, "https://sts.corp.example/": false, "https://login.microsoftonline.com.evil.example": false} {
		if discovered(authority) != known {
			t.Errorf("%s", authority)
		}
	}
}
