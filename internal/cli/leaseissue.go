package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/lease"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) leaseIssueCommand() *cobra.Command {
	var ttl string
	c := &cobra.Command{
		Use:   "issue REFERENCE",
		Short: "Have a store make a credential, and print it",
		Long: `Have a store make a credential and print it, or one of its fields, to stdout: byte for
byte when piped. Its lease is noted down first, and is yours to revoke: tacit run revokes
what it issued when its command ends, this command's lease lasts until somebody revokes
it or its store ends it.

Agents need a grant of issue.`,
		Example: `  tacit lease issue prod:database/creds/app
  tacit lease issue prod:database/creds/app#password --ttl 10m
  tacit lease issue 'prod:pki/issue/web?common_name=web.example.com#certificate'`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			var all []string
			for _, r := range config.DeclaredLeases(a.sys, a.flags.dir) {
				all = append(all, r.String(), plain(r))
			}
			if len(args) > 0 {
				all = nil
			}
			return offerable(all, typed)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.leaseIssue(cmd.Context(), args[0], ttl) },
	}
	c.Flags().StringVar(&ttl, "ttl", "", "ask for so `long`; the store decides")
	return c
}

// leaseSpan reads --ttl; empty is 0, the store's own.
func leaseSpan(ttl string) (time.Duration, error) {
	if ttl == "" {
		return 0, nil
	}
	d, err := config.ParseSpan(ttl)
	if err == nil && d < time.Second {
		err = secret.Errorf(secret.Invalid, "", "--ttl is a second at least")
	}
	return d, err
}

func (a *app) leaseIssue(ctx context.Context, arg, ttl string) error {
	long, err := leaseSpan(ttl)
	if err != nil {
		return err
	}
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	r, err := a.ref(o, arg)
	if err != nil {
		return err
	}
	if r.At != (secret.At{}) {
		return secret.Errorf(secret.Invalid, "", "a lease has no versions: leave out what follows @")
	}
	made, err := o.Leases().Issue(ctx, o.Caller, secret.Ref{Env: r.Env, Name: r.Name}, long, false)
	if err != nil {
		return err
	}
	v, err := broker.Field(made.Value, r)
	if err != nil { // nobody gets it
		return errors.Join(err, o.Leases().GiveBack(context.WithoutCancel(ctx), made.Note, "a field that there is not"))
	}
	return a.issued(r, made, v)
}

func (a *app) issued(r secret.Ref, made lease.Issued, v secret.Value) error {
	if a.flags.json {
		out, value := leaseObject(made.Note), valueObject(r, secret.Version{Value: v})
		out.Field, out.Value, out.Encoding = r.Field, value.Value, value.Encoding
		if made.Lease == "" {
			out.Lease = ""
		}
		return a.object(out)
	}
	if made.Lease == "" {
		a.done("issued", plain(r), "%s; there is nothing to revoke", a.ends(made.Note))
	} else {
		a.done("issued", plain(r), "lease %s, %s", made.ID, a.ends(made.Note))
		if !a.flags.quiet {
			a.hint("revoke it:  tacit lease revoke %s", made.ID)
		}
	}
	return a.value(r, v.Reveal())
}
