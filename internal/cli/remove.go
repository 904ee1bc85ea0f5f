package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) deleteCommand() *cobra.Command {
	var window string
	c := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a secret; it can come back for 30 days",
		Long: `Delete a secret with all its versions. It can be undeleted for a while; the first
writer after that removes it for ever.`,
		Example:           "  tacit delete claude/api\n  tacit delete claude/api --window 7d",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := &secret.DeleteOptions{}
			if window != "" {
				d, err := config.ParseSpan(window)
				if err != nil {
					return err
				}
				opts.Window = d
			}
			return a.delete(cmd.Context(), args[0], opts)
		},
	}
	c.Flags().StringVar(&window, "window", "", "how `long` it can come back (default 30d)")
	return c
}

func (a *app) delete(ctx context.Context, arg string, opts *secret.DeleteOptions) error {
	o, r, err := a.target(ctx, arg)
	if err != nil {
		return err
	}
	m, err := o.Broker.Delete(ctx, o.Caller, r, opts)
	if err != nil {
		return a.explain(ctx, o, r, err)
	}
	if a.flags.json {
		return a.object(changeJSON{Env: r.Env, Name: string(r.Name), Deleted: m.Deleted, Purge: m.Purge})
	}
	a.done("deleted", r.String(), "%s", a.gone(m))
	if !a.flags.quiet && !m.Deleted.IsZero() {
		a.hint("bring it back:  tacit undelete %s", r)
	}
	return nil
}

func (a *app) undeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "undelete NAME",
		Short:             "Bring a deleted secret back",
		Example:           "  tacit undelete claude/api",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, r, err := a.target(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			m, err := o.Broker.Undelete(cmd.Context(), o.Caller, r)
			if err != nil {
				return a.explain(cmd.Context(), o, r, err)
			}
			v, _ := m.Current()
			if a.flags.json {
				return a.object(changeJSON{Env: r.Env, Name: string(r.Name), Version: v.Number})
			}
			a.done("undeleted", r.String(), "version %d", v.Number)
			return nil
		},
	}
}

func (a *app) destroyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "destroy NAME",
		Short: "Remove a secret for ever, with all its versions",
		Long: `Remove a secret with all its versions, deleted or not, at once. No one can take
this back, so it is a right of its own, and it asks first.`,
		Example:           "  tacit destroy claude/api\n  tacit destroy claude/api --yes",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, r, err := a.named(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := a.confirm(cmd.Context(), "destroy %s for ever", r); err != nil {
				return err
			}
			if err := o.Broker.Destroy(cmd.Context(), o.Caller, r); err != nil {
				return a.explain(cmd.Context(), o, r, err)
			}
			if a.flags.json {
				return a.object(changeJSON{Env: r.Env, Name: string(r.Name), Destroyed: true})
			}
			a.done("destroyed", r.String(), "")
			return nil
		},
	}
}

// changeJSON is what commands that change a secret print with --json.
type changeJSON struct {
	Env       string    `json:"env"`
	Name      string    `json:"name"`
	Version   uint64    `json:"version,omitempty"`
	ID        string    `json:"id,omitempty"`
	Deleted   time.Time `json:"deleted,omitzero"`
	Purge     time.Time `json:"purge,omitzero"`
	Destroyed bool      `json:"destroyed,omitempty"`
	DryRun    bool      `json:"dry_run,omitempty"`
}

// named opens the project and reads the name of a whole secret.
func (a *app) named(ctx context.Context, arg string) (*config.Opened, secret.Ref, error) {
	o, err := a.open(ctx)
	if err != nil {
		return nil, secret.Ref{}, err
	}
	r, err := a.plainRef(o, arg)
	return o, r, err
}

// target is named for a command that writes: it asks first where the
// environment is protected.
func (a *app) target(ctx context.Context, arg string) (*config.Opened, secret.Ref, error) {
	o, r, err := a.named(ctx, arg)
	if err != nil {
		return nil, secret.Ref{}, err
	}
	return o, r, a.askProtected(ctx, o, r)
}

// askProtected asks before a write to a protected environment. Agents are not
// asked: the policy refuses them.
func (a *app) askProtected(ctx context.Context, o *config.Opened, r secret.Ref) error {
	if !o.Protected(r.Env) || a.agent() {
		return nil
	}
	return a.confirm(ctx, "%s is protected: change %s", r.Env, r)
}
