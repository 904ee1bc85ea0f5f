package config

import (
	"context"
	"maps"

	"github.com/tacit-secrets/tacit/backend/local"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// environments makes the Broker's environments. A backend is opened when its
// environment is first used.
func (x *Opened) environments() (map[string]broker.Env, error) {
	store, err := local.New(x.db, &local.Options{Now: x.opts.Now})
	if err != nil {
		return nil, err
	}
	out := map[string]broker.Env{}
	for _, name := range x.Project.EnvNames() {
		e, err := x.Project.Environment(name)
		if err != nil {
			return nil, err
		}
		out[name] = broker.Env{Prefix: e.Prefix, Open: opener(e, store), Timeout: x.opts.wait}
	}
	return out, nil
}

// opener is the one switch from a backend's name to its constructor.
func opener(e Environment, store secret.Backend) func(context.Context) (secret.Backend, error) {
	return func(context.Context) (secret.Backend, error) {
		if e.Backend == BackendLocal {
			return store, nil
		}
		return nil, notBuilt(e.Name, e.Backend)
	}
}

// MaxValueBytes is the size of the largest value that an environment's store
// takes, for those who ask before they write; 0 if only the store knows.
func (x *Opened) MaxValueBytes(env string) int {
	if e, err := x.Project.Environment(env); err == nil && e.Backend == BackendLocal {
		return local.MaxValueBytes
	}
	return 0
}

func notBuilt(env, backend string) error {
	return secret.Errorf(secret.Unsupported, "", "environment %s: backend %s is not built yet\n  only %q is", env, backend, BackendLocal)
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
