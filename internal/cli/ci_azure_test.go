package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v3"
)

// newAzureJob is a checkout in a runner, as docs/ci.md has it, and a Key Vault
// whose authority has the federated credential of the page.
func newAzureJob(t *testing.T, mark string, i *issuer) *ciJob {
	t.Helper()
	var files struct {
		Env map[string]struct {
			Tenant string `toml:"tenant_id"`
			Client string `toml:"client_id"`
		}
	}
	table := ciBlock(t, "toml", "github-azure")
	if _, err := toml.Decode(table, &files); err != nil {
		t.Fatal(err)
	}
	script := ciBlock(t, "sh", mark)
	_, parameters, _ := strings.Cut(script, "--parameters '")
	parameters, _, _ = strings.Cut(parameters, "'\n")
	var credential struct {
		Issuer, Subject string
		Audiences       []string
	}
	if err := json.Unmarshal([]byte(parameters), &credential); err != nil || len(credential.Audiences) != 1 || credential.Audiences[0] != "api://AzureADTokenExchange" {
		t.Fatalf("the federated credential: %v %+v", err, credential)
	}
	prod := files.Env["prod"]
	if !strings.Contains(script, "--id "+prod.Client+" ") || credential.Issuer != ciGitHub && credential.Issuer != ciGitLab {
		t.Fatalf("the page speaks of several applications, or of an unknown issuer: %+v", credential)
	}
	v := newKeyVault(t, map[string]string{"tenant": prod.Tenant, "client": prod.Client, "issuer": i.URL, "subject": credential.Subject})
	v.set(t, "database", `{"url":"canary-url"}`)

	home := t.TempDir()
	project := filepath.Join(home, "project")
	if err := os.Mkdir(project, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"tacit.toml": strings.Replace(table, "vault = \"shop-prod\"\n", v.table(), 1),
		"deploy":     ciDeploy,
	} {
		if err := os.WriteFile(filepath.Join(project, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	j := &ciJob{world: &world{project: project}}
	j.env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "CI=true", "GORACE=atexit_sleep_ms=10", "DBUS_SESSION_BUS_ADDRESS=disabled:"}
	return j
}

// TestCIGitHubAzure is docs/ci.md, "GitHub Actions and Azure Key Vault".
func TestCIGitHubAzure(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	j := newAzureJob(t, "github-azure", i)
	commands := workflowCommands(t)
	claims := map[string]any{"sub": "repo:acme/shop:ref:refs/heads/main"}
	runner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer runner-token" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		all := map[string]any{"aud": r.URL.Query().Get("audience")}
		for k, v := range claims {
			all[k] = v
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"value": i.sign(t, all)})
	}))
	defer runner.Close()
	vars := []string{"GITHUB_ACTIONS=true", "ACTIONS_ID_TOKEN_REQUEST_URL=" + runner.URL + "/token?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=runner-token"}
	j.succeeds(t, commands, vars...)
	j.fails(t, "id-token: write", commands, vars[0], vars[1], "ACTIONS_ID_TOKEN_REQUEST_TOKEN=expired")
	for name, change := range map[string]map[string]any{
		"another-branch":      {"sub": "repo:acme/shop:ref:refs/heads/feature"},
		"pull-request":        {"sub": "repo:acme/shop:pull_request"},
		"another-repository":  {"sub": "repo:mallory/shop:ref:refs/heads/main"},
		"for-another-service": {"sub": "repo:acme/shop:ref:refs/heads/main", "aud": "https://vault.example.com:8200"},
	} {
		claims = change
		t.Run(name, func(t *testing.T) { j.fails(t, "federated-credential", commands, vars...) })
	}
}

// workflowCommands are the steps of the page's workflow, which is one for all
// stores.
func workflowCommands(t *testing.T) []string {
	t.Helper()
	var flow struct {
		Permissions map[string]string
		Jobs        map[string]struct{ Steps []struct{ Run string } }
	}
	if err := yaml.Unmarshal([]byte(ciBlock(t, "yaml", "github-vault")), &flow); err != nil || flow.Permissions["id-token"] != "write" {
		t.Fatalf("the workflow: %v %+v", err, flow)
	}
	var commands []string
	for _, s := range flow.Jobs["deploy"].Steps {
		if s.Run != "" {
			commands = append(commands, s.Run)
		}
	}
	return commands
}

// TestCIGitLabAzure is docs/ci.md, "GitLab and Azure Key Vault".
func TestCIGitLabAzure(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	j := newAzureJob(t, "gitlab-azure", i)
	var flow struct {
		Deploy struct {
			Tokens map[string]struct{ Aud string } `yaml:"id_tokens"`
			Script []string
		}
	}
	if err := yaml.Unmarshal([]byte(ciBlock(t, "yaml", "gitlab-azure")), &flow); err != nil || len(flow.Deploy.Tokens) != 1 {
		t.Fatalf("%v %+v", err, flow)
	}
	job := func(i *issuer, change map[string]any) []string {
		vars := []string{"GITLAB_CI=true"}
		for name, token := range flow.Deploy.Tokens {
			claims := map[string]any{"sub": "project_path:acme/shop:ref_type:branch:ref:main", "aud": token.Aud}
			for k, v := range change {
				claims[k] = v
			}
			vars = append(vars, name+"="+i.sign(t, claims))
		}
		return vars
	}
	j.succeeds(t, flow.Deploy.Script, job(i, nil)...)
	for name, change := range map[string]map[string]any{
		"another-branch":      {"sub": "project_path:acme/shop:ref_type:branch:ref:feature"},
		"tag-of-that-name":    {"sub": "project_path:acme/shop:ref_type:tag:ref:main"},
		"for-another-service": {"aud": "https://other.example"},
		"expired":             {"exp": time.Now().Add(-time.Hour).Unix()},
		"of-another-issuer":   {"iss": "https://gitlab.com"},
	} {
		t.Run(name, func(t *testing.T) { j.fails(t, "federated-credential", flow.Deploy.Script, job(i, change)...) })
	}
	t.Run("forged", func(t *testing.T) { j.fails(t, "federated-credential", flow.Deploy.Script, job(i.forger(t), nil)...) })
}
