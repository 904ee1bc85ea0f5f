package config

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// lender lends what it has, and counts.
type lender struct {
	getter
	leases map[string]string
	lent   []string
}

func (l *lender) Lend(_ context.Context, _ secret.Caller, refs []secret.Ref) []secret.Result {
	out := make([]secret.Result, len(refs))
	for i, r := range refs {
		l.lent = append(l.lent, r.String())
		if v, ok := l.leases[r.String()]; ok {
			out[i].Version.Value = secret.Text(v)
			continue
		}
		out[i].Err = secret.Errorf(secret.NotFound, r.Name, "no such role")
	}
	return out
}

const leasesText = `
[secrets]
U = {lease = "database/creds/app#username"}
P = {lease = "database/creds/app#password"}
URL = {compose = "postgres://${:U}:${:P|url}@db/${name}"}
N = {ref = "name"}
OTHER = {lease = "database/creds/none", required = false}
D = {lease = "database/creds/none", default = "otherwise"}
`

func TestResolveLeases(t *testing.T) {
	all := declarations(t, leasesText)
	l := &lender{
		getter: getter{values: map[string]string{"dev:name": "app"}},
		leases: map[string]string{"dev:database/creds/app#username": "u1", "dev:database/creds/app#password": "p/1"},
	}
	got, missing, err := Resolve(t.Context(), l, secret.Caller{}, all, all)
	if err != nil || len(missing) > 0 {
		t.Fatal(err, missing)
	}
	var out []string
	for _, g := range got {
		out = append(out, g.Var+"="+string(g.Value.Reveal()))
	}
	want := []string{"D=otherwise", "N=app", "P=p/1", "U=u1", "URL=postgres://u1:p%2F1@db/app"}
	if !slices.Equal(out, want) {
		t.Errorf("got %q", out)
	}
	if len(l.lent) != 3 {
		t.Errorf("asked for %q", l.lent)
	}
	url := all[slices.IndexFunc(all, func(d Declaration) bool { return d.Var == "URL" })]
	if r := LeasesOf(url, all); len(r) != 2 || len(RefsOf(url, all)) != 1 {
		t.Errorf("made of %v and %v", r, RefsOf(url, all))
	}
}

func TestLeasesAreIssuedLast(t *testing.T) {
	all := declarations(t, leasesText)
	l := &lender{}
	_, missing, err := Resolve(t.Context(), l, secret.Caller{}, all, all)
	if err != nil || len(missing) != 2 || len(l.lent) > 0 {
		t.Errorf("missing %+v, lent %q, %v", missing, l.lent, err)
	}
	l.values = map[string]string{"dev:name": "app"}
	_, missing, err = Resolve(t.Context(), l, secret.Caller{}, all, all)
	if err != nil || len(missing) != 4 || !missing[0].Lease {
		t.Errorf("missing %+v, %v", missing, err)
	}
}

// Who lends nothing reads nothing either.
func TestLeasesNeedALender(t *testing.T) {
	all := declarations(t, leasesText)
	g := &getter{}
	_, _, err := Resolve(t.Context(), g, secret.Caller{}, all, all)
	if !errors.Is(err, secret.Unsupported) || !strings.Contains(err.Error(), "tacit lease issue") || g.asked > 0 {
		t.Errorf("asked for %d, %v", g.asked, err)
	}
}

func TestLeaseDeclarations(t *testing.T) {
	for text, want := range map[string]string{
		`A = {lease = "x@2"}`:                  "no versions",
		`A = {lease = "x", ref = "y"}`:         "one of",
		`A = {lease = "x", compose = "y"}`:     "one of",
		`A = {lease = "x", rotate = "90d"}`:    "no rotate",
		`A = {lease = "../x"}`:                 "",
		`A = {lease = "#f"}`:                   "",
		`A = {lease = "nowhere:database/x#u"}`: "names no declared environment",
	} {
		f, err := ParseFile(FileName, []byte("[env.dev]\n[secrets]\n"+text))
		if err == nil {
			_, err = NewProject("x", f, nil)
		}
		if !errors.Is(err, secret.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	base, over := "y", "x"
	s := overlaySecret(Secret{Ref: &base}, Secret{Lease: &over})
	if s.Ref != nil || s.Lease == nil {
		t.Errorf("laid over: %+v", s)
	}
}

// Two environments of one store would be two names, and two sets of rules, for
// the same leases.
func TestSharedStoresNeedLeasePrefixes(t *testing.T) {
	const two = `
default_env = "dev"
[env.dev]
backend = "vault"
address = "https://vault.example.com"
prefix = "dev/"
%dev
[env.prod]
backend = "vault"
address = "https://vault.example.com"
prefix = "prod/"
%prod
`
	for _, c := range []struct {
		dev, prod string
		ok        bool
	}{
		{"", "", false},
		{`lease_prefix = "database/creds/dev-"`, "", false},
		{`lease_prefix = "database/"`, `lease_prefix = "database/creds/prod-"`, false},
		{`lease_prefix = "database/creds/dev-"`, `lease_prefix = "database/creds/prod-"`, true},
		{"# elsewhere", "", true}, // dev has another address
		{`namespace = "a"`, `namespace = "b"`, true},
		{`namespace = "a"`, `namespace = "a/b"`, false},
		{`namespace = "a"`, `lease_prefix = "a/database/"`, false},
	} {
		text := strings.NewReplacer("%dev", c.dev, "%prod", c.prod).Replace(two)
		if c.dev == "# elsewhere" {
			text = strings.Replace(text, "vault.example.com", "other.example.com", 1)
		}
		f, err := ParseFile(FileName, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		p, err := NewProject("x", f, nil)
		if err != nil {
			t.Fatal(err)
		}
		var all []Environment
		for _, name := range p.EnvNames() {
			e, err := p.Environment(name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
		for _, e := range all {
			if l := e.leasing(all); (l.Refused == nil) != c.ok || l.Prefix != e.LeasePrefix {
				t.Errorf("%s, %s: env.%s has %+v", c.dev, c.prod, e.Name, l)
			}
		}
	}
}

// An environment is another store for its leases where its address or namespace
// is another one, whichever way that is said.
func TestLeaseStore(t *testing.T) {
	of := func(toml string, vars map[string]string) string {
		x, _ := asking(t, toml, vars)
		return x.leaseStore("prod")
	}
	open := "[env.prod]\nbackend = \"vault\"\n"
	one := of(vaultEnv, nil)
	for name, tt := range map[string]struct {
		toml string
		vars map[string]string
		same bool
	}{
		"spelled otherwise": {open + "address = \"https://V.example:8200/\"\nmount = \"kv\"\nprefix = \"a/\"\n", nil, true},
		"by a variable":     {open, map[string]string{"VAULT_ADDR": "https://v.example:8200"}, true},
		"another address":   {open + "address = \"https://w.example:8200\"\n", nil, false},
		"another variable":  {open, map[string]string{"VAULT_ADDR": "https://w.example:8200"}, false},
		"another namespace": {vaultEnv + "namespace = \"n\"\n", nil, false},
	} {
		if got := of(tt.toml, tt.vars); (got == one) != tt.same || got == "" {
			t.Errorf("%s: %q, and %q", name, got, one)
		}
	}
	if x, _ := asking(t, vaultEnv, nil); x.leaseStore("gone") != "" {
		t.Error("an environment that there is not has a store")
	}
}
