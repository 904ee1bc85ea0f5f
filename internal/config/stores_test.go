package config

import (
	"context"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// asking returns an Opened over these files and variables that opened nothing:
// enough to ask what a store would be told.
func asking(t *testing.T, toml string, vars map[string]string) (*Opened, Environment) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(root, "home")
	mkdir(t, home)
	mkdir(t, filepath.Join(root, "project"))
	p, err := NewProject("x", mustFile(t, FileName, toml), nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Environment("prod")
	if err != nil {
		t.Fatal(err)
	}
	return &Opened{sys: NewSystem(home, home, "mia", vars), Root: filepath.Join(root, "project"), Project: p}, e
}

const vaultEnv = "[env.prod]\nbackend = \"vault\"\naddress = \"https://v.example:8200\"\n"

// What the files say prevails, then OpenBao's variables, then Vault's, then the
// file that signing in leaves behind.
func TestVaultSettings(t *testing.T) {
	for name, tt := range map[string]struct {
		toml string
		vars map[string]string
		want string // address, namespace, CA, server name, token, token file
	}{
		"files alone":         {vaultEnv + "namespace = \"ns\"\nca_cert = \"/ca.pem\"\nserver_name = \"v\"\n[env.prod.auth]\ntoken_file = \"~/t\"\n", nil, "https://v.example:8200 ns /ca.pem v  HOME/t"},
		"files prevail":       {vaultEnv + "[env.prod.auth]\ntoken_file = \"/t\"\n", map[string]string{"VAULT_TOKEN": "of-the-variable"}, "https://v.example:8200     /t"},
		"the file of login":   {vaultEnv, nil, "https://v.example:8200     HOME/.vault-token"},
		"its path":            {vaultEnv, map[string]string{"BAO_TOKEN_PATH": "/run/token"}, "https://v.example:8200     /run/token"},
		"variables":           {"[env.prod]\nbackend = \"vault\"\n", map[string]string{"VAULT_ADDR": "https://a", "VAULT_TOKEN": "tok", "VAULT_NAMESPACE": "n", "VAULT_CACERT": "ca.pem", "VAULT_TLS_SERVER_NAME": "s"}, "https://a n HOME/ca.pem s tok "},
		"authorities as text": {vaultEnv, map[string]string{"VAULT_CACERT_BYTES": "-----BEGIN X"}, "https://v.example:8200  -----BEGIN X   HOME/.vault-token"},
		"a file before them":  {vaultEnv, map[string]string{"VAULT_CACERT_BYTES": "-----BEGIN X", "BAO_CACERT": "/ca.pem"}, "https://v.example:8200  /ca.pem   HOME/.vault-token"},
		"openbao's first":     {"[env.prod]\nbackend = \"vault\"\n", map[string]string{"VAULT_ADDR": "https://a", "BAO_ADDR": "https://b", "VAULT_TOKEN": "a", "BAO_TOKEN": "b"}, "https://b    b "},
		"of the same server":  {vaultEnv, map[string]string{"VAULT_ADDR": "https://V.example:8200/", "VAULT_TOKEN": "tok"}, "https://v.example:8200    tok "},
		"of no server said":   {vaultEnv, map[string]string{"VAULT_TOKEN": "tok"}, "https://v.example:8200    tok "},
		"off is off":          {vaultEnv, map[string]string{"VAULT_SKIP_VERIFY": "0"}, "https://v.example:8200     HOME/.vault-token"},
	} {
		t.Run(name, func(t *testing.T) {
			x, e := asking(t, tt.toml, tt.vars)
			s, err := x.vaultSettings(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join([]string{s.Address, s.Namespace, s.TLS.CACert, s.TLS.ServerName, string(s.Auth.Token.Reveal()), s.Auth.TokenFile}, " ")
			if got = strings.ReplaceAll(got, x.sys.Home, "HOME"); got != tt.want || s.Auth.Method != "token" || s.PlainHTTP {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// Each way to sign in is given what it needs, and nothing of another one.
func TestVaultAuth(t *testing.T) {
	vars := map[string]string{
		"VAULT_TOKEN": "tok", "VAULT_ROLE_ID": "role", "VAULT_SECRET_ID": "sid", "CI_JWT": "jwt",
		"ACTIONS_ID_TOKEN_REQUEST_URL": "https://gh", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "ght",
	}
	auth := func(s string) string { return vaultEnv + "auth = {" + s + "}\n" }
	for name, tt := range map[string]struct{ toml, want string }{
		"approle":       {auth(`method = "approle", mount = "ci/"`), "approle ci role sid"},
		"approle files": {auth(`method = "approle", role_id = "r", secret_id_file = "/s", wrapped = true`), "approle r /s wrapped"},
		"kubernetes":    {auth(`method = "kubernetes", role = "r"`), "kubernetes r"},
		"jwt file":      {auth(`method = "jwt", role = "r", jwt_file = "/j"`), "jwt r /j"},
		"jwt variable":  {auth(`method = "jwt", role = "r", jwt_variable = "CI_JWT"`), "jwt r jwt"},
		"github":        {auth(`method = "jwt", role = "r", audience = "aud", namespace = "n"`), "jwt n r https://gh ght aud"},
		"userpass":      {auth(`method = "userpass", username = "mia"`), "userpass mia typed"},
		"cert":          {vaultEnv + "client_cert = \"/c\"\nclient_key = \"/k\"\nauth = {method = \"cert\", role = \"r\"}\n", "cert r"},
		"aws":           {auth(`method = "aws", role = "r", region = "eu-west-1", server_id = "v"`), "aws r eu-west-1 v"},
	} {
		t.Run(name, func(t *testing.T) {
			x, e := asking(t, tt.toml, vars)
			x.opts.Passphrase = func(context.Context, string) ([]byte, error) { return []byte("typed"), nil }
			s, err := x.vaultSettings(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			a := s.Auth
			wrapped := map[bool]string{true: "wrapped"}[a.Wrapped]
			got := strings.Fields(strings.Join([]string{
				a.Method, a.Mount, a.Namespace, a.RoleID, string(a.SecretID.Reveal()), a.SecretIDFile, wrapped, a.Role,
				string(a.JWT.Reveal()), a.JWTFile, a.GitHub.URL, string(a.GitHub.Token.Reveal()), a.GitHub.Audience,
				a.Username, string(a.Password.Reveal()), a.Region, a.ServerID, string(a.Token.Reveal()), a.TokenFile,
			}, " "))
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestVaultSettingsRefusals(t *testing.T) {
	jwt := vaultEnv + "auth = {method = \"jwt\"}\n"
	for name, tt := range map[string]struct {
		toml string
		vars map[string]string
		kind secret.Kind
		want string
	}{
		"vault-skip-verify-refused":         {vaultEnv, map[string]string{"VAULT_SKIP_VERIFY": "true"}, secret.Invalid, "VAULT_SKIP_VERIFY is set: whoever answers would be believed"},
		"bao-skip-verify-refused":           {vaultEnv, map[string]string{"BAO_SKIP_VERIFY": "1"}, secret.Invalid, "whoever answers"},
		"skip-verify-unread-refused":        {vaultEnv, map[string]string{"VAULT_SKIP_VERIFY": "yes"}, secret.Invalid, "whoever answers"},
		"authorities of no form":            {vaultEnv, map[string]string{"VAULT_CACERT_BYTES": "canary"}, secret.Invalid, "VAULT_CACERT_BYTES holds no certificate"},
		"no address":                        {"[env.prod]\nbackend = \"vault\"\n", nil, secret.Invalid, "environment prod names no address"},
		"no job's token":                    {jwt, nil, secret.Unauthenticated, "id-token: write"},
		"half of a job's token":             {jwt, map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": "https://gh"}, secret.Unauthenticated, "id-token: write"},
		"variable not set":                  {vaultEnv + "auth = {method = \"jwt\", jwt_variable = \"CI_JWT\"}\n", nil, secret.Unauthenticated, "the token in CI_JWT, which is not set"},
		"nobody to ask":                     {vaultEnv + "auth = {method = \"userpass\", username = \"mia\"}\n", nil, secret.Unauthenticated, "there is nobody to ask for it"},
		"password file":                     {vaultEnv + "auth = {method = \"userpass\", username = \"mia\", password_file = \"/nowhere\"}\n", nil, secret.Unauthenticated, "/nowhere: cannot be read"},
		"ca-cert-in-project-refused":        {vaultEnv + "ca_cert = \"/PROJECT/ca.pem\"\n", nil, secret.Invalid, "which is not under trust"},
		"token-in-project-refused":          {vaultEnv + "auth = {token_file = \"/PROJECT/sub/../t\"}\n", nil, secret.Invalid, "env.prod.auth.token_file names a file of the project"},
		"link-into-project-refused":         {vaultEnv + "ca_cert = \"~/link/ca.pem\"\n", nil, secret.Invalid, "which is not under trust"},
		"file-link-into-project-refused":    {vaultEnv + "ca_cert = \"~/ca.pem\"\n", nil, secret.Invalid, "which is not under trust"},
		"link-through-project-refused":      {vaultEnv + "ca_cert = \"~/link/out.pem\"\n", nil, secret.Invalid, "which is not under trust"},
		"links-to-links-of-project-refused": {vaultEnv + "ca_cert = \"~/twice.pem\"\n", nil, secret.Invalid, "which is not under trust"},
		"links-in-circles-refused":          {vaultEnv + "ca_cert = \"~/circle\"\n", nil, secret.Invalid, "which is not under trust"},
		"link-out-of-project-refused":       {vaultEnv + "ca_cert = \"/PROJECT/out.pem\"\n", nil, secret.Invalid, "which is not under trust"},
	} {
		t.Run(name, func(t *testing.T) {
			x, e := asking(t, tt.toml, tt.vars)
			if err := os.Symlink(x.Root, filepath.Join(x.sys.Home, "link")); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(x.Root, "ca.pem"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(x.Root, "ca.pem"), filepath.Join(x.sys.Home, "ca.pem")); err != nil {
				t.Fatal(err)
			}
			for name, target := range map[string]string{"once.pem": "link/out.pem", "twice.pem": "once.pem", "circle": "circle"} {
				if err := os.Symlink(target, filepath.Join(x.sys.Home, name)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink("/etc/hostname", filepath.Join(x.Root, "out.pem")); err != nil {
				t.Fatal(err)
			}
			e.said = *mustFile(t, FileName, strings.ReplaceAll(tt.toml, "/PROJECT", x.Root)).envPointer("prod")
			_, err := x.vaultSettings(t.Context(), e)
			if secret.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %v with %q", err, tt.kind, tt.want)
			}
		})
	}
}

func (f File) envPointer(name string) *Env { e := f.Env[name]; return &e }

// Files elsewhere are taken, through links as well.
func TestFilesOutside(t *testing.T) {
	x, e := asking(t, vaultEnv, nil)
	for name, target := range map[string]string{"a.pem": "/etc/hostname", "up": "..", "projects": x.Root + "s"} {
		if err := os.Symlink(target, filepath.Join(x.sys.Home, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/etc/hostname", "/nowhere/x", "~/a.pem", "~/up/home/a.pem", "~/projects/ca.pem", x.Root + "s/ca.pem"} {
		if _, err := x.outside(e, "ca_cert", path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A token is for the server that VAULT_ADDR names: another server that the
// files name is not shown it, nor believed by its authorities.
func TestAbuseTokenOfAnotherServer(t *testing.T) {
	x, e := asking(t, vaultEnv, map[string]string{"VAULT_ADDR": "https://other.example:8200", "VAULT_TOKEN": "canary", "VAULT_CACERT": "/other.pem", "VAULT_NAMESPACE": "n", "VAULT_TOKEN_PATH": "/other-token"})
	s, err := x.vaultSettings(t.Context(), e)
	if err != nil || s.Auth.TokenFile == "/other-token" || !s.Auth.Token.IsZero() || s.TLS.CACert != "" || s.Namespace != "" || s.Address != "https://v.example:8200" {
		t.Errorf("%+v, %v", s, err)
	}
}

// The variables of Vault and of OpenBao are two families: a token of one is not
// shown to a server that the other names.
func TestAbuseTokenOfTheOtherFamily(t *testing.T) {
	for name, tt := range map[string]struct {
		toml string
		vars map[string]string
		want string // address, token, namespace
	}{
		"vault's token for bao's server":   {"[env.prod]\nbackend = \"vault\"\n", map[string]string{"BAO_ADDR": "https://b", "VAULT_ADDR": "https://a", "VAULT_TOKEN": "canary", "VAULT_NAMESPACE": "canary"}, "https://b  "},
		"bao's token for vault's server":   {vaultEnv, map[string]string{"VAULT_ADDR": "https://v.example:8200", "BAO_ADDR": "https://b", "BAO_TOKEN": "canary", "VAULT_TOKEN": "t", "VAULT_NAMESPACE": "n"}, "https://v.example:8200 t n"},
		"one server by both":               {vaultEnv, map[string]string{"VAULT_ADDR": "https://v.example:8200", "BAO_ADDR": "https://V.example:8200/", "VAULT_TOKEN": "t"}, "https://v.example:8200 t "},
		"a token whose server is not said": {vaultEnv, map[string]string{"VAULT_ADDR": "https://other", "BAO_TOKEN": "t", "VAULT_NAMESPACE": "canary"}, "https://v.example:8200 t "},
	} {
		x, e := asking(t, tt.toml, tt.vars)
		s, err := x.vaultSettings(t.Context(), e)
		if got := s.Address + " " + string(s.Auth.Token.Reveal()) + " " + s.Namespace; err != nil || got != tt.want {
			t.Errorf("%s: got %q, want %q, %v", name, got, tt.want, err)
		}
		if at := x.placed(e); at.Address != s.Address || deref(at.said.Namespace, "") != s.Namespace {
			t.Errorf("%s: placed at %q, %q", name, at.Address, deref(at.said.Namespace, ""))
		}
	}
}

func TestAWSAndAzureSettings(t *testing.T) {
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: serverCertificate(t)}))
	x, e := asking(t, "[env.prod]\nbackend = \"awssm\"\nregion = \"eu-west-1\"\nprofile = \"p\"\nrole_arn = \"arn:aws:iam::123456789012:role/r\"\nexternal_id = \"e\"\nkms_key = \"k\"\nrecovery_window = \"7d\"\naddress = \"http://127.0.0.1:5000\"\nca_cert = '''"+ca+"'''\n", nil)
	a, err := x.awsSettings(e)
	if err != nil || a.GitHub.URL != "" || a.Region != "eu-west-1" || a.Profile != "p" || a.RoleARN == "" || a.ExternalID != "e" || a.KMSKey != "k" || a.Window.Hours() != 7*24 || a.Endpoint != "http://127.0.0.1:5000" || a.PlainHTTP || a.TLS.CACert != ca {
		t.Errorf("%+v, %v", a, err)
	}
	x.user.PlainHTTP = []string{"http://127.0.0.1:5000/"}
	if a, err = x.awsSettings(e); err != nil || !a.PlainHTTP {
		t.Errorf("the user's own settings do not count: %v", err)
	}
	x, e = asking(t, "[env.prod]\nbackend = \"awssm\"\n", map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": "https://gh", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "ght"})
	if a, err = x.awsSettings(e); err != nil || a.GitHub.URL != "https://gh" || string(a.GitHub.Token.Reveal()) != "ght" {
		t.Errorf("a job cannot ask for its identity: %v", err)
	}
	x, e = asking(t, "[env.prod]\nbackend = \"azurekv\"\nvault = \"My-Vault\"\ncloud = \"usgov\"\ncredential = \"cert\"\ntenant_id = \"t\"\nclient_id = \"c\"\ncert_file = \"~/c.pfx\"\n", nil)
	z, err := x.azureSettings(e)
	if err != nil || z.Address != "https://my-vault.vault.usgovcloudapi.net" || z.Authority != "https://login.microsoftonline.us/" || z.Credential != "cert" || z.TenantID != "t" || z.ClientID != "c" || z.Rates != &x.rates || z.CertFile != filepath.Join(x.sys.Home, "c.pfx") {
		t.Errorf("%+v, %v", z, err)
	}
	for toml, want := range map[string]string{"": "https://sts.corp.example/", "authority = \"https://own.example/\"\n": "https://own.example/", "cloud = \"china\"\n": "https://login.chinacloudapi.cn/"} {
		x, e = asking(t, "[env.prod]\nbackend = \"azurekv\"\nvault = \"my-vault\"\n"+toml, map[string]string{"AZURE_AUTHORITY_HOST": "https://sts.corp.example/"})
		if z, err = x.azureSettings(e); err != nil || z.Authority != want {
			t.Errorf("%q: %s, %v", toml, z.Authority, err)
		}
	}
}

// A job's identity is asked for where the job's own variables say, and only for
// the credential that wants it.
func TestAzureJobs(t *testing.T) {
	azure := "[env.prod]\nbackend = \"azurekv\"\nvault = \"abc\"\n"
	vars := map[string]string{
		"ACTIONS_ID_TOKEN_REQUEST_URL": "https://gh", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "ght", "SYSTEM_ACCESSTOKEN": "sys",
		"AZURESUBSCRIPTION_TENANT_ID": "t", "AZURESUBSCRIPTION_CLIENT_ID": "c", "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": "s",
	}
	for name, tt := range map[string]struct{ toml, want string }{
		"default":   {azure, "    "},
		"github":    {azure + "credential = \"workload\"\naudience = \"a\"\n", "https://gh ght a   "},
		"a file":    {azure + "credential = \"workload\"\ntoken_file = \"/t\"\n", "   /t "},
		"pipelines": {azure + "credential = \"pipelines\"\n", "    s sys t c"},
		"its files": {azure + "credential = \"pipelines\"\nservice_connection = \"own\"\ntenant_id = \"T\"\nclient_id = \"C\"\n", "    own sys T C"},
	} {
		x, e := asking(t, tt.toml, vars)
		s, err := x.azureSettings(e)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join([]string{s.GitHub.URL, string(s.GitHub.Token.Reveal()), s.GitHub.Audience, s.TokenFile, s.Pipelines.Connection, string(s.Pipelines.Token.Reveal()), s.TenantID, s.ClientID}, " ")
		if strings.TrimRight(got, " ") != strings.TrimRight(tt.want, " ") {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func serverCertificate(t *testing.T) []byte {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.Certificate().Raw
}

// closing counts how often it is closed.
type closing struct {
	secret.Backend
	n int
}

func (c *closing) Close() error {
	c.n++
	return secret.Errorf(secret.Unavailable, "", "it cannot be revoked")
}

// What was opened is closed once, and what it says is told; what was not opened
// is not.
func TestClosers(t *testing.T) {
	s := newStack(t)
	x := s.open(t)
	b := &closing{}
	x.stores.keep(struct{ secret.Backend }{}) // has nothing to give back
	x.stores.keep(b)
	if err := x.Close(); b.n != 1 || err == nil || !strings.Contains(err.Error(), "it cannot be revoked") {
		t.Errorf("closed %d times: %v", b.n, err)
	}
	if err := x.stores.take()(); err != nil || b.n != 1 {
		t.Errorf("closed again: %v", err)
	}
}

// Every variable of the stores' clients that is read is in the documents.
func TestEveryStoreVariableIsListed(t *testing.T) {
	listed := map[string]bool{}
	var families []string
	for _, s := range StoreVariables() {
		listed[s.Var] = true
		if prefix, ok := strings.CutSuffix(s.Var, "…"); ok {
			families = append(families, prefix)
		}
	}
	for _, v := range []string{"HOME", "XDG_RUNTIME_DIR", "VISUAL", "EDITOR", "CREDENTIALS_DIRECTORY"} { // not of a store
		listed[v] = true
	}
	literal := regexp.MustCompile(`(\.Var|vaultVar|\benv)\("([A-Z_]+)"\)`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range literal.FindAllSubmatch(text, -1) {
			seen++
			name := string(m[2])
			if string(m[1]) != ".Var" {
				name = "VAULT_" + name
			}
			family := slices.ContainsFunc(families, func(f string) bool { return strings.HasPrefix(name, f) })
			if !listed[name] && !family {
				t.Errorf("%s reads %s, which the documents do not name", file, name)
			}
		}
	}
	if seen < 15 {
		t.Errorf("%d variables seen", seen)
	}
}
