package policy

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go"
	grantast "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/tacit-secrets/tacit/secret"
)

// A Grant is what one principal may do, on which names, under which
// conditions: what most policies say. Hosts, Methods, Paths, Until and Approved
// are what [AddGrant] writes; of a policy whose conditions say anything else,
// [Grants] leaves them empty and gives Condition alone.
type Grant struct {
	Principal secret.Principal
	Verbs     []secret.Verb
	Env       string
	Name      secret.Name // one secret; empty with Folder
	Folder    bool        // everything below Name; all of the environment if Name is empty
	Hosts     []string    // use: the hosts; none: any
	Methods   []string    // use: the methods, as "POST"; none: any
	Paths     []string    // use: patterns in which ** stands for anything; none: any
	Until     time.Time   // to the second; zero: for ever
	Approved  bool        // only requests that a person approved
	Position  string      // "policy.cedar:3"; set by Grants
	Condition string      // the conditions as Cedar text; set by Grants
}

// ParseTarget reads "env:name", "env:folder/*" or "env:*"; a folder may also
// end in "/" alone.
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
	if folder, ok := strings.CutSuffix(strings.TrimSuffix(name, "*"), "/"); ok {
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
	for _, end := range []string{"\n", "\n\n"} { // an empty line before it
		if len(out) > 0 && !bytes.HasSuffix(out, []byte(end)) {
			out = append(out, '\n')
		}
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
	if err := secret.CheckEnv(g.Env); err != nil {
		return nil, err
	}
	if g.Name != "" || !g.Folder {
		if err := g.Name.Check(); err != nil {
			return nil, err
		}
	}
	if g.Folder {
		p = p.ResourceIn(folderOf(g.Env, string(g.Name)))
	} else {
		p = p.ResourceEq(resourceOf(g.Env, g.Name))
	}
	return g.conditions(p)
}

func (g Grant) conditions(p *grantast.Policy) (*grantast.Policy, error) {
	var all []grantast.Node
	add := func(values []string, check func(string) (string, error), name types.String) error {
		clean := make([]string, len(values))
		for i, v := range values {
			var err error
			if clean[i], err = check(v); err != nil {
				return err
			}
		}
		if len(clean) > 0 {
			all = append(all, oneOf(grantast.Context().Access(name), clean))
		}
		return nil
	}
	if err := add(g.Hosts, checkHost, "host"); err != nil {
		return nil, err
	}
	if err := add(g.Methods, checkMethod, "method"); err != nil {
		return nil, err
	}
	paths, err := g.paths()
	if err != nil {
		return nil, err
	}
	all = append(all, paths...)
	if !g.Until.IsZero() {
		if y := g.Until.UTC().Year(); y < 1970 || y > 9999 {
			return nil, secret.Errorf(secret.Invalid, "", "a grant ends between the years 1970 and 9999")
		}
		all = append(all, grantast.Context().Access("time").LessThan(grantast.DatetimeExtensionCall(grantast.String(g.Until.UTC().Format(untilLayout)))))
	}
	if g.Approved {
		all = append(all, grantast.Context().Access("approved"))
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

// untilLayout is how Cedar writes a time.
const untilLayout = "2006-01-02T15:04:05Z"

// CheckRequest tells what of a host, methods and path patterns no condition of
// a grant could be, so that what is declared elsewhere in the same words is
// refused alike. The error is of kind [secret.Invalid].
func CheckRequest(host string, methods, paths []string) error {
	_, err := Grant{Hosts: []string{host}, Methods: methods, Paths: paths}.conditions(grantast.Permit())
	return err
}

func checkHost(s string) (string, error) {
	h := hostOf(s)
	if h == "" || strings.HasSuffix(h, ".") || len(h) > 253 || strings.ContainsFunc(h, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`*/:@?#"\%`, r) }) {
		return "", secret.Errorf(secret.Invalid, "", "%q is no host: write api.example.com", s)
	}
	return h, nil
}

func checkMethod(m string) (string, error) {
	if m == "" || len(m) > 32 || strings.ContainsFunc(m, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' }) {
		return "", secret.Errorf(secret.Invalid, "", "%q is no method: write GET, POST", m)
	}
	return upper(m), nil
}

// paths returns one condition that any of the patterns meets, or none.
func (g Grant) paths() ([]grantast.Node, error) {
	var either []grantast.Node
	for _, pattern := range g.Paths {
		like, err := pathPattern(pattern)
		if err != nil {
			return nil, err
		}
		n := grantast.Context().Access("path").Like(like)
		if len(either) == 0 {
			either = append(either, n)
		} else {
			either[0] = either[0].Or(n)
		}
	}
	return either, nil
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
	if len(s) > 1024 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '?' || r == '#' }) {
		return types.Pattern{}, secret.Errorf(secret.Invalid, "", "path %q: at most 1024 printable ASCII characters, no query\n  write others as percent codes", s)
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
