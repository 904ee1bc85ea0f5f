package vault

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/tacit-secrets/tacit/secret"
)

// OpenBao has neither the method nor the engine of AWS. amazon is a server of
// this test's own that does what Vault does with them: it takes the signed
// request apart, refuses what Vault refuses, and looks at the signature as STS
// does to which Vault sends it.
type amazon struct {
	t        *testing.T
	keys     map[string]string // access key → secret key, of a role that may sign in
	session  string            // a session token that the keys need; empty: none
	serverID string
	region   string

	mu      sync.Mutex
	logins  int
	live    map[string]bool
	revoked []string
}

func (a *amazon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	text := func(k string) string { s, _ := body[k].(string); return s }
	say := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	refuse := func(status int, why string) { say(status, map[string]any{"errors": []string{why}}) }
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	if path == "auth/aws/login" {
		if why := a.login(body); why != "" {
			a.t.Logf("refused: %s", why)
			refuse(http.StatusBadRequest, why)
			return
		}
		a.logins++
		say(http.StatusOK, map[string]any{"auth": map[string]any{"client_token": "hvs.made-here", "lease_duration": 3600, "renewable": true, "token_type": "service"}})
		return
	}
	if r.Header.Get("X-Vault-Token") != "hvs.made-here" {
		refuse(http.StatusForbidden, "permission denied")
		return
	}
	issue := func(data map[string]any, renewable bool) {
		id := path + "/" + unique()
		a.live[id] = true
		say(http.StatusOK, map[string]any{"lease_id": id, "lease_duration": 900, "renewable": renewable, "data": data})
	}
	switch {
	case strings.HasPrefix(path, "sys/internal/ui/mounts/aws"):
		say(http.StatusOK, map[string]any{"data": map[string]any{"path": "aws/", "type": "aws"}})
	case path == "aws/creds/deploy" && r.Method == http.MethodGet:
		issue(map[string]any{"access_key": "AKIAISSUED", "secret_key": hidden, "security_token": nil}, true)
	case path == "aws/sts/deploy" && (r.Method == http.MethodPut || r.Method == http.MethodPost) && text("ttl") == "900s":
		issue(map[string]any{"access_key": "ASIAISSUED", "secret_key": hidden, "security_token": hidden}, false)
	case path == "sys/leases/renew" && a.live[text("lease_id")]:
		say(http.StatusOK, map[string]any{"lease_id": text("lease_id"), "lease_duration": 1800, "renewable": true})
	case path == "sys/leases/revoke" && body["sync"] == true:
		delete(a.live, text("lease_id"))
		a.revoked = append(a.revoked, text("lease_id"))
		w.WriteHeader(http.StatusNoContent)
	case path == "auth/token/revoke-self":
		a.revoked = append(a.revoked, "the token")
		w.WriteHeader(http.StatusNoContent)
	default:
		refuse(http.StatusBadRequest, `unknown role "`+path+`"`)
	}
}

// login is Vault's part of the method: what it checks before it asks STS.
func (a *amazon) login(body map[string]any) string {
	part := func(k string) []byte {
		s, _ := body[k].(string)
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return nil
		}
		return b
	}
	address, err := url.Parse(string(part("iam_request_url")))
	headers := http.Header{}
	text := string(part("iam_request_body"))
	form, formErr := url.ParseQuery(text)
	host := "sts.amazonaws.com"
	if a.region != "" {
		host = "sts." + a.region + ".amazonaws.com"
	}
	switch {
	case body["role"] != "app":
		return "unknown role"
	case body["iam_http_request_method"] != http.MethodPost:
		return "invalid iam_http_request_method"
	case err != nil || address.Host != host || address.Path != "/" || address.RawQuery != "":
		return "invalid iam_request_url"
	case formErr != nil || form.Get("Action") != "GetCallerIdentity" || len(form) != 2:
		return "invalid iam_request_body"
	case json.Unmarshal(part("iam_request_headers"), &headers) != nil:
		return "invalid iam_request_headers"
	}
	for k := range headers { // those that Vault sends on
		if !slices.Contains([]string{"Authorization", "Content-Length", "Content-Type", "Host", "X-Amz-Date", "X-Amz-Security-Token", http.CanonicalHeaderKey(serverIDHeader)}, k) {
			return "a header that is not allowed: " + k
		}
	}
	if a.serverID != "" {
		_, signedHeaders, _ := strings.Cut(headers.Get("Authorization"), "SignedHeaders=")
		signedHeaders, _, _ = strings.Cut(signedHeaders, ",")
		switch {
		case headers.Get(serverIDHeader) != a.serverID:
			return "expected another server id"
		case !slices.Contains(strings.Split(signedHeaders, ";"), strings.ToLower(serverIDHeader)):
			return "the server id is not signed"
		}
	}
	return a.verify(address, headers, text)
}

// verify is the part of STS: it signs the request anew and compares.
func (a *amazon) verify(address *url.URL, headers http.Header, body string) string {
	got := headers.Get("Authorization")
	_, key, _ := strings.Cut(got, "Credential=")
	key, scope, _ := strings.Cut(key, "/")
	secretKey, known := a.keys[key]
	at, err := time.Parse("20060102T150405Z", headers.Get("X-Amz-Date"))
	region := a.region
	if region == "" {
		region = "us-east-1"
	}
	switch {
	case !known:
		return "InvalidClientTokenId"
	case err != nil || time.Since(at).Abs() > 5*time.Minute:
		return "the request is old"
	case !strings.HasPrefix(scope, at.Format("20060102")+"/"+region+"/sts/aws4_request"):
		return "signed for another region or service"
	case headers.Get("X-Amz-Security-Token") != a.session:
		return "another session"
	}
	r, err := http.NewRequest(http.MethodPost, address.String(), strings.NewReader(body))
	if err != nil {
		return "no request"
	}
	for k, v := range headers {
		if k != "Authorization" && k != "Host" {
			r.Header[k] = v
		}
	}
	sum := sha256.Sum256([]byte(body))
	c := aws.Credentials{AccessKeyID: key, SecretAccessKey: secretKey, SessionToken: a.session}
	if err := v4.NewSigner().SignHTTP(a.t.Context(), c, r, hex.EncodeToString(sum[:]), "sts", region, at); err != nil || r.Header.Get("Authorization") != got {
		return "SignatureDoesNotMatch"
	}
	return ""
}

func newAmazon(t *testing.T) *amazon {
	t.Helper()
	return &amazon{t: t, keys: map[string]string{"AKIATEST": hidden}, live: map[string]bool{}}
}

// open signs in with keys of the test's own.
func (a *amazon) open(auth Auth, keys aws.CredentialsProvider) *Backend {
	a.t.Helper()
	ts := httptest.NewServer(a)
	a.t.Cleanup(ts.Close)
	auth.Method = "aws"
	b, err := New(Settings{Address: ts.URL, Auth: auth})
	if err != nil {
		a.t.Fatal(err)
	}
	b.session.how.(*awsSigner).creds = keys
	return b
}

func TestAWSLoginAndEngine(t *testing.T) {
	a := newAmazon(t)
	a.serverID, a.region = "vault.example", "eu-central-1"
	b := a.open(Auth{Role: "app", Region: "eu-central-1", ServerID: "vault.example"}, credentials.NewStaticCredentialsProvider("AKIATEST", hidden, ""))
	l, err := b.Issue(t.Context(), "aws/creds/deploy", 0)
	if err != nil || !l.Renewable || !strings.Contains(string(l.Value.Reveal()), `"access_key":"AKIAISSUED"`) {
		t.Fatalf("issued %+v, %v", l, err)
	}
	sts, err := b.Issue(t.Context(), "aws/sts/deploy", 15*time.Minute)
	if err != nil || sts.Renewable || !strings.Contains(string(sts.Value.Reveal()), `"security_token"`) {
		t.Fatalf("issued %+v, %v", sts, err)
	}
	if r, err := b.Renew(t.Context(), l.ID, time.Hour); err != nil || !r.Expires.After(l.Expires) {
		t.Errorf("renewed %+v, %v", r, err)
	}
	if _, err := b.Issue(t.Context(), "aws/creds/none", 0); !errors.Is(err, secret.NotFound) || strings.Contains(err.Error(), hidden) {
		t.Errorf("no such role: %v", err)
	}
	// The token is given back only when no lease lives with it any more.
	if err := b.Revoke(t.Context(), l.ID); err != nil {
		t.Error(err)
	}
	if err := b.Revoke(t.Context(), sts.ID); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil || !slices.Equal(a.revoked, []string{l.ID, sts.ID, "the token"}) || a.logins != 1 {
		t.Errorf("revoked %q after %d sign-ins, %v", a.revoked, a.logins, err)
	}
}

func TestAWSLoginWithSession(t *testing.T) {
	a := newAmazon(t)
	a.session = "session-token"
	b := a.open(Auth{Role: "app"}, credentials.NewStaticCredentialsProvider("AKIATEST", hidden, "session-token"))
	if _, err := b.Issue(t.Context(), "aws/creds/deploy", 0); err != nil {
		t.Error(err)
	}
	// A lease lives on: the token it would die with is kept.
	if err := b.Close(); err != nil || len(a.revoked) > 0 {
		t.Errorf("revoked %q, %v", a.revoked, err)
	}
}

func TestAWSLoginRefused(t *testing.T) {
	for what, c := range map[string]struct {
		auth   Auth
		key    string
		change func(*amazon)
	}{
		"wrong secret key":  {Auth{Role: "app"}, hidden + "x", nil},
		"wrong role":        {Auth{Role: "other"}, hidden, nil},
		"another region":    {Auth{Role: "app", Region: "eu-west-1"}, hidden, nil},
		"no server id":      {Auth{Role: "app"}, hidden, func(a *amazon) { a.serverID = "vault.example" }},
		"another server id": {Auth{Role: "app", ServerID: "evil.example"}, hidden, func(a *amazon) { a.serverID = "vault.example" }},
	} {
		t.Run(what, func(t *testing.T) {
			a := newAmazon(t)
			if c.change != nil {
				c.change(a)
			}
			b := a.open(c.auth, credentials.NewStaticCredentialsProvider("AKIATEST", c.key, ""))
			refusesSignIn(t, b, "AWS identity")
			if a.logins != 0 {
				t.Error("it was let in")
			}
		})
	}
	a := newAmazon(t)
	b := a.open(Auth{Role: "app"}, credentials.NewStaticCredentialsProvider("", "", ""))
	refusesSignIn(t, b, "aws sts get-caller-identity")
}
