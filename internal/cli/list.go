package cli

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

type listFlags struct {
	long    bool
	deleted bool
	tree    bool
	tags    []string
}

func (a *app) listCommand() *cobra.Command {
	var f listFlags
	c := &cobra.Command{
		Use:   "list [PREFIX]",
		Short: "List the names of secrets",
		Long: `List the names of the secrets of an environment that you may list. PREFIX may name
an environment: prod:app/`,
		Example: "  tacit list\n  tacit list app/ --long\n  tacit list --tree\n  tacit list --tag owner=payments\n  tacit list --deleted",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			prefix := strings.Join(args, "")
			return a.list(cmd.Context(), prefix, f)
		},
	}
	c.Flags().BoolVarP(&f.long, "long", "l", false, "also version, age and tags")
	c.Flags().BoolVar(&f.deleted, "deleted", false, "only what is deleted and can come back")
	c.Flags().BoolVar(&f.tree, "tree", false, "by folders, indented")
	c.Flags().StringArrayVar(&f.tags, "tag", nil, "only secrets with this tag, `key` or key=value; all, if given more than once")
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

func (a *app) list(ctx context.Context, prefix string, f listFlags) error {
	if f.tree && (f.long || f.deleted) {
		return secret.Errorf(secret.Invalid, "", "--tree shows names alone: leave out --long and --deleted")
	}
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	env := o.Env
	if before, after, found := strings.Cut(prefix, ":"); found {
		env, prefix = before, after
	}
	// Stores on the network tell names in a few requests, and more in one for
	// each secret.
	opts := &secret.ListOptions{Prefix: prefix, Names: !f.long && !f.deleted && !a.flags.json && len(f.tags) == 0}
	if f.deleted {
		opts.Deleted = secret.OnlyDeleted
	}
	due, err := rotations(o, env)
	if err != nil {
		return err
	}
	l := a.newListing(env, f, due)
	for m, err := range o.Broker.List(ctx, o.Caller, env, opts) {
		if err != nil {
			return errors.Join(err, l.end())
		}
		if !tagged(m, f.tags) {
			continue
		}
		if err := l.add(m); err != nil {
			return err
		}
	}
	return l.end()
}

// A listing prints secrets as they come.
type listing struct {
	*app
	env   string
	due   map[secret.Name]time.Duration
	table *table // nil for bare names
	cells func(secret.Meta) []string
	any   bool
	tree  bool
	last  []string // the segments of the name before, for a tree
}

func (a *app) newListing(env string, f listFlags, due map[secret.Name]time.Duration) *listing {
	l := &listing{app: a, env: env, due: due, tree: f.tree}
	switch {
	case f.deleted:
		l.table = &table{head: []string{"NAME", "DELETED", "GONE"}}
		l.cells = func(m secret.Meta) []string {
			when := "never"
			if !m.Purge.IsZero() {
				when = "in " + a.left(m.Purge)
			}
			return []string{string(m.Name), a.ago(m.Deleted), when}
		}
	case f.long && len(due) == 0:
		l.table = &table{head: []string{"NAME", "VERSION", "AGE", "TAGS"}, right: map[int]bool{1: true}}
		l.cells = func(m secret.Meta) []string {
			v, _ := m.Current()
			return []string{string(m.Name), versionNumber(v), a.age(v.Created), tags(m.Tags)}
		}
	case f.long:
		l.table = &table{head: []string{"NAME", "VERSION", "AGE", "ROTATION", "TAGS"}, right: map[int]bool{1: true}}
		l.cells = func(m secret.Meta) []string {
			v, _ := m.Current()
			return []string{string(m.Name), versionNumber(v), a.age(v.Created), a.rotation(v.Created, due[m.Name]), tags(m.Tags)}
		}
	}
	return l
}

func (l *listing) add(m secret.Meta) error {
	l.any = true
	v, _ := m.Current()
	switch {
	case l.flags.json:
		return l.object(listJSON{
			Env: l.env, Name: string(m.Name), Version: v.Number, Created: v.Created, Age: l.age(v.Created),
			Tags: m.Tags, Description: m.Description, Deleted: m.Deleted, Purge: m.Purge,
		})
	case l.table != nil:
		return l.row(l.table, l.cells(m)...)
	case l.tree:
		return l.branch(string(m.Name))
	default:
		return l.line(string(m.Name))
	}
}

// branch prints a name below its folders, those that were not printed yet
// first. Names come in order, so nothing else has to be kept.
func (l *listing) branch(name string) error {
	segments := strings.Split(name, "/")
	same := 0
	for same < len(segments)-1 && same < len(l.last)-1 && segments[same] == l.last[same] {
		same++
	}
	l.last = segments
	for i := same; i < len(segments); i++ {
		text := strings.Repeat("  ", i) + segments[i]
		if i < len(segments)-1 {
			text += "/"
		}
		if err := l.line(text); err != nil {
			return err
		}
	}
	return nil
}

// tagged reports whether a secret has all the tags: "key" or "key=value".
func tagged(m secret.Meta, want []string) bool {
	for _, w := range want {
		k, v, exact := strings.Cut(w, "=")
		has, ok := m.Tags[k]
		if !ok || exact && has != v {
			return false
		}
	}
	return true
}

// end prints what is left of a table. A person who sees nothing is told why.
func (l *listing) end() error {
	if l.any && l.table != nil && !l.flags.json {
		return l.app.table(l.table)
	}
	if !l.any && terminal(l.Out) && !l.flags.json {
		l.hint("nothing to show in %s", l.env)
	}
	return nil
}

func versionNumber(v secret.Version) string {
	if v.Number == 0 {
		return ""
	}
	return strconv.FormatUint(v.Number, 10)
}

// rotation tells when a value is due to be replaced.
func (a *app) rotation(created time.Time, every time.Duration) string {
	if every == 0 || created.IsZero() {
		return ""
	}
	due := created.Add(every)
	if !due.After(a.now()) {
		return "overdue " + a.age(due)
	}
	return "due in " + a.left(due)
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

func tags(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return strings.Join(out, " ")
}
