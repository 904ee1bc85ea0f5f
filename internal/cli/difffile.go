package cli

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/envfmt"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/secret"
)

// fileDiff compares what is here with a file. An entry belongs to what import
// would write it to.
type fileDiff struct {
	*diffing
	as       *importing // knows what an entry would be written to
	opened   *config.Opened
	caller   secret.Caller
	all      []config.Declaration // of the environment
	declared map[string]config.Declaration
	// What the file has, to tell what it has not.
	variables map[string]bool
	names     map[secret.Name]bool
}

// file compares a place, or what is declared, with a file.
func (d *diffing) file(ctx context.Context, o *config.Opened, args []string, f diffFlags) error {
	src, err := d.source(f.file)
	if err != nil {
		return err
	}
	entries, format, err := src.entries(f.format)
	if err != nil {
		return err
	}
	d.table.head = []string{"CHANGE", "NAME", "LINE", "FIELDS"}
	x := &fileDiff{diffing: d, opened: o, caller: o.Caller, variables: map[string]bool{}, names: map[secret.Name]bool{}}
	x.as = &importing{app: d.app, opened: o, source: src, format: format, outcome: "nothing was compared"}
	x.caller.For = "diff " + src.name()
	if len(args) > 0 {
		x.as.flags.to = args[0]
	}
	if err := x.scope(); err != nil {
		return err
	}
	if err := x.sound(entries); err != nil {
		return err
	}
	for chunk := range slices.Chunk(entries, fileChunk) {
		if err := x.compare(ctx, chunk); err != nil {
			return err
		}
	}
	if err := x.onlyHere(ctx); err != nil {
		return err
	}
	return d.end()
}

// fileChunk is how many values are compared at once.
const fileChunk = 64

// scope reads the place, and what is declared for its environment.
func (x *fileDiff) scope() (err error) {
	x.as.to = move.Place{Env: x.opened.Env}
	if x.as.flags.to != "" {
		if x.as.to, err = place(x.opened, x.as.flags.to); err != nil {
			return err
		}
		if x.as.to.Name != "" {
			return secret.Errorf(secret.Invalid, "", "a file is compared with an environment, or what lies below a prefix\n  tacit diff %s/ --file %s", x.as.flags.to, x.as.source.name())
		}
	}
	if _, err := x.opened.Declarations(); err != nil {
		return err
	}
	x.all, err = x.opened.Project.Declarations(x.as.to.Env)
	x.declared = map[string]config.Declaration{}
	for _, d := range x.all {
		x.declared[d.Var] = d
	}
	return err
}

// sound refuses entries that can be no secret here, all at once.
func (x *fileDiff) sound(entries []envfmt.Entry) error {
	var wrong problems
	for _, e := range entries {
		if _, ok := x.as.meant(e.Name, x.declared); ok {
			continue
		}
		_, err := x.as.ownName(e.Name)
		wrong.add(onLine(e.Line, err))
	}
	return wrong.error(x.as.refused())
}

// compare compares some entries with what is here.
func (x *fileDiff) compare(ctx context.Context, entries []envfmt.Entry) error {
	var wanted []config.Declaration
	var refs []secret.Ref
	for _, e := range entries {
		if d, ok := x.as.meant(e.Name, x.declared); ok {
			wanted = append(wanted, d)
		} else if r, err := x.as.ownName(e.Name); err == nil {
			refs = append(refs, r)
		}
	}
	values, _, err := config.Resolve(ctx, x.opened.Broker, x.caller, wanted, x.all)
	if err != nil {
		return err
	}
	byVar := map[string]secret.Value{}
	for _, v := range values {
		byVar[v.Var] = v.Value
	}
	got := x.opened.Broker.GetAll(ctx, x.caller, refs)
	for _, e := range entries {
		if d, ok := x.as.meant(e.Name, x.declared); ok {
			x.variables[d.Var] = true
			for _, r := range config.RefsOf(d, x.all) {
				x.names[r.Name] = true
			}
			v, there := byVar[d.Var]
			err = x.entry(e, move.Difference{Rel: d.Var, A: d.Ref}, v, there)
		} else {
			err = x.named(ctx, e, refs[0], got[0])
			refs, got = refs[1:], got[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// named compares an entry with the secret of its name.
func (x *fileDiff) named(ctx context.Context, e envfmt.Entry, r secret.Ref, got secret.Result) error {
	x.names[r.Name] = true
	if got.Err != nil && !errors.Is(got.Err, secret.NotFound) {
		return x.explain(ctx, x.opened, r, got.Err)
	}
	return x.entry(e, move.Difference{Rel: string(r.Name), A: r}, got.Version.Value, got.Err == nil)
}

// entry tells how an entry differs from what is here, if it does.
func (x *fileDiff) entry(e envfmt.Entry, d move.Difference, here secret.Value, there bool) error {
	if !there {
		d.Change = move.Added
		return x.tell(d, e.Line)
	}
	if d = move.Values(d, here, e.Value); d.Change == "" {
		return nil
	}
	return x.tell(d, e.Line)
}

// onlyHere tells what the file has not: below the place or, without one, of
// what is declared. Its values are not read.
func (x *fileDiff) onlyHere(ctx context.Context) error {
	if x.as.flags.to == "" {
		return x.onlyDeclared(ctx)
	}
	for m, err := range x.opened.Broker.List(ctx, x.caller, x.as.to.Env, &secret.ListOptions{Prefix: x.as.to.Prefix}) {
		if err != nil {
			return err
		}
		if x.names[m.Name] {
			continue
		}
		r := secret.Ref{Env: x.as.to.Env, Name: m.Name}
		if err := x.tell(move.Difference{Rel: string(m.Name), A: r, Change: move.Removed}, 0); err != nil {
			return err
		}
	}
	return nil
}

func (x *fileDiff) onlyDeclared(ctx context.Context) error {
	refs := config.Refs(x.all)
	gone := map[secret.Ref]bool{}
	for i, err := range x.opened.Broker.Check(ctx, x.caller, refs) {
		if err != nil && !errors.Is(err, secret.NotFound) {
			return err
		}
		gone[refs[i]] = err != nil
	}
	for _, d := range x.all {
		of := config.RefsOf(d, x.all)
		if x.variables[d.Var] || len(of) == 0 || slices.ContainsFunc(of, func(r secret.Ref) bool { return gone[r] }) {
			continue
		}
		if err := x.tell(move.Difference{Rel: d.Var, A: d.Ref, Change: move.Removed}, 0); err != nil {
			return err
		}
	}
	return nil
}

// tell prints a difference; line is where the file has it, 0 if it has not.
func (x *fileDiff) tell(d move.Difference, line int) error {
	x.any = true
	at := ""
	if line > 0 {
		at = strconv.Itoa(line)
	}
	switch {
	case x.flags.json:
		out := x.json(d)
		out.To, out.Line = x.as.source.name(), line
		return x.object(out)
	case x.reveal:
		return x.shown(d)
	default:
		return x.row(x.table, string(d.Change), d.Rel, at, fieldChanges(d.Fields))
	}
}
