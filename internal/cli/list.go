package cli

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) listCommand() *cobra.Command {
	var long, deleted bool
	c := &cobra.Command{
		Use:     "list [PREFIX]",
		Short:   "List the names of secrets",
		Long:    "List the names of the secrets of an environment that you may list.\nPREFIX may name an environment: prod:app/",
		Example: "  tacit list\n  tacit list app/ --long\n  tacit list --deleted",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			prefix := strings.Join(args, "")
			return a.list(cmd.Context(), prefix, long, deleted)
		},
	}
	c.Flags().BoolVarP(&long, "long", "l", false, "also version, age and tags")
	c.Flags().BoolVar(&deleted, "deleted", false, "only what is deleted and can come back")
	return c
}

// listJSON is what list prints with --json.
type listJSON struct {
	Env         string            `json:"env"`
	Name        string            `json:"name"`
	Version     uint64            `json:"version,omitempty"`
	Created     time.Time         `json:"created,omitzero"`
	Age         string            `json:"age,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Description string            `json:"description,omitempty"`
	Deleted     time.Time         `json:"deleted,omitzero"`
	Purge       time.Time         `json:"purge,omitzero"`
}

func (a *app) list(ctx context.Context, prefix string, long, deleted bool) error {
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	env := o.Env
	if before, after, found := strings.Cut(prefix, ":"); found {
		env, prefix = before, after
	}
	opts := &secret.ListOptions{Prefix: prefix}
	if deleted {
		opts.Deleted = secret.OnlyDeleted
	}
	due, err := rotations(o, env)
	if err != nil {
		return err
	}
	t := &table{head: []string{"NAME", "VERSION", "AGE", "ROTATION", "TAGS"}, right: map[int]bool{1: true}}
	if deleted {
		t = &table{head: []string{"NAME", "DELETED", "GONE"}}
	}
	for m, err := range o.Broker.List(ctx, o.Caller, env, opts) {
		if err != nil {
			return err
		}
		if err := a.listed(t, env, m, listStyle{long: long, deleted: deleted, due: due}); err != nil {
			return err
		}
	}
	if len(t.rows) == 0 {
		return nil
	}
	return a.table(t)
}

type listStyle struct {
	long, deleted bool
	due           map[secret.Name]time.Duration
}

// listed prints one secret, or adds it to the table that is printed at the end.
func (a *app) listed(t *table, env string, m secret.Meta, s listStyle) error {
	v, _ := m.Current()
	switch {
	case a.flags.json:
		return a.object(listJSON{
			Env: env, Name: string(m.Name), Version: v.Number, Created: v.Created, Age: a.age(v.Created),
			Tags: m.Tags, Description: m.Description, Deleted: m.Deleted, Purge: m.Purge,
		})
	case s.deleted:
		t.add(string(m.Name), a.age(m.Deleted)+" ago", "in "+span(m.Purge.Sub(a.now())))
		return nil
	case s.long:
		t.add(string(m.Name), strconv.FormatUint(v.Number, 10), a.age(v.Created), a.rotation(v.Created, s.due[m.Name]), tags(m.Tags))
		return nil
	default:
		return a.line(string(m.Name))
	}
}

// rotation tells when a value is due to be replaced.
func (a *app) rotation(created time.Time, every time.Duration) string {
	if every == 0 || created.IsZero() {
		return ""
	}
	left := created.Add(every).Sub(a.now())
	if left <= 0 {
		return "overdue " + span(-left)
	}
	return "due in " + span(left)
}

// rotations returns how old the values of an environment may grow, as declared.
func rotations(o *config.Opened, env string) (map[secret.Name]time.Duration, error) {
	out := map[secret.Name]time.Duration{}
	if o.Project == nil {
		return out, nil
	}
	all, err := o.Project.Declarations(env)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if d.Rotate > 0 && d.Ref.Env == env {
			out[d.Ref.Name] = d.Rotate
		}
	}
	return out, nil
}

// span writes a length of time in its largest unit.
func span(d time.Duration) string {
	switch {
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	case d < 24*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	default:
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
}

func tags(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return strings.Join(out, " ")
}
