package config

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/backend/awssm"
	"github.com/tacit-secrets/tacit/backend/azurekv"
	"github.com/tacit-secrets/tacit/backend/local"
	"github.com/tacit-secrets/tacit/backend/vault"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// remoteTimeout bounds one call of a store elsewhere, retries and signing in
// included: a store that throttles for a while is waited for.
const remoteTimeout = 45 * time.Second

// environments makes the Broker's environments. A backend is opened when its
// environment is first used.
func (x *Opened) environments() (map[string]broker.Env, error) {
	store, err := local.New(x.db, &local.Options{Now: x.opts.Now})
	if err != nil {
		return nil, err
	}
	out := map[string]broker.Env{}
	var placed []Environment
	for _, name := range x.Project.EnvNames() {
		e, err := x.Project.Environment(name)
		if err != nil {
			return nil, err
		}
		// The files alone may leave open where an environment lies.
		at := x.placed(e)
		if i := slices.IndexFunc(placed, at.overlaps); i >= 0 {
			return nil, secret.Errorf(secret.Invalid, "", "env.%s and env.%s share secrets: variables set here lead both to one place\n  say in %s where each lies, or give each a prefix of its own", placed[i].Name, name, FileName)
		}
		placed, out[name] = append(placed, at), x.brokerEnv(e, store)
	}
	for _, at := range placed {
		e := out[at.Name]
		e.Leases = at.leasing(placed)
		out[at.Name] = e
	}
	return out, nil
}

func (x *Opened) brokerEnv(e Environment, embedded secret.Backend) broker.Env {
	out := broker.Env{Prefix: e.Prefix, Timeout: x.opts.wait}
	if e.Backend != BackendLocal {
		out.Timeout, out.Last = cmp.Or(out.Timeout, remoteTimeout), x.lastKnown(e)
	}
	out.Open = func(ctx context.Context) (secret.Backend, error) {
		b, err := x.backend(ctx, e, embedded)
		if err == nil {
			x.stores.keep(b)
		}
		return b, err
	}
	return out
}

// backend is the one switch from a backend's name to its constructor. None of
// them connects to anything: the first use does.
func (x *Opened) backend(ctx context.Context, e Environment, embedded secret.Backend) (secret.Backend, error) {
	switch e.Backend {
	case BackendLocal:
		return embedded, nil
	case BackendVault:
		return made(vault.New)(x.vaultSettings(ctx, e))
	case BackendAWS:
		return made(awssm.New)(x.awsSettings(e))
	case BackendAzure:
		return made(azurekv.New)(x.azureSettings(e))
	default:
		return nil, secret.Errorf(secret.Unsupported, "", "environment %s: there is no backend %s", e.Name, e.Backend)
	}
}

// made calls a constructor with settings that could be made.
func made[S any, B secret.Backend](construct func(S) (B, error)) func(S, error) (secret.Backend, error) {
	return func(s S, err error) (secret.Backend, error) {
		if err != nil {
			return nil, err
		}
		b, err := construct(s)
		if err != nil { // and not a nil of type B
			return nil, err
		}
		return b, nil
	}
}

// Capabilities names the optional promises of a kind of store; how one is
// configured may still make it refuse one (KV v1). Nothing is opened for it.
func Capabilities(backend string) []string {
	switch backend {
	case BackendLocal:
		return secret.Capabilities((*local.Store)(nil))
	case BackendVault:
		return secret.Capabilities((*vault.Backend)(nil))
	case BackendAWS:
		return secret.Capabilities((*awssm.Backend)(nil))
	case BackendAzure:
		return secret.Capabilities((*azurekv.Backend)(nil))
	default:
		return nil
	}
}

// embeddedOnly leaves of a project what may be used under files that are not
// trusted: environments of the embedded store, and no declaration.
func (p *Project) embeddedOnly() *Project {
	out := *p
	out.unread = true
	out.file.Secrets, out.file.Env = nil, nil
	out.envs = maps.Clone(p.envs)
	maps.DeleteFunc(out.envs, func(_ string, e Environment) bool { return e.Backend != BackendLocal })
	return &out
}
