package policy

import (
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// A rule that can never match is an error, not a comfort.
func TestAbuseDeadRules(t *testing.T) {
	for name, tt := range map[string]struct{ condition, want string }{
		"forbid-host-in-upper-case":          {`context.host == "API.example.com"`, `p.cedar:2:25: hosts are compared in lower case: write "api.example.com"`},
		"forbid-host-turned-round":           {`"API.example.com" == context.host`, `hosts are compared in lower case`},
		"forbid-host-with-last-dot":          {`context.host == "api.example.com."`, `write "api.example.com"`},
		"forbid-host-in-set":                 {`["a.example", "B.example"].contains(context.host)`, `write "b.example"`},
		"forbid-method-in-lower-case":        {`context.method == "delete"`, `methods are compared in upper case: write "DELETE"`},
		"forbid-method-in-set-in-lower-case": {`["GET", "post"].contains(context.method)`, `write "POST"`},
		"forbid-deep-in-a-condition":         {`context.approved || (context.depth > 1 && context.method == "put")`, `write "PUT"`},
		"forbid-unknown-attribute":           {`context.hots == "x"`, `no attribute hots; did you mean host?`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("p.cedar", []byte("forbid (principal, action, resource)\nwhen { "+tt.condition+" };"))
			if secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	ok := `forbid (principal, action, resource) when { ["a.example"].contains(context.host) && context.method == "POST" && context.path == "/Users" };`
	if _, err := Parse("p.cedar", []byte(ok)); err != nil {
		t.Error(err)
	}
}

// Names are compared as they are: a grant on one does not reach another that
// looks the same when its case is folded.
func TestAbuseFoldedNames(t *testing.T) {
	g, err := ParseTarget("dev:Team/Key")
	if err != nil {
		t.Fatal(err)
	}
	g.Principal, g.Verbs = "agent:a", []secret.Verb{secret.Get}
	text, err := AddGrant(nil, g)
	if err != nil {
		t.Fatal(err)
	}
	src, err := Parse("p.cedar", text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Sources: []*Source{src}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[secret.Name]bool{"Team/Key": true, "team/key": false, "TEAM/KEY": false, "Team/\u212aey": false, "Team/Key/x": false, "Team": false} {
		for who, asks := range map[secret.Principal]bool{"agent:a": true, "agent:A": false, "user:a": false, "app:a": false, "Agent:a": false} {
			d := s.Decide(Request{Caller: secret.Caller{Principal: who, How: secret.ByMark}, Verb: secret.Get, Env: "dev", Name: name})
			if d.Allowed != (want && asks) {
				t.Errorf("%s gets %q: %+v", who, name, d)
			}
		}
	}
}

// Where files are not trusted their owner may do what is listed and nothing
// else, and nobody else anything.
func TestAbuseLocked(t *testing.T) {
	all, few := Locked("user:mia", "why"), Locked("user:mia", "why", secret.Get, secret.Put)
	for _, v := range append(secret.Verbs(), "", "anything") {
		r := Request{Caller: secret.Caller{Principal: "user:mia", How: secret.ByUID}, Verb: v, Env: "dev", Name: "a"}
		if d := all.Decide(r); d.Allowed != v.Known() {
			t.Errorf("%q: %+v", v, d)
		}
		if d := few.Decide(r); d.Allowed != (v == secret.Get || v == secret.Put) || !d.Allowed && d.Reason != "why" {
			t.Errorf("%q of a few: %+v", v, d)
		}
		for _, who := range []secret.Principal{"", "user:", "user:Mia", "user:mia ", "agent:mia", "app:mia"} {
			r.Caller.Principal = who
			if all.Decide(r).Allowed || few.Decide(r).Allowed {
				t.Errorf("%q may %s", who, v)
			}
		}
	}
}
