package cli

import (
	"cmp"
	"context"
	"strings"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/envfmt"
	"github.com/tacit-secrets/tacit/internal/foreign"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/secret"
)

// importRefs declares what another tool's file refers to. No value is read.
func (a *app) importRefs(ctx context.Context, src *source, f importFlags) error {
	tool, err := foreign.ParseTool(f.from)
	if err != nil {
		return err
	}
	format := envfmt.TOML
	if tool != foreign.Fnox {
		if format, err = src.detected(f.format); err != nil {
			return err
		}
	}
	if len(src.text) > envfmt.MaxDocumentBytes {
		return secret.Errorf(secret.Invalid, "", "%s: is larger than %d MiB", src.name(), envfmt.MaxDocumentBytes>>20)
	}
	entries, wrong, err := foreign.Read(src.text, tool, format)
	if err != nil {
		return secret.Errorf(secret.KindOf(err), "", "%s: %s", src.name(), err)
	}
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	p := &importing{app: a, opened: o, source: src, flags: f, format: format, outcome: "nothing was declared"}
	declared, err := p.declared()
	if err != nil {
		return err
	}
	m := &mapping{
		importing: p, tool: tool, declared: declared,
		variables: map[string]foreign.Entry{}, stores: map[string]foreign.Entry{}, made: map[secret.Ref]foreign.Entry{},
	}
	if err := m.checkFlags(); err != nil {
		return err
	}
	m.each(entries, wrong)
	return m.finish(ctx)
}

// each maps the references, and tells what is wrong in the order of the lines.
func (m *mapping) each(entries []foreign.Entry, wrong []foreign.Problem) {
	tell := func(p foreign.Problem) { m.wrong.add(onLine(p.Line, secret.Errorf(secret.Invalid, "", "%s", p.Text))) }
	for _, e := range entries {
		for len(wrong) > 0 && wrong[0].Line <= e.Line {
			tell(wrong[0])
			wrong = wrong[1:]
		}
		m.wrong.add(onLine(e.Line, m.add(e)))
	}
	for _, p := range wrong {
		tell(p)
	}
}

// mapping turns references of another tool into declarations.
type mapping struct {
	*importing
	tool      foreign.Tool
	declared  map[string]config.Declaration
	variables map[string]foreign.Entry     // by variable: what declares it here
	stores    map[string]foreign.Entry     // by kind of store: the first that lies there
	made      map[secret.Ref]foreign.Entry // names made up for secrets of the tool's own
	all       []config.Declaring
	lines     []int
	same      int
	wrong     problems
}

func (m *mapping) checkFlags() error {
	switch m.tool {
	case foreign.Vals, foreign.Fnox:
		if m.flags.to != "" {
			return secret.Errorf(secret.Invalid, "", "the file says what lies where: give -e if need be, and no --to")
		}
	case foreign.Chamber:
		if m.to.Prefix == "" {
			return secret.Errorf(secret.Invalid, "", "chamber's file does not name its service\n  say it:  --to SERVICE/")
		}
		m.warn("chamber makes _ of - in its keys: the fields are taken to have _")
	default:
	}
	return nil
}

// add maps one reference.
func (m *mapping) add(e foreign.Entry) error {
	ref, err := m.reference(e)
	if err != nil {
		return secret.Errorf(secret.KindOf(err), "", "%s: %s", e.Var, err)
	}
	if first, ok := m.variables[e.Var]; ok {
		return secret.Errorf(secret.Invalid, "", "%s stands on line %d, too", e.Var, first.Line)
	}
	m.variables[e.Var] = e
	if d, ok := m.declared[e.Var]; ok {
		if d.Compose == nil && d.Ref == ref {
			m.same++
			return nil
		}
		return secret.Errorf(secret.Conflict, "", "%s is declared already, as something else than %s", e.Var, ref)
	}
	if child.Dangerous(e.Var) {
		return secret.Errorf(secret.Invalid, "", "%s can make a program run other code: declare it by hand, where it is meant", e.Var)
	}
	m.all = append(m.all, config.Declaring{Var: e.Var, Ref: ref, Description: e.Description, Default: e.Default, Optional: e.Optional})
	m.lines = append(m.lines, e.Line)
	return nil
}

// reference says it in tacit's words.
func (m *mapping) reference(e foreign.Entry) (secret.Ref, error) {
	if e.Store == "" {
		return m.makeUp(e)
	}
	if first, ok := m.stores[e.Store]; ok && first.Where != e.Where {
		return secret.Ref{}, secret.Errorf(secret.Invalid, "", "lies in another store than %s on line %d, and one environment is one store\n    keep them in files of their own, and import each with -e", first.Var, first.Line)
	}
	m.stores[e.Store] = e
	env, err := m.environment(e.Store)
	if err != nil {
		return secret.Ref{}, err
	}
	name := e.Name
	if m.tool == foreign.Chamber {
		name = strings.TrimSuffix(m.to.Prefix, "/")
	}
	if env.Address != "" && e.Address != "" && !sameURL(env.Address, e.Address) {
		return secret.Ref{}, secret.Errorf(secret.Invalid, "", "lies at another address than %s, %s", env.Name, env.Address)
	}
	if env.Backend == config.BackendVault {
		mount := cmp.Or(env.Mount, "secret")
		rest, ok := strings.CutPrefix(name, strings.Trim(mount, "/")+"/")
		if !ok {
			return secret.Ref{}, secret.Errorf(secret.Invalid, "", "does not lie in the mount of %s, %s", env.Name, mount)
		}
		name = rest
	}
	name, ok := strings.CutPrefix(name, env.Prefix)
	if !ok {
		return secret.Ref{}, secret.Errorf(secret.Invalid, "", "does not lie below the prefix of %s, %s", env.Name, env.Prefix)
	}
	return m.named(env.Name, name, e.Field)
}

// makeUp names a secret of the tool's own: two of them never become one.
func (m *mapping) makeUp(e foreign.Entry) (secret.Ref, error) {
	ref, err := m.named(m.to.Env, m.to.Prefix+e.Name, e.Field)
	if err != nil {
		return ref, err
	}
	if first, ok := m.made[ref]; ok && first.Where != e.Where {
		return ref, secret.Errorf(secret.Invalid, "", "is another secret than %s on line %d, and both would be %s\n    keep them in files of their own, and import each with --to", first.Var, first.Line, ref)
	}
	m.made[ref] = e
	return ref, nil
}

func (m *mapping) named(env, name, field string) (secret.Ref, error) {
	n, err := secret.ParseName(name)
	return secret.Ref{Env: env, Name: n, Field: field}, err
}

func sameURL(a, b string) bool {
	return strings.EqualFold(strings.TrimRight(a, "/"), strings.TrimRight(b, "/"))
}

// environment is the one that is meant for a kind of store: that of -e, or the
// only one there is.
func (m *mapping) environment(store string) (config.Environment, error) {
	var found []config.Environment
	for _, name := range m.opened.Project.EnvNames() {
		env, err := m.opened.Project.Environment(name)
		if err != nil {
			return env, err
		}
		if env.Backend == store && (m.app.flags.env == "" || m.app.flags.env == name) {
			found = append(found, env)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return config.Environment{}, secret.Errorf(secret.Invalid, "", "%s and %s are both environments with backend = %q\n    say which:  -e %s", found[0].Name, found[1].Name, store, found[0].Name)
	case m.app.flags.env != "":
		return config.Environment{}, secret.Errorf(secret.Invalid, "", "lies in a store of the kind %s, and %s is none", store, m.app.flags.env)
	default:
		return config.Environment{}, secret.Errorf(secret.Invalid, "", "lies in a store of the kind %s, and no environment is one\n    add to %s:  [env.NAME] backend = %q", store, config.FileName, store)
	}
}

// finish tells what cannot be mapped, and declares the rest.
func (m *mapping) finish(ctx context.Context) error {
	if n := len(m.wrong.text); n > 0 {
		err := m.wrong.error(m.refused())
		if !m.flags.keepGoing {
			return secret.Errorf(secret.KindOf(err), "", "%s\n  declare the others:  --keep-going", err)
		}
		for _, text := range m.wrong.text {
			m.warn("left out: %s", text)
		}
	}
	if len(m.all) == 0 && m.same == 0 {
		return secret.Errorf(secret.Invalid, "", "%s: holds no reference that can be declared", m.source.name())
	}
	if err := m.canDeclare(m.all); err != nil {
		return err
	}
	if err := m.list(); err != nil || m.flags.dryRun || len(m.all) == 0 {
		return err
	}
	if err := m.confirm(ctx, "declare %s of %s in %s", count(len(m.all), "reference"), m.source.name(), config.FileName); err != nil {
		return err
	}
	if err := m.declare(ctx, m.all); err != nil {
		return err
	}
	return m.done()
}

// list shows the plan.
func (m *mapping) list() error {
	few := m.interactive() && !m.app.flags.yes && len(m.all) <= fewLines
	for i, d := range m.all {
		switch {
		case m.flags.dryRun && m.app.flags.json:
			if err := m.declaration(i, d); err != nil {
				return err
			}
		case m.app.flags.json:
		case m.flags.dryRun || few:
			m.say("declare", d.Var, "%s, line %d", d.Ref, m.lines[i])
		}
	}
	if !m.app.flags.json && (m.flags.dryRun || len(m.all) == 0) {
		m.say("plan", config.FileName, "%s", copyPlan{count: map[move.Action]int{move.Create: len(m.all), move.Same: m.same}})
	}
	return nil
}

func (m *mapping) declaration(i int, d config.Declaring) error {
	return m.object(importJSON{
		Env: d.Ref.Env, Name: string(d.Ref.Name), Field: d.Ref.Field, Var: d.Var, Line: m.lines[i], Action: "declare", Declared: true, DryRun: m.flags.dryRun,
	})
}

func (m *mapping) done() error {
	if m.app.flags.json {
		for i, d := range m.all {
			if err := m.declaration(i, d); err != nil {
				return err
			}
		}
		return nil
	}
	m.app.done("declared", count(len(m.all), "variable"), "in %s; no value was read", config.FileName)
	if !m.isTrusted {
		m.hint("the edit is not trusted until a person has read it:  tacit trust")
	}
	return nil
}
