// Package awssm keeps secrets in AWS Secrets Manager.
//
// It reads no configuration: [Settings] say all but what the AWS credential
// chain finds by itself. Policy, audit, caching and prefixes are the Broker's.
package awssm

import (
	"time"

	"github.com/tacit-secrets/tacit/internal/wire"
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
	TLS         wire.TLS
}
