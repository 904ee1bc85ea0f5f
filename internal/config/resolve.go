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

// Resolve reads the values of declarations, all at once, for a caller. What is
// missing comes back as a list and is no error; what fails otherwise is.
func Resolve(ctx context.Context, g Getter, c secret.Caller, all []Declaration) ([]Resolved, []Missing, error) {
	r := newResolver(all)
	refs := r.refs(all...)
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
	return r.fill(all)
}

func (r *resolver) fill(all []Declaration) (out []Resolved, missing []Missing, err error) {
	for _, d := range all {
		gone := r.lacks(&d)
		switch {
		case len(gone) == 0:
			v, err := r.value(&d)
			if err != nil {
				return nil, nil, named(d.Var, err)
			}
			out = append(out, Resolved{Declaration: d, Value: v, Parts: r.parts(&d)})
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

// named says which variable an error is about.
func named(variable string, err error) error {
	return secret.Errorf(secret.KindOf(err), "", "%s: %s", variable, err)
}

// Refs returns every reference that declarations are made of, once.
func Refs(all []Declaration) []secret.Ref { return newResolver(all).refs(all...) }

type resolver struct {
	byVar  map[string]*Declaration
	values map[secret.Ref]secret.Value
	gone   map[secret.Ref]bool
	made   map[string]secret.Value // composed values, each made once
}

func newResolver(all []Declaration) *resolver {
	r := &resolver{byVar: map[string]*Declaration{}, values: map[secret.Ref]secret.Value{}, gone: map[secret.Ref]bool{}, made: map[string]secret.Value{}}
	for i := range all {
		r.byVar[all[i].Var] = &all[i]
	}
	return r
}

// refs returns what the declarations need, each reference once.
func (r *resolver) refs(all ...Declaration) []secret.Ref {
	var out []secret.Ref
	seen, walked := map[secret.Ref]bool{}, map[string]bool{}
	var walk func(d *Declaration)
	walk = func(d *Declaration) {
		if d == nil || walked[d.Var] {
			return
		}
		walked[d.Var] = true
		need := []secret.Ref{d.Ref}
		if d.Compose != nil {
			need = d.Compose.Refs()
			for _, v := range d.Compose.Variables() {
				walk(r.byVar[v])
			}
		}
		for _, ref := range need {
			if ref.Name != "" && !seen[ref] {
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

// lacks lists what a declaration needs and is not there.
func (r *resolver) lacks(d *Declaration) []secret.Ref {
	return slices.DeleteFunc(r.refs(*d), func(ref secret.Ref) bool { return !r.gone[ref] })
}

// parts returns the values that a composed one is made of.
func (r *resolver) parts(d *Declaration) []secret.Value {
	if d.Compose == nil {
		return nil
	}
	var out []secret.Value
	for _, ref := range r.refs(*d) {
		out = append(out, r.values[ref])
	}
	return out
}

// value makes the value of a declaration that lacks nothing.
func (r *resolver) value(d *Declaration) (secret.Value, error) {
	if v, ok := r.made[d.Var]; ok {
		return v, nil
	}
	if d.Compose == nil {
		if d.Ref.Name == "" {
			return secret.Text(*d.Default), nil
		}
		return r.values[d.Ref], nil
	}
	var parts []secret.Value
	for _, ref := range d.Compose.Refs() {
		parts = append(parts, r.values[ref])
	}
	variables := map[string]secret.Value{}
	for _, name := range d.Compose.Variables() {
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

// RefsOf returns what one of the declarations needs, each reference once.
func RefsOf(d Declaration, all []Declaration) []secret.Ref { return newResolver(all).refs(d) }
