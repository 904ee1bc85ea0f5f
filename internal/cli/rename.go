package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) renameCommand() *cobra.Command {
	var lossy []string
	c := &cobra.Command{
		Use:   "rename OLD NEW",
		Short: "Give a secret another name, with all its versions",
		Long: `Give a secret another name in its environment. Its versions, stages, tags and limits
stay. Where a store cannot rename, the secret is copied and the old one deleted, after
it was said which versions stay behind.

It takes the right to get the old name, since it could be read under the new one.`,
		Example: "  tacit rename claude/api anthropic/api",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.rename(cmd.Context(), args[0], args[1], lossy)
		},
	}
	c.Flags().StringSliceVar(&lossy, "lossy", nil, "leave out what a store that copies cannot keep: attributes, stages, `tags`")
	return c
}

// renameJSON is what rename prints with --json.
type renameJSON struct {
	Env  string `json:"env"`
	Name string `json:"name"`
	From string `json:"from"`
}

func (a *app) rename(ctx context.Context, from, to string, lossy []string) error {
	o, old, err := a.target(ctx, from)
	if err != nil {
		return err
	}
	name, err := a.plainRef(o, to)
	if err != nil {
		return err
	}
	if !strings.Contains(to, ":") {
		name.Env = old.Env
	}
	r := move.Rename{Broker: o.Broker, Caller: o.Caller, From: old, To: name}
	if err := a.askRename(ctx, &r); err != nil {
		return err
	}
	if err := r.Run(ctx, lossy); err != nil {
		return a.explainRename(ctx, o, [2]secret.Ref{old, name}, err)
	}
	if a.flags.json {
		return a.object(renameJSON{Env: name.Env, Name: string(name.Name), From: string(old.Name)})
	}
	a.done("renamed", name.String(), "was %s", old.Name)
	for _, v := range declaredAs(o, old) {
		a.hint("%s still declares %s as %s", config.FileName, v, old.Name)
	}
	return nil
}

// explainRename says what was in the way: the old name, or the new one.
func (a *app) explainRename(ctx context.Context, o *config.Opened, names [2]secret.Ref, err error) error {
	taken := secret.KindOf(err) == secret.Conflict
	switch to := names[1]; {
	case taken && secret.StateOf(err) == secret.Deleted:
		return secret.Errorf(secret.Conflict, "", "%s is taken, by a secret that was deleted\n  bring it back:  tacit undelete %s\n  or remove it:  tacit destroy %s", to, to, to)
	case taken:
		return secret.Errorf(secret.Conflict, "", "%s is taken\n  choose another name, or move that one away first:  tacit rename %s NEW", to, to)
	default:
		return a.explain(ctx, o, names[0], err)
	}
}

// askRename asks where versions would stay behind.
func (a *app) askRename(ctx context.Context, r *move.Rename) error {
	if r.From.Env != r.To.Env {
		return nil // refused with the way out
	}
	whole, err := r.Whole(ctx)
	if whole || err != nil {
		return nil //nolint:nilerr // Run meets it again, and has the words
	}
	behind, err := r.Behind(ctx)
	if err != nil || len(behind) == 0 {
		return err
	}
	return a.confirm(ctx, "the store of %s cannot rename: versions %s stay behind, with the deleted %s; go on", r.From.Env, strings.Trim(fmt.Sprint(behind), "[]"), r.From.Name)
}

// declaredAs returns the variables that are declared with a secret.
func declaredAs(o *config.Opened, r secret.Ref) []string {
	all, err := o.Declarations()
	if err != nil {
		return nil
	}
	var out []string
	for _, d := range all {
		if slices.ContainsFunc(config.RefsOf(d, all), func(x secret.Ref) bool { return x.Env == r.Env && x.Name == r.Name }) {
			out = append(out, d.Var)
		}
	}
	return out
}
