package awssm

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/backend/awssm/internal/awswire"
	"github.com/tacit-secrets/tacit/secret"
)

// TestErrorClasses: each of AWS's answers becomes an error of one kind, that
// names the secret and says the way out.
func TestErrorClasses(t *testing.T) {
	isolate(t)
	const canary = "canary-7f3a"
	l := newLab(t, Settings{})
	l.must(t, "app/db", "one")
	for _, c := range []struct {
		status        int
		code, message string
		kind          secret.Kind
		says          []string
	}{
		{400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.", secret.NotFound, []string{"no such secret", "eu-west-1"}},
		{400, "InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.", secret.NotFound, []string{"tacit undelete"}},
		{400, "InvalidRequestException", "You tried to perform the operation on a secret that's currently marked deleted.", secret.NotFound, []string{"tacit undelete"}},
		{400, "InvalidRequestException", "something else: " + canary, secret.Invalid, []string{"InvalidRequestException", "GetSecretValue", "aws secretsmanager describe-secret"}},
		{400, "InvalidRequestException", "Operation not permitted on a replica secret. Call must be made in primary secret's region.", secret.Invalid, []string{"first one", "aws secretsmanager describe-secret"}},
		{400, "InvalidParameterException", "You can't delete secret x that still has replica regions [" + canary + "]", secret.Invalid, []string{"replicas", "--region eu-west-1"}},
		{400, "AccessDeniedException", "User: arn:aws:sts::111122223333:assumed-role/ci/run is not authorized to perform: secretsmanager:GetSecretValue on resource: " + canary, secret.Denied, []string{"arn:aws:sts::111122223333:assumed-role/ci/run", "secretsmanager:GetSecretValue", "tacit policy export"}},
		{400, "AccessDeniedException", "Access to KMS is not allowed", secret.Denied, []string{"KMS key", "kms:Decrypt"}},
		{400, "DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key.", secret.Denied, []string{"KMS key", "kms:Decrypt"}},
		{400, "ExpiredTokenException", "The security token included in the request is expired", secret.Unauthenticated, []string{"expired", "aws sso login"}},
		{400, "UnrecognizedClientException", "The security token included in the request is invalid.", secret.Unauthenticated, []string{"eu-west-1", "aws sts get-caller-identity"}},
		{400, "InvalidSignatureException", "Credential should be scoped to a valid region.", secret.Unauthenticated, []string{"eu-west-1", "region = "}},
		{400, "InvalidSignatureException", "Signature expired: 20251105T220858Z is now earlier than 20251106T132108Z", secret.Unauthenticated, []string{"clock"}},
		{400, "InvalidSignatureException", "The request signature we calculated does not match. Credential=AKID/" + canary, secret.Unauthenticated, []string{"signature"}},
		{400, "ThrottlingException", "Rate exceeded", secret.Unavailable, []string{"throttles", "GetSecretValue", "wait a minute"}},
		{400, "ValidationException", "1 validation error detected: Value '" + canary + "' at 'secretString' failed to satisfy constraint", secret.Invalid, []string{"ValidationException"}},
		{400, "LimitExceededException", canary, secret.Invalid, []string{"quota"}},
		{500, "InternalServiceError", canary, secret.Unavailable, []string{"failed by itself", "try again"}},
		{400, "Unknown<Code>" + canary, canary, secret.Invalid, []string{"does not answer as AWS", "endpoint"}},
		{404, "", "<html>" + canary, secret.Invalid, []string{"does not answer as AWS", "endpoint"}},
		{503, "", canary, secret.Unavailable, []string{"failed by itself"}},
	} {
		l.bends(func(op string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if op != "GetSecretValue" {
				next(w, r)
				return
			}
			awswire.WriteError(w, &awswire.Error{Status: c.status, Code: c.code, Message: c.message})
		})
		_, err := l.Get(t.Context(), "app/db", secret.At{})
		tells(t, err, c.kind, append(c.says, "app/db")...)
		if strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the message is repeated: %q", c.code, err)
		}
	}
}

// TestAnotherRegion: what is in another region is told with the region that
// was asked.
func TestAnotherRegion(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{Region: "eu-west-1"})
	l.must(t, "app/db", "one")
	other := open(t, Settings{Region: "us-east-1", Endpoint: l.settings.Endpoint})
	_, err := other.Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.NotFound, "app/db: no such secret in the AWS region us-east-1")
}

func TestSettingsAreChecked(t *testing.T) {
	for name, s := range map[string]Settings{
		"region":              {Region: "eu-west-1.evil.example/"},
		"role":                {RoleARN: "arn:aws:iam::111122223333:user/mia"},
		"key":                 {KMSKey: `x","Effect":"Allow`},
		"short window":        {Window: day},
		"long window":         {Window: 31 * day},
		"part of a day":       {Window: 7*day + 1},
		"http":                {Endpoint: "http://secrets.example"},
		"http, by its looks":  {Endpoint: "http://127.0.0.1.evil.example"},
		"no scheme":           {Endpoint: "secrets.example"},
		"another scheme":      {Endpoint: "ftp://secrets.example"},
		"password in address": {Endpoint: "https://user:password@secrets.example"},
		"path":                {Endpoint: "https://secrets.example/path"},
		"query":               {Endpoint: "https://secrets.example?x=y"},
	} {
		if _, err := New(s); secret.KindOf(err) != secret.Invalid || strings.Contains(err.Error(), "password") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range []Settings{
		{},
		{Endpoint: "http://127.0.0.1:4566"},
		{Endpoint: "http://[::1]:1/"},
		{Endpoint: "http://localhost"},
		{Endpoint: "https://vpce-1.secretsmanager.eu-west-1.vpce.amazonaws.com"},
		{Endpoint: "http://secrets.example", PlainHTTP: true},
		{Region: "us-gov-west-1", RoleARN: "arn:aws-us-gov:iam::111122223333:role/path/tacit", KMSKey: "alias/tacit", Window: 7 * day},
	} {
		if _, err := New(s); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// TestAuthoritiesOfTheEnvironment: AWS_CA_BUNDLE, which the SDK takes only
// with a client of its own, says whom to believe.
func TestAuthoritiesOfTheEnvironment(t *testing.T) {
	isolate(t)
	server := httptest.NewTLSServer(awswire.New(awswire.Options{}))
	defer server.Close()
	_, err := open(t, Settings{Region: "eu-west-1", Endpoint: server.URL}).Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.Invalid, "certificate", "ca_cert")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	t.Setenv("AWS_CA_BUNDLE", writeFile(t, filepath.Join(t.TempDir(), "ca.pem"), string(text)))
	putAndGet(t, open(t, Settings{Region: "eu-west-1", Endpoint: server.URL}))
}

// TestDeniedWayOut: the policy that is offered allows what was denied.
func TestDeniedWayOut(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	l.must(t, "app/db", "one")
	l.must(t, "app/old", "one")
	l.must(t, "app/gone", "one")
	if _, err := l.Delete(t.Context(), "app/gone", nil); err != nil {
		t.Fatal(err)
	}
	for verb, do := range map[string]func() error{
		"put":      func() error { _, err := l.Put(t.Context(), "app/db", secret.Text("x"), nil); return err },
		"delete":   func() error { _, err := l.Delete(t.Context(), "app/old", nil); return err },
		"undelete": func() error { _, err := l.Undelete(t.Context(), "app/gone"); return err },
		"list": func() error {
			for _, err := range l.List(t.Context(), nil) {
				return err
			}
			return nil
		},
	} {
		l.allows(func(c awswire.Call) bool { return c.Operation == "DescribeSecret" })
		tells(t, do(), secret.Denied, "tacit policy export --verb "+verb)
		r := rules(t, Settings{}, []secret.Name{"app/db", "app/old", "app/gone"}, secret.Verb(verb))
		l.allows(func(c awswire.Call) bool {
			resource := "*"
			if c.Name != "" {
				resource = "arn:aws:secretsmanager:" + c.Region + ":" + c.Account + ":secret:" + c.Name + "-Ab12Cd"
			}
			return permits(t, r, "secretsmanager:"+c.Operation, resource, false)
		})
		if err := do(); err != nil {
			t.Errorf("%s, with that policy: %v", verb, err)
		}
	}
}
