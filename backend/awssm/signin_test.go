package awssm

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/awssm/internal/awswire"
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// A network has hosts that answer in this process; no others are reached.
type network struct {
	mu    sync.Mutex
	hosts map[string]http.Handler
	met   map[string]int
}

// newNetwork is AWS in one region: the store, and the service that signs in.
func newNetwork(o awswire.Options) (*network, *awswire.Server, *awswire.STS) {
	srv := awswire.New(o)
	sts := &awswire.STS{Server: srv}
	return &network{met: map[string]int{}, hosts: map[string]http.Handler{
		"secretsmanager.eu-west-1.amazonaws.com": srv,
		"sts.eu-west-1.amazonaws.com":            sts,
	}}, srv, sts
}

// RoundTrip implements http.RoundTripper.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	n.met[r.URL.Host]++
	h := n.hosts[r.URL.Host]
	n.mu.Unlock()
	if h == nil || r.URL.Scheme != "https" {
		return nil, fmt.Errorf("no host %s", r.URL.Host)
	}
	in := r.Clone(r.Context())
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, in)
	return w.Result(), nil
}

func (n *network) at(settings Settings, t *testing.T) *Backend {
	t.Helper()
	b := open(t, settings)
	b.rt = n
	return b
}

// putAndGet is the least that shows that signing in works.
func putAndGet(t *testing.T, b *Backend) {
	t.Helper()
	if _, err := b.Put(t.Context(), "app/db", secret.Text("one"), nil); err != nil {
		t.Fatal(err)
	}
	if v, err := b.Get(t.Context(), "app/db", secret.At{}); err != nil || !v.Value.Equal(secret.Text("one")) {
		t.Fatalf("%+v, %v", v, err)
	}
}

// nobody has no credentials at all.
func nobody(t *testing.T) {
	t.Helper()
	isolate(t)
	for _, k := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if err := os.Unsetenv(k); err != nil {
			t.Fatal(err)
		}
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// profiles writes the files of AWS.
func profiles(t *testing.T, text string) {
	t.Helper()
	t.Setenv("AWS_CONFIG_FILE", writeFile(t, filepath.Join(t.TempDir(), "config"), text))
}

const role = "arn:aws:iam::444455556666:role/tacit"

func keyLines() string {
	return "aws_access_key_id = " + awswire.Root().ID + "\naws_secret_access_key = " + awswire.Root().Secret + "\n"
}

func TestSignInByProfileAndRole(t *testing.T) {
	for name, c := range map[string]struct {
		config   string
		settings Settings
		sessions int
	}{
		"key of a profile":             {"[profile dev]\n" + keyLines(), Settings{Region: "eu-west-1", Profile: "dev"}, 0},
		"region of a profile":          {"[profile dev]\nregion = eu-west-1\n" + keyLines(), Settings{Profile: "dev"}, 0},
		"role of a profile":            {"[profile base]\n" + keyLines() + "[profile dev]\nrole_arn = " + role + "\nsource_profile = base\n", Settings{Region: "eu-west-1", Profile: "dev"}, 1},
		"role of the settings":         {"[profile dev]\n" + keyLines(), Settings{Region: "eu-west-1", Profile: "dev", RoleARN: role}, 1},
		"role of the settings, on top": {"[profile base]\n" + keyLines() + "[profile dev]\nrole_arn = " + role + "\nsource_profile = base\n", Settings{Region: "eu-west-1", Profile: "dev", RoleARN: role}, 2},
		"command of a profile":         {"[profile dev]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"" + awswire.Root().ID + "\",\"SecretAccessKey\":\"" + awswire.Root().Secret + "\"}'\n", Settings{Region: "eu-west-1", Profile: "dev"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			nobody(t)
			profiles(t, c.config)
			if strings.Contains(c.config, "credential_process") {
				t.Setenv("PATH", os.Getenv("PATH"))
			}
			n, srv, sts := newNetwork(awswire.Options{})
			if c.settings.RoleARN != "" {
				c.settings.SessionName = "ci-42"
			}
			putAndGet(t, n.at(c.settings, t))
			if got := sts.Sessions(); len(got) != c.sessions || c.settings.RoleARN != "" && got[len(got)-1] != "ci-42" {
				t.Errorf("the sessions are %q", got)
			}
			if srv.Requests()["GetSecretValue"] != 1 {
				t.Errorf("%v", srv.Requests())
			}
		})
	}
}

func TestExternalIDIsShown(t *testing.T) {
	isolate(t)
	n, _, sts := newNetwork(awswire.Options{})
	sts.ExternalID = "for-tacit"
	putAndGet(t, n.at(Settings{Region: "eu-west-1", RoleARN: role, ExternalID: "for-tacit"}, t))
	_, err := n.at(Settings{Region: "eu-west-1", RoleARN: role}, t).Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.Denied, "sts:AssumeRole", "app/db", "trust policy", "aws iam get-role")
}

// tells expects an error of a kind that says all of this.
func tells(t *testing.T, err error, k secret.Kind, what ...string) {
	t.Helper()
	if secret.KindOf(err) != k {
		t.Fatalf("%v is %q, want %q", err, secret.KindOf(err).Error(), k.Error())
	}
	for _, w := range what {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	for ; err != nil; err = errors.Unwrap(err) {
		for _, never := range []string{awswire.Root().Secret, "Credential=", "RequestID", "request id"} {
			if strings.Contains(fmt.Sprintf("%+v", err), never) {
				t.Errorf("%q says %q", err, never)
			}
		}
	}
}

// issue makes an identity token, as GitHub and GitLab do.
func issue(t *testing.T, key *rsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	encode := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := encode(map[string]string{"alg": "RS256", "typ": "JWT"}) + "." + encode(claims)
	hashed := sha256.Sum256([]byte(text))
	s, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, hashed[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(s)
}

// TestWebIdentity signs in with a token that a CI job was given, at a service
// that checks it.
func TestWebIdentity(t *testing.T) {
	nobody(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	n, _, sts := newNetwork(awswire.Options{})
	sts.Issuer, sts.Audience, sts.Subject, sts.Key = "https://token.actions.githubusercontent.com", "sts.amazonaws.com", "repo:acme/app:ref:refs/heads/main", &key.PublicKey
	file := filepath.Join(t.TempDir(), "token")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", file)
	t.Setenv("AWS_ROLE_ARN", role)
	t.Setenv("AWS_ROLE_SESSION_NAME", "run-7")
	good := map[string]any{"iss": sts.Issuer, "aud": sts.Audience, "sub": sts.Subject, "exp": time.Now().Add(time.Minute).Unix()}
	try := func(change string, value any) error {
		claims := map[string]any{}
		for k, v := range good {
			claims[k] = v
		}
		if change != "" {
			claims[change] = value
		}
		writeFile(t, file, issue(t, key, claims))
		_, err := n.at(Settings{Region: "eu-west-1"}, t).Get(t.Context(), "app/db", secret.At{})
		return err
	}
	tells(t, try("", nil), secret.NotFound) // signed in, and there is none
	if got := sts.Sessions(); len(got) != 1 || got[0] != "run-7" {
		t.Errorf("the sessions are %q", got)
	}
	tells(t, try("aud", "somebody else"), secret.Unauthenticated, "identity token")
	tells(t, try("sub", "repo:evil/app:ref:refs/heads/main"), secret.Denied, "sts:AssumeRoleWithWebIdentity", "trust policy")
	tells(t, try("exp", 1), secret.Unauthenticated, "expired")
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key = other
	tells(t, try("", nil), secret.Unauthenticated, "identity token")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	_, err = n.at(Settings{Region: "eu-west-1"}, t).Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.Unauthenticated)
	if got := sts.Sessions(); len(got) != 1 {
		t.Errorf("%d sessions were begun", len(got))
	}
}

// TestJobOfGitHub: where AWS_ROLE_ARN names a role and nothing else says how to
// assume it, a job's own identity does, without a file.
func TestJobOfGitHub(t *testing.T) {
	nobody(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	n, srv, sts := newNetwork(awswire.Options{})
	sts.Issuer, sts.Audience, sts.Subject, sts.Key = "https://token.actions.githubusercontent.com", "sts.amazonaws.com", "repo:acme/app:ref:refs/heads/main", &key.PublicKey
	subject, status, asked := sts.Subject, http.StatusOK, 0
	runner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if status != http.StatusOK || r.Header.Get("Authorization") != "Bearer runner-canary" || r.URL.Query().Get("api-version") != "2.0" {
			w.WriteHeader(max(status, http.StatusForbidden))
			return
		}
		token := issue(t, key, map[string]any{"iss": sts.Issuer, "aud": r.URL.Query().Get("audience"), "sub": subject, "exp": time.Now().Add(time.Minute).Unix()})
		_ = json.NewEncoder(w).Encode(map[string]string{"value": token})
	}))
	defer runner.Close()
	t.Setenv("AWS_ROLE_ARN", role)
	job := Settings{Region: "eu-west-1", SessionName: "ci-42", GitHub: wire.GitHub{URL: runner.URL + "/token?api-version=2.0", Token: secret.Text("runner-canary")}}
	get := func(s Settings) error {
		_, err := n.at(s, t).Get(t.Context(), "app/db", secret.At{})
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("the job's token is told: %v", err)
		}
		return err
	}
	putAndGet(t, n.at(job, t))
	if got := sts.Sessions(); asked != 1 || len(got) != 1 || got[0] != "ci-42" {
		t.Errorf("the runner is asked %d times, the sessions are %q", asked, got)
	}

	subject = "repo:evil/app:ref:refs/heads/main"
	tells(t, get(job), secret.Denied, "app/db", "sts:AssumeRoleWithWebIdentity", "trust policy")
	subject, status = sts.Subject, http.StatusForbidden
	tells(t, get(job), secret.Unauthenticated, "app/db", "id-token: write")
	status = http.StatusBadGateway
	tells(t, get(job), secret.Unavailable, "app/db", "GitHub Actions answers 502")
	status = http.StatusOK
	plain := job
	plain.GitHub.URL = "http://runner.example/token"
	tells(t, get(plain), secret.Invalid, "https")
	none := job
	none.GitHub = wire.GitHub{}
	tells(t, get(none), secret.Unauthenticated, "app/db", "AWS_ROLE_ARN", "id-token: write", "AWS_WEB_IDENTITY_TOKEN_FILE")

	// Whoever has keys, a file or a profile is not the job.
	before := asked
	profiles(t, "[profile dev]\n"+keyLines())
	dev := job
	dev.Profile = "dev"
	if err := get(dev); secret.KindOf(err) != secret.NotFound {
		t.Error(err)
	}
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token")
	tells(t, get(job), secret.Unauthenticated)
	if err := os.Unsetenv("AWS_WEB_IDENTITY_TOKEN_FILE"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", awswire.Root().ID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", awswire.Root().Secret)
	if err := get(job); secret.KindOf(err) != secret.NotFound {
		t.Error(err)
	}
	t.Setenv("AWS_ROLE_ARN", "")
	for _, k := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if err := os.Unsetenv(k); err != nil {
			t.Fatal(err)
		}
	}
	tells(t, get(job), secret.Unauthenticated, "no AWS credentials were found")
	if asked != before {
		t.Errorf("the runner is asked %d times too many", asked-before)
	}
	if got := srv.Requests()["GetSecretValue"]; got != 3 {
		t.Errorf("the store is asked %d times", got)
	}
}

// TestContainerCredentials signs in as a task of ECS or EKS does.
func TestContainerCredentials(t *testing.T) {
	nobody(t)
	var asked atomic.Int64
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("Authorization") != "the container's token" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = fmt.Fprintf(w, `{"AccessKeyId":%q,"SecretAccessKey":%q,"Token":"","Expiration":%q}`, awswire.Root().ID, awswire.Root().Secret, time.Now().Add(time.Hour).Format(time.RFC3339))
	}))
	defer endpoint.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.URL+"/v1/credentials")
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", writeFile(t, filepath.Join(t.TempDir(), "token"), "the container's token"))
	n, _, _ := newNetwork(awswire.Options{})
	putAndGet(t, n.at(Settings{Region: "eu-west-1"}, t))
	if asked.Load() != 1 {
		t.Errorf("it is asked %d times", asked.Load())
	}
}

// TestMachineCredentials signs in by the metadata service of a machine.
func TestMachineCredentials(t *testing.T) {
	nobody(t)
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut:
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
			_, _ = w.Write([]byte("token"))
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "token":
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, "/tacit"):
			_, _ = fmt.Fprintf(w, `{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":%q,"SecretAccessKey":%q,"Token":"","Expiration":%q}`, awswire.Root().ID, awswire.Root().Secret, time.Now().Add(time.Hour).Format(time.RFC3339))
		default:
			_, _ = w.Write([]byte("tacit"))
		}
	}))
	defer metadata.Close()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
	n, _, _ := newNetwork(awswire.Options{})
	putAndGet(t, n.at(Settings{Region: "eu-west-1"}, t))
}

// signedOn writes a profile of single sign-on, and the token that a sign-in left.
func signedOn(t *testing.T, expires time.Time) {
	t.Helper()
	const start = "https://acme.awsapps.com/start"
	profiles(t, "[profile dev]\nsso_start_url = "+start+"\nsso_region = eu-west-1\nsso_account_id = 111122223333\nsso_role_name = reader\n")
	sum := sha1.Sum([]byte(start))
	file := filepath.Join(os.Getenv("HOME"), ".aws", "sso", "cache", hex.EncodeToString(sum[:])+".json")
	writeFile(t, file, fmt.Sprintf(`{"accessToken":"signed in","expiresAt":%q,"region":"eu-west-1","startUrl":%q}`, expires.UTC().Format(time.RFC3339), start))
}

func TestSingleSignOn(t *testing.T) {
	nobody(t)
	signedOn(t, time.Now().Add(time.Hour))
	n, _, _ := newNetwork(awswire.Options{})
	over := false
	n.hosts["portal.sso.eu-west-1.amazonaws.com"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if over || r.Header.Get("X-Amz-Sso_bearer_token") != "signed in" {
			w.Header().Set("X-Amzn-Errortype", "UnauthorizedException")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprintf(w, `{"roleCredentials":{"accessKeyId":%q,"secretAccessKey":%q,"sessionToken":"","expiration":%d}}`, awswire.Root().ID, awswire.Root().Secret, time.Now().Add(time.Hour).UnixMilli())
	})
	putAndGet(t, n.at(Settings{Region: "eu-west-1", Profile: "dev"}, t))
	over = true
	_, err := n.at(Settings{Region: "eu-west-1", Profile: "dev"}, t).Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.Unauthenticated, "expired", "aws sso login --profile dev")
	signedOn(t, time.Now().Add(-time.Hour))
	t.Setenv("AWS_PROFILE", "dev")
	_, err = n.at(Settings{Region: "eu-west-1"}, t).Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.Unauthenticated, "expired", "aws sso login --profile dev")
}

// TestExpiredMidRun: the store ends credentials before their time; tacit signs
// in anew, once.
func TestExpiredMidRun(t *testing.T) {
	isolate(t)
	var mu sync.Mutex
	refuse := 0
	n, srv, sts := newNetwork(awswire.Options{Around: func(_ string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		mu.Lock()
		defer mu.Unlock()
		if refuse > 0 {
			refuse--
			awswire.WriteError(w, &awswire.Error{Code: "ExpiredTokenException", Message: "The security token included in the request is expired", Front: true})
			return
		}
		next(w, r)
	}})
	b := n.at(Settings{Region: "eu-west-1", RoleARN: role}, t)
	putAndGet(t, b)
	refuse = 1
	putAndGet(t, b)
	if got := len(sts.Sessions()); got != 2 {
		t.Errorf("%d sessions were begun", got)
	}
	before := srv.Requests()["GetSecretValue"]
	refuse = 100
	_, err := b.Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.Unauthenticated, "expired", "aws sso login")
	if got := srv.Requests()["GetSecretValue"] - before; got != 2 {
		t.Errorf("it is asked %d times", got)
	}
}

func TestNotSignedIn(t *testing.T) {
	nobody(t)
	n, srv, _ := newNetwork(awswire.Options{})
	_, err := n.at(Settings{Region: "eu-west-1"}, t).Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.Unauthenticated, "app/db: no AWS credentials were found", "aws sso login")
	_, err = n.at(Settings{}, t).Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.Invalid, "no AWS region", "region = ")
	_, err = n.at(Settings{Region: "eu-west-1", Profile: "nobody"}, t).Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.Invalid, `no AWS profile "nobody"`, "aws configure list-profiles")
	profiles(t, "[profile mfa]\nrole_arn = "+role+"\nsource_profile = base\nmfa_serial = arn:aws:iam::111122223333:mfa/mia\n[profile base]\n"+keyLines())
	_, err = n.at(Settings{Region: "eu-west-1", Profile: "mfa"}, t).Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.Unauthenticated, "second factor")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDUNKNOWN")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	_, err = n.at(Settings{Region: "eu-west-1"}, t).Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.Unauthenticated, "AWS does not know the credentials", "eu-west-1")
	t.Setenv("AWS_ACCESS_KEY_ID", awswire.Root().ID)
	_, err = n.at(Settings{Region: "eu-west-1"}, t).Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.Unauthenticated, "signature")
	if got := len(srv.Requests()); got != 1 {
		t.Errorf("%v", srv.Requests())
	}
}

// TestNewReachesNothing: no file, no variable, no network.
func TestNewReachesNothing(t *testing.T) {
	nobody(t)
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent/config")
	n, _, _ := newNetwork(awswire.Options{})
	b := n.at(Settings{}, t)
	if len(n.met) != 0 || b.opened != nil {
		t.Errorf("%v", n.met)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Get(ctx, "app/db", secret.At{})
	tells(t, err, secret.Unavailable, "interrupted")
	late, over := context.WithDeadline(t.Context(), time.Now())
	defer over()
	_, err = b.Get(late, "app/db", secret.At{})
	tells(t, err, secret.Unavailable, "did not answer in time")
	if len(n.met) != 0 {
		t.Errorf("%v", n.met)
	}
}
