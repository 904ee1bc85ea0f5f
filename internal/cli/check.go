package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Tell which declared secrets are missing",
		Long: `Tell, for each secret that tacit.toml declares for the environment, whether it is
there. No value leaves tacit. On a terminal, it offers to ask for the missing ones. A
lease is made anew in each run: nothing is asked of its store here.`,
		Example: "  tacit check\n  tacit check -e prod --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.check(cmd.Context()) },
	}
}

// checkJSON is what check prints with --json.
type checkJSON struct {
	Var      string `json:"var"`
	Ref      string `json:"reference,omitempty"`
	Required bool   `json:"required"`
	State    string `json:"state"` // "present", "missing", "default", "optional" or "lease"
}

func (a *app) check(ctx context.Context) error {
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	all, err := o.Declarations()
	if err != nil {
		return err
	}
	refs := config.Refs(all)
	found := map[secret.Ref]error{}
	for i, err := range o.Broker.Check(ctx, o.Caller, refs) {
		found[refs[i]] = err
	}
	var missing []config.Missing
	t := &table{head: []string{"VARIABLE", "SECRET", "STATE"}}
	for _, d := range all {
		rows, gone, err := checked(d, all, found)
		if err != nil {
			return err
		}
		missing = append(missing, gone...)
		for _, row := range rows {
			if a.flags.json {
				if err := a.object(row); err != nil {
					return err
				}
			}
			t.add(row.Var, row.Ref, row.State)
		}
	}
	if !a.flags.json && len(t.rows) > 0 {
		if err := a.table(t); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return a.askMissing(ctx, o, missing)
}

// checked tells the state of each reference that one declaration needs.
func checked(d config.Declaration, all []config.Declaration, found map[secret.Ref]error) ([]checkJSON, []config.Missing, error) {
	var rows []checkJSON
	var missing []config.Missing
	refs, leases := config.RefsOf(d, all), config.LeasesOf(d, all)
	for _, r := range leases {
		rows = append(rows, checkJSON{Var: d.Var, Ref: r.String(), Required: d.Required, State: "lease"})
	}
	if len(refs)+len(leases) == 0 {
		rows = append(rows, checkJSON{Var: d.Var, Required: d.Required, State: "default"})
	}
	for _, r := range refs {
		row := checkJSON{Var: d.Var, Ref: r.String(), Required: d.Required, State: "present"}
		switch err := found[r]; {
		case err == nil:
		case !errors.Is(err, secret.NotFound):
			return nil, nil, err
		case d.Default != nil || !config.Needs(d, all, r):
			row.State = "default"
		case !d.Required:
			row.State = "optional"
		default:
			row.State = "missing"
			missing = append(missing, config.Missing{Var: d.Var, Ref: r})
		}
		rows = append(rows, row)
	}
	return rows, missing, nil
}

// askMissing asks a person for what is missing; anyone else gets the list as
// an error.
func (a *app) askMissing(ctx context.Context, o *config.Opened, missing []config.Missing) error {
	if !a.interactive() || a.flags.json {
		return missingError(missing, "")
	}
	yes, err := a.wants(ctx, count(len(missing), "secret")+" missing: type the values now")
	if err != nil {
		return err
	}
	if !yes {
		return missingError(missing, "")
	}
	for _, m := range missing {
		b, err := a.hidden(ctx, "value for "+m.Ref.String())
		if err != nil {
			return err
		}
		if len(b) == 0 {
			continue
		}
		v, err := a.write(ctx, putRequest{o, m.Ref, textOrBinary(b), -1})
		if err != nil {
			return err
		}
		a.done("put", plain(m.Ref), "%s", counted(v))
	}
	return nil
}

// missingError lists all that is missing, and how to put it.
func missingError(missing []config.Missing, then string) error {
	wide, wideRef := 0, 0
	for _, m := range missing {
		wide, wideRef = max(wide, len(m.Var)), max(wideRef, len(m.Ref.String()))
	}
	var b strings.Builder
	b.WriteString(count(len(missing), "secret") + plural(len(missing), " is", " are") + " missing" + then)
	for _, m := range missing {
		ref, out := m.Ref.String(), "put it:  tacit put "
		if m.Lease {
			out = "its store issues no such lease:  tacit lease issue "
		}
		b.WriteString("\n  " + m.Var + strings.Repeat(" ", wide-len(m.Var)) + "  " + ref + strings.Repeat(" ", wideRef-len(ref)) + "  " + out + ref)
	}
	return secret.Errorf(secret.NotFound, "", "%s", b.String())
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
