package config

import (
	"cmp"
	"slices"

	"github.com/tacit-secrets/tacit/secret"
)

// This file reads what completion offers: what stands in tacit.toml, trusted or
// not. No store is opened. What offers it to a shell must know that a stranger
// may have written it.

// DeclaredRefs returns what the tacit.toml at or above a folder refers to in any
// environment, each name with each field once and without versions, and the
// environment that is meant where none is named.
func DeclaredRefs(s System, dir string) (refs []secret.Ref, env string) {
	p := declared(s, dir)
	if p == nil {
		return nil, ""
	}
	for _, name := range p.EnvNames() {
		all, err := p.Declarations(name)
		if err != nil {
			return nil, ""
		}
		for _, r := range Refs(all) {
			r.At = secret.At{}
			refs = append(refs, r)
		}
	}
	slices.SortFunc(refs, func(a, b secret.Ref) int { return cmp.Compare(a.String(), b.String()) })
	return slices.Compact(refs), p.DefaultEnv
}

// DeclaredLeases returns the leases that it declares in any environment, each
// with each field once.
func DeclaredLeases(s System, dir string) (refs []secret.Ref) {
	p := declared(s, dir)
	if p == nil {
		return nil
	}
	for _, name := range p.EnvNames() {
		all, err := p.Declarations(name)
		if err != nil {
			return nil
		}
		for _, d := range all {
			if d.Lease.Name != "" {
				refs = append(refs, d.Lease)
			}
		}
	}
	slices.SortFunc(refs, func(a, b secret.Ref) int { return cmp.Compare(a.String(), b.String()) })
	return slices.Compact(refs)
}

// DeclaredVars returns what it declares for the environment env, the default
// one if that is empty.
func DeclaredVars(s System, dir, env string) []Declaration {
	p := declared(s, dir)
	if p == nil {
		return nil
	}
	all, err := p.Declarations(cmp.Or(env, p.DefaultEnv))
	if err != nil {
		return nil
	}
	return all
}

// DeclaredEnvs returns the environments that it declares.
func DeclaredEnvs(s System, dir string) []string {
	p := declared(s, dir)
	if p == nil {
		return nil
	}
	return p.EnvNames()
}

// declared reads the tacit.toml at or above a folder; nil if there is none, or
// none that can be read.
func declared(s System, dir string) *Project {
	root, ok, err := findRoot(cmp.Or(dir, s.Dir), s.Home)
	if err != nil || !ok {
		return nil
	}
	files, err := readSnapshot(root, s.owners(User{}))
	if err != nil {
		return nil
	}
	f, err := ParseFile(FileName, files[FileName])
	if err != nil {
		return nil
	}
	p, err := NewProject("", f, nil)
	if err != nil {
		return nil
	}
	return p
}
