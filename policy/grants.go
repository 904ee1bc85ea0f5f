package policy

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	ast "github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/tacit-secrets/tacit/secret"
)

// A Stated is a grant as it stands in a text.
type Stated struct {
	Grant
	text     []byte // in Cedar's own layout
	from, to int    // where it stands
}

// Grants lists the policies of a text that are grants: a permit for one
// principal on one secret or folder. Others are left out; [Source.Len] counts
// them too.
func Grants(text []byte) ([]Stated, error) {
	src, err := Parse("policy.cedar", text)
	if err != nil {
		return nil, err
	}
	var out []Stated
	for _, p := range src.policies {
		g, ok := grantOf(p)
		if !ok {
			continue
		}
		g.Position = place(src.file, p)
		g.Condition = condition(p)
		from := p.Position().Offset
		out = append(out, Stated{g, p.MarshalCedar(), from, endOf(text, from)})
	}
	return out, nil
}

// endOf returns where the policy that begins at from ends: behind its ";" and
// the newline after it.
func endOf(text []byte, from int) int {
	for t := range tokens(text[from:]) {
		if t.c == ';' {
			end := from + t.at + 1
			if end < len(text) && text[end] == '\n' {
				end++
			}
			return end
		}
	}
	return len(text)
}

func grantOf(p *cedar.Policy) (Grant, bool) {
	scope := (*ast.Policy)(p.AST())
	who, ok := scope.Principal.(ast.ScopeTypeEq)
	if !ok || p.Effect() != cedar.Permit {
		return Grant{}, false
	}
	g := Grant{Principal: secret.Principal(strings.ToLower(string(who.Entity.Type)) + ":" + string(who.Entity.ID))}
	switch t := scope.Action.(type) {
	case ast.ScopeTypeEq:
		g.Verbs = []secret.Verb{secret.Verb(t.Entity.ID)}
	case ast.ScopeTypeInSet:
		for _, e := range t.Entities {
			g.Verbs = append(g.Verbs, secret.Verb(e.ID))
		}
	default:
		return Grant{}, false
	}
	var id types.EntityUID
	switch t := scope.Resource.(type) {
	case ast.ScopeTypeEq:
		id = t.Entity
	case ast.ScopeTypeIn:
		id, g.Folder = t.Entity, true
	default:
		return Grant{}, false
	}
	env, name, ok := strings.Cut(string(id.ID), ":")
	g.Env, g.Name = env, secret.Name(name)
	if !ok || (id.Type == typeFolder) != g.Folder {
		return Grant{}, false
	}
	return g.withConditions(p), true
}

// RemoveGrant takes verbs on a target from a principal: every grant of just
// that principal and target loses them, whatever its conditions, and goes when
// none is left. The error is [secret.NotFound] if there is no such grant.
func RemoveGrant(text []byte, g Grant) ([]byte, error) {
	all, err := Grants(text)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(text)
	found := false
	for _, s := range slices.Backward(all) { // from the end, so that places stay right
		if s.Principal != g.Principal || s.Target() != g.Target() || !overlap(s.Verbs, g.Verbs) {
			continue
		}
		found = true
		kept := slices.DeleteFunc(slices.Clone(s.Verbs), func(v secret.Verb) bool { return slices.Contains(g.Verbs, v) })
		var instead []byte
		if len(kept) > 0 {
			if instead, err = withVerbs(out[s.from:s.to], kept); err != nil {
				return nil, err
			}
		}
		from := s.from
		if len(kept) == 0 && emptyAround(out, s.from, s.to) {
			from-- // AddGrant wrote the empty line before it
		}
		out = slices.Replace(out, from, s.to, instead...)
	}
	if !found {
		return nil, secret.Errorf(secret.NotFound, "", "no grant lets %s do this on %s\n  tacit grants", g.Principal, g.Target())
	}
	if _, err := Parse("policy.cedar", out); err != nil {
		return nil, err
	}
	return out, nil
}

// emptyAround reports whether just one empty line stands before what is taken
// out, and an empty one or nothing after it: one of them would be left over.
func emptyAround(text []byte, from, to int) bool {
	before := text[:from]
	one := bytes.HasSuffix(before, []byte("\n\n")) && !bytes.HasSuffix(before, []byte("\n\n\n"))
	return one && (to == len(text) || text[to] == '\n')
}

func overlap(a, b []secret.Verb) bool {
	return slices.ContainsFunc(a, func(v secret.Verb) bool { return slices.Contains(b, v) })
}

// withVerbs rewrites one policy to name these verbs.
func withVerbs(text []byte, verbs []secret.Verb) ([]byte, error) {
	var p cedar.Policy
	if err := p.UnmarshalCedar(text); err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "the policy cannot be rewritten: %s", err)
	}
	var actions []types.EntityUID
	for _, v := range verbs {
		actions = append(actions, actionOf(v))
	}
	tree := p.AST()
	if len(actions) == 1 {
		tree = tree.ActionEq(actions[0])
	} else {
		tree = tree.ActionInSet(actions...)
	}
	return append(cedar.NewPolicyFromAST(tree).MarshalCedar(), '\n'), nil
}

// withConditions reads the conditions of a policy back into g, if they are
// just what a grant writes: it writes them again and compares.
func (g Grant) withConditions(p *cedar.Policy) Grant {
	tree := (*ast.Policy)(p.AST())
	read := g
	for _, c := range tree.Conditions {
		for _, part := range parts(c) {
			read.read(part.Body)
		}
	}
	again, err := read.policy()
	if err != nil {
		return g
	}
	again.Annotations = p.AST().Annotations
	if !bytes.Equal(cedar.NewPolicyFromAST(again).MarshalCedar(), p.MarshalCedar()) {
		return g
	}
	return read
}

// read takes one condition into g, as far as it has the form that g writes.
func (g *Grant) read(n ast.IsNode) {
	switch t := n.(type) {
	case ast.NodeTypeEquals:
		g.readText(t.Left, t.Right)
	case ast.NodeTypeContains:
		if set, ok := t.Left.(ast.NodeTypeSet); ok {
			for _, e := range set.Elements {
				g.readText(t.Right, e)
			}
		}
	case ast.NodeTypeOr:
		g.read(t.Left)
		g.read(t.Right)
	case ast.NodeTypeLike:
		g.Paths = append(g.Paths, pathText(t.Value))
	case ast.NodeTypeLessThan:
		if call, ok := t.Right.(ast.NodeTypeExtensionCall); ok && len(call.Args) == 1 {
			g.Until, _ = time.Parse(untilLayout, textOf(call.Args[0]))
		}
	case ast.NodeTypeAccess:
		g.Approved = t.Value == "approved"
	}
}

func (g *Grant) readText(attribute, value ast.IsNode) {
	access, ok := attribute.(ast.NodeTypeAccess)
	switch {
	case ok && access.Value == "host":
		g.Hosts = append(g.Hosts, textOf(value))
	case ok && access.Value == "method":
		g.Methods = append(g.Methods, textOf(value))
	}
}

func textOf(n ast.IsNode) string {
	v, ok := n.(ast.NodeValue)
	if !ok {
		return ""
	}
	s, _ := v.Value.(types.String)
	return string(s)
}

// pathText writes a Cedar pattern as pathPattern reads it. What a grant cannot
// write comes out as something that is no such pattern.
func pathText(p types.Pattern) string {
	text := string(p.MarshalCedar())
	text = strings.TrimSuffix(strings.TrimPrefix(text, `"`), `"`)
	return strings.ReplaceAll(text, "*", "**")
}
