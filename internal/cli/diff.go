package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) diffCommand() *cobra.Command {
	var f diffFlags
	c := &cobra.Command{
		Use:   "diff A B | diff [A] --file FILE",
		Short: "Tell how two places or two versions differ",
		Long: `Tell which secrets differ between two environments, or parts of them, and which
fields of them; or how two versions of a secret differ. One version alone is compared
with the current one. Values are compared, and never shown unless --reveal says so.

With --file, what is here is compared with a file that import reads: what tacit.toml
declares, or all secrets of the environment or below the prefix A.`,
		Example: `  tacit diff dev: prod:
  tacit diff dev:app/ staging:app/
  tacit diff app/db@3 app/db@4
  tacit diff app/db@previous
  tacit diff --file .env`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.compare(cmd.Context(), args, f)
		},
	}
	fs := c.Flags()
	fs.BoolVar(&f.reveal, "reveal", false, "also show the values; asks first, and is not for agents")
	fs.StringVar(&f.file, "file", "", "compare with this `file`; - is stdin")
	fs.StringVarP(&f.format, "format", "f", "", "the `format` of the file, if it is not to be told from it")
	return c
}

type diffFlags struct {
	reveal bool
	file   string
	format string
}

// check refuses what can be refused before a store is opened.
func (f *diffFlags) check(args []string) error {
	switch {
	case f.file == "" && f.format != "":
		return secret.Errorf(secret.Invalid, "", "--format goes with --file")
	case f.file == "" && len(args) == 0:
		return secret.Errorf(secret.Invalid, "", "which places are to be compared?\n  tacit diff dev: prod:")
	case f.file != "" && len(args) > 1:
		return secret.Errorf(secret.Invalid, "", "a file is compared with one place, not with %s and %s", args[0], args[1])
	default:
		return nil
	}
}

// diffJSON is what diff prints with --json.
type diffJSON struct {
	Name   string            `json:"name"`
	Change move.Change       `json:"change"`
	From   string            `json:"from,omitempty"` // empty: composed
	To     string            `json:"to"`
	Line   int               `json:"line,omitempty"` // of the file
	Fields map[string]string `json:"fields,omitempty"`
	Old    *string           `json:"old,omitempty"`
	New    *string           `json:"new,omitempty"`
}

func (a *app) compare(ctx context.Context, args []string, f diffFlags) error {
	if err := f.check(args); err != nil {
		return err
	}
	if f.reveal {
		if err := a.mayReveal(ctx); err != nil {
			return err
		}
	}
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	d := &diffing{app: a, reveal: f.reveal, table: &table{head: []string{"CHANGE", "NAME", "FIELDS"}}}
	if f.file != "" {
		return d.file(ctx, o, args, f)
	}
	if strings.Contains(args[0], "@") || len(args) == 1 {
		return d.versions(ctx, o, args)
	}
	err = d.places(ctx, o, args)
	if info, gone := os.Stat(args[len(args)-1]); secret.KindOf(err) == secret.Invalid && gone == nil && info.Mode().IsRegular() {
		return secret.Errorf(secret.Invalid, "", "%s\n  compare with the file:  tacit diff %s --file %s", firstLine(err), args[0], args[1])
	}
	return err
}

// places compares two environments, parts of them, or two secrets.
func (d *diffing) places(ctx context.Context, o *config.Opened, args []string) error {
	from, err := place(o, args[0])
	if err != nil {
		return err
	}
	to, err := place(o, args[1])
	if err != nil {
		return err
	}
	if (from.Name == "") != (to.Name == "") {
		return secret.Errorf(secret.Invalid, "", "%s and %s: one is a secret and the other a tree", from, to)
	}
	for x, err := range move.Diff(ctx, o.Broker, o.Caller, from, to) {
		if err != nil {
			return err
		}
		if x.Rel == "" {
			x.Rel = string(x.A.Name)
		}
		if err := d.add(x); err != nil {
			return err
		}
	}
	return d.end()
}

// mayReveal asks before values are shown. Agents are not asked.
func (a *app) mayReveal(ctx context.Context) error {
	if err := a.refuseAgent(ctx, "see values in a diff"); err != nil {
		return err
	}
	return a.confirm(ctx, "show the values that differ")
}

// versions compares two versions of one secret, or of two.
func (d *diffing) versions(ctx context.Context, o *config.Opened, args []string) error {
	a, err := d.ref(o, args[0])
	if err != nil {
		return err
	}
	b := secret.Ref{Env: a.Env, Name: a.Name}
	if len(args) == 2 {
		if b, err = d.ref(o, args[1]); err != nil {
			return err
		}
	}
	if a.Field != "" || b.Field != "" || a == b {
		return secret.Errorf(secret.Invalid, a.Name, "name two versions of a secret:  tacit diff %s@1 %s@2", plain(a), plain(a))
	}
	got := o.Broker.GetAll(ctx, o.Caller, []secret.Ref{a, b})
	for i, r := range []secret.Ref{a, b} {
		if got[i].Err != nil {
			return d.explain(ctx, o, r, got[i].Err)
		}
	}
	x := move.Values(move.Difference{Rel: string(a.Name), A: a, B: b}, got[0].Version.Value, got[1].Version.Value)
	if x.Change != "" {
		if err := d.add(x); err != nil {
			return err
		}
	}
	return d.end()
}

// diffing prints differences as they come.
type diffing struct {
	*app
	reveal bool
	table  *table
	any    bool
}

func (d *diffing) add(x move.Difference) error {
	d.any = true
	switch {
	case d.flags.json:
		return d.object(d.json(x))
	case d.reveal:
		return d.shown(x)
	default:
		return d.row(d.table, string(x.Change), x.Rel, fieldChanges(x.Fields))
	}
}

func (d *diffing) json(x move.Difference) diffJSON {
	out := diffJSON{Name: x.Rel, Change: x.Change, From: x.A.String(), To: x.B.String()}
	for _, f := range x.Fields {
		if out.Fields == nil {
			out.Fields = map[string]string{}
		}
		out.Fields[f.Field] = string(f.Change)
	}
	if d.reveal && x.Change == move.Changed {
		before, after := revealed(x.Old), revealed(x.New)
		out.Old, out.New = &before, &after
	}
	return out
}

// shown prints a difference with its values, line by line.
func (d *diffing) shown(x move.Difference) error {
	lines := []string{string(x.Change) + "  " + x.Rel}
	if x.Change == move.Changed {
		for mark, v := range [...]secret.Value{x.Old, x.New} {
			for l := range strings.SplitSeq(revealed(v), "\n") {
				lines = append(lines, []string{"- ", "+ "}[mark]+l)
			}
		}
	}
	for _, l := range lines {
		if err := d.line(l); err != nil {
			return err
		}
	}
	return nil
}

// revealed is a value as text; one that is none, in base64.
func revealed(v secret.Value) string {
	b := v.Reveal()
	if v.IsBinary() || !utf8.Valid(b) {
		return "base64:" + base64.StdEncoding.EncodeToString(b)
	}
	return string(bytes.TrimSuffix(b, []byte("\n")))
}

// fieldChanges lists the fields that differ: "+new -gone password".
func fieldChanges(all []move.FieldChange) string {
	out := make([]string, len(all))
	for i, f := range all {
		out[i] = map[move.Change]string{move.Added: "+", move.Removed: "-"}[f.Change] + f.Field
	}
	return strings.Join(out, " ")
}

// end prints what is left; a person who sees nothing is told why.
func (d *diffing) end() error {
	if d.any && !d.flags.json && !d.reveal {
		return d.app.table(d.table)
	}
	if !d.any && terminal(d.Out) && !d.flags.json {
		d.hint("no difference")
	}
	return nil
}
