package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/envfmt"
	"github.com/tacit-secrets/tacit/internal/render"
	"github.com/tacit-secrets/tacit/secret"
)

// An envFile is a .env file whose values are templates. The file is read first
// and each value is filled alone: no secret can end a line or a quote and so
// add a variable of its own.
type envFile struct {
	path    string
	entries []envEntry
	needs   []config.Declaration // what the templates name, under names of their own
}

type envEntry struct {
	name     string
	template *render.Template
}

// readEnvFile reads a template for the project o, which declares all.
func readEnvFile(o *config.Opened, all []config.Declaration, path string) (*envFile, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if len(b) > render.MaxBytes {
		return nil, secret.Errorf(secret.Invalid, "", "%s: a template has at most %d bytes", path, render.MaxBytes)
	}
	return parseEnvFile(o.Env, all, path, b)
}

func parseEnvFile(env string, all []config.Declaration, path string, text []byte) (*envFile, error) {
	entries, err := envfmt.Read(bytes.NewReader(text), envfmt.Dotenv)
	if err != nil {
		return nil, secret.Errorf(secret.KindOf(err), "", "%s: %s", path, err)
	}
	f := &envFile{path: path}
	var errs []error
	for _, e := range entries {
		errs = append(errs, f.add(env, all, e))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, secret.Errorf(secret.KindOf(err), "", "%s", err)
	}
	return f, nil
}

// add reads one entry. A dangerous name needs trusted files, which the template
// is none of.
func (f *envFile) add(env string, all []config.Declaration, e envfmt.Entry) error {
	where := fmt.Sprintf("%s: line %d", f.path, e.Line)
	if child.Dangerous(e.Name) {
		return secret.Errorf(secret.Denied, "", "%s: %s can make a program run other code, and this file is not trusted\n  declare it in %s, which is", where, e.Name, config.FileName)
	}
	t, err := render.Parse(where, e.Value.Reveal())
	if err != nil {
		return err
	}
	for _, ref := range t.Refs() {
		full := ref
		full.Env = cmp.Or(ref.Env, env)
		f.need(config.Declaration{Var: refVar(ref), Ref: full, Required: true})
	}
	for _, name := range t.Variables() {
		d := withVar(all, name)
		if d == nil {
			return secret.Errorf(secret.NotFound, "", "%s: no secret is declared as %s\n  tacit check lists them", where, name)
		}
		if v := config.UseIn(*d, all); v != "" {
			return secret.Errorf(secret.Unsupported, "", "%s: %s has a use section: its value is never handed over", where, v)
		}
		own := *d
		own.Var = variableVar(name)
		f.need(own)
	}
	f.entries = append(f.entries, envEntry{e.Name, t})
	return nil
}

// refVar and variableVar name what a template needs. No variable is called
// like that.
func refVar(r secret.Ref) string         { return "tacit://" + r.String() }
func variableVar(declared string) string { return "{{ ." + declared + " }}" }

func (f *envFile) need(d config.Declaration) {
	if withVar(f.needs, d.Var) == nil {
		f.needs = append(f.needs, d)
	}
}

func withVar(all []config.Declaration, name string) *config.Declaration {
	i := slices.IndexFunc(all, func(d config.Declaration) bool { return d.Var == name })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// sets reports whether the file gives a variable.
func (f *envFile) sets(name string) bool {
	return f != nil && slices.ContainsFunc(f.entries, func(e envEntry) bool { return e.name == name })
}

// drop leaves out a variable that comes from elsewhere.
func (f *envFile) drop(name string) {
	if f != nil {
		f.entries = slices.DeleteFunc(f.entries, func(e envEntry) bool { return e.name == name })
	}
}

// fill makes the variables of the file from what was read, and takes what only
// they needed out of it.
func (f *envFile) fill(got []config.Resolved) ([]config.Resolved, error) {
	read := map[string]config.Resolved{} // not required and not there: empty
	var out []config.Resolved
	for _, g := range got {
		if withVar(f.needs, g.Var) == nil {
			out = append(out, g)
			continue
		}
		read[g.Var] = g
	}
	for _, e := range f.entries {
		g, err := e.fill(read)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// fill makes one variable. What stands in a file anyway, there or in
// tacit.toml, is no secret to look for.
func (e envEntry) fill(read map[string]config.Resolved) (config.Resolved, error) {
	out := config.Resolved{Declaration: config.Declaration{Var: e.name}}
	v := render.Values{Refs: map[secret.Ref]secret.Value{}, Variables: map[string]secret.Value{}}
	take := func(name string) secret.Value {
		g := read[name]
		if !g.Defaulted && g.Value.Len() > 0 {
			out.Parts = append(append(out.Parts, g.Value), g.Parts...)
		}
		return g.Value
	}
	for _, ref := range e.template.Refs() {
		v.Refs[ref] = take(refVar(ref))
	}
	for _, name := range e.template.Variables() {
		v.Variables[name] = take(variableVar(name))
	}
	b, err := e.template.Execute(v)
	out.Value, out.Defaulted = textOrBinary(b), len(out.Parts) == 0
	return out, err
}
