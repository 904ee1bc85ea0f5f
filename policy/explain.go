package policy

import (
	"bytes"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	grantast "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"
	ast "github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/tacit-secrets/tacit/internal/shell"
	"github.com/tacit-secrets/tacit/secret"
)

// The limits of an explanation, which people read.
const (
	maxConsidered = 100
	maxCondition  = 400
)

// Explain decides a request and tells which policies were about its principal.
func (s *Set) Explain(r Request) Decision {
	d := s.Decide(r)
	principal, ok := principalOf(r.Caller.Principal)
	if !ok {
		return d
	}
	req := cedarRequest(r, principal)
	req.Context = contextOf(r)
	about := slices.Concat(s.forbids, s.permits[principal], s.general)
	slices.SortFunc(about, func(a, b rule) int { return a.order - b.order })
	for _, p := range about {
		if len(d.Considered) == maxConsidered {
			break
		}
		if !principalMatches(p.scope.Principal, principal) {
			continue
		}
		d.Considered = append(d.Considered, Considered{string(p.id), p.words(req)})
	}
	return d
}

// words says what a rule does about a request, or why it does nothing.
func (r rule) words(req cedar.Request) string {
	verb := "permits"
	if r.policy.Effect() == cedar.Forbid {
		verb = "forbids"
	}
	what := verb + " " + actionWords(r.scope.Action)
	switch {
	case !actionMatches(r.scope.Action, req.Action):
		return what + ", not " + string(req.Action.ID)
	case !resourceMatches(r.scope.Resource, req.Resource):
		return what + " elsewhere: " + resourceWords(r.scope.Resource)
	}
	answer, why := cedar.Authorize(rules{r}, tree{}, req)
	switch {
	case len(why.Errors) > 0:
		return what + ", but fails: policy error"
	case answer == cedar.Allow || len(why.Reasons) > 0:
		return what
	default:
		return what + ", but not so: " + r.unmet(req)
	}
}

// unmet returns the condition of a policy that does not hold, as Cedar text.
func (r rule) unmet(req cedar.Request) string {
	for _, c := range r.scope.Conditions {
		for _, part := range parts(c) {
			one := ast.Policy{Effect: ast.EffectPermit, Principal: ast.ScopeTypeAll{}, Action: ast.ScopeTypeAll{}, Resource: ast.ScopeTypeAll{}, Conditions: []ast.ConditionType{part}}
			p := cedar.NewPolicyFromAST((*grantast.Policy)(&one))
			if holds, _ := cedar.Authorize(rules{{policy: p}}, tree{}, req); holds == cedar.Deny {
				return condition(p)
			}
		}
	}
	return "its condition does not hold"
}

// parts takes a "when a && b && c" apart; anything else is one part.
func parts(c ast.ConditionType) []ast.ConditionType {
	and, ok := c.Body.(ast.NodeTypeAnd)
	if !ok || !bool(c.Condition) {
		return []ast.ConditionType{c}
	}
	left, right := c, c
	left.Body, right.Body = and.Left, and.Right
	return append(parts(left), parts(right)...)
}

// condition returns the conditions of a policy as Cedar text on one line, cut
// where it is long.
func condition(p *cedar.Policy) string {
	tree := (*ast.Policy)(p.AST())
	scope := cedar.NewPolicyFromAST((*grantast.Policy)(&ast.Policy{
		Effect: tree.Effect, Annotations: tree.Annotations, Principal: tree.Principal, Action: tree.Action, Resource: tree.Resource,
	})).MarshalCedar()
	when, _ := bytes.CutPrefix(p.MarshalCedar(), bytes.TrimSuffix(scope, []byte(";")))
	text := []rune(strings.Join(strings.Fields(strings.TrimSuffix(string(when), ";")), " "))
	if len(text) > maxCondition {
		return string(text[:maxCondition]) + "…"
	}
	return string(text)
}

func principalMatches(scope ast.IsPrincipalScopeNode, principal types.EntityUID) bool {
	switch t := scope.(type) {
	case ast.ScopeTypeEq:
		return t.Entity == principal
	case ast.ScopeTypeIn:
		return t.Entity == principal
	case ast.ScopeTypeIs:
		return t.Type == principal.Type
	case ast.ScopeTypeIsIn:
		return t.Type == principal.Type && t.Entity == principal
	default:
		return true
	}
}

func actionWords(scope ast.IsActionScopeNode) string {
	switch t := scope.(type) {
	case ast.ScopeTypeEq:
		return string(t.Entity.ID)
	case ast.ScopeTypeInSet:
		var out []string
		for _, e := range t.Entities {
			out = append(out, string(e.ID))
		}
		return strings.Join(out, ", ")
	default:
		return "everything"
	}
}

func resourceWords(scope ast.IsResourceScopeNode) string {
	switch t := scope.(type) {
	case ast.ScopeTypeEq:
		return string(t.Entity.ID)
	case ast.ScopeTypeIn:
		return folderWords(t.Entity)
	default:
		return "everything"
	}
}

// folderWords writes a folder as a grant's target: "dev:claude/*".
func folderWords(e types.EntityUID) string {
	if id := string(e.ID); !strings.HasSuffix(id, ":") {
		return id + "/*"
	}
	return string(e.ID) + "*"
}

// remedy tells what to ask for. Of an agent that wants a value it is the use of
// it: that is what most need, and the value stays here.
func remedy(r Request) string {
	verb, what, more := r.Verb, "ask for it:", ""
	switch {
	case r.Name == "":
		return ""
	case r.Verb == secret.Get && r.Caller.Principal.IsAgent():
		verb, what, more = secret.Use, "ask for `use` instead:", " --host HOST"
	case r.Verb == secret.Use:
		host, err := checkHost(r.Host)
		if err != nil {
			host = "HOST"
		}
		more = " --host " + host
	}
	return what + "  tacit grant " + shell.Word(string(r.Caller.Principal)) + " " + string(verb) + " " + shell.Word(r.Env+":"+string(r.Name)) + more
}
