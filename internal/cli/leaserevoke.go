package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/lease"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) leaseRevokeCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "revoke LEASE...",
		Short: "End leases at once",
		Long: `End leases at once: their credentials work no more. A lease is named by its id, or the
beginning of it, as tacit lease list shows it. --all ends every lease that is listed,
those that a tacit run uses too, and asks first.

What cannot be revoked now stays noted, and is tried again when tacit starts next.`,
		Example: "  tacit lease revoke 3f9a\n  tacit lease revoke --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all != (len(args) == 0) {
				return secret.Errorf(secret.Invalid, "", "name leases, or give --all\n  which there are:  tacit lease list")
			}
			return a.leaseRevoke(cmd.Context(), args)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "revoke every lease that is listed")
	return c
}

func (a *app) leaseRevoke(ctx context.Context, ids []string) error {
	var notes []lease.Note
	for _, id := range ids {
		n, err := a.meant(ctx, id)
		if err != nil {
			return err
		}
		notes = append(notes, n)
	}
	if len(ids) == 0 {
		all, err := a.leases(ctx)
		if err != nil {
			return err
		}
		if notes = all; len(notes) == 0 {
			a.done("revoked", "nothing", "no lease is noted here")
			return nil
		}
		if err := a.confirm(ctx, "revoke %s", count(len(notes), "lease")); err != nil {
			return err
		}
	}
	var errs []error
	for _, n := range notes {
		errs = append(errs, a.revokeOne(ctx, n))
	}
	return errors.Join(errs...)
}

func (a *app) revokeOne(ctx context.Context, n lease.Note) error {
	if n.Lease == "" {
		return secret.Errorf(secret.Conflict, "", "the lease %s is being issued", n.ID)
	}
	if err := a.opened.Leases().Revoke(ctx, a.opened.Caller, n); err != nil {
		return err
	}
	if a.flags.json {
		out := leaseObject(n)
		out.State = "revoked"
		return a.object(out)
	}
	a.done("revoked", n.Ref().String(), "lease %s", n.ID)
	return nil
}
