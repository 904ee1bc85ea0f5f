package awssm

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/awssm/internal/awswire"
	"github.com/tacit-secrets/tacit/secret"
	"go.yaml.in/yaml/v3"
)

const ciGet = "go install github.com/tacit-secrets/tacit/cmd/tacit@latest"

// ciBlock is a block of docs/ci.md.
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

// A ciJob is a checkout in a runner as docs/ci.md has it. The role was made as
// the page says, in moto; the service that signs in trusts what that role
// trusts, and the store allows what its policy allows.
type ciJob struct {
	project string
	env     []string
	file    string // of the identity token
	key     *rsa.PrivateKey
	sts     *awswire.STS
}

func newCIJob(t *testing.T, mark string) *ciJob {
	t.Helper()
	address := moto(t)
	tacit, aws := os.Getenv("TACIT"), os.Getenv("TACIT_TEST_AWS_CLI")
	if tacit == "" || aws == "" {
		t.Skip("TACIT and TACIT_TEST_AWS_CLI name no programs: make test-stores does")
	}
	isolate(t)
	home := t.TempDir()
	j := &ciJob{project: filepath.Join(home, "project"), file: filepath.Join(home, "identity")}
	writeFile(t, filepath.Join(j.project, "tacit.toml"), ciBlock(t, "toml", "github-aws"))
	writeFile(t, filepath.Join(j.project, "deploy"), "#!/bin/sh\nprintf 'deployed with %s\\n' \"$(printf %s \"$DATABASE_URL\" | tr a-y b-z)\"\n")
	if err := os.Chmod(filepath.Join(j.project, "deploy"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"tacit": tacit, "aws": aws} {
		writeFile(t, filepath.Join(home, "bin", ".keep"), "")
		if err := os.Symlink(to, filepath.Join(home, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	j.env = []string{"HOME=" + home, "PATH=" + filepath.Join(home, "bin") + ":" + os.Getenv("PATH"), "CI=true", "DBUS_SESSION_BUS_ADDRESS=disabled:"}
	admin := append([]string{"AWS_ENDPOINT_URL=" + address, "AWS_ACCESS_KEY_ID=admin", "AWS_SECRET_ACCESS_KEY=admin", "AWS_DEFAULT_REGION=eu-west-1", "AWS_PAGER="}, j.env...)
	emptied(t, address)
	j.must(t, admin, "tacit trust --yes\n"+ciBlock(t, "sh", mark))

	var err error
	if j.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	trust, allowed := j.role(t, admin)
	srv := awswire.New(awswire.Options{Keys: []awswire.Key{awswire.Root()}, Allow: func(c awswire.Call) bool {
		return c.Principal == awswire.Root().ARN || permits(t, allowed, "secretsmanager:"+c.Operation, "arn:aws:secretsmanager:"+c.Region+":"+c.Account+":secret:"+c.Name+"-Ab12Cd", false)
	}})
	j.sts = trust
	j.sts.Server, j.sts.Key = srv, &j.key.PublicKey
	store := httptest.NewServer(srv)
	t.Cleanup(store.Close)
	if _, err := open(t, Settings{Region: "eu-west-1", Endpoint: store.URL}).Put(t.Context(), "shop/prod/database", secret.Text(`{"url":"canary-url"}`), nil); err != nil {
		t.Fatal(err)
	}
	proxy, ca := intercept(t, map[string]http.Handler{"sts.eu-west-1.amazonaws.com": j.sts, "secretsmanager.eu-west-1.amazonaws.com": srv})
	j.env = append(j.env, "HTTPS_PROXY="+proxy, "AWS_CA_BUNDLE="+ca)
	return j
}

// role reads the role that the page made: whom it trusts, and what it may.
func (j *ciJob) role(t *testing.T, admin []string) (*awswire.STS, []secret.Rule) {
	t.Helper()
	var made struct {
		Role struct {
			Doc struct {
				Statement []struct {
					Principal struct{ Federated string }
					Condition struct{ StringEquals map[string]string }
				}
			} `json:"AssumeRolePolicyDocument"`
		}
	}
	if err := json.Unmarshal(j.must(t, admin, "aws iam get-role --role-name shop-deploy --output json"), &made); err != nil || len(made.Role.Doc.Statement) != 1 {
		t.Fatalf("%v: %+v", err, made)
	}
	s := made.Role.Doc.Statement[0]
	_, issuer, _ := strings.Cut(s.Principal.Federated, ":oidc-provider/")
	out := &awswire.STS{Issuer: "https://" + issuer, Audience: s.Condition.StringEquals[issuer+":aud"], Subject: s.Condition.StringEquals[issuer+":sub"]}
	if out.Audience == "" || out.Subject == "" {
		t.Fatalf("the role trusts %+v", s)
	}
	var policy struct{ PolicyDocument json.RawMessage }
	if err := json.Unmarshal(j.must(t, admin, "aws iam get-role-policy --role-name shop-deploy --policy-name tacit --output json"), &policy); err != nil {
		t.Fatal(err)
	}
	return out, []secret.Rule{{Language: "json", Text: string(policy.PolicyDocument)}}
}

func (j *ciJob) shell(env []string, script string) *exec.Cmd {
	cmd := exec.Command("bash", "-e", "-c", script)
	cmd.Dir, cmd.Env = j.project, env
	return cmd
}

func (j *ciJob) must(t *testing.T, env []string, script string) []byte {
	t.Helper()
	cmd := j.shell(env, script)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s%v\n%s%s", script, err, out, errs.String())
	}
	return out
}

// steps runs the commands of a job, all but the installation.
func (j *ciJob) steps(t *testing.T, commands []string, vars ...string) (string, int) {
	t.Helper()
	script, installs := "", 0
	for _, c := range commands {
		if strings.TrimSpace(c) == ciGet {
			installs++
			continue
		}
		script += c + "\n"
	}
	if installs != 1 || !strings.Contains(script, "tacit run -- ./deploy\n") {
		t.Fatalf("the job's commands are %q", commands)
	}
	out, err := j.shell(append(vars, j.env...), script).CombinedOutput()
	if strings.Contains(string(out), "canary") {
		t.Errorf("a value is in the job's log: %s", out)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out), 0
}

// variables are those of a job, with the test's file for the page's.
func (j *ciJob) variables(all map[string]string) []string {
	var out []string
	for k, v := range all {
		if k == "AWS_WEB_IDENTITY_TOKEN_FILE" {
			v = j.file
		}
		out = append(out, k+"="+v)
	}
	return out
}

// judge runs a job with tokens that the role trusts, and with ones that it does
// not.
func (j *ciJob) judge(t *testing.T, commands []string, vars func(claims map[string]any) []string) {
	t.Helper()
	good := func() map[string]any {
		return map[string]any{"iss": j.sts.Issuer, "aud": j.sts.Audience, "sub": j.sts.Subject, "exp": time.Now().Add(5 * time.Minute).Unix()}
	}
	if out, code := j.steps(t, commands, vars(good())...); code != 0 || !strings.Contains(out, "deployed with dbobsz-vsm\n") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if len(j.sts.Sessions()) == 0 {
		t.Error("no role was assumed")
	}
	refused := func(what string, claims map[string]any) {
		t.Helper()
		if out, code := j.steps(t, commands, vars(claims)...); code != 3 || strings.Contains(out, "deployed") || !strings.Contains(out, "tacit: ") {
			t.Errorf("%s: exit code %d\n%s", what, code, out)
		}
	}
	for what, change := range map[string][2]any{
		"another branch":      {"sub", strings.Replace(j.sts.Subject, "main", "feature", 1)},
		"another project":     {"sub", strings.Replace(j.sts.Subject, "acme", "mallory", 1)},
		"for another service": {"aud", "https://other.example"},
		"of another issuer":   {"iss", "https://other.example"},
		"expired":             {"exp", time.Now().Add(-time.Hour).Unix()},
	} {
		claims := good()
		claims[change[0].(string)] = change[1]
		refused(what, claims)
	}
	own := j.key
	defer func() { j.key = own }()
	var err error
	if j.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	refused("forged", good())
}

// TestCIGitHubAWS is docs/ci.md, "GitHub Actions and AWS".
func TestCIGitHubAWS(t *testing.T) {
	j := newCIJob(t, "github-aws")
	var flow struct {
		Permissions map[string]string
		Jobs        map[string]struct {
			Env   map[string]string
			Steps []struct{ Run string }
		}
	}
	if err := yaml.Unmarshal([]byte(ciBlock(t, "yaml", "github-aws")), &flow); err != nil || flow.Permissions["id-token"] != "write" {
		t.Fatalf("the workflow: %v %+v", err, flow)
	}
	var commands []string
	for _, s := range flow.Jobs["deploy"].Steps {
		if s.Run != "" {
			commands = append(commands, s.Run)
		}
	}
	var claims atomic.Pointer[map[string]any]
	runner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer runner-token" || r.URL.Query().Get("audience") != "sts.amazonaws.com" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"count": 1, "value": issue(t, j.key, *claims.Load())})
	}))
	defer runner.Close()
	j.judge(t, commands, func(c map[string]any) []string {
		claims.Store(&c)
		return append(j.variables(flow.Jobs["deploy"].Env), "GITHUB_ACTIONS=true", "ACTIONS_ID_TOKEN_REQUEST_URL="+runner.URL+"/token?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=runner-token")
	})
}

// TestCIGitLabAWS is docs/ci.md, "GitLab and AWS".
func TestCIGitLabAWS(t *testing.T) {
	j := newCIJob(t, "gitlab-aws")
	var flow struct {
		Deploy struct {
			Tokens    map[string]struct{ Aud string } `yaml:"id_tokens"`
			Variables map[string]string
			Script    []string
		}
	}
	if err := yaml.Unmarshal([]byte(ciBlock(t, "yaml", "gitlab-aws")), &flow); err != nil || flow.Deploy.Tokens["AWS_ID_TOKEN"].Aud != j.sts.Audience {
		t.Fatalf("the job: %v %+v", err, flow)
	}
	j.judge(t, flow.Deploy.Script, func(c map[string]any) []string {
		return append(j.variables(flow.Deploy.Variables), "GITLAB_CI=true", "AWS_ID_TOKEN="+issue(t, j.key, c))
	})
}

// intercept starts a proxy that answers in the place of some hosts, and returns
// its address and the file of its authority.
func intercept(t *testing.T, hosts map[string]http.Handler) (proxy, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	for h := range hosts {
		template.DNSNames = append(template.DNSNames, h)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := hosts[strings.TrimSuffix(r.Host, ":443")]
		if r.Method != http.MethodConnect || h == nil {
			t.Errorf("%s is asked", r.Host)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		answerAll(tls.Server(conn, conf), h)
	}))
	t.Cleanup(server.Close)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return server.URL, writeFile(t, filepath.Join(t.TempDir(), "ca.pem"), string(text))
}

// answerAll serves the requests of one connection.
func answerAll(conn net.Conn, h http.Handler) {
	in := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		answer := w.Result()
		answer.ContentLength = int64(w.Body.Len())
		if answer.Write(conn) != nil {
			return
		}
	}
}
