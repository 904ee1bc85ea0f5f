package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.yaml.in/yaml/v3"
)

// The addresses that docs/ci.md has, and the test has others for.
const (
	ciVault  = "https://vault.example.com:8200"
	ciGitHub = "https://token.actions.githubusercontent.com"
	ciGitLab = "https://gitlab.example.com"
	ciGet    = "go install github.com/tacit-secrets/tacit/cmd/tacit@latest"
)

// ciDeploy is what the jobs start: it tells that it has the value, and not the
// value.
const ciDeploy = "#!/bin/sh\nprintf 'deployed with %s\\n' \"$(printf %s \"$DATABASE_URL\" | tr a-y b-z)\"\n"

// ciBlock is a block of docs/ci.md: of a language, for one CI and store.
func ciBlock(t *testing.T, language, mark string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "\n```"+language+" ci="+mark+"\n")
	block, _, closed := strings.Cut(rest, "\n```\n")
	if !ok || !closed {
		t.Fatalf("docs/ci.md has no block of %s for %s", language, mark)
	}
	return block + "\n"
}

// An issuer signs tokens, and tells its key as OpenID Connect says.
type issuer struct {
	*httptest.Server
	key *ecdsa.PrivateKey
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": i.URL, "jwks_uri": i.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"},
			"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		point, err := key.PublicKey.Bytes() // 4 ‖ x ‖ y
		if err != nil {
			t.Error(err)
		}
		text := base64.RawURLEncoding.EncodeToString
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]string{
			"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "1", "x": text(point[1:33]), "y": text(point[33:]),
		}}})
	})
	i.Server = httptest.NewUnstartedServer(mux)
	i.Start() // only now: what it answers holds its own address
	t.Cleanup(i.Close)
	return i
}

// forger signs in the name of an issuer, with a key of its own.
func (i *issuer) forger(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{Server: i.Server, key: key}
}

func (i *issuer) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	all := jwt.MapClaims{"iss": i.URL, "iat": time.Now().Unix(), "nbf": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix()}
	for k, v := range claims {
		all[k] = v
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, all)
	token.Header["kid"] = "1"
	out, err := token.SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// ciJob is a checkout in a runner, as docs/ci.md has it, and a server of Vault's
// kind that was set up as it says.
type ciJob struct {
	*world
	from  *strings.Replacer // the page's addresses to those of the test
	vault []string          // what an administrator's client needs
}

func newCIJob(t *testing.T, mark, method string, i *issuer) (*ciJob, *road) {
	t.Helper()
	address, token := vaultOfTests(t)
	store := roadTo(t, address)
	bao := os.Getenv("TACIT_TEST_BAO")
	if bao == "" {
		t.Skip("TACIT_TEST_BAO is not set: make test-stores builds an OpenBao")
	}
	home := t.TempDir()
	bin, project := filepath.Join(home, "bin"), filepath.Join(home, "project")
	for _, dir := range []string{bin, project} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(bao, filepath.Join(bin, "vault")); err != nil {
		t.Fatal(err)
	}
	j := &ciJob{world: &world{project: project}, from: strings.NewReplacer(ciVault, store.URL, ciGitHub, i.URL, ciGitLab, i.URL)}
	j.env = []string{"HOME=" + home, "PATH=" + bin + ":" + os.Getenv("PATH"), "CI=true", "GORACE=atexit_sleep_ms=10", "DBUS_SESSION_BUS_ADDRESS=disabled:"}
	j.vault = append([]string{"VAULT_ADDR=" + address, "VAULT_TOKEN=" + token, "BAO_ADDR=" + address, "BAO_TOKEN=" + token}, j.env...)
	disable := func() { _ = j.shell(j.vault, "vault auth disable "+method).Run() }
	disable() // a test before may have been killed
	t.Cleanup(disable)
	j.must(t, j.vault, j.from.Replace(ciBlock(t, "sh", mark)))
	j.must(t, j.vault, "vault kv put secret/shop/prod/database url=canary-url")
	for name, text := range map[string]string{
		"tacit.toml": j.from.Replace(ciBlock(t, "toml", mark)),
		"deploy":     ciDeploy,
	} {
		if err := os.WriteFile(filepath.Join(project, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return j, store
}

func (j *ciJob) shell(env []string, script string) *exec.Cmd {
	cmd := exec.Command("sh", "-e", "-c", script)
	cmd.Dir, cmd.Env = j.project, env
	return cmd
}

func (j *ciJob) must(t *testing.T, env []string, script string) {
	t.Helper()
	if out, err := j.shell(env, script).CombinedOutput(); err != nil {
		t.Fatalf("%s%v\n%s", script, err, out)
	}
}

// steps runs the commands of a job, all but the installation, with the variables
// that the runner sets.
func (j *ciJob) steps(t *testing.T, commands []string, runner ...string) (string, error) {
	t.Helper()
	installs := 0
	script := ""
	for _, c := range commands {
		if c == ciGet {
			installs++
			continue
		}
		script += c + "\n"
	}
	if installs != 1 || !strings.Contains(script, "tacit run -- ./deploy\n") {
		t.Fatalf("the job's commands are %q", commands)
	}
	out, err := j.shell(append(runner, j.env...), script).CombinedOutput()
	if strings.Contains(string(out), "canary") {
		t.Errorf("a value is in the job's log: %s", out)
	}
	return string(out), err
}

// succeeds demands that the job deployed with the value.
func (j *ciJob) succeeds(t *testing.T, commands []string, runner ...string) {
	t.Helper()
	if out, err := j.steps(t, commands, runner...); err != nil || !strings.Contains(out, "deployed with dbobsz-vsm\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// fails demands that nothing was started, and that the error says why.
func (j *ciJob) fails(t *testing.T, why string, commands []string, runner ...string) {
	t.Helper()
	out, err := j.steps(t, commands, runner...)
	if exit := (&exec.ExitError{}); !asExit(err, &exit) || exit.ExitCode() != 3 || strings.Contains(out, "deployed") || !strings.Contains(out, why) {
		t.Errorf("want exit code 3 and %q: %v\n%s", why, err, out)
	}
}

func asExit(err error, into **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError) //nolint:errorlint // Run returns it as it is
	if ok {
		*into = e
	}
	return ok
}

// TestStoresCIGitHubVault is docs/ci.md, "GitHub Actions and Vault".
func TestStoresCIGitHubVault(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	j, _ := newCIJob(t, "github-vault", "github", i)
	commands := workflowCommands(t)
	claims := map[string]any{"sub": "repo:acme/shop:ref:refs/heads/main", "repository": "acme/shop", "ref": "refs/heads/main"}
	var mu sync.Mutex // claims are those of the next job; asked counts requests
	asked := 0
	runner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer runner-token" || r.URL.Query().Get("api-version") != "2.0" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		asked++
		claims["aud"] = r.URL.Query().Get("audience")
		_ = json.NewEncoder(w).Encode(map[string]any{"count": 1, "value": i.sign(t, claims)})
	}))
	defer runner.Close()
	vars := []string{"GITHUB_ACTIONS=true", "ACTIONS_ID_TOKEN_REQUEST_URL=" + runner.URL + "/token?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=runner-token"}
	j.succeeds(t, commands, vars...)
	mu.Lock()
	if asked != 1 {
		t.Errorf("the runner was asked %d times for one job", asked)
	}
	mu.Unlock()
	claim := func(name string, value any) (was any) {
		mu.Lock()
		defer mu.Unlock()
		if was = claims[name]; value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
		return was
	}
	j.fails(t, "id-token: write", commands, vars[0])
	j.fails(t, "id-token: write", commands, vars[0], vars[1], "ACTIONS_ID_TOKEN_REQUEST_TOKEN=expired")
	for name, other := range map[string]struct {
		claim string
		value any
	}{
		"another-branch":     {"ref", "refs/heads/feature"},
		"pull-request":       {"ref", "refs/pull/1/merge"},
		"another-repository": {"repository", "mallory/shop"},
		"expired":            {"exp", time.Now().Add(-time.Hour).Unix()},
		"of-another-issuer":  {"iss", "https://gitlab.com"},
	} {
		was := claim(other.claim, other.value)
		t.Run(name, func(t *testing.T) { j.fails(t, "does not take the identity token at auth/github", commands, vars...) })
		claim(other.claim, was)
	}
	// A token for another service is of no use here.
	toml := filepath.Join(j.project, "tacit.toml")
	text := strings.Replace(j.from.Replace(ciBlock(t, "toml", "github-vault")), "audience = \"http", "audience = \"https://other.example/http", 1)
	if err := os.WriteFile(toml, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	j.fails(t, "does not take the identity token at auth/github", commands, vars...)
}

// TestStoresCIGitLabVault is docs/ci.md, "GitLab and Vault".
func TestStoresCIGitLabVault(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	j, store := newCIJob(t, "gitlab-vault", "gitlab", i)
	var flow struct {
		Deploy struct {
			Tokens map[string]struct{ Aud string } `yaml:"id_tokens"`
			Script []string
		}
	}
	if err := yaml.Unmarshal([]byte(j.from.Replace(ciBlock(t, "yaml", "gitlab-vault"))), &flow); err != nil {
		t.Fatal(err)
	}
	job := func(i *issuer, change map[string]any) []string {
		vars := []string{"GITLAB_CI=true"}
		for name, token := range flow.Deploy.Tokens {
			claims := map[string]any{
				"sub": "project_path:acme/shop:ref_type:branch:ref:main", "aud": token.Aud,
				"project_path": "acme/shop", "ref": "main", "ref_type": "branch", "ref_protected": "true",
			}
			for k, v := range change {
				claims[k] = v
			}
			vars = append(vars, name+"="+i.sign(t, claims))
		}
		return vars
	}
	j.succeeds(t, flow.Deploy.Script, job(i, nil)...)
	// That the token cannot be given back afterwards is told, and no failure.
	store.only = "/auth/token/revoke-self"
	store.closed.Store(http.StatusBadRequest)
	out, err := j.steps(t, flow.Deploy.Script, job(i, nil)...)
	if err != nil || !strings.Contains(out, "deployed with dbobsz-vsm\n") || !strings.Contains(out, "could not be given back: it ends by itself") {
		t.Errorf("%v\n%s", err, out)
	}
	store.closed.Store(0)
	j.fails(t, "id_tokens: {VAULT_ID_TOKEN", flow.Deploy.Script, "GITLAB_CI=true")
	for name, change := range map[string]map[string]any{
		"branch-that-anyone-pushes": {"ref_protected": "false"},
		"tag-of-that-name":          {"ref_type": "tag"},
		"another-project":           {"project_path": "mallory/shop"},
		"for-another-service":       {"aud": "https://other.example"},
		"expired":                   {"exp": time.Now().Add(-time.Hour).Unix()},
		"of-another-issuer":         {"iss": "https://gitlab.com"},
	} {
		t.Run(name, func(t *testing.T) {
			j.fails(t, "does not take the identity token at auth/gitlab", flow.Deploy.Script, job(i, change)...)
		})
	}
	t.Run("forged", func(t *testing.T) {
		j.fails(t, "does not take the identity token at auth/gitlab", flow.Deploy.Script, job(i.forger(t), nil)...)
	})
}
