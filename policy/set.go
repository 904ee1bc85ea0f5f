package policy

import (
	"fmt"
	"iter"
	"slices"
	"strings"

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
			r := rule{cedar.PolicyID(place(src.file, p)), p, (*ast.Policy)(p.AST())}
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
	switch {
	case !ok:
		return Decision{Reason: "the caller is nobody"}
	case !r.Verb.Known():
		return Decision{Reason: "no such verb"}
	case secret.CheckEnv(r.Env) != nil:
		return Decision{Reason: "no such environment"}
	}
	if r.Caller.Principal.IsAgent() && r.Verb.Changes() && !r.Approved && slices.Contains(s.protected, r.Env) {
		return Decision{Policy: Protected, Reason: r.Env + " is protected, and no one approved it"}
	}
	req := cedarRequest(r, principal)
	chosen := choose(req)
	answer, why := cedar.Authorize(chosen, tree{}, req)
	switch {
	case len(why.Errors) > 0:
		return Decision{Policy: string(why.Errors[0].PolicyID), Reason: "policy error in " + string(why.Errors[0].PolicyID)}
	case answer == cedar.Allow:
		return Decision{Allowed: true, Policy: firstID(why.Reasons), Reason: "permitted by " + firstID(why.Reasons)}
	case len(why.Reasons) > 0:
		return Decision{Policy: firstID(why.Reasons), Reason: "forbidden by " + firstID(why.Reasons)}
	case s.owner != "" && r.Caller.Principal == s.owner:
		return Decision{Allowed: true, Policy: Owner, Reason: "the store's own user"}
	case r.Caller.Principal.IsAgent():
		return Decision{Reason: "no grant permits it (default for agents)"}
	default:
		return Decision{Reason: "no grant permits it"}
	}
}

func firstID(all []cedar.DiagnosticReason) string {
	var ids []string
	for _, r := range all {
		ids = append(ids, string(r.PolicyID))
	}
	slices.Sort(ids)
	return ids[0]
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

// Explain decides a request and tells which policies were about its principal.
func (s *Set) Explain(r Request) Decision {
	d := s.Decide(r)
	principal, ok := principalOf(r.Caller.Principal)
	if !ok {
		return d
	}
	req := cedarRequest(r, principal)
	about := slices.Concat(s.forbids, s.permits[principal], s.general)
	for _, p := range about {
		if len(d.Considered) == 100 {
			break
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
		return what + ", but its condition does not hold"
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

// Locked decides where the files of a folder are not trusted: the store's own
// user may go on, and everyone else is denied and told why.
func Locked(owner secret.Principal, reason string) Decider { return locked{owner, reason} }

type locked struct {
	owner  secret.Principal
	reason string
}

// Decide implements [Decider].
func (l locked) Decide(r Request) Decision {
	if _, _, ok := r.Caller.Principal.Split(); ok && r.Caller.Principal == l.owner {
		return Decision{Allowed: true, Policy: Owner, Reason: "the store's own user"}
	}
	return Decision{Reason: l.reason}
}
