package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// addresses lists the network addresses that a project names.
func (p *Project) addresses() []string {
	var out []string
	for _, n := range p.EnvNames() {
		if a := p.envs[n].Address; a != "" {
			out = append(out, "env."+n+", "+a)
		}
	}
	return out
}

// variables lists what is declared, in any environment.
func (p *Project) variables() []string {
	all := maps.Clone(p.file.Secrets)
	for _, e := range p.file.Env {
		all = overlaySecrets(all, e.Secrets)
	}
	return slices.Sorted(maps.Keys(all))
}

// asks says in one line what trusting the files would allow them; empty if
// that cannot be told.
func (s snapshot) asks(root string) string {
	p, err := s.project(root)
	if err != nil {
		return ""
	}
	var out []string
	if a := p.addresses(); len(a) > 0 {
		out = append(out, number(len(a), "network address", "network addresses")+" ("+a[0]+more(a)+")")
	}
	if v := p.variables(); len(v) > 0 {
		out = append(out, number(len(v), "secret", "secrets"))
	}
	if src, err := policy.Parse(PolicyName, s[PolicyName]); err == nil && src.Len() > 0 {
		out = append(out, number(src.Len(), "policy", "policies"))
	}
	return strings.Join(out, " and ")
}

// refuseUnread refuses to trust, unread, files that a new store did not write
// and that ask for more than the store: a clone would otherwise be trusted by
// making a store in it.
func (s snapshot) refuseUnread(root string) error {
	p, err := s.project(root)
	if err != nil {
		return err
	}
	_, hasPolicy := s[PolicyName]
	dangerous := slices.ContainsFunc(p.variables(), child.Dangerous)
	if len(p.addresses()) == 0 && !hasPolicy && !dangerous {
		return nil
	}
	return secret.Errorf(secret.Denied, "", "the files here ask for more than a new store: %s\n  read them, then:  tacit trust", s.asks(root))
}

func number(n int, one, many string) string {
	if n == 1 {
		return "a " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func more(all []string) string {
	if len(all) > 1 {
		return ", …"
	}
	return ""
}
