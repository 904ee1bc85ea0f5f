package awssm

import (
	"net/url"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// Settings say which store is meant and how to sign in.
type Settings struct {
	Region      string // empty: that of the profile or of AWS_REGION
	Endpoint    string // empty: the region's own; never taken from AWS_ENDPOINT_URL…
	Profile     string // empty: AWS_PROFILE, or default
	RoleARN     string // assumed with what the chain finds; empty: none
	ExternalID  string
	SessionName string        // empty: "tacit"
	KMSKey      string        // of new secrets; empty: the account's default
	Window      time.Duration // how long a deleted secret can be restored; 0: 30 days
	PlainHTTP   bool          // the user's own configuration allows http beyond loopback
	GitHub      wire.GitHub   // where a job of GitHub Actions asks who it is, for AWS_ROLE_ARN without a token's file
	TLS         wire.TLS
}

const (
	day           = 24 * time.Hour
	minWindow     = 7 * day
	defaultWindow = 30 * day
)

// check refuses settings that cannot be meant.
func (s *Settings) check() error {
	if s.Region != "" && !isRegion(s.Region) {
		return secret.Errorf(secret.Invalid, "", "%q is no AWS region\n  for example:  region = \"eu-west-1\"", s.Region)
	}
	if s.RoleARN != "" && (!strings.HasPrefix(s.RoleARN, "arn:") || strings.Count(s.RoleARN, ":") < 5 || !strings.Contains(s.RoleARN, ":role/")) {
		return secret.Errorf(secret.Invalid, "", "%q is no ARN of a role\n  for example:  role_arn = \"arn:aws:iam::111122223333:role/tacit\"", s.RoleARN)
	}
	if s.KMSKey != "" && !made(s.KMSKey, letters+digits+":/_-") {
		return secret.Errorf(secret.Invalid, "", "%q is no id, ARN or alias of a KMS key", s.KMSKey)
	}
	if s.Window != 0 && (s.Window < minWindow || s.Window > defaultWindow || s.Window%day != 0) {
		return secret.Errorf(secret.Invalid, "", "AWS restores deleted secrets for 7 to 30 whole days, not for %s", s.Window)
	}
	return s.checkEndpoint()
}

func (s *Settings) checkEndpoint() error {
	if s.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return secret.Errorf(secret.Invalid, "", "the endpoint is no address like https://host:port")
	}
	switch {
	case u.Scheme == "https", u.Scheme == "http" && (s.PlainHTTP || wire.Loopback(u.Hostname())):
		return nil
	case u.Scheme == "http":
		return secret.Errorf(secret.Invalid, "", "the endpoint %s is not encrypted\n  use https", s.Endpoint)
	default:
		return secret.Errorf(secret.Invalid, "", "the endpoint is no address like https://host:port")
	}
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// isRegion reports whether a text may become part of a host's name: more would
// be another host.
func isRegion(s string) bool {
	const longest = 40
	return s != "" && len(s) <= longest && made(s, "abcdefghijklmnopqrstuvwxyz0123456789-")
}

// made reports whether s consists of these bytes.
func made(s, of string) bool { return strings.Trim(s, of) == "" }
