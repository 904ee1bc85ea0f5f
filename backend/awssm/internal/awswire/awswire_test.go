package awswire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// signed is a request as the SDK signs it.
func signed(t *testing.T, operation, body string, at time.Time, k Key) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://store.example/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "secretsmanager."+operation)
	sum := sha256.Sum256([]byte(body))
	c := aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret, SessionToken: k.Session}
	if err := v4.NewSigner().SignHTTP(context.Background(), c, r, hex.EncodeToString(sum[:]), "secretsmanager", "eu-west-1", at); err != nil {
		t.Fatal(err)
	}
	return r
}

// ask sends a request and returns the code of the error, and the answer.
func ask(t *testing.T, s *Server, r *http.Request) (string, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%q: %v", w.Body, err)
	}
	code, _ := out["__type"].(string)
	if (code == "") != (w.Code == http.StatusOK) {
		t.Errorf("%d with %v", w.Code, out)
	}
	return code, out
}

func answered(t *testing.T, s *Server, operation, body string) (string, map[string]any) {
	t.Helper()
	return ask(t, s, signed(t, operation, body, time.Now(), Root()))
}

func TestSignaturesAreVerified(t *testing.T) {
	now, session := time.Now(), Root()
	session.ID, session.Session = "ASIASESSION", "token"
	over := session
	over.ID, over.Expires = "ASIAOVER", now.Add(-time.Minute)
	s := New(Options{Keys: []Key{Root(), session, over}})
	for what, c := range map[string]struct {
		at     time.Time
		key    Key
		change func(r *http.Request)
		code   string
	}{
		"as it is":             {now, Root(), nil, ""},
		"with a session":       {now, session, nil, ""},
		"session that is over": {now, over, nil, "ExpiredTokenException"},
		"other session":        {now, session, func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }, "UnrecognizedClientException"},
		"no session":           {now, session, func(r *http.Request) { r.Header.Del("X-Amz-Security-Token") }, "UnrecognizedClientException"},
		"unknown key":          {now, Key{ID: "AKIDX", Secret: "x"}, nil, "UnrecognizedClientException"},
		"other secret":         {now, Key{ID: Root().ID, Secret: "x"}, nil, "InvalidSignatureException"},
		"too old":              {now.Add(-5*time.Minute - 2*time.Second), Root(), nil, "InvalidSignatureException"},
		"old":                  {now.Add(-4 * time.Minute), Root(), nil, ""},
		"too new":              {now.Add(5*time.Minute + 5*time.Second), Root(), nil, "InvalidSignatureException"},
		"other operation":      {now, Root(), func(r *http.Request) { r.Header.Set("X-Amz-Target", "secretsmanager.DeleteSecret") }, "InvalidSignatureException"},
		"other body":           {now, Root(), func(r *http.Request) { r.Body = http.NoBody }, "InvalidSignatureException"},
		"other host":           {now, Root(), func(r *http.Request) { r.Host = "other.example" }, "InvalidSignatureException"},
		"target that is not signed": {now, Root(), func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";x-amz-target", "", 1))
		}, "InvalidSignatureException"},
		"two headers":               {now, Root(), func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, "IncompleteSignatureException"},
		"none":                      {now, Root(), func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException"},
		"signed address":            {now, Root(), func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=x" }, "IncompleteSignatureException"},
		"another date in its scope": {now, Root(), func(r *http.Request) { r.Header.Set("X-Amz-Date", "20200101T000000Z") }, "IncompleteSignatureException"},
		"scope of another service": {now, Root(), func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/secretsmanager/", "/sts/", 1))
		}, "InvalidSignatureException"},
	} {
		r := signed(t, "ListSecrets", "{}", c.at, c.key)
		if c.change != nil {
			c.change(r)
		}
		if code, _ := ask(t, s, r); code != c.code {
			t.Errorf("%s: %q, want %q", what, code, c.code)
		}
	}
}

// TestRecordedAnswers are answers of AWS as they were recorded.
func TestRecordedAnswers(t *testing.T) {
	s := New(Options{})
	const a, b = `"ClientRequestToken":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`, `"ClientRequestToken":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"`
	for _, step := range []struct{ operation, body, code, says string }{
		{"CreateSecret", `{"Name":"a","SecretString":"one"}`, "InvalidRequestException", "You must provide a ClientRequestToken value. We recommend a UUID-type value."},
		{"CreateSecret", `{"Name":"a b","SecretString":"one",` + a + `}`, "ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"},
		{"CreateSecret", `{"Name":"a","SecretString":"one",` + a + `}`, "", ""},
		{"CreateSecret", `{"Name":"a","SecretString":"one",` + a + `}`, "", ""},
		{"CreateSecret", `{"Name":"a","SecretString":"two",` + b + `}`, "ResourceExistsException", "The operation failed because the secret a already exists."},
		{"PutSecretValue", `{"SecretId":"a","SecretString":"two",` + a + `}`, "ResourceExistsException", "already in use for a version of secret arn:aws:secretsmanager:eu-west-1:"},
		{"PutSecretValue", `{"SecretId":"a","SecretString":"","SecretBinary":"eA==",` + b + `}`, "InvalidParameterException", "both"},
		{"PutSecretValue", `{"SecretId":"a","SecretString":"",` + b + `}`, "ValidationException", ""},
		{"PutSecretValue", `{"SecretId":"a","SecretString":"` + strings.Repeat("x", 65537) + `",` + b + `}`, "ValidationException", ""},
		{"PutSecretValue", `{"SecretId":"a","SecretString":"` + strings.Repeat("x", 65536) + `",` + b + `}`, "", ""},
		{"GetSecretValue", `{"SecretId":"none"}`, "ResourceNotFoundException", "Secrets Manager can't find the specified secret."},
		{"GetSecretValue", `{"SecretId":"a","VersionStage":"green"}`, "ResourceNotFoundException", "value for staging label: green"},
		{"GetSecretValue", `{"SecretId":"a","VersionId":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","VersionStage":"AWSCURRENT"}`, "InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId."},
		{"UpdateSecretVersionStage", `{"SecretId":"a","VersionStage":"AWSCURRENT","MoveToVersionId":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`, "InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"},
		{"DeleteSecret", `{"SecretId":"a","RecoveryWindowInDays":6}`, "InvalidParameterException", "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."},
		{"DeleteSecret", `{"SecretId":"none","ForceDeleteWithoutRecovery":true}`, "", ""},
		{"ListSecrets", `{"NextToken":"forged"}`, "InvalidNextTokenException", ""},
		{"ListSecrets", `{"MaxResults":101}`, "ValidationException", ""},
		{"BatchGetSecretValue", `{}`, "InvalidParameterException", "Either 'SecretIdList' or 'Filters' must be provided, but not both."},
		{"BatchGetSecretValue", `{"SecretIdList":["a"` + strings.Repeat(`,"a"`, 20) + `]}`, "ValidationException", ""},
		{"DeleteSecret", `{"SecretId":"a"}`, "", ""},
		{"TagResource", `{"SecretId":"a","Tags":[]}`, "InvalidRequestException", "marked for deletion"},
		{"CreateSecret", `{"Name":"a","SecretString":"x",` + b + `}`, "InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled for deletion."},
		{"DescribeSecret", `{"SecretId":"a"}`, "", ""},
		{"RestoreSecret", `{"SecretId":"a"}`, "", ""},
		{"Nothing", `{}`, "UnknownOperationException", ""},
		{"GetSecretValue", `[`, "SerializationException", ""},
	} {
		code, out := answered(t, s, step.operation, step.body)
		said, _ := out["Message"].(string)
		if said == "" {
			said, _ = out["message"].(string)
		}
		if code != step.code || !strings.Contains(said, step.says) {
			t.Errorf("%s %.100s: %v, want %s, %q", step.operation, step.body, out, step.code, step.says)
		}
	}
}

// TestARNs: a secret is found by name, ARN, and ARN without its suffix.
func TestARNs(t *testing.T) {
	s := New(Options{})
	_, made := answered(t, s, "CreateSecret", `{"Name":"app/db","SecretString":"x","ClientRequestToken":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`)
	arn, _ := made["ARN"].(string)
	for id, found := range map[string]bool{
		"app/db": true, arn: true, arn[:len(arn)-7]: true, arn[:len(arn)-1] + "_": false, strings.Replace(arn, "eu-west-1", "us-east-1", 1): false,
		strings.Replace(arn, "111122223333", "444455556666", 1): false, "app/db" + arn[len(arn)-7:]: false, arn[:len(arn)-8]: false,
	} {
		code, _ := answered(t, s, "DescribeSecret", `{"SecretId":"`+id+`"}`)
		if (code == "") != found {
			t.Errorf("%s: %q", id, code)
		}
	}
}

// TestLabelsAreTwenty: across all versions of a secret.
func TestLabelsAreTwenty(t *testing.T) {
	s := New(Options{})
	answered(t, s, "CreateSecret", `{"Name":"a","SecretString":"x","ClientRequestToken":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`)
	for i := range 20 {
		code, out := answered(t, s, "UpdateSecretVersionStage", `{"SecretId":"a","VersionStage":"label-`+string(rune('a'+i))+`","MoveToVersionId":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`)
		if want := map[bool]string{true: "", false: "LimitExceededException"}[i < 19]; code != want {
			t.Errorf("label %d: %v", i+2, out)
		}
	}
}

// TestTimesHaveMilliseconds, and what is not there is left out.
func TestTimesHaveMilliseconds(t *testing.T) {
	s := New(Options{Now: func() time.Time { return time.UnixMilli(1523477145729) }})
	answered(t, s, "CreateSecret", `{"Name":"a","SecretString":"x","ClientRequestToken":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, signed(t, "DescribeSecret", `{"SecretId":"a"}`, time.Now(), Root()))
	if !bytes.Contains(w.Body.Bytes(), []byte(`"CreatedDate":1523477145.729`)) || bytes.Contains(w.Body.Bytes(), []byte("null")) || bytes.Contains(w.Body.Bytes(), []byte("DeletedDate")) {
		t.Errorf("%s", w.Body)
	}
}
