package config

import (
	"strings"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/internal/render"
	"github.com/tacit-secrets/tacit/secret"
)

// A Template is the text of a compose setting:
//
//	postgres://${app/db#user}:${app/db#password|url}@db/app
//
// ${…} holds a reference, or ":VAR" for another declared secret, then any
// number of "|function". $$ is a dollar sign; any other $ is an error, so that
// a typing mistake never becomes part of a credential.
type Template struct {
	parts []part
}

type part struct {
	text      string // literal, if neither ref nor variable
	ref       *secret.Ref
	variable  string
	functions []string
}

// MaxTemplateBytes bounds a template and what it may become.
const MaxTemplateBytes = 1 << 20

// ParseTemplate reads a template. The error is of kind [secret.Invalid].
func ParseTemplate(s string) (*Template, error) {
	if len(s) > MaxTemplateBytes {
		return nil, secret.Errorf(secret.Invalid, "", "a template has at most %d bytes", MaxTemplateBytes)
	}
	t := &Template{}
	for s != "" {
		text, rest, found := strings.Cut(s, "$")
		t.literal(text)
		if !found {
			break
		}
		if after, ok := strings.CutPrefix(rest, "$"); ok {
			t.literal("$")
			s = after
			continue
		}
		inner, ok := strings.CutPrefix(rest, "{")
		expression, after, closed := strings.Cut(inner, "}")
		if !ok || !closed {
			return nil, secret.Errorf(secret.Invalid, "", "a $ in a template begins ${reference}\n  write $$ for a dollar sign")
		}
		p, err := parsePart(expression)
		if err != nil {
			return nil, err
		}
		t.parts = append(t.parts, p)
		s = after
	}
	return t, nil
}

func (t *Template) literal(s string) {
	switch n := len(t.parts); {
	case s == "":
	case n > 0 && t.parts[n-1].ref == nil && t.parts[n-1].variable == "":
		t.parts[n-1].text += s
	default:
		t.parts = append(t.parts, part{text: s})
	}
}

func parsePart(s string) (part, error) {
	fields := strings.Split(s, "|")
	p := part{functions: fields[1:]}
	for _, f := range p.functions {
		if _, err := render.Escape(f, nil); err != nil {
			return part{}, err
		}
	}
	if variable, ok := strings.CutPrefix(fields[0], ":"); ok {
		if !isVariable(variable) {
			return part{}, secret.Errorf(secret.Invalid, "", "%q is no name of a variable", variable)
		}
		p.variable = variable
		return p, nil
	}
	r, err := secret.ParseRef(fields[0])
	if err != nil {
		return part{}, err
	}
	p.ref = &r
	return p, nil
}

// Refs returns the references of t, in order.
func (t *Template) Refs() []secret.Ref {
	var out []secret.Ref
	for _, p := range t.parts {
		if p.ref != nil {
			out = append(out, *p.ref)
		}
	}
	return out
}

// in gives the references that name no environment this one.
func (t *Template) in(env string) {
	for _, p := range t.parts {
		if p.ref != nil && p.ref.Env == "" {
			p.ref.Env = env
		}
	}
}

// Variables returns the other declared secrets that t is made of, in order.
func (t *Template) Variables() []string {
	var out []string
	for _, p := range t.parts {
		if p.variable != "" {
			out = append(out, p.variable)
		}
	}
	return out
}

// Fill puts values into t: refs in the order of [Template.Refs], variables by
// name. A binary value is Invalid unless a function makes it text.
func (t *Template) Fill(refs []secret.Value, variables map[string]secret.Value) (secret.Value, error) {
	var b []byte
	for _, p := range t.parts {
		v := variables[p.variable]
		switch {
		case p.ref != nil:
			v, refs = refs[0], refs[1:]
		case p.variable == "":
			b = append(b, p.text...)
			continue
		}
		text, err := p.escape(v)
		if err != nil {
			return secret.Value{}, err
		}
		b = append(b, text...)
		if len(b) > MaxTemplateBytes {
			return secret.Value{}, secret.Errorf(secret.Invalid, "", "a composed value is larger than %d bytes", MaxTemplateBytes)
		}
	}
	return secret.Text(b), nil
}

func (p *part) escape(v secret.Value) ([]byte, error) {
	b := v.Reveal()
	var err error
	for _, f := range p.functions {
		if b, err = render.Escape(f, b); err != nil {
			return nil, err
		}
	}
	if !utf8.Valid(b) {
		return nil, secret.Errorf(secret.Invalid, "", "a binary value cannot be part of a text\n  use |base64 or |url")
	}
	return b, nil
}
