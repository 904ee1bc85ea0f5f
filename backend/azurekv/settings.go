// Package azurekv keeps secrets in Azure Key Vault.
//
// It reads no configuration: [Settings] say all but what the Azure credential
// chain finds by itself. Policy, audit, caching and prefixes are the Broker's.
package azurekv

import (
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// Settings say which vault is meant and how to sign in.
type Settings struct {
	Address    string // of the vault: https://my-vault.vault.azure.net
	Credential string // default, env, workload, managed or managed:CLIENT-ID, cli, azd, pipelines, cert; empty: default
	TenantID   string // empty: what the vault's challenge or the chain says
	ClientID   string // of a managed or federated identity, or of an application
	CertFile   string // cert: PEM or PKCS#12 without a password
	Authority  string // empty: that of the vault's cloud; https://login.microsoftonline.us/ and others
	TLS        wire.TLS
	Rates      *Rates // of all backends that share it; nil: this one's own

	TokenFile string      // workload: the federated token, read at each sign-in; empty: the file that the chain finds
	GitHub    wire.GitHub // workload: where GitHub Actions hands tokens out, instead of a file; its audience is api://AzureADTokenExchange unless said
	Pipelines Pipelines
}

// Pipelines is how a job of Azure Pipelines signs in. Tenant and client are
// those of the service connection.
type Pipelines struct {
	Connection string       // the service connection's id
	Token      secret.Value // SYSTEM_ACCESSTOKEN
}
