// Package vault keeps secrets in HashiCorp Vault or OpenBao: the KV engine in
// both its versions, and leases of the engines that make credentials.
//
// It reads no environment and no configuration: [Settings] say all. Policy,
// audit, caching and prefixes are the Broker's.
package vault

import (
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// Settings say which store is meant and how to sign in.
type Settings struct {
	Address   string // https://host:port; http only for loopback, or with PlainHTTP
	PlainHTTP bool   // the user's own configuration allows http beyond loopback
	Namespace string // sent as a header; empty: the token's own
	Mount     string // of the KV engine, may hold "/"; empty: "secret"
	Version   int    // of the KV engine, 1 or 2; 0: asked of the store
	TLS       wire.TLS
	Auth      Auth
	Prefix    string        // what all names that are asked for begin with: Rules allow to list nothing above it
	Declared  []secret.Name // what the token is for: Posture looks for rights beside it; may be empty
}

// Auth says how to sign in. Method decides which of the other fields count.
type Auth struct {
	Method    string // token, approle, kubernetes, jwt, userpass, cert, aws
	Mount     string // where the method is mounted; empty: its name
	Namespace string // of the method; empty: that of Settings
	Role      string // kubernetes, jwt, cert (its name), aws

	Token     secret.Value // token
	TokenFile string       // token: read again when it is refused

	RoleID       string // approle
	SecretID     secret.Value
	SecretIDFile string
	Wrapped      bool // the secret id is a wrapping token, unwrapped once

	JWT     secret.Value // jwt, kubernetes
	JWTFile string       // read at each sign-in; kubernetes: empty is the service account's
	GitHub  wire.GitHub  // jwt: where GitHub Actions hands out tokens

	Username string // userpass
	Password secret.Value

	Region, ServerID string // aws: of STS; the value of X-Vault-AWS-IAM-Server-ID
}
