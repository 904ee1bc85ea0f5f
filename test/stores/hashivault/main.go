// Command hashivault is a HashiCorp Vault for tests: its core, its KV engine and
// two ways to sign in, in one process, in memory. It is a second opinion on what
// backend/vault does, beside OpenBao. Vault is under the Business Source
// License: this program is for tests alone, and nothing of it is linked into
// tacit or shipped.
//
//	hashivault FILE
//
// listens on the loopback and appends to FILE how to reach it.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	log "github.com/hashicorp/go-hclog"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/credential/userpass"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: hashivault FILE")
		os.Exit(2)
	}
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "hashivault:", err)
		os.Exit(1)
	}
}

func serve(file string) error {
	logger := log.New(&log.LoggerOptions{Level: log.Warn})
	store, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return err
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical: store, DisableMlock: true, Logger: logger, BuiltinRegistry: registry{},
		LogicalBackends: secrets(), CredentialBackends: methods(),
	})
	if err != nil {
		return err
	}
	made, err := core.Initialize(context.Background(), &vault.InitParams{BarrierConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}})
	if err != nil {
		return err
	}
	if _, err := core.Unseal(made.SecretShares[0]); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	// Tests put a proxy that speaks TLS before the second address.
	_, err = fmt.Fprintf(f, "export TACIT_TEST_VAULT_ADDR=http://%[1]s\nexport TACIT_TEST_VAULT_TLS_ADDR=http://%[1]s\nexport TACIT_TEST_VAULT_CACERT=\nexport TACIT_TEST_VAULT_TOKEN=%[2]s\n", l.Addr(), made.RootToken)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}})
	return (&http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}).Serve(l)
}

func secrets() map[string]logical.Factory { return map[string]logical.Factory{"kv": kv.Factory} }

func methods() map[string]logical.Factory {
	return map[string]logical.Factory{"userpass": userpass.Factory, "approle": approle.Factory}
}

// registry names what is built in.
type registry struct{}

func of(t consts.PluginType) map[string]logical.Factory {
	switch t {
	case consts.PluginTypeSecrets:
		return secrets()
	case consts.PluginTypeCredential:
		return methods()
	default:
		return nil
	}
}

func (registry) Contains(name string, t consts.PluginType) bool { _, ok := of(t)[name]; return ok }

func (registry) Get(name string, t consts.PluginType) (func() (any, error), bool) {
	f, ok := of(t)[name]
	return func() (any, error) { return f, nil }, ok
}

func (registry) Keys(t consts.PluginType) (names []string) {
	for name := range of(t) {
		names = append(names, name)
	}
	return names
}

func (registry) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, true
}

func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
