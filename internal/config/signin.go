package config

import (
	"context"
	"strings"

	"github.com/tacit-secrets/tacit/backend/vault"
	"github.com/tacit-secrets/tacit/secret"
)

// SignIn signs in to Vault with a name and a password, and leaves the token in
// l.TokenFile, where Vault's own clients look for it. Only the store's user
// may; it is recorded.
func (x *Opened) SignIn(ctx context.Context, l Login, password secret.Value) error {
	e, err := x.Project.Environment(l.Env)
	if err != nil {
		return err
	}
	auth := deref(e.said.Auth, Auth{})
	e.said.Auth = nil
	s, err := x.vaultSettings(ctx, e)
	if err != nil {
		return err
	}
	s.Auth = vault.Auth{Method: methodUserpass, Namespace: deref(auth.Namespace, ""), Username: l.Username, Password: password}
	if deref(auth.Method, "") == methodUserpass {
		s.Auth.Mount = strings.Trim(deref(auth.Mount, ""), "/")
	}
	b, err := vault.New(s)
	if err != nil {
		return err
	}
	return x.record(ctx, x.Caller, "env login "+e.Name, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
		defer cancel()
		token, err := b.SignIn(ctx) // not closed: that would revoke the token
		if err != nil {
			return err
		}
		return WriteFile(l.TokenFile, token.Reveal(), 0o600)
	})
}
