package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/secret"
)

type annotateFlags struct {
	tags        []string
	untag       []string
	clearTags   bool
	description string
	describe    bool // --description was given, perhaps empty
}

func (a *app) annotateCommand() *cobra.Command {
	var f annotateFlags
	c := &cobra.Command{
		Use:   "annotate NAME",
		Short: "Change a secret's tags and description",
		Long: `Change what is said about a secret, whichever version is current. Its value and its
versions stay as they are. Tags are first cleared, then removed, then set.`,
		Example: `  tacit annotate app/db --tag owner=payments --untag draft
  tacit annotate app/db --description database
  tacit annotate app/db --clear-tags`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.describe = cmd.Flags().Changed("description")
			return a.annotate(cmd.Context(), args[0], f)
		},
	}
	fs := c.Flags()
	fs.StringArrayVar(&f.tags, "tag", nil, "set a tag, `key=value`; may be given more than once")
	fs.StringArrayVar(&f.untag, "untag", nil, "remove the tag of this `key`; may be given more than once")
	fs.BoolVar(&f.clearTags, "clear-tags", false, "remove all tags first")
	fs.StringVar(&f.description, "description", "", "a `text`: what the secret is for")
	return c
}

// annotateJSON is what annotate prints with --json.
type annotateJSON struct {
	Env         string            `json:"env"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

func (a *app) annotate(ctx context.Context, arg string, f annotateFlags) error {
	change := secret.Change{Tags: secret.TagChange{Clear: f.clearTags, Remove: f.untag}}
	if f.describe {
		change.Description = &f.description
	}
	for _, t := range f.tags {
		k, v, ok := strings.Cut(t, "=")
		if !ok || k == "" {
			return secret.Errorf(secret.Invalid, "", "%q is no tag: write key=value", t)
		}
		if change.Tags.Set == nil {
			change.Tags.Set = map[string]string{}
		}
		change.Tags.Set[k] = v
	}
	if !f.describe && !f.clearTags && len(f.tags)+len(f.untag) == 0 {
		return secret.Errorf(secret.Invalid, "", "nothing to change: give --tag, --untag, --clear-tags or --description")
	}
	o, r, err := a.target(ctx, arg)
	if err != nil {
		return err
	}
	m, err := o.Broker.Annotate(ctx, o.Caller, r, change)
	if err != nil {
		return a.explain(ctx, o, r, err)
	}
	if a.flags.json {
		return a.object(annotateJSON{Env: r.Env, Name: string(r.Name), Description: m.Description, Tags: m.Tags})
	}
	a.done("annotated", r.String(), "%s", tags(m.Tags))
	return nil
}
