package config

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// A NewEnv is an environment that is to be added to tacit.toml.
type NewEnv struct {
	Name      string
	Backend   string  // one of those in tacit.toml
	Prefix    *string // nil: the backend's own
	Protected bool
}

// CheckNewEnv refuses what AddEnv would refuse, before anybody is asked for
// more: a bad or taken name (Invalid, Conflict), a backend that is not built
// yet (Unsupported), files that are not trusted (Denied).
func (x *Opened) CheckNewEnv(e NewEnv) error {
	if x.Standing < Trusted {
		return secret.Errorf(secret.Denied, "", "the files here are not trusted, so they are not edited\n  read them, then:  tacit trust")
	}
	if err := secret.CheckEnv(e.Name); err != nil {
		return err
	}
	if slices.Contains(x.Project.EnvNames(), e.Name) {
		return secret.Errorf(secret.Conflict, "", "environment %s is declared already\n  look at it:  tacit env show %s", e.Name, e.Name)
	}
	switch e.Backend {
	case BackendLocal:
		return nil
	case BackendVault, BackendAWS, BackendAzure:
		return notBuilt(e.Name, e.Backend)
	default:
		return secret.Errorf(secret.Invalid, "", "%q is none of local, vault, awssm, azurekv", e.Backend)
	}
}

// AddEnv adds an environment at the end of tacit.toml, whose text before it
// stays as it is, and trusts that edit. Only the store's user may; it is
// recorded.
func (x *Opened) AddEnv(ctx context.Context, e NewEnv) error {
	if err := x.CheckNewEnv(e); err != nil {
		return err
	}
	text := slices.Clone(x.files[FileName])
	if n := len(text); n > 0 && text[n-1] != '\n' {
		text = append(text, '\n')
	}
	text = append(text, e.text()...)
	f, err := ParseFile(FileName, text)
	if err != nil {
		return err
	}
	if _, err := NewProject(filepath.Base(x.Root), f, nil); err != nil {
		return err
	}
	return x.record(ctx, x.Caller, "env add "+e.Name, func(ctx context.Context) error {
		return x.replace(ctx, FileName, text)
	})
}

func (e NewEnv) text() []byte {
	name := e.Name
	if strings.Contains(name, ".") {
		name = quoteTOML(name)
	}
	out := fmt.Appendf(nil, "\n[env.%s]\nbackend = %s\n", name, quoteTOML(e.Backend))
	if e.Prefix != nil {
		out = fmt.Appendf(out, "prefix = %s\n", quoteTOML(*e.Prefix))
	}
	if e.Protected {
		out = append(out, "protected = true\n"...)
	}
	return out
}
