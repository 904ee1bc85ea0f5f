package vault

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/tacit-secrets/tacit/secret"
)

// awsSigner signs in with a signed request that the store sends on to AWS: who
// signed it is who AWS answers that it was. The credentials never leave the
// machine.
type awsSigner struct {
	b     *Backend
	a     Auth
	creds aws.CredentialsProvider // nil: the chain of the AWS SDK
}

// The request that is signed.
const (
	identityBody   = "Action=GetCallerIdentity&Version=2011-06-15"
	serverIDHeader = "X-Vault-AWS-IAM-Server-ID"
)

func (b *Backend) newAWSSigner(a Auth) (signer, error) {
	a, err := b.method(a)
	if err != nil {
		return nil, err
	}
	if ok, _ := regexp.MatchString(`^[a-z0-9-]{0,40}$`, a.Region); !ok { // it becomes part of a host
		return nil, secret.Errorf(secret.Invalid, "", "%q is no region of AWS", a.Region)
	}
	if strings.ContainsAny(a.ServerID, "\r\n\x00") {
		return nil, secret.Errorf(secret.Invalid, "", "the server id holds control characters")
	}
	return &awsSigner{b: b, a: a}, nil
}

func (s *awsSigner) again() bool { return true }

func (s *awsSigner) signIn(ctx context.Context, _ string) (signed, error) {
	body, err := s.identity(ctx)
	if err != nil {
		return signed{}, err
	}
	if s.a.Role != "" {
		body["role"] = s.a.Role
	}
	return s.b.login(ctx, s.a, body, "the AWS identity")
}

// identity is the signed request, as the method takes it.
func (s *awsSigner) identity(ctx context.Context) (map[string]string, error) {
	creds, err := s.credentials(ctx)
	if err != nil {
		return nil, err
	}
	address, region := stsAddress(s.a.Region)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(identityBody))
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "%q is no region of AWS", s.a.Region)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if s.a.ServerID != "" { // signed too, so that another server cannot use it
		r.Header.Set(serverIDHeader, s.a.ServerID)
	}
	sum := sha256.Sum256([]byte(identityBody))
	if err := v4.NewSigner().SignHTTP(ctx, creds, r, hex.EncodeToString(sum[:]), "sts", region, time.Now()); err != nil {
		return nil, secret.Errorf(secret.Unauthenticated, "", "the AWS credentials cannot sign: %s", "the SDK refuses them")
	}
	r.Header.Set("Host", r.Host)
	encode := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	return map[string]string{
		"iam_http_request_method": r.Method,
		"iam_request_url":         encode([]byte(address)),
		"iam_request_body":        encode([]byte(identityBody)),
		"iam_request_headers":     encode(jsonBody(map[string][]string(r.Header))),
	}, nil
}

// credentials asks the chain of the AWS SDK, which caches what it finds.
func (s *awsSigner) credentials(ctx context.Context) (aws.Credentials, error) {
	if s.creds == nil {
		c, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return aws.Credentials{}, &secret.Error{Kind: secret.Unauthenticated, Text: "the configuration of the AWS SDK cannot be read\n  aws configure list", Err: err}
		}
		s.creds = c.Credentials
	}
	creds, err := s.creds.Retrieve(ctx)
	if err != nil {
		return creds, &secret.Error{Kind: secret.Unauthenticated, Text: "there are no AWS credentials to sign in with\n  aws sts get-caller-identity", Err: err}
	}
	return creds, nil
}

// stsAddress is where the identity is asked; without a region, the one host
// that is in all.
func stsAddress(region string) (address, signedFor string) {
	switch {
	case region == "":
		return "https://sts.amazonaws.com/", "us-east-1"
	case strings.HasPrefix(region, "cn-"):
		return "https://sts." + region + ".amazonaws.com.cn/", region
	default:
		return "https://sts." + region + ".amazonaws.com/", region
	}
}
