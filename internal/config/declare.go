package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// A Declaration says what a variable of a program is made of, in one
// environment. Exactly one of Ref, Compose and Lease is set, or only Default.
type Declaration struct {
	Var         string
	Ref         secret.Ref // Env is always set
	Compose     *Template
	Lease       secret.Ref // Env is set; what the store makes anew for each run
	File        bool       // the variable holds the path of a file in memory
	Required    bool
	Default     *string
	Description string
	Rotate      time.Duration // 0: no rule
	Use         *Use          // the child gets a placeholder
}

// Project is what the trusted files of a folder say, read together.
type Project struct {
	Name       string
	DefaultEnv string
	envs       map[string]Environment
	file       File
	unread     bool // the files are not trusted: these are the environments that were trusted before
}

// NewProject joins tacit.toml and tacit.local.toml (nil if there is none).
// folder names the project where the files do not. The error is of kind
// [secret.Invalid] and tells everything that is wrong.
func NewProject(folder string, main File, local *File) (*Project, error) {
	merged := main
	if local != nil {
		if err := refuseWeaker(main, *local); err != nil {
			return nil, err
		}
		merged = overlay(main, *local)
	}
	p := &Project{Name: cmp.Or(merged.Project, folder), DefaultEnv: merged.DefaultEnv, file: merged, envs: map[string]Environment{}}
	for name, e := range merged.Env {
		p.envs[name] = environment(name, e)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return p, nil
}

func overlay(base, over File) File {
	out := base
	out.Project, out.DefaultEnv = cmp.Or(over.Project, base.Project), cmp.Or(over.DefaultEnv, base.DefaultEnv)
	out.Secrets = overlaySecrets(base.Secrets, over.Secrets)
	out.Env = maps.Clone(base.Env)
	for name, o := range over.Env {
		if out.Env == nil {
			out.Env = map[string]Env{}
		}
		out.Env[name] = out.Env[name].laidOver(o)
	}
	return out
}

func overlaySecrets(base, over map[string]Secret) map[string]Secret {
	if len(over) == 0 {
		return base
	}
	out := maps.Clone(base)
	if out == nil {
		out = map[string]Secret{}
	}
	for v, o := range over {
		out[v] = overlaySecret(out[v], o)
	}
	return out
}

func overlaySecret(b, o Secret) Secret {
	if o.Ref != nil || o.Compose != nil || o.Lease != nil { // what it is made of is replaced as a whole
		b.Ref, b.Compose, b.Lease = nil, nil, nil
	}
	return Secret{
		Ref: cmp.Or(o.Ref, b.Ref), Compose: cmp.Or(o.Compose, b.Compose), Lease: cmp.Or(o.Lease, b.Lease), As: cmp.Or(o.As, b.As), Required: cmp.Or(o.Required, b.Required),
		Default: cmp.Or(o.Default, b.Default), Description: cmp.Or(o.Description, b.Description), Rotate: cmp.Or(o.Rotate, b.Rotate), Use: cmp.Or(o.Use, b.Use),
	}
}

func deref[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func (p *Project) check() error {
	var problems []string
	if len(p.envs) == 0 {
		problems = append(problems, FileName+": no environment is declared\n  add [env.dev] with backend = \"local\"")
	}
	if p.DefaultEnv == "" && len(p.envs) == 1 {
		p.DefaultEnv = slices.Collect(maps.Keys(p.envs))[0]
	}
	if _, ok := p.envs[p.DefaultEnv]; !ok && len(p.envs) > 0 {
		problems = append(problems, FileName+": default_env names no environment\n  there are: "+strings.Join(p.EnvNames(), ", "))
	}
	names := p.EnvNames()
	for i, n := range names {
		for _, other := range names[:i] {
			if p.envs[n].overlaps(p.envs[other]) {
				problems = append(problems, FileName+": env."+other+" and env."+n+" share secrets: one lies within the other\n  give each a prefix of its own")
			}
		}
		said := p.envs[n].said
		for _, w := range said.problems(false) { // what only the two files together show
			problems = append(problems, FileName+": env."+n+"."+strings.Join(w.key, ".")+": "+w.text)
		}
		if e := p.envs[n]; e.Backend == BackendAzure && e.Address == "" {
			problems = append(problems, FileName+": env."+n+" names no vault\n  add vault = \"NAME\", or its address")
		}
		if _, err := p.Declarations(n); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if len(problems) > 0 {
		return secret.Errorf(secret.Invalid, "", "%s", strings.Join(problems, "\n  "))
	}
	return nil
}

// EnvNames returns the names of the environments, sorted.
func (p *Project) EnvNames() []string { return slices.Sorted(maps.Keys(p.envs)) }

// Environment returns an environment by name; the empty name is the default
// one. The error is of kind [secret.Invalid] and lists those there are.
func (p *Project) Environment(name string) (Environment, error) {
	e, ok := p.envs[cmp.Or(name, p.DefaultEnv)]
	if !ok && p.unread {
		return Environment{}, secret.Errorf(secret.Denied, "", "no environment %q is among those that were trusted here\n  read %s, then:  tacit trust", name, FileName)
	}
	if !ok {
		return Environment{}, secret.Errorf(secret.Invalid, "", "no environment %q is declared\n  there are: %s", name, strings.Join(p.EnvNames(), ", "))
	}
	return e, nil
}

// Declarations returns what is declared for an environment, sorted by
// variable, and checks that compose settings do not go in circles.
func (p *Project) Declarations(env string) ([]Declaration, error) {
	e, err := p.Environment(env)
	if err != nil {
		return nil, err
	}
	merged := overlaySecrets(p.file.Secrets, p.file.Env[e.Name].Secrets)
	out := make([]Declaration, 0, len(merged))
	for _, v := range slices.Sorted(maps.Keys(merged)) {
		d, err := declaration(e.Name, v, merged[v])
		if err != nil {
			return nil, err
		}
		if err := p.knows(d); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, checkCircles(out)
}

// knows refuses a declaration of a secret in an environment that there is not.
func (p *Project) knows(d Declaration) error {
	refs := []secret.Ref{d.Ref, d.Lease}
	if d.Compose != nil {
		refs = d.Compose.Refs()
	}
	for _, r := range refs {
		if _, ok := p.envs[r.Env]; !ok && r.Env != "" {
			return secret.Errorf(secret.Invalid, "", "secrets.%s: %s names no declared environment", d.Var, r)
		}
	}
	return nil
}

func declaration(env, variable string, s Secret) (Declaration, error) {
	d := Declaration{
		Var: variable, File: deref(s.As, "env") == "file", Required: deref(s.Required, true),
		Default: s.Default, Description: deref(s.Description, ""), Use: s.Use,
	}
	var err error
	switch {
	case s.Ref != nil:
		d.Ref, err = secret.ParseRef(*s.Ref)
		d.Ref.Env = cmp.Or(d.Ref.Env, env)
	case s.Compose != nil:
		if d.Compose, err = ParseTemplate(*s.Compose); err == nil {
			d.Compose.in(env)
		}
	case s.Lease != nil:
		d.Lease, err = secret.ParseRef(*s.Lease)
		d.Lease.Env = cmp.Or(d.Lease.Env, env)
	case s.Default == nil:
		err = secret.Errorf(secret.Invalid, "", "secrets.%s has neither ref nor compose nor lease nor default", variable)
	}
	if err == nil && s.Rotate != nil {
		d.Rotate, err = ParseSpan(*s.Rotate)
	}
	return d, err
}

// checkCircles refuses compose settings that are made of themselves, or of
// variables that are not declared.
func checkCircles(all []Declaration) error {
	byVar := map[string]*Declaration{}
	for i := range all {
		byVar[all[i].Var] = &all[i]
	}
	const walking, done = 1, 2
	state := map[string]int{}
	var walk func(v string, from []string) error
	walk = func(v string, from []string) error {
		d := byVar[v]
		switch {
		case d == nil:
			return secret.Errorf(secret.Invalid, "", "secrets.%s.compose is made of %s, which is not declared", from[len(from)-1], v)
		case state[v] == walking:
			return secret.Errorf(secret.Invalid, "", "secrets.%s.compose goes in a circle: %s", v, strings.Join(append(from, v), " → "))
		case state[v] == done || d.Compose == nil:
			return nil
		}
		state[v] = walking
		for _, next := range d.Compose.Variables() {
			if err := walk(next, append(from, v)); err != nil {
				return err
			}
		}
		state[v] = done
		return nil
	}
	for _, d := range all {
		if err := walk(d.Var, nil); err != nil {
			return err
		}
	}
	return nil
}
