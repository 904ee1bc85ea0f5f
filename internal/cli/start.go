package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/identity"
	"github.com/tacit-secrets/tacit/internal/match"
	"github.com/tacit-secrets/tacit/secret"
)

// childPlan is what a child is given.
type childPlan struct {
	got     []config.Resolved
	environ []string // what it has besides, as far as tacit does not set it
	clean   bool     // nothing else of the environment
	redact  bool     // search the output
	agent   bool     // it was given as an agent
	lent    bool     // some of it are leases
	mark    string   // of the agent's session that begins here; empty: none does
}

// start runs the child with its secrets and tells what was replaced in its
// output.
func (a *app) start(ctx context.Context, argv []string, p childPlan) (r child.Result, err error) {
	cfg, files, err := a.prepare(argv, p)
	if err != nil {
		return r, err
	}
	if files != nil {
		defer func() { err = errors.Join(err, files.Close()) }()
	}
	// Without leases nothing is needed of the store any more, and the child may
	// run for days. It does not wait for what is given back meanwhile.
	if !p.lent {
		giveBack, err := a.closeOpened()
		given := make(chan error, 1)
		go func() { given <- giveBack() }()
		defer func() { a.givenBack(<-given) }()
		if err != nil {
			return r, err
		}
	}
	if ctx.Err() != nil {
		return r, secret.Errorf(secret.Unavailable, "", "interrupted before %s was started", argv[0])
	}
	// From here on the child gets the signals; it decides when it is over.
	r, err = child.Run(context.WithoutCancel(ctx), cfg)
	a.replaced(r.Replaced, p.agent)
	return r, err
}

// prepare makes what a child is given. The files, if there are any, are to be
// closed.
func (a *app) prepare(argv []string, p childPlan) (cfg child.Config, files *child.Files, err error) {
	roots := child.MemoryRoots(a.sys.RuntimeDir)
	child.Sweep(roots)
	vars, files, err := give(roots, p.got)
	if err != nil {
		return cfg, nil, err
	}
	environ, err := child.Build(marked(p.environ, p.mark), vars, p.clean)
	cfg = child.Config{Argv: argv, Env: environ, Stdin: a.In, Stdout: a.Out, Stderr: a.Err, Limits: a.Limits}
	if err == nil && p.redact {
		cfg.Redact, err = a.matcher(p.got)
	}
	if err != nil && files != nil {
		err, files = errors.Join(err, files.Close()), nil
	}
	return cfg, files, err
}

// withhold is the environment without what tacit signs in to stores with: an
// agent that has that has no need of a grant.
func (a *app) withhold(o *config.Opened, program string, p childPlan) []string {
	rest, names := o.Withhold(a.sys.Environ)
	names = slices.DeleteFunc(names, func(n string) bool { // what tacit.toml declares is given all the same
		return slices.ContainsFunc(p.got, func(g config.Resolved) bool { return g.Var == n })
	})
	slices.Sort(names)
	if len(names) > 0 && !p.clean {
		a.warn("%s is not given %s: whoever has that can sign in to a store of this project\n  if it has to have that, say in your own %s:  run.keep = [\"%s\"]", program, strings.Join(names, ", "), config.UserFileName, strings.Join(names, "\", \""))
	}
	return rest
}

// marked puts the mark of an agent's session into an environment: what runs in
// the child and asks tacit is that agent.
func marked(environ []string, mark string) []string {
	if mark == "" {
		return environ
	}
	const v = identity.VarSession + "="
	return append(slices.DeleteFunc(slices.Clone(environ), func(e string) bool { return strings.HasPrefix(e, v) }), v+mark)
}

// give makes the variables of a child, and the files that some of them name.
func give(roots []string, got []config.Resolved) (vars []child.Var, files *child.Files, err error) {
	for _, g := range got {
		v := g.Value
		if g.File {
			if files == nil {
				if files, err = child.NewFiles(roots); err != nil {
					return nil, nil, err
				}
			}
			path, err := files.Add(g.Var, v)
			if err != nil {
				return nil, nil, errors.Join(err, files.Close())
			}
			v = secret.Text(path)
		}
		vars = append(vars, child.Var{Name: g.Var, Value: v})
	}
	return vars, files, nil
}

// matcher looks for what the child was given. Values too short to be looked
// for are told once.
func (a *app) matcher(got []config.Resolved) (*match.Matcher, error) {
	m, err := match.New(patterns(got))
	if err != nil {
		return nil, err
	}
	if short := tooShort(got); len(short) > 0 && !a.toldShort && (!terminal(a.Out) || !terminal(a.Err)) {
		a.toldShort = true
		a.warn("%s %s shorter than %d bytes and not looked for in the output", strings.Join(short, ", "), plural(len(short), "is", "are"), match.MinLength)
	}
	return m, nil
}

// patterns are the values to look for, but what stands in tacit.toml. After
// them come the parts of composed ones: where both are equal, the label is that
// of the variable that is all of it.
func patterns(got []config.Resolved) []match.Pattern {
	var out, parts []match.Pattern
	for _, g := range got {
		if g.Defaulted {
			continue
		}
		if g.Value.Len() >= match.MinLength {
			out = append(out, match.Pattern{Label: g.Var, Value: g.Value})
		}
		for _, v := range g.Parts {
			if v.Len() >= match.MinLength {
				parts = append(parts, match.Pattern{Label: g.Var, Value: v})
			}
		}
	}
	return append(out, parts...)
}

// tooShort names the values that are not looked for.
func tooShort(got []config.Resolved) []string {
	var out []string
	for _, g := range got {
		if g.Defaulted {
			continue
		}
		if g.Value.Len() < match.MinLength {
			out = append(out, g.Var)
		}
		for _, part := range g.Parts {
			if part.Len() < match.MinLength {
				out = append(out, "a part of "+g.Var)
			}
		}
	}
	return slices.Compact(out)
}

// replaced tells what was replaced in the output.
func (a *app) replaced(counts map[string]int, agent bool) {
	if len(counts) == 0 {
		return
	}
	var parts []string
	for _, label := range slices.Sorted(maps.Keys(counts)) {
		times := "once"
		if n := counts[label]; n > 1 {
			times = fmt.Sprintf("%d times", n)
		}
		parts = append(parts, label+" "+times)
	}
	hint := "; --no-redact shows it"
	if agent {
		hint = "" // it would be refused
	}
	a.warn("replaced %s in the output%s", strings.Join(parts, ", "), hint)
}

// closeOpened closes the project before the command ends, and returns what gives
// back to stores elsewhere what they made for it.
func (a *app) closeOpened() (giveBack func() error, err error) {
	if a.opened == nil {
		return func() error { return nil }, nil
	}
	o := a.opened
	a.opened = nil
	return o.Detach()
}

// givenBack tells what a store could not be given back. That is no reason for
// the command to fail, which did what it was asked for.
func (a *app) givenBack(err error) {
	if err != nil && !a.flags.quiet {
		a.warn("%s", err)
	}
}
