package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

// loginJSON is what env login prints with --json.
type loginJSON struct {
	Env       string `json:"env"`
	Backend   string `json:"backend"`
	Command   string `json:"command,omitempty"` // what to run; none where no person signs in, or tacit did it
	Note      string `json:"note,omitempty"`
	TokenFile string `json:"token_file,omitempty"` // where the token was left
}

func (a *app) envLoginCommand() *cobra.Command {
	var o config.LoginOptions
	c := &cobra.Command{
		Use:   "login [NAME]",
		Short: "Sign in to the store of an environment, or say how",
		Long: `Print the command of the store's own client that signs a person in, exact for this
environment: vault login, aws sso login, az login.

With method userpass, of tacit.toml or --method, tacit asks for the password, signs in and
leaves the token where vault login would.`,
		Example: `  tacit env login prod
  sh -c "$(tacit env login prod)"
  tacit env login prod --method userpass --username mia`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeEnvs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.envLogin(cmd.Context(), strings.Join(args, ""), o)
		},
	}
	c.Flags().StringVar(&o.Method, "method", "", "of Vault: sign in by this `method`: oidc, userpass, ldap, …")
	c.Flags().StringVar(&o.Username, "username", "", "the user's `name`, of a method that asks for one")
	return c
}

func (a *app) envLogin(ctx context.Context, name string, opts config.LoginOptions) error {
	if err := a.refuseAgent(ctx, "sign in to a store"); err != nil {
		return err
	}
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	if name == "" {
		name = o.Env
	}
	l, err := o.Login(name, opts)
	if err != nil {
		return err
	}
	if l.Username != "" {
		return a.passwordLogin(ctx, o, l)
	}
	if a.flags.json {
		return a.object(loginJSON{Env: l.Env, Backend: l.Backend, Command: l.Command, Note: l.Note})
	}
	if l.Command != "" {
		if err := a.line(l.Command); err != nil {
			return err
		}
	}
	if l.Note != "" && !a.flags.quiet {
		a.warn("%s: %s", l.Env, l.Note)
	}
	return nil
}

// passwordLogin asks for a password and leaves the token behind.
func (a *app) passwordLogin(ctx context.Context, o *config.Opened, l config.Login) error {
	if !a.interactive() {
		return secret.Errorf(secret.Invalid, "", "there is nobody to ask for the password of %s\n  run this on a terminal:  tacit env login %s --method userpass --username %s", l.Username, l.Env, l.Username)
	}
	password, err := a.hidden(ctx, "password of "+l.Username+" for "+l.Env)
	if err != nil {
		return err
	}
	if len(password) == 0 {
		return secret.Errorf(secret.Invalid, "", "nothing was typed, so nothing was changed")
	}
	if err := o.SignIn(ctx, l, secret.Text(string(password))); err != nil {
		return err
	}
	if a.flags.json {
		return a.object(loginJSON{Env: l.Env, Backend: l.Backend, TokenFile: l.TokenFile})
	}
	a.done("signed in", l.Env, "as %s; the token is in %s", l.Username, l.TokenFile)
	return nil
}
