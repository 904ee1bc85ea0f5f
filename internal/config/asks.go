package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// addresses lists where the files would have tacit connect to.
func (p *Project) addresses() []string {
	var out []string
	for _, n := range p.EnvNames() {
		e := p.envs[n]
		if e.Backend == BackendLocal {
			continue
		}
		out = append(out, "env."+n+", "+e.Where())
		if a := deref(e.said.Authority, ""); a != "" {
			out = append(out, "env."+n+".authority, "+a)
		}
	}
	return out
}

// Where tells in few words where the store of an environment is, as far as the
// files say; empty for the embedded one.
func (e Environment) Where() string {
	if e.Backend == BackendLocal {
		return ""
	}
	if e.Address != "" || e.Backend != BackendAWS {
		return cmp.Or(e.Address, "the address in VAULT_ADDR")
	}
	where := "AWS, region " + deref(e.said.Region, "of AWS_REGION or the profile")
	for _, s := range e.Settings() {
		if s.Name == "profile" || s.Name == "role_arn" {
			where += ", " + s.Name + " " + s.Value
		}
	}
	return where
}

// signsIn tells, of each environment, how the files would have tacit sign in.
func (p *Project) signsIn() []string {
	var out []string
	for _, n := range p.EnvNames() {
		e := p.envs[n]
		var words []string
		for _, s := range e.said.said() {
			if s.personal && !s.isFile() {
				words = append(words, strings.TrimPrefix(s.Name, "auth.")+" "+s.Value)
			}
		}
		if len(words) > 0 {
			out = append(out, "env."+n+", "+strings.Join(words, ", "))
		}
	}
	return out
}

// reads lists the files that would be read, and sent or believed.
func (p *Project) reads() []string {
	var out []string
	for _, n := range p.EnvNames() {
		e := p.envs[n]
		for _, s := range e.said.said() {
			if s.isFile() {
				out = append(out, "env."+n+"."+s.Name+", "+s.Value)
			}
		}
	}
	return out
}

// keeps lists the environments whose values would be kept for an outage.
func (p *Project) keeps() []string {
	var out []string
	for _, n := range p.EnvNames() {
		if d := p.envs[n].Offline; d > 0 {
			out = append(out, "env."+n+", "+spanText(d))
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
	if f := p.reads(); len(f) > 0 {
		out = append(out, number(len(f), "file", "files")+" ("+f[0]+more(f)+")")
	}
	if v := p.variables(); len(v) > 0 {
		out = append(out, number(len(v), "secret", "secrets"))
	}
	if k := p.keeps(); len(k) > 0 {
		out = append(out, "last known values to be kept here ("+k[0]+more(k)+")")
	}
	if src, err := policy.Parse(PolicyName, s[PolicyName]); err == nil && src.Len() > 0 {
		out = append(out, number(src.Len(), "policy", "policies"))
	}
	if n := len(out); n > 2 {
		out = append(out[:n-2], out[n-2]+" and "+out[n-1])
		return strings.Join(out, ", ")
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
