package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) leaseRenewCommand() *cobra.Command {
	var ttl string
	c := &cobra.Command{
		Use:     "renew LEASE",
		Short:   "Make a lease end later, as far as its store lets it",
		Example: "  tacit lease renew 3f9a\n  tacit lease renew 3f9a --ttl 2h",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.leaseRenew(cmd.Context(), args[0], ttl) },
	}
	c.Flags().StringVar(&ttl, "ttl", "", "let it last so `long` from now; the store decides")
	return c
}

func (a *app) leaseRenew(ctx context.Context, id, ttl string) error {
	long, err := leaseSpan(ttl)
	if err != nil {
		return err
	}
	n, err := a.meant(ctx, id)
	if err != nil {
		return err
	}
	if n.Lease == "" {
		return secret.Errorf(secret.Conflict, "", "the lease %s is being issued", n.ID)
	}
	if n, err = a.opened.Leases().Renew(ctx, a.opened.Caller, n, long); err != nil {
		return err
	}
	if a.flags.json {
		return a.object(leaseObject(n))
	}
	a.done("renewed", n.Ref().String(), "lease %s, %s", n.ID, a.ends(n))
	return nil
}
