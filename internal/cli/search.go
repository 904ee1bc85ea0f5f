package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) searchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "search WORD...",
		Short: "Find secrets by name, tag or description",
		Long: `Find the secrets of an environment whose name, tags or description hold all the words,
in upper or lower case. Only secrets that you may list are looked at; values never are.`,
		Example: `  tacit search stripe
  tacit search owner=payments database
  tacit search -e prod api`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.search(cmd.Context(), args) },
	}
}

func (a *app) search(ctx context.Context, words []string) error {
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	t := &table{head: []string{"NAME", "TAGS", "DESCRIPTION"}}
	found := false
	for m, err := range o.Broker.List(ctx, o.Caller, o.Env, nil) {
		if err != nil {
			return err
		}
		if !holds(m, words) {
			continue
		}
		found = true
		if err := a.found(o.Env, t, m); err != nil {
			return err
		}
	}
	switch {
	case !found:
		return secret.Errorf(secret.NotFound, "", "nothing in %s that you may list holds %q\n  another environment:  -e ENV", o.Env, strings.Join(words, " "))
	case a.flags.json:
		return nil
	default:
		return a.table(t)
	}
}

func (a *app) found(env string, t *table, m secret.Meta) error {
	if !a.flags.json {
		return a.row(t, string(m.Name), tags(m.Tags), m.Description)
	}
	v, _ := m.Current()
	return a.object(listJSON{
		Env: env, Name: string(m.Name), Version: v.Number, Created: v.Created, Age: a.age(v.Created), Tags: m.Tags, Description: m.Description,
	})
}

// holds reports whether every word is in what may be said of a secret.
func holds(m secret.Meta, words []string) bool {
	text := strings.ToLower(strings.Join([]string{string(m.Name), tags(m.Tags), m.Description}, "\n"))
	for _, w := range words {
		if !strings.Contains(text, strings.ToLower(w)) {
			return false
		}
	}
	return true
}
