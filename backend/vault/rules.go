package vault

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

var _ secret.Grantor = (*Backend)(nil)

// Rules implements [secret.Grantor]: one policy in HCL. It says nothing of
// sys/internal/ui/mounts, which the store tells whoever may use something
// there. Where the version of the KV engine is neither set nor known yet, it is
// taken to be 2. Names of leases are given with the verbs of leases alone.
//
// Invalid: a name that no rule can say alone, because the store takes a part of
// it for a pattern.
func (b *Backend) Rules(names []secret.Name, verbs ...secret.Verb) ([]secret.Rule, error) {
	p := policy{capabilities: map[string][]string{}}
	for _, n := range names {
		if err := n.Check(); err != nil {
			return nil, err
		}
		for _, v := range verbs {
			if err := sayable(n, v); err != nil {
				return nil, err
			}
			if err := b.allow(&p, n, v); err != nil {
				return nil, err
			}
		}
	}
	text := p.text()
	if text == "" { // nothing was named
		return nil, nil
	}
	return []secret.Rule{{Language: "hcl", Text: text}}, nil
}

// sayable refuses names that mean more than themselves in a policy: the store
// knows no way to write them otherwise. Of a lease the path counts, and its id
// is compared with a pattern in which each * is any text.
func sayable(n secret.Name, v secret.Verb) error {
	s := string(n)
	pattern := false
	if ofLease(v) {
		s, _, _ = strings.Cut(s, "?")
		pattern = strings.Contains(s, "*")
	}
	if pattern || strings.HasSuffix(s, "*") || strings.Contains(s, "{{") || strings.Contains(s, "}}") || slices.Contains(strings.Split(s, "/"), "+") || strings.Contains(s, "+*") {
		return secret.Errorf(secret.Invalid, n, "no policy of Vault can name this alone: it takes +, * and {{ }} for patterns\n  tacit rename %s NEW", n)
	}
	return nil
}

// allow adds what a verb needs at a name.
func (b *Backend) allow(p *policy, n secret.Name, v secret.Verb) error {
	if ofLease(v) {
		p.lease(string(n), v)
		return nil
	}
	if v == secret.Rotate { // made of others
		for _, part := range []secret.Verb{secret.Get, secret.Put, secret.List} {
			if err := b.allow(p, n, part); err != nil {
				return err
			}
		}
		return nil
	}
	var ok bool
	if b.known() == 1 {
		ok = b.allowPlain(p, n, v)
	} else {
		ok = b.allowVersioned(p, n, v)
	}
	if !ok {
		return secret.Errorf(secret.Unsupported, n, "Vault has no rule for the verb %s", v)
	}
	return nil
}

// ofLease tells the verbs of leases.
func ofLease(v secret.Verb) bool { return v == secret.Issue || v == secret.Renew || v == secret.Revoke }

// allowPlain is allow for version 1 of the engine, which has one path for all.
func (b *Backend) allowPlain(p *policy, n secret.Name, v secret.Verb) bool {
	path := b.settings.Mount + "/" + string(n)
	switch v {
	case secret.Get, secret.Use:
		p.add(path, "read")
	case secret.Put:
		p.add(path, "create", "update")
	case secret.List: // which is all there is to know: a list tells what is there
		b.folders(p, b.settings.Mount+"/", n)
	case secret.Delete, secret.Destroy: // what is not there is not deleted
		b.folders(p, b.settings.Mount+"/", n)
		p.add(path, "delete")
	default:
		return false
	}
	return true
}

func (b *Backend) allowVersioned(p *policy, n secret.Name, v secret.Verb) bool {
	mount := b.settings.Mount + "/"
	data, metadata := mount+"data/"+string(n), mount+"metadata/"+string(n)
	switch v {
	case secret.Get, secret.Use:
		p.add(data, "read")
		p.add(metadata, "read") // which version a stage means
	case secret.Put:
		p.add(data, "create", "update")                      // not read: who writes a value need not see the one before
		p.add(metadata, "create", "patch", "read", "update") // tags, limits, and which version is current
	case secret.List:
		p.add(metadata, "read")
		b.folders(p, mount+"metadata/", n)
	case secret.Delete: // with a mark that says that all of it is deleted
		p.add(metadata, "patch", "read", "update")
		p.add(mount+"delete/"+string(n), "update")
	case secret.Undelete:
		p.add(metadata, "patch", "read", "update")
		p.add(mount+"undelete/"+string(n), "update")
	case secret.Destroy:
		p.add(metadata, "delete", "read")
		p.add(mount+"destroy/"+string(n), "update")
	default:
		return false
	}
	return true
}

// policy collects what is allowed where.
type policy struct {
	order        []string
	capabilities map[string][]string
	renew        []string // patterns of the leases' ids
	revoke       []string
}

func (p *policy) add(path string, capabilities ...string) {
	have, ok := p.capabilities[path]
	if !ok {
		p.order = append(p.order, path)
	}
	for _, c := range capabilities {
		if !slices.Contains(have, c) {
			have = append(have, c)
		}
	}
	slices.Sort(have)
	p.capabilities[path] = have
}

// folders allows listing on the way to a name, from the folder that all names
// lie in: it shows the names beside it.
func (b *Backend) folders(p *policy, top string, n secret.Name) {
	from := 0
	if strings.HasPrefix(string(n), b.settings.Prefix) {
		from = strings.LastIndexByte(b.settings.Prefix, '/') + 1
	}
	p.add(top+string(n[:from]), "list")
	for i, c := range string(n) {
		if c == '/' && i >= from {
			p.add(top+string(n[:i+1]), "list")
		}
	}
}

// lease allows a verb on what one path issues. A lease's id begins with it.
func (p *policy) lease(name string, v secret.Verb) {
	path, _, _ := strings.Cut(name, "?")
	ids := path + "/*"
	switch {
	case v == secret.Issue:
		p.add(path, "read", "update")
	case v == secret.Renew && !slices.Contains(p.renew, ids):
		p.renew = append(p.renew, ids)
	case v == secret.Revoke && !slices.Contains(p.revoke, ids):
		p.revoke = append(p.revoke, ids)
	}
}

func (p *policy) text() string {
	var b strings.Builder
	for _, path := range p.order {
		_, _ = fmt.Fprintf(&b, "path %s {\n  capabilities = [%s]\n}\n", quoted(path), list(p.capabilities[path]))
	}
	leases := func(path string, ids []string, also string) {
		if len(ids) > 0 {
			_, _ = fmt.Fprintf(&b, "path %s {\n  capabilities = [\"update\"]\n  allowed_parameters = {\n    \"lease_id\" = [%s]\n    %s = []\n  }\n}\n", quoted(path), list(ids), quoted(also))
		}
	}
	leases("sys/leases/renew", p.renew, "increment")
	leases("sys/leases/revoke", p.revoke, "sync")
	return b.String()
}

func list(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = quoted(s)
	}
	return strings.Join(out, ", ")
}

// quoted writes a string of HCL, byte for byte. A $ would begin an expression.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '$' || r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085':
			_, _ = fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
