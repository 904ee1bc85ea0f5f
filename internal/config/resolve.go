package config

import (
	"context"
	"errors"
	"slices"

	"github.com/tacit-secrets/tacit/secret"
)

// A Getter reads many references at once; *broker.Broker is one.
type Getter interface {
	GetAll(ctx context.Context, c secret.Caller, refs []secret.Ref) []secret.Result
}

// A Resolved is a declaration with its value.
type Resolved struct {
	Declaration
	Value     secret.Value
	Parts     []secret.Value // what a composed value is made of
	Defaulted bool
}

// A Missing is a required secret that is not there.
type Missing struct {
	Var string
	Ref secret.Ref
}

// Resolve reads the values of the declarations wanted, all at once, for a
// caller; all holds what they may be composed of. What is missing comes back as
// a list and is no error; what fails otherwise is.
func Resolve(ctx context.Context, g Getter, c secret.Caller, wanted, all []Declaration) ([]Resolved, []Missing, error) {
	r := newResolver(all, wanted)
	refs := r.refs(wanted...)
	for i, res := range g.GetAll(ctx, c, refs) {
		switch {
		case res.Err == nil:
			r.values[refs[i]] = res.Version.Value
		case errors.Is(res.Err, secret.NotFound):
			r.gone[refs[i]] = true
		default:
			return nil, nil, res.Err
		}
	}
	return r.fill(wanted)
}

func (r *resolver) fill(wanted []Declaration) (out []Resolved, missing []Missing, err error) {
	for _, d := range wanted {
		gone := r.lacks(&d)
		switch {
		case len(gone) == 0:
			v, err := r.value(&d)
			if err != nil {
				return nil, nil, named(d.Var, err)
			}
			out = append(out, Resolved{Declaration: d, Value: v, Parts: r.parts(&d), Defaulted: d.onlyDefault()})
		case d.Default != nil:
			out = append(out, Resolved{Declaration: d, Value: secret.Text(*d.Default), Defaulted: true})
		case d.Required:
			for _, ref := range gone {
				missing = append(missing, Missing{d.Var, ref})
			}
		}
	}
	return out, missing, nil
}

// onlyDefault: made of no secret at all.
func (d *Declaration) onlyDefault() bool { return d.Compose == nil && d.Ref.Name == "" }

// named says which variable an error is about.
func named(variable string, err error) error {
	return secret.Errorf(secret.KindOf(err), "", "%s: %s", variable, err)
}

// Refs returns every reference that declarations are made of, once.
func Refs(all []Declaration) []secret.Ref { return newResolver(all).refs(all...) }

// RefsOf returns what one of the declarations is made of, each reference once.
func RefsOf(d Declaration, all []Declaration) []secret.Ref { return newResolver(all).refs(d) }

// Needs reports whether d cannot be made without the secret that ref points
// at. It can where the variable that is made of it has a default.
func Needs(d Declaration, all []Declaration, ref secret.Ref) bool {
	r := newResolver(all)
	r.gone[ref] = true
	return len(r.lacks(&d)) > 0
}

// UseIn returns the first variable with a use section among d and all that it
// is composed of; empty if there is none. Whoever gets d would see its value.
func UseIn(d Declaration, all []Declaration) string {
	r, seen := newResolver(all), map[string]bool{}
	var walk func(d *Declaration) string
	walk = func(d *Declaration) string {
		if seen[d.Var] {
			return ""
		}
		seen[d.Var] = true
		if d.Use != nil {
			return d.Var
		}
		for _, v := range d.variables() {
			if found := walk(r.byVar[v]); found != "" {
				return found
			}
		}
		return ""
	}
	return walk(&d)
}

type resolver struct {
	byVar   map[string]*Declaration
	values  map[secret.Ref]secret.Value
	gone    map[secret.Ref]bool
	made    map[string]secret.Value // composed values, each made once
	lacking map[string][]secret.Ref // by variable, each found once
}

// newResolver knows the declarations of all lists; a later one prevails.
func newResolver(lists ...[]Declaration) *resolver {
	r := &resolver{
		byVar: map[string]*Declaration{}, values: map[secret.Ref]secret.Value{}, gone: map[secret.Ref]bool{},
		made: map[string]secret.Value{}, lacking: map[string][]secret.Ref{},
	}
	for _, all := range lists {
		for i := range all {
			r.byVar[all[i].Var] = &all[i]
		}
	}
	return r
}

// own returns the references that stand in the declaration itself.
func (d *Declaration) own() []secret.Ref {
	switch {
	case d.Compose != nil:
		return d.Compose.Refs()
	case d.Ref.Name != "":
		return []secret.Ref{d.Ref}
	default:
		return nil
	}
}

// variables returns the other declarations that this one is composed of.
func (d *Declaration) variables() []string {
	if d.Compose == nil {
		return nil
	}
	return d.Compose.Variables()
}

// refs returns what the declarations are made of, each reference once.
func (r *resolver) refs(all ...Declaration) []secret.Ref {
	var out []secret.Ref
	seen, walked := map[secret.Ref]bool{}, map[string]bool{}
	var walk func(d *Declaration)
	walk = func(d *Declaration) {
		if walked[d.Var] {
			return
		}
		walked[d.Var] = true
		for _, v := range d.variables() {
			walk(r.byVar[v])
		}
		for _, ref := range d.own() {
			if !seen[ref] {
				seen[ref] = true
				out = append(out, ref)
			}
		}
	}
	for i := range all {
		walk(&all[i])
	}
	return out
}

// lacks lists what is not there and without which a declaration cannot be
// made, its own default aside.
func (r *resolver) lacks(d *Declaration) []secret.Ref {
	if l, ok := r.lacking[d.Var]; ok {
		return l
	}
	var out []secret.Ref
	add := func(ref secret.Ref) {
		if r.gone[ref] && !slices.Contains(out, ref) {
			out = append(out, ref)
		}
	}
	for _, v := range d.variables() {
		if inner := r.byVar[v]; inner.Default == nil {
			for _, ref := range r.lacks(inner) {
				add(ref)
			}
		}
	}
	for _, ref := range d.own() {
		add(ref)
	}
	r.lacking[d.Var] = out
	return out
}

// parts returns the values that a composed one is made of.
func (r *resolver) parts(d *Declaration) []secret.Value {
	if d.Compose == nil {
		return nil
	}
	var out []secret.Value
	for _, ref := range r.refs(*d) {
		if !r.gone[ref] {
			out = append(out, r.values[ref])
		}
	}
	return out
}

// value makes the value of a declaration that lacks nothing, or has a default.
func (r *resolver) value(d *Declaration) (secret.Value, error) {
	if v, ok := r.made[d.Var]; ok {
		return v, nil
	}
	if d.Default != nil && (d.onlyDefault() || len(r.lacks(d)) > 0) {
		return secret.Text(*d.Default), nil
	}
	if d.Compose == nil {
		return r.values[d.Ref], nil
	}
	var parts []secret.Value
	for _, ref := range d.own() {
		parts = append(parts, r.values[ref])
	}
	variables := map[string]secret.Value{}
	for _, name := range d.variables() {
		v, err := r.value(r.byVar[name])
		if err != nil {
			return secret.Value{}, err
		}
		variables[name] = v
	}
	v, err := d.Compose.Fill(parts, variables)
	if err == nil {
		r.made[d.Var] = v
	}
	return v, err
}
