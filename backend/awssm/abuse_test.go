package awssm

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/awssm/internal/awswire"
	"github.com/tacit-secrets/tacit/secret"
)

// TestAbuseRegionIsNoAddress: a region becomes part of a host, so one that ends
// the host early would send what signs in, and values, to somebody else.
func TestAbuseRegionIsNoAddress(t *testing.T) {
	for _, region := range []string{"evil.example/", "evil.example#", "evil.example?x=", "x@evil.example:443/", "eu-west-1.evil.example", "eu west", "%2f", "\x1b[2J", strings.Repeat("a", 64)} {
		for from, set := range map[string]func(*testing.T){
			"variable": func(t *testing.T) { t.Setenv("AWS_REGION", region) },
			"profile":  func(t *testing.T) { profiles(t, "[default]\nregion = "+region+"\n") },
		} {
			t.Run(fmt.Sprintf("region-of-%s %q", from, region), func(t *testing.T) {
				nobody(t)
				set(t)
				t.Setenv("AWS_ROLE_ARN", role)
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", writeFile(t, filepath.Join(t.TempDir(), "token"), "canary-token"))
				n, _, _ := newNetwork(awswire.Options{})
				b := n.at(Settings{}, t)
				_, err := b.Put(t.Context(), "app/db", secret.Text("one"), nil)
				if tells(t, err, secret.Invalid, "region"); len(n.met) > 0 || strings.Contains(err.Error(), "\x1b") {
					t.Errorf("%v is asked: %v", n.met, err)
				}
			})
		}
	}
}

// TestAbuseProfileInCommand: what a person is told to paste is one command.
func TestAbuseProfileInCommand(t *testing.T) {
	nobody(t)
	const profile = "$(id)'x"
	profiles(t, "[profile "+profile+"]\nregion = eu-west-1\nsso_session = s\nsso_account_id = 111122223333\nsso_role_name = r\n[sso-session s]\nsso_start_url = https://a.awsapps.com/start\nsso_region = eu-west-1\n")
	t.Setenv("AWS_PROFILE", profile)
	n, _, _ := newNetwork(awswire.Options{})
	_, err := n.at(Settings{}, t).Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.Unauthenticated, `aws sso login --profile '$(id)'\''x'`)
}

// TestAbuseBatchEntry: an entry of a batch that lacks what a single answer must
// have is none, and never an empty value.
func TestAbuseBatchEntry(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	for _, n := range []secret.Name{"a", "b"} {
		l.must(t, n, "one")
	}
	for name, lacks := range map[string][]string{"entry-without-value": {"SecretString"}, "entry-without-version": {"VersionId"}} {
		t.Run(name, func(t *testing.T) {
			l.bends(func(op string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
				if op != "BatchGetSecretValue" {
					next(w, r)
					return
				}
				entries := []map[string]any{}
				for _, n := range []string{"a", "b"} {
					e := map[string]any{"Name": n, "ARN": "arn:x", "VersionId": strings.Repeat("0", 32), "SecretString": "batch", "VersionStages": []string{"AWSCURRENT"}}
					for _, k := range lacks {
						delete(e, k)
					}
					entries = append(entries, e)
				}
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				_ = json.NewEncoder(w).Encode(map[string]any{"SecretValues": entries})
			})
			for _, r := range l.GetBatch(t.Context(), []secret.Name{"a", "b"}) {
				if r.Err != nil || string(r.Version.Value.Reveal()) != "one" { // asked again, one by one
					t.Errorf("got %d bytes, %v", r.Version.Value.Len(), r.Err)
				}
			}
		})
	}
}

// anyone answers in the place of AWS.
type anyone struct {
	status     int
	code, body string
}

// RoundTrip implements http.RoundTripper.
func (a anyone) RoundTrip(r *http.Request) (*http.Response, error) {
	header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amzn-Errortype": {a.code}}
	return &http.Response{StatusCode: a.status, Header: header, Body: io.NopCloser(strings.NewReader(a.body)), Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

// FuzzAnswers: whatever answers in the place of AWS stops nothing, and is an
// error of a kind or a secret.
func FuzzAnswers(f *testing.F) {
	const arn = `"ARN":"arn:aws:secretsmanager:eu-west-1:1:secret:a-abcdef"`
	for _, body := range []string{
		`{` + arn + `,"Name":"a","VersionId":"01234567-0123-0123-0123-0123456789ab","SecretString":"x","VersionStages":["AWSCURRENT"],"CreatedDate":1.7e9}`,
		`{` + arn + `,"Name":"a","VersionIdsToStages":{"x":["AWSCURRENT","=","tacit-swap"]},"Tags":[{"Key":"k"},null],"DeletedDate":1e300,"NextRotationDate":-1}`,
		`{"SecretList":[{"Name":"//.././%"},null],"NextToken":"x"}`, `{"SecretValues":[{"Name":"a"},null],"Errors":[{"SecretId":"a","ErrorCode":"AccessDeniedException"},null]}`,
		`{"Versions":[null,{"VersionId":"","CreatedDate":-1e18}],` + arn + `}`, `{"ResourcePolicy":"{\"Statement\":[]}"}`, `{"__type":"x#ResourceNotFoundException","message":"for deletion"}`, `[]`, `null`, ``, `{`,
	} {
		f.Add(200, "", body)
		f.Add(400, "AccessDeniedException", body)
		f.Add(500, "\x1b]0;x\x07", body)
	}
	for k, v := range map[string]string{"AWS_ACCESS_KEY_ID": awswire.Root().ID, "AWS_SECRET_ACCESS_KEY": awswire.Root().Secret, "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "", "AWS_CA_BUNDLE": "", "AWS_ROLE_ARN": ""} {
		f.Setenv(k, v)
	}
	f.Fuzz(func(t *testing.T, status int, code, body string) {
		b, err := New(Settings{Region: "eu-west-1"})
		if err != nil {
			t.Fatal(err)
		}
		b.rt, b.backoff = anyone{200 + (status%400+400)%400, code, body}, time.Nanosecond
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		fine := func(err error) {
			if err != nil && (secret.KindOf(err) == 0 || strings.Contains(err.Error(), awswire.Root().Secret) || strings.ContainsAny(err.Error(), "\x1b\x07")) {
				t.Errorf("%v", err)
			}
		}
		v, err := b.Get(ctx, "a", secret.At{})
		if fine(err); err == nil && v.Value.IsZero() {
			t.Error("an answer without a value")
		}
		_, err = b.Describe(ctx, "a")
		fine(err)
		for _, r := range b.GetBatch(ctx, []secret.Name{"a", "b"}) {
			if fine(r.Err); r.Err == nil && r.Version.Value.IsZero() {
				t.Error("an answer without a value")
			}
		}
		for _, err := range b.List(ctx, nil) {
			fine(err)
		}
		_, err = b.Posture(ctx)
		fine(err)
		_, err = b.Put(ctx, "a", secret.Text("x"), nil)
		fine(err)
	})
}
