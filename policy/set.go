package policy

import (
	"fmt"
	"iter"
	"slices"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	ast "github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/tacit-secrets/tacit/secret"
)

// The policies that are built in.
const (
	Owner     = "owner"
	Protected = "protected"
)

// Config says what a [Set] decides with.
type Config struct {
	Sources   []*Source
	Owner     secret.Principal // the user whose store it is; empty: none
	Protected []string         // the environments in which agents change nothing unapproved
}

// A Set decides by Cedar policies and the built-in rules. It never changes.
type Set struct {
	owner     secret.Principal
	protected []string
	forbids   []rule
	permits   map[types.EntityUID][]rule // by the one principal they name
	general   []rule                     // permits that name no single principal
}

// rule is a policy with its scope laid out for narrowing.
type rule struct {
	id     cedar.PolicyID // "policy.cedar:3", made unique
	policy *cedar.Policy
	scope  *ast.Policy
	order  int // among all policies
}

// New makes a Set.
func New(cfg Config) (*Set, error) {
	s := &Set{owner: cfg.Owner, protected: cfg.Protected, permits: map[types.EntityUID][]rule{}}
	if cfg.Owner != "" {
		if _, _, ok := cfg.Owner.Split(); !ok {
			return nil, secret.Errorf(secret.Invalid, "", "%q is no principal", cfg.Owner)
		}
	}
	seen := map[cedar.PolicyID]bool{}
	for _, src := range cfg.Sources {
		for _, p := range src.policies {
			r := rule{cedar.PolicyID(place(src.file, p)), p, (*ast.Policy)(p.AST()), len(seen)}
			for n := 2; seen[r.id]; n++ { // several on one line
				r.id = cedar.PolicyID(fmt.Sprintf("%s.%d", place(src.file, p), n))
			}
			seen[r.id] = true
			s.add(r)
		}
	}
	return s, nil
}

func (s *Set) add(r rule) {
	eq, one := r.scope.Principal.(ast.ScopeTypeEq)
	switch {
	case r.policy.Effect() == cedar.Forbid:
		s.forbids = append(s.forbids, r)
	case one:
		s.permits[eq.Entity] = append(s.permits[eq.Entity], r)
	default:
		s.general = append(s.general, r)
	}
}

// Decide decides a request.
func (s *Set) Decide(r Request) Decision { return s.decide(r, s.narrowed) }

// decide is Decide with the choice of which policies are looked at, so that a
// test can compare the narrowed decision with the full one.
func (s *Set) decide(r Request, choose func(cedar.Request) rules) Decision {
	principal, ok := principalOf(r.Caller.Principal)
	if !ok {
		return Decision{Reason: "the caller is nobody"}
	}
	if d, refused := s.refuse(r); refused {
		return d
	}
	req := cedarRequest(r, principal)
	chosen := choose(req)
	if chosen.conditional() { // making the context is most of the work
		req.Context = contextOf(r)
	}
	answer, why := cedar.Authorize(chosen, tree{}, req)
	switch {
	case len(why.Errors) > 0:
		id := firstError(chosen, why.Errors)
		return Decision{Policy: id, Reason: "policy error in " + id}
	case answer == cedar.Allow:
		id := firstID(chosen, why.Reasons)
		return Decision{Allowed: true, Policy: id, Reason: "permitted by " + id}
	case len(why.Reasons) > 0:
		id := firstID(chosen, why.Reasons)
		return Decision{Policy: id, Reason: "forbidden by " + id}
	case s.owner != "" && r.Caller.Principal == s.owner:
		return Decision{Allowed: true, Policy: Owner, Reason: "the store's own user"}
	case r.Caller.Principal.IsAgent():
		return Decision{Reason: "no grant permits it (default for agents)", Remedy: remedy(r)}
	default:
		return Decision{Reason: "no grant permits it", Remedy: remedy(r)}
	}
}

// refuse tells what no policy can permit.
func (s *Set) refuse(r Request) (Decision, bool) {
	switch {
	case !r.Verb.Known():
		return Decision{Reason: "no such verb"}, true
	case secret.CheckEnv(r.Env) != nil:
		return Decision{Reason: "no such environment"}, true
	case r.Name != "" && r.Name.Check() != nil:
		return Decision{Reason: "no such name"}, true
	case r.Caller.Principal.IsAgent() && r.Verb.Changes() && !r.Approved && slices.Contains(s.protected, r.Env):
		return Decision{Policy: Protected, Reason: r.Env + " is protected, and no one approved it"}, true
	default:
		return Decision{}, false
	}
}

// firstID names the first of the policies in the order of their texts.
func firstID(chosen rules, all []cedar.DiagnosticReason) string {
	best := -1
	for i, r := range chosen {
		if (best < 0 || r.order < chosen[best].order) && slices.ContainsFunc(all, func(d cedar.DiagnosticReason) bool { return d.PolicyID == r.id }) {
			best = i
		}
	}
	return string(chosen[best].id)
}

// firstError is firstID of the policies that failed.
func firstError(chosen rules, all []cedar.DiagnosticError) string {
	var failed []cedar.DiagnosticReason
	for _, e := range all {
		failed = append(failed, cedar.DiagnosticReason{PolicyID: e.PolicyID})
	}
	return firstID(chosen, failed)
}

// rules is what Cedar is asked to look at.
type rules []rule

// All implements [cedar.PolicyIterator].
func (rs rules) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, r := range rs {
			if !yield(r.id, r.policy) {
				return
			}
		}
	}
}

// conditional reports whether any of them looks beyond its scope.
func (rs rules) conditional() bool {
	return slices.ContainsFunc(rs, func(r rule) bool { return len(r.scope.Conditions) > 0 })
}

// narrowed leaves out permits whose scope cannot match. A forbid is never left
// out, whatever it says.
func (s *Set) narrowed(req cedar.Request) rules {
	out := slices.Clone(rules(s.forbids))
	for _, group := range [][]rule{s.permits[req.Principal], s.general} {
		for _, r := range group {
			if actionMatches(r.scope.Action, req.Action) && resourceMatches(r.scope.Resource, req.Resource) {
				out = append(out, r)
			}
		}
	}
	return out
}

// full is every policy.
func (s *Set) full(cedar.Request) rules {
	out := slices.Clone(rules(s.forbids))
	for _, group := range s.permits {
		out = append(out, group...)
	}
	return append(out, s.general...)
}

func actionMatches(scope ast.IsActionScopeNode, action types.EntityUID) bool {
	switch t := scope.(type) {
	case ast.ScopeTypeEq:
		return t.Entity == action
	case ast.ScopeTypeInSet:
		return slices.Contains(t.Entities, action)
	default: // all, or in a group: let Cedar decide
		return true
	}
}

func resourceMatches(scope ast.IsResourceScopeNode, resource types.EntityUID) bool {
	switch t := scope.(type) {
	case ast.ScopeTypeEq:
		return t.Entity == resource
	case ast.ScopeTypeIn:
		return within(resource, t.Entity)
	default:
		return true
	}
}

// Locked decides where the files of a folder are not trusted: the store's own
// user may go on with the verbs given (none: all of them), and everyone and
// everything else is denied and told why.
func Locked(owner secret.Principal, reason string, verbs ...secret.Verb) Decider {
	return locked{owner, reason, verbs}
}

type locked struct {
	owner  secret.Principal
	reason string
	verbs  []secret.Verb
}

// Decide implements [Decider].
func (l locked) Decide(r Request) Decision {
	_, _, ok := r.Caller.Principal.Split()
	mine := ok && r.Caller.Principal == l.owner
	if mine && r.Verb.Known() && (len(l.verbs) == 0 || slices.Contains(l.verbs, r.Verb)) {
		return Decision{Allowed: true, Policy: Owner, Reason: "the store's own user"}
	}
	return Decision{Reason: l.reason}
}
