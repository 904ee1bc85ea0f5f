package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/render"
	"github.com/tacit-secrets/tacit/secret"
)

type renderFlags struct {
	out   string
	watch bool
}

func (a *app) renderCommand() *cobra.Command {
	var f renderFlags
	c := &cobra.Command{
		Use:   "render FILE|-",
		Short: "Fill a template with secrets",
		Long: `Fill a template with secrets: a configuration file, say, for a program that reads no
environment variables. In it stand {{ secret "app/db#password" }}, tacit://app/db#password
or {{ .DATABASE_URL }} for what tacit.toml declares, and functions: quote, json, url,
shell, base64, indent, default and a few more.

A template reads no files and no environment. Where a secret is missing, nothing is
written. --out writes a file that only you can read, in one step.`,
		Example: `  tacit render app.conf.tpl --out app.conf
  tacit render app.conf.tpl --out app.conf --watch
  tacit render - < app.conf.tpl`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.render(cmd.Context(), args[0], f) },
	}
	c.Flags().StringVarP(&f.out, "out", "o", "", "write this `file`, mode 0600")
	c.Flags().BoolVarP(&f.watch, "watch", "w", false, "write it again whenever a secret changes")
	return c
}

// renderJSON is what render --out prints with --json, each time it wrote.
type renderJSON struct {
	File  string `json:"file"`
	Bytes int    `json:"bytes"`
}

func (a *app) render(ctx context.Context, file string, f renderFlags) error {
	if f.watch && f.out == "" {
		return secret.Errorf(secret.Invalid, "", "--watch writes a file again and again: name it with --out")
	}
	if a.flags.json && f.out == "" {
		return secret.Errorf(secret.Invalid, "", "--json tells what was written: give --out")
	}
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	all, err := o.Declarations()
	if err != nil {
		return err
	}
	t, err := a.template(file)
	if err != nil {
		return err
	}
	r := &rendering{app: a, opened: o, declared: all, template: t, file: file}
	text, err := r.fill(ctx)
	if err != nil {
		return err
	}
	if f.out == "" {
		return a.value(secret.Ref{}, text)
	}
	if err := r.write(f.out, text); err != nil || !f.watch {
		return err
	}
	return r.follow(ctx, f.out, text)
}

// template reads what is to be filled.
func (a *app) template(file string) (*render.Template, error) {
	if file == "-" {
		if terminal(a.In) {
			return nil, secret.Errorf(secret.Invalid, "", "stdin is a terminal\n  tacit render - < FILE")
		}
		b, err := readAll(a.In, render.MaxBytes)
		if err != nil {
			return nil, err
		}
		return render.Parse("stdin", b)
	}
	b, err := readFile(file)
	if err != nil {
		return nil, err
	}
	return render.Parse(file, b)
}

// rendering is a template with the project that fills it.
type rendering struct {
	*app
	opened   *config.Opened
	declared []config.Declaration
	template *render.Template
	file     string
}

// fill resolves everything at once. What is missing is told together.
func (r *rendering) fill(ctx context.Context) ([]byte, error) {
	wanted, err := r.declarations()
	if err != nil {
		return nil, err
	}
	// What the template names by itself is resolved beside what is declared.
	asked := map[string]secret.Ref{}
	for _, ref := range r.template.Refs() {
		full := ref
		full.Env = cmp.Or(ref.Env, r.opened.Env)
		as := "tacit://" + ref.String() // no variable is called that
		asked[as] = ref
		wanted = append(wanted, config.Declaration{Var: as, Ref: full, Required: true})
	}
	c := r.opened.Caller
	c.For = "render " + r.file
	got, missing, err := config.Resolve(ctx, r.opened.Broker, c, wanted, r.declared)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, missingError(missing, "; nothing was written")
	}
	v := render.Values{Refs: map[secret.Ref]secret.Value{}, Variables: map[string]secret.Value{}}
	for _, g := range got {
		if ref, ok := asked[g.Var]; ok {
			v.Refs[ref] = g.Value
		} else {
			v.Variables[g.Var] = g.Value
		}
	}
	for _, d := range wanted { // not required and not there: empty
		if _, ok := v.Variables[d.Var]; !ok && !d.Required {
			v.Variables[d.Var] = secret.Text("")
		}
	}
	return r.template.Execute(v)
}

// declarations are those that the template names.
func (r *rendering) declarations() ([]config.Declaration, error) {
	var out []config.Declaration
	for _, name := range r.template.Variables() {
		i := slices.IndexFunc(r.declared, func(d config.Declaration) bool { return d.Var == name })
		if i < 0 {
			return nil, secret.Errorf(secret.NotFound, "", "%s: no secret is declared as %s\n  tacit check lists them", r.file, name)
		}
		if v := config.UseIn(r.declared[i], r.declared); v != "" {
			return nil, secret.Errorf(secret.Unsupported, "", "%s has a use section: its value is never handed over", v)
		}
		out = append(out, r.declared[i])
	}
	return out, nil
}

func (r *rendering) write(path string, text []byte) error {
	if err := config.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	if r.flags.json {
		return r.object(renderJSON{File: path, Bytes: len(text)})
	}
	r.done("rendered", path, "%d bytes", len(text))
	return nil
}

// follow writes the file again when what is in it changed, until ctx is done.
func (r *rendering) follow(ctx context.Context, path string, last []byte) error {
	refs := append(r.template.Refs(), config.Refs(r.declared)...)
	for range r.changes(ctx, r.opened, refs) {
		text, err := r.fill(ctx)
		switch {
		case errors.Is(err, context.Canceled) || ctx.Err() != nil:
			return nil
		case err != nil:
			r.warn("%s\n  %s stays as it was", err, path)
			continue
		case bytes.Equal(text, last):
			if _, err := os.Lstat(path); err == nil {
				continue
			}
		}
		if err := r.write(path, text); err != nil {
			r.warn("%s", err)
			continue
		}
		last = text
	}
	return nil
}
