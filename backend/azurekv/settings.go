// Package azurekv keeps secrets in Azure Key Vault.
//
// It reads no configuration: [Settings] say all but what the Azure credential
// chain finds by itself. Policy, audit, caching and prefixes are the Broker's.
package azurekv

import "github.com/tacit-secrets/tacit/internal/wire"

// Settings say which vault is meant and how to sign in.
type Settings struct {
	Address    string // of the vault: https://my-vault.vault.azure.net
	Credential string // default, env, workload, managed, cli, azd, pipelines, cert; empty: default
	TenantID   string // empty: what the vault's challenge or the chain says
	ClientID   string // of a managed or federated identity, or of an application
	CertFile   string // cert: PEM or PKCS#12
	Authority  string // empty: that of the public cloud; https://login.microsoftonline.us/ and others
	TLS        wire.TLS
}
