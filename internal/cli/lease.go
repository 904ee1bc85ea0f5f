package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/lease"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) leaseCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "lease",
		Short: "Credentials that a store makes, and ends by itself",
		Long: `A lease is a credential that its store made for one caller and ends by itself: a user
of a database, a certificate. tacit.toml declares leases for tacit run, which issues,
renews and revokes them; these commands do it by hand.`,
		Example: `  tacit lease issue prod:database/creds/app#password
  tacit lease list
  tacit lease revoke 3f9a`,
	}
	c.AddCommand(a.leaseIssueCommand(), a.leaseListCommand(), a.leaseRenewCommand(), a.leaseRevokeCommand())
	return c
}

// leaseJSON is what the lease commands print with --json.
type leaseJSON struct {
	Lease     string           `json:"lease,omitempty"` // empty: there is nothing to revoke
	Env       string           `json:"env"`
	Name      string           `json:"name"`
	Field     string           `json:"field,omitempty"`
	For       secret.Principal `json:"for,omitempty"`
	Issued    time.Time        `json:"issued,omitzero"`
	Expires   time.Time        `json:"expires,omitzero"`
	Renewable bool             `json:"renewable"`
	State     string           `json:"state,omitempty"`
	Value     string           `json:"value,omitempty"`
	Encoding  string           `json:"encoding,omitempty"` // "base64" where the value is no text
}

func leaseObject(n lease.Note) leaseJSON {
	return leaseJSON{Lease: n.ID, Env: n.Env, Name: string(n.Name), For: n.For, Issued: n.Issued, Expires: n.Expires, Renewable: n.Renewable}
}

// ends tells when a lease ends.
func (a *app) ends(n lease.Note) string {
	switch {
	case n.Expires.IsZero():
		return "its end is not known"
	case n.Ended(a.now()):
		return "ended"
	default:
		return "ends in " + span(n.Expires.Sub(a.now())+time.Second)
	}
}

// meant opens the project and finds the lease that a person means. What the
// caller may not see is not found.
func (a *app) meant(ctx context.Context, id string) (lease.Note, error) {
	o, err := a.open(ctx)
	if err != nil {
		return lease.Note{}, err
	}
	seen, err := a.leases(ctx)
	if err != nil {
		return lease.Note{}, err
	}
	n, err := o.Leases().Find(ctx, id)
	if err != nil {
		return n, err
	}
	for _, s := range seen {
		if s.ID == n.ID {
			return n, nil
		}
	}
	return lease.Note{}, secret.Errorf(secret.NotFound, "", "no lease %q is noted here\n  which are:  tacit lease list", id)
}

// leases returns the notes that the caller may see.
func (a *app) leases(ctx context.Context) ([]lease.Note, error) {
	o, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	all, err := o.Leases().All(ctx)
	if err != nil {
		return nil, err
	}
	refs := make([]secret.Ref, len(all))
	for i, n := range all {
		refs[i] = n.Ref()
	}
	may, err := o.Broker.SeeLeases(ctx, o.Caller, refs)
	if err != nil {
		return nil, err
	}
	var out []lease.Note
	for i, n := range all {
		if may[i] {
			out = append(out, n)
		}
	}
	return out, nil
}
