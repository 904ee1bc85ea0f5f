package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/envfmt"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/secret"
)

// importing is an import under way: what goes where, and what is declared.
type importing struct {
	*app
	opened    *config.Opened
	source    *source
	flags     importFlags
	format    envfmt.Format
	to        move.Place
	outcome   string // of a refusal
	importer  *move.Import
	incoming  []move.Incoming
	from      []origin // of each of incoming
	count     map[move.Action]int
	fields    int  // of incoming, to be merged
	declares  bool // tacit.toml is to be edited
	isTrusted bool
}

// An origin is where a value comes from, and the variable that it gets.
type origin struct {
	name     string // as the file has it
	line     int
	variable string
	declare  bool
	holdsNUL bool // would be declared, and no variable can hold it
}

// plan decides where each entry goes and what is to be done with it. Whatever
// is wrong is told at once, and nothing was done then.
func (p *importing) plan(ctx context.Context, entries []envfmt.Entry) error {
	declared, err := p.declared()
	if err != nil {
		return err
	}
	var wrong problems
	for _, e := range entries {
		in, from, err := p.placeEntry(e, declared)
		if err == nil {
			err = p.fits(ctx, in)
		}
		if err != nil {
			wrong.add(onLine(e.Line, err))
			continue
		}
		p.incoming, p.from = append(p.incoming, in), append(p.from, from)
	}
	p.refuseCollisions(&wrong)
	if err := wrong.error(p.refused()); err != nil {
		return err
	}
	caller := p.opened.Caller
	caller.For = "import " + p.source.name()
	p.importer = &move.Import{Broker: p.opened.Broker, Caller: caller}
	if err := p.importer.Compare(ctx, p.incoming); err != nil {
		return err
	}
	p.count = map[move.Action]int{}
	for i, in := range p.incoming {
		p.count[in.Action]++
		if in.Action == move.Refuse {
			wrong.add(onLine(p.from[i].line, in.Err))
		}
		if in.Ref.Field != "" && (in.Action == move.Create || in.Action == move.Update) {
			p.fields++
		}
	}
	if err := wrong.error(p.refused()); err != nil {
		return err
	}
	return p.canDeclare(p.declarings())
}

func (p *importing) refused() string { return p.source.name() + ": " + p.outcome }

// canDeclare asks before anything is written whether the edit of tacit.toml
// would be one that tacit reads.
func (p *importing) canDeclare(all []config.Declaring) error {
	p.declares = len(all) > 0
	if !p.declares {
		return nil
	}
	if _, err := p.opened.Declared(all); err != nil {
		return secret.Errorf(secret.KindOf(err), "", "%s: %s\n  leave %s as it is:  --no-declare", p.refused(), err, config.FileName)
	}
	return nil
}

// declared reads --to, and what tacit.toml declares for its environment.
func (p *importing) declared() (map[string]config.Declaration, error) {
	p.to = move.Place{Env: p.opened.Env}
	if p.flags.to != "" {
		to, err := place(p.opened, p.flags.to)
		if err != nil {
			return nil, err
		}
		if to.Name != "" {
			return nil, secret.Errorf(secret.Invalid, "", "--to names what new secrets lie below, and ends in /:  --to %s/", p.flags.to)
		}
		p.to = to
	}
	if _, err := p.opened.Declarations(); err != nil {
		if p.flags.noDeclare && secret.KindOf(err) == secret.Denied {
			return nil, nil // no declaration counts, and none is made
		}
		return nil, err
	}
	all, err := p.opened.Project.Declarations(p.to.Env)
	if err != nil {
		return nil, err
	}
	byVar := make(map[string]config.Declaration, len(all))
	for _, d := range all {
		byVar[d.Var] = d
	}
	return byVar, nil
}

// fits refuses what its store would refuse when all else is done. Of a field
// only the size can be told before it is put among the others.
func (p *importing) fits(ctx context.Context, in move.Incoming) error {
	if in.Ref.Field == "" {
		return p.opened.Broker.Fits(ctx, in.Ref, in.Value, nil)
	}
	most, err := p.opened.Broker.MaxValueBytes(ctx, in.Ref.Env)
	if n := in.Value.Len(); err == nil && most > 0 && n > most {
		err = secret.Errorf(secret.Invalid, "", "%s: the value has %d bytes; its store takes at most %d", in.Ref, n, most)
	}
	return err
}

// placeEntry tells where an entry goes: where its variable's declaration
// points, or to a name of its own.
func (p *importing) placeEntry(e envfmt.Entry, declared map[string]config.Declaration) (in move.Incoming, from origin, err error) {
	in.Value = e.Value
	from = origin{name: e.Name, line: e.Line, variable: variableFor(e.Name)}
	if d, ok := p.meant(e.Name, declared); ok {
		in.Ref, err = plainReference(d)
		return in, from, err
	}
	if in.Ref, err = p.ownName(e.Name); err != nil {
		return in, from, err
	}
	d, known := declared[from.variable]
	switch {
	case p.flags.noDeclare || known && d.Compose == nil && d.Ref == in.Ref:
		return in, from, nil
	case known:
		return in, from, secret.Errorf(secret.Conflict, "", "%s would be declared as %s, which is declared already, as something else\n    import it without declaring it:  --no-declare", in.Ref, from.variable)
	case child.CheckName(from.variable) != nil:
		return in, from, secret.Errorf(secret.Invalid, "", "%q: no variable can be called %q\n    import it without declaring it:  --no-declare", e.Name, from.variable)
	}
	from.holdsNUL = bytes.IndexByte(e.Value.Reveal(), 0) >= 0
	from.declare = !from.holdsNUL
	return in, from, nil
}

// variableFor is the variable that an entry gets: its own name, if it is one.
func variableFor(name string) string {
	if child.CheckName(name) == nil {
		return name
	}
	return variableOf(name)
}

// meant is the declaration that an entry stands for, if it stands for one.
// Below a prefix, the names of formats that hold names are meant as names.
func (p *importing) meant(name string, declared map[string]config.Declaration) (config.Declaration, bool) {
	d, known := declared[name]
	return d, known && (p.format.Variables() || p.flags.to == "")
}

// ownName is the secret of an entry that stands for no declaration.
func (p *importing) ownName(entry string) (secret.Ref, error) {
	name := entry
	if p.format.Variables() {
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	}
	n, err := secret.ParseName(p.to.Prefix + name)
	if err != nil {
		return secret.Ref{}, secret.Errorf(secret.Invalid, "", "%q: %s", entry, firstLine(err))
	}
	return secret.Ref{Env: p.to.Env, Name: n}, nil
}

// plainReference is where a declared variable's value lies.
func plainReference(d config.Declaration) (secret.Ref, error) {
	switch {
	case d.Compose != nil:
		return secret.Ref{}, secret.Errorf(secret.Invalid, "", "%s is composed in %s, so there is no one secret to put it into\n    import what it is made of", d.Var, config.FileName)
	case d.Lease.Name != "":
		return secret.Ref{}, secret.Errorf(secret.Invalid, "", "%s is a lease in %s, made anew by its store, so there is no secret to put it into", d.Var, config.FileName)
	case d.Ref.Name == "":
		return secret.Ref{}, secret.Errorf(secret.Invalid, "", "%s has a default in %s and no reference, so there is no secret to put it into", d.Var, config.FileName)
	case d.Ref.At != (secret.At{}):
		return secret.Ref{}, secret.Errorf(secret.Invalid, "", "%s points at one version, %s, which is never written again", d.Var, d.Ref)
	default:
		return d.Ref, nil
	}
}

// refuseCollisions names entries that would become one secret, a secret and a
// field of it, or one variable.
func (p *importing) refuseCollisions(wrong *problems) {
	places, wholes, variables := map[secret.Ref]int{}, map[secret.Ref]int{}, map[string]int{}
	for i, in := range p.incoming {
		whole := in.Ref
		whole.Field = ""
		j, same := places[in.Ref]
		k, taken := wholes[whole]
		switch {
		case same:
			wrong.add(p.collision(i, j, in.Ref.String()))
		case taken && (in.Ref.Field == "" || p.incoming[k].Ref.Field == ""):
			wrong.add(p.collision(i, k, whole.String()))
		}
		places[in.Ref], wholes[whole] = i, i
		if !p.from[i].declare {
			continue
		}
		if j, ok := variables[p.from[i].variable]; ok && !same {
			wrong.add(p.collision(i, j, "the variable "+p.from[i].variable))
		}
		variables[p.from[i].variable] = i
	}
}

func (p *importing) collision(i, j int, what string) error {
	return onLine(p.from[i].line, secret.Errorf(secret.Invalid, "", "%s and %s, on line %d, would both be %s", p.from[i].name, p.from[j].name, p.from[j].line, what))
}

// onLine says which line an error is about, in an indented list.
func onLine(line int, err error) error {
	if err == nil || line == 0 {
		return err
	}
	text := strings.ReplaceAll(err.Error(), "\n  ", "\n    ")
	return secret.Errorf(secret.KindOf(err), "", "line %d: %s", line, strings.ReplaceAll(text, "\n      ", "\n    "))
}

// declarings is what tacit.toml gets.
func (p *importing) declarings() []config.Declaring {
	var out []config.Declaring
	for i, from := range p.from {
		if from.declare {
			out = append(out, config.Declaring{Var: from.variable, Ref: p.incoming[i].Ref})
		}
	}
	return out
}

// chooseDangerous asks about variables that can make programs run other code:
// the file chose their names. Where nobody can be asked they are imported, and
// not declared. What no variable can hold never is: it would stop every run.
func (p *importing) chooseDangerous(ctx context.Context) error {
	for i := range p.from {
		from := &p.from[i]
		if from.holdsNUL {
			p.warn("%s holds a NUL byte, which no variable can, so it is not declared\n  as a file, add to %s:  [secrets.%s] ref = %q as = \"file\"", from.name, config.FileName, from.variable, p.incoming[i].Ref)
		}
		if !from.declare || !child.Dangerous(from.variable) {
			continue
		}
		if p.interactive() && !p.app.flags.yes {
			yes, err := p.wants(ctx, fmt.Sprintf("%s can make a program run other code: declare it, too", from.variable))
			if err != nil {
				return err
			}
			from.declare = yes
			continue
		}
		from.declare = false
		p.warn("%s can make a program run other code, so it is not declared\n  where it is meant, add to %s:  [secrets.%s] ref = %q", from.variable, config.FileName, from.variable, p.incoming[i].Ref)
	}
	p.declares = len(p.declarings()) > 0
	return nil
}

// changes reports whether there is anything to do.
func (p *importing) changes() bool {
	return p.declares || p.count[move.Create]+p.count[move.Update] > 0
}

func (p *importing) counts() string { return copyPlan{count: p.count}.String() }

// fewLines is how many secrets a person reads before they are asked.
const fewLines = 20

// show tells the plan: each secret in a dry run, or where a person is asked
// about few; and how many.
func (p *importing) show() error {
	todo := p.count[move.Create] + p.count[move.Update]
	if p.flags.dryRun && p.app.flags.json {
		return p.objects(true)
	}
	if p.flags.dryRun || p.interactive() && !p.app.flags.yes && todo <= fewLines {
		for i, in := range p.incoming {
			verb := map[move.Action]string{move.Create: "new", move.Update: "changed"}[in.Action]
			if verb == "" && p.from[i].declare {
				verb = "declare"
			}
			if verb != "" {
				p.say(verb, in.Ref.String(), "%s, line %d", p.from[i].variable, p.from[i].line)
			}
		}
	}
	if p.flags.dryRun {
		text := p.counts()
		if n := len(p.declarings()); n > 0 {
			text += fmt.Sprintf(", %d declared", n)
		}
		p.say("plan", p.to.String(), "%s", cmp.Or(text, "nothing"))
	}
	return nil
}

// objects prints a line of JSON for each secret that changes.
func (p *importing) objects(dryRun bool) error {
	for i, in := range p.incoming {
		if in.Action == move.Same && !p.from[i].declare && !dryRun {
			continue
		}
		err := p.object(importJSON{
			Env: in.Ref.Env, Name: string(in.Ref.Name), Field: in.Ref.Field, Var: p.from[i].variable, Line: p.from[i].line,
			Action: string(in.Action), Declared: p.from[i].declare, DryRun: dryRun,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
