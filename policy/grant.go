package policy

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cedar-policy/cedar-go"
	grantast "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"
	ast "github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/tacit-secrets/tacit/secret"
)

// A Grant is what one principal may do, on which names, under which
// conditions: what most policies say.
type Grant struct {
	Principal secret.Principal
	Verbs     []secret.Verb
	Env       string
	Name      secret.Name // one secret; empty with Folder
	Folder    bool        // everything below Name; all of the environment if Name is empty
	Hosts     []string    // use: the hosts; none: any
	Methods   []string    // use: the methods; none: any
	Paths     []string    // use: patterns in which ** stands for anything; none: any
	Until     time.Time   // zero: for ever
	Position  string      // "policy.cedar:3"; set by Grants
	Condition string      // the conditions as Cedar text; set by Grants
}

// ParseTarget reads "env:name", "env:folder/*" or "env:*".
func ParseTarget(s string) (Grant, error) {
	env, name, ok := strings.Cut(s, ":")
	if !ok {
		return Grant{}, secret.Errorf(secret.Invalid, "", "a grant is on env:name, env:folder/* or env:*")
	}
	if err := secret.CheckEnv(env); err != nil {
		return Grant{}, err
	}
	g := Grant{Env: env}
	if name == "*" {
		g.Folder = true
		return g, nil
	}
	if folder, ok := strings.CutSuffix(name, "/*"); ok {
		name, g.Folder = folder, true
	}
	var err error
	g.Name, err = secret.ParseName(name)
	return g, err
}

// Target writes what [ParseTarget] reads.
func (g Grant) Target() string {
	switch {
	case !g.Folder:
		return g.Env + ":" + string(g.Name)
	case g.Name == "":
		return g.Env + ":*"
	default:
		return g.Env + ":" + string(g.Name) + "/*"
	}
}

// AddGrant appends a grant to a policy text and keeps what is there byte for
// byte. The grant is built as a syntax tree: no name is pasted into text. The
// error is of kind [secret.Invalid], or [secret.Conflict] if the very policy is
// there already.
func AddGrant(text []byte, g Grant) ([]byte, error) {
	if _, err := Parse("policy.cedar", text); err != nil {
		return nil, err
	}
	p, err := g.policy()
	if err != nil {
		return nil, err
	}
	added := cedar.NewPolicyFromAST(p).MarshalCedar()
	old, err := Grants(text)
	if err != nil {
		return nil, err
	}
	for _, o := range old {
		if bytes.Equal(o.text, added) {
			return nil, secret.Errorf(secret.Conflict, "", "this is granted already, at %s", o.Position)
		}
	}
	out := slices.Clone(text)
	if len(out) > 0 {
		out = append(bytes.TrimRight(out, "\n"), "\n\n"...)
	}
	out = append(append(out, added...), '\n')
	if _, err := Parse("policy.cedar", out); err != nil {
		return nil, err
	}
	return out, nil
}

func (g Grant) policy() (*grantast.Policy, error) {
	principal, ok := principalOf(g.Principal)
	if !ok {
		return nil, secret.Errorf(secret.Invalid, "", "a grant is for user:NAME, agent:NAME or app:NAME")
	}
	p := grantast.Permit().PrincipalEq(principal)
	var actions []types.EntityUID
	for _, v := range g.Verbs {
		if !v.Known() {
			return nil, secret.Errorf(secret.Invalid, "", "%q is no verb\n  there are: %s", v, verbList())
		}
		actions = append(actions, actionOf(v))
	}
	switch len(actions) {
	case 0:
		return nil, secret.Errorf(secret.Invalid, "", "a grant names a verb")
	case 1:
		p = p.ActionEq(actions[0])
	default:
		p = p.ActionInSet(actions...)
	}
	if g.Folder {
		p = p.ResourceIn(folderOf(g.Env, string(g.Name)))
	} else {
		if err := g.Name.Check(); err != nil {
			return nil, err
		}
		p = p.ResourceEq(resourceOf(g.Env, g.Name))
	}
	return g.conditions(p)
}

func (g Grant) conditions(p *grantast.Policy) (*grantast.Policy, error) {
	var all []grantast.Node
	context := func(name types.String) grantast.Node { return grantast.Context().Access(name) }
	if len(g.Hosts) > 0 {
		var lower []string
		for _, h := range g.Hosts {
			if h == "" || strings.ContainsAny(h, "*/ :") || !utf8.ValidString(h) {
				return nil, secret.Errorf(secret.Invalid, "", "%q is no host: write api.example.com", h)
			}
			lower = append(lower, strings.ToLower(h))
		}
		all = append(all, oneOf(context("host"), lower))
	}
	if len(g.Methods) > 0 {
		all = append(all, oneOf(context("method"), g.Methods))
	}
	if len(g.Paths) > 0 {
		var either grantast.Node
		for i, pattern := range g.Paths {
			like, err := pathPattern(pattern)
			if err != nil {
				return nil, err
			}
			if n := context("path").Like(like); i == 0 {
				either = n
			} else {
				either = either.Or(n)
			}
		}
		all = append(all, either)
	}
	if !g.Until.IsZero() {
		all = append(all, context("time").LessThan(grantast.DatetimeExtensionCall(grantast.String(g.Until.UTC().Format("2006-01-02T15:04:05Z")))))
	}
	if len(all) == 0 {
		return p, nil
	}
	both := all[0]
	for _, n := range all[1:] {
		both = both.And(n)
	}
	return p.When(both), nil
}

func oneOf(n grantast.Node, values []string) grantast.Node {
	if len(values) == 1 {
		return n.Equal(grantast.String(values[0]))
	}
	var set []grantast.Node
	for _, v := range values {
		set = append(set, grantast.String(v))
	}
	return grantast.Set(set...).Contains(n)
}

// pathPattern makes a Cedar pattern of a path in which ** stands for anything.
// Cedar has no wildcard that stops at a "/", so a single * is refused rather
// than widened.
func pathPattern(s string) (types.Pattern, error) {
	if !strings.HasPrefix(s, "/") {
		return types.Pattern{}, secret.Errorf(secret.Invalid, "", "path %q does not begin with /", s)
	}
	var parts []any
	for i, literal := range strings.Split(s, "**") {
		if strings.Contains(literal, "*") {
			return types.Pattern{}, secret.Errorf(secret.Invalid, "", "path %q: ** stands for anything, a single * for nothing", s)
		}
		if i > 0 {
			parts = append(parts, types.Wildcard{})
		}
		if literal != "" {
			parts = append(parts, literal)
		}
	}
	return types.NewPattern(parts...), nil
}

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
	return g, ok && (id.Type == typeFolder) == g.Folder
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
		out = slices.Replace(out, s.from, s.to, instead...)
	}
	if !found {
		return nil, secret.Errorf(secret.NotFound, "", "no grant lets %s do this on %s\n  tacit grants", g.Principal, g.Target())
	}
	if _, err := Parse("policy.cedar", out); err != nil {
		return nil, err
	}
	return out, nil
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
