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

// A Lender has credentials made that end with whoever they are lent to. A
// Getter that is none lends nothing: declarations of leases are refused.
type Lender interface {
	// Lend returns one Result for each reference, in order.
	Lend(ctx context.Context, c secret.Caller, refs []secret.Ref) []secret.Result
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
	Var   string
	Ref   secret.Ref
	Lease bool // of a lease: its store has no such rules
}

// Resolve reads the values of the declarations wanted, all at once, for a
// caller; all holds what they may be composed of. What is missing comes back as
// a list and is no error; what fails otherwise is. Leases are issued last, once
// everything else is there.
func Resolve(ctx context.Context, g Getter, c secret.Caller, wanted, all []Declaration) ([]Resolved, []Missing, error) {
	r := newResolver(all, wanted)
	kept, lent := split(r.sources(wanted...))
	lender, ok := g.(Lender)
	if len(lent) > 0 && !ok {
		return nil, nil, secret.Errorf(secret.Unsupported, "", "%s is a lease, which ends with the command that it is made for\n  tacit run issues it, or, to be revoked by hand:  tacit lease issue %s", lent[0], lent[0])
	}
	if err := r.take(kept, false, g.GetAll(ctx, c, kept)); err != nil {
		return nil, nil, err
	}
	if len(lent) > 0 {
		if missing := r.missing(wanted); len(missing) > 0 { // nothing is issued for a command that is not started
			return nil, missing, nil
		}
		clear(r.lacking)
		if err := r.take(lent, true, lender.Lend(ctx, c, lent)); err != nil {
			return nil, nil, err
		}
	}
	return r.fill(wanted)
}

// take keeps what was answered.
func (r *resolver) take(refs []secret.Ref, lease bool, results []secret.Result) error {
	for i, res := range results {
		s := source{refs[i], lease}
		switch {
		case res.Err == nil:
			r.values[s] = res.Version.Value
		case errors.Is(res.Err, secret.NotFound):
			r.gone[s] = true
		default:
			return res.Err
		}
	}
	return nil
}

// A source is what a value comes from: a secret, or a lease.
type source struct {
	ref   secret.Ref
	lease bool
}

func split(all []source) (kept, lent []secret.Ref) {
	for _, s := range all {
		if s.lease {
			lent = append(lent, s.ref)
		} else {
			kept = append(kept, s.ref)
		}
	}
	return kept, lent
}

func (r *resolver) fill(wanted []Declaration) (out []Resolved, _ []Missing, err error) {
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
		}
	}
	return out, r.missing(wanted), nil
}

// missing lists what is required and not there.
func (r *resolver) missing(wanted []Declaration) (out []Missing) {
	for _, d := range wanted {
		if d.Default != nil || !d.Required {
			continue
		}
		for _, s := range r.lacks(&d) {
			out = append(out, Missing{d.Var, s.ref, s.lease})
		}
	}
	return out
}

// onlyDefault: made of no secret at all.
func (d *Declaration) onlyDefault() bool {
	return d.Compose == nil && d.Ref.Name == "" && d.Lease.Name == ""
}

// named says which variable an error is about.
func named(variable string, err error) error {
	return secret.Errorf(secret.KindOf(err), "", "%s: %s", variable, err)
}

// Refs returns every reference that declarations are made of, once; leases
// aside.
func Refs(all []Declaration) []secret.Ref {
	kept, _ := split(newResolver(all).sources(all...))
	return kept
}

// RefsOf returns what one of the declarations is made of, each reference once;
// leases aside.
func RefsOf(d Declaration, all []Declaration) []secret.Ref {
	kept, _ := split(newResolver(all).sources(d))
	return kept
}

// LeasesOf returns the leases that one of the declarations is made of, each
// once.
func LeasesOf(d Declaration, all []Declaration) []secret.Ref {
	_, lent := split(newResolver(all).sources(d))
	return lent
}

// Needs reports whether d cannot be made without the secret that ref points
// at. It can where the variable that is made of it has a default.
func Needs(d Declaration, all []Declaration, ref secret.Ref) bool {
	r := newResolver(all)
	r.gone[source{ref: ref}] = true
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
	values  map[source]secret.Value
	gone    map[source]bool
	made    map[string]secret.Value // composed values, each made once
	lacking map[string][]source     // by variable, each found once
}

// newResolver knows the declarations of all lists; a later one prevails.
func newResolver(lists ...[]Declaration) *resolver {
	r := &resolver{
		byVar: map[string]*Declaration{}, values: map[source]secret.Value{}, gone: map[source]bool{},
		made: map[string]secret.Value{}, lacking: map[string][]source{},
	}
	for _, all := range lists {
		for i := range all {
			r.byVar[all[i].Var] = &all[i]
		}
	}
	return r
}

// own returns what stands in the declaration itself.
func (d *Declaration) own() []source {
	switch {
	case d.Compose != nil:
		var out []source
		for _, ref := range d.Compose.Refs() {
			out = append(out, source{ref: ref})
		}
		return out
	case d.Ref.Name != "":
		return []source{{ref: d.Ref}}
	case d.Lease.Name != "":
		return []source{{d.Lease, true}}
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

// sources returns what the declarations are made of, each once.
func (r *resolver) sources(all ...Declaration) []source {
	var out []source
	seen, walked := map[source]bool{}, map[string]bool{}
	var walk func(d *Declaration)
	walk = func(d *Declaration) {
		if walked[d.Var] {
			return
		}
		walked[d.Var] = true
		for _, v := range d.variables() {
			walk(r.byVar[v])
		}
		for _, s := range d.own() {
			if !seen[s] {
				seen[s] = true
				out = append(out, s)
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
func (r *resolver) lacks(d *Declaration) []source {
	if l, ok := r.lacking[d.Var]; ok {
		return l
	}
	var out []source
	add := func(s source) {
		if r.gone[s] && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, v := range d.variables() {
		if inner := r.byVar[v]; inner.Default == nil {
			for _, s := range r.lacks(inner) {
				add(s)
			}
		}
	}
	for _, s := range d.own() {
		add(s)
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
	for _, s := range r.sources(*d) {
		if !r.gone[s] {
			out = append(out, r.values[s])
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
		return r.values[d.own()[0]], nil
	}
	var parts []secret.Value
	for _, s := range d.own() {
		parts = append(parts, r.values[s])
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
