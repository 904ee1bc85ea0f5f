package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/lease"
)

func (a *app) leaseListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the leases that are noted here",
		Long: `List the leases that were issued through this project's store and have not ended: which
is in use by a tacit run, which is kept until somebody revokes it, and which is to be
revoked because its process is gone.`,
		Example: "  tacit lease list",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.leaseList(cmd.Context()) },
	}
}

func (a *app) leaseList(ctx context.Context) error {
	all, err := a.leases(ctx)
	if err != nil {
		return err
	}
	t := &table{head: []string{"LEASE", "NAME", "FOR", "STATE", "END"}}
	for _, n := range all {
		state := a.leaseState(n)
		if a.flags.json {
			out := leaseObject(n)
			out.State = state
			if err := a.object(out); err != nil {
				return err
			}
			continue
		}
		t.add(n.ID, n.Ref().String(), string(n.For), state, a.ends(n))
	}
	if a.flags.json {
		return nil
	}
	return a.table(t)
}

// leaseState tells what becomes of a lease.
func (a *app) leaseState(n lease.Note) string {
	switch {
	case n.Ended(a.now()):
		return "ended"
	case n.Due:
		return "due" // revoking it failed
	case n.Lease == "":
		return "being issued"
	case n.Owner == "":
		return "kept"
	case a.opened.Leases().Lives(n):
		return "in use"
	default:
		return "left"
	}
}
