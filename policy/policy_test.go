package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/secret"
)

const owner = secret.Principal("user:mia")

func set(t testing.TB, text string) *Set {
	t.Helper()
	src, err := Parse("policy.cedar", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Sources: []*Source{src}, Owner: owner, Protected: []string{"prod"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func request(p secret.Principal, v secret.Verb, target string) Request {
	env, name, _ := strings.Cut(target, ":")
	return Request{Caller: secret.Caller{Principal: p, How: secret.ByUID}, Verb: v, Env: env, Name: secret.Name(name), Time: time.Unix(1e9, 0)}
}

const grants = `// what agents may do
permit (principal == Agent::"claude-code", action == Action::"use", resource in Folder::"dev:claude")
when { context.host == "api.anthropic.com" };
permit (principal == Agent::"reader", action in [Action::"get", Action::"list"], resource == Secret::"dev:app/db");
forbid (principal, action == Action::"destroy", resource in Folder::"prod:");
permit (principal is App, action, resource in Folder::"dev:apps");
`

func TestDecide(t *testing.T) {
	s := set(t, grants)
	use := request("agent:claude-code", secret.Use, "dev:claude/api")
	use.Host = "API.anthropic.com"
	elsewhere := use
	elsewhere.Host = "evil.example"
	approved := request("agent:claude-code", secret.Put, "prod:a")
	approved.Approved = true
	tests := []struct {
		name    string
		r       Request
		allowed bool
		policy  string
	}{
		{"grant", use, true, "policy.cedar:2"},
		{"other host", elsewhere, false, ""},
		{"other verb", request("agent:claude-code", secret.Get, "dev:claude/api"), false, ""},
		{"one secret", request("agent:reader", secret.Get, "dev:app/db"), true, "policy.cedar:4"},
		{"below it", request("agent:reader", secret.Get, "dev:app/db/x"), false, ""},
		{"sibling with the same beginning", request("agent:claude-code", secret.Use, "dev:claudette/api"), false, ""},
		{"other environment", request("agent:reader", secret.Get, "prod:app/db"), false, ""},
		{"owner", request(owner, secret.Get, "dev:anything"), true, Owner},
		{"forbid binds the owner", request(owner, secret.Destroy, "prod:a/b"), false, "policy.cedar:5"},
		{"other user", request("user:eve", secret.Get, "dev:a"), false, ""},
		{"by type", request("app:x", secret.Put, "dev:apps/a/b"), true, "policy.cedar:6"},
		{"protected", request("agent:claude-code", secret.Put, "prod:a"), false, Protected},
		{"approved, but not granted", approved, false, ""},
		{"unknown verb", request(owner, "steal", "dev:a"), false, ""},
		{"environment itself", request("app:x", secret.List, "dev:"), false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := s.Decide(tt.r); d.Allowed != tt.allowed || d.Policy != tt.policy || d.Reason == "" {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestAbuse(t *testing.T) {
	t.Run("zero-caller-denied", func(t *testing.T) {
		s := set(t, "permit (principal, action, resource);")
		for _, p := range []secret.Principal{"", "user:", "root", "user:a\x1b[2J", "admin:x", "agent"} {
			if d := s.Decide(request(p, secret.Get, "dev:a")); d.Allowed {
				t.Errorf("%q is allowed by %s", p, d.Policy)
			}
			if d := Locked("", "").Decide(request(p, secret.Get, "dev:a")); d.Allowed {
				t.Errorf("%q is allowed while locked", p)
			}
		}
	})
	t.Run("forbid-with-missing-attribute-denies", func(t *testing.T) {
		// The schema refuses what is missing, and what fails while it is
		// evaluated denies, even the owner.
		if _, err := Parse("p", []byte("forbid (principal, action, resource) when { context.nothing == 1 };")); secret.KindOf(err) != secret.Invalid {
			t.Errorf("a missing attribute passes the check: %v", err)
		}
		s := set(t, "permit (principal, action, resource);\nforbid (principal, action, resource) when { context.depth + 9223372036854775807 < 0 };")
		r := request(owner, secret.Get, "dev:a")
		r.Caller.Depth = 1
		if d := s.Decide(r); d.Allowed || !strings.HasPrefix(d.Reason, "policy error") {
			t.Errorf("%+v", d)
		}
	})
	t.Run("narrowing-never-drops-forbid", func(t *testing.T) { rapid.Check(t, narrowingIsExact) })
	t.Run("grant-name-with-quote-and-star", func(t *testing.T) {
		for _, name := range []string{`a"b`, `a*b`, `a\b`, `"); permit (principal, action, resource);`, `ü/"*`, strings.Repeat("x", 500)} {
			g := Grant{Principal: secret.Principal(`agent:a"*`), Verbs: []secret.Verb{secret.Get}, Env: "dev", Name: secret.Name(name)}
			text, err := AddGrant(nil, g)
			if err != nil {
				t.Errorf("%q: %v", name, err)
				continue
			}
			s := set(t, string(text))
			if d := s.Decide(request(g.Principal, secret.Get, "dev:"+name)); !d.Allowed {
				t.Errorf("%q: not granted: %+v", name, d)
			}
			for _, other := range []string{"dev:axb", "dev:other", "dev:a", "prod:" + name} {
				if d := s.Decide(request(g.Principal, secret.Get, other)); d.Allowed {
					t.Errorf("%q also grants %s", name, other)
				}
			}
			if d := s.Decide(request("agent:x", secret.Get, "dev:"+name)); d.Allowed {
				t.Errorf("%q also grants to others", name)
			}
		}
	})
	t.Run("use-section-removed-agent-gets-nothing", func(t *testing.T) {
		// A grant of use never stands for get, whatever the files declare.
		if d := set(t, grants).Decide(request("agent:claude-code", secret.Get, "dev:claude/api")); d.Allowed {
			t.Errorf("%+v", d)
		}
	})
}

// narrowingIsExact compares the narrowed decision with the one over all
// policies, for policies and requests of a small world.
func narrowingIsExact(t *rapid.T) {
	principals := []string{`principal`, `principal == Agent::"a"`, `principal == User::"mia"`, `principal is App`, `principal == Agent::"b"`}
	actions := []string{`action`, `action == Action::"get"`, `action in [Action::"get", Action::"put"]`, `action == Action::"use"`}
	resources := []string{`resource`, `resource == Secret::"dev:a/b"`, `resource in Folder::"dev:a"`, `resource in Folder::"dev:"`, `resource is Folder`, `resource in Secret::"dev:a/b"`}
	conditions := []string{``, ` when { context.host == "h" }`, ` when { context.depth + 9223372036854775807 > 0 }`, ` unless { context.approved }`}
	var text strings.Builder
	for range rapid.IntRange(0, 8).Draw(t, "policies") {
		fmt.Fprintf(&text, "%s (%s, %s, %s)%s;\n", rapid.SampledFrom([]string{"permit", "forbid"}).Draw(t, "effect"),
			rapid.SampledFrom(principals).Draw(t, "principal"), rapid.SampledFrom(actions).Draw(t, "action"),
			rapid.SampledFrom(resources).Draw(t, "resource"), rapid.SampledFrom(conditions).Draw(t, "condition"))
	}
	src, err := Parse("p", []byte(text.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text.String())
	}
	s, err := New(Config{Sources: []*Source{src}, Owner: owner, Protected: []string{"prod"}})
	if err != nil {
		t.Fatal(err)
	}
	r := request(rapid.SampledFrom([]secret.Principal{"agent:a", "agent:b", "user:mia", "app:x"}).Draw(t, "who"),
		rapid.SampledFrom([]secret.Verb{secret.Get, secret.Put, secret.Use}).Draw(t, "verb"),
		rapid.SampledFrom([]string{"dev:a/b", "dev:a", "dev:", "dev:a/b/c", "prod:a/b"}).Draw(t, "target"))
	r.Host = rapid.SampledFrom([]string{"", "h"}).Draw(t, "host")
	r.Caller.Depth = rapid.IntRange(0, 1).Draw(t, "depth")
	r.Approved = rapid.Bool().Draw(t, "approved")
	narrow, full := s.Decide(r), s.decide(r, s.full)
	if narrow.Allowed != full.Allowed || narrow.Policy != full.Policy {
		t.Fatalf("narrowed %+v, full %+v\n%s", narrow, full, text.String())
	}
}

func TestGrantWritesTheDocumentedPolicy(t *testing.T) {
	g, err := ParseTarget("dev:claude/*")
	if err != nil {
		t.Fatal(err)
	}
	g.Principal, g.Verbs, g.Hosts = "agent:claude-code", []secret.Verb{secret.Use}, []string{"api.anthropic.com"}
	text, err := AddGrant([]byte("// kept\n"), g)
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(string(text)), " ")
	want := `// kept permit ( principal == Agent::"claude-code", action == Action::"use", resource in Folder::"dev:claude" ) when { context.host == "api.anthropic.com" };`
	if flat != want {
		t.Errorf("got  %s\nwant %s", flat, want)
	}
	if _, err := AddGrant(text, g); secret.KindOf(err) != secret.Conflict {
		t.Errorf("granted twice: %v", err)
	}
	all, err := Grants(text)
	if err != nil || len(all) != 1 || all[0].Target() != "dev:claude/*" || all[0].Position != "policy.cedar:3" || !strings.Contains(all[0].Condition, "api.anthropic.com") {
		t.Fatalf("%+v, %v", all, err)
	}
	less, err := RemoveGrant(text, g)
	if err != nil || strings.TrimSpace(string(less)) != "// kept" {
		t.Errorf("%q, %v", less, err)
	}
	if _, err := RemoveGrant(less, g); secret.KindOf(err) != secret.NotFound {
		t.Errorf("removed twice: %v", err)
	}
}

func TestRemoveGrantTakesOneVerb(t *testing.T) {
	text := "permit (principal == Agent::\"r\", action in [Action::\"get\", Action::\"list\"], resource == Secret::\"dev:a\") when { context.path like \"/;*\" }; // ; tail\npermit (principal, action, resource == Secret::\"dev:b\");\n"
	less, err := RemoveGrant([]byte(text), Grant{Principal: "agent:r", Verbs: []secret.Verb{secret.Get}, Env: "dev", Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	s := set(t, string(less))
	r := request("agent:r", secret.List, "dev:a")
	r.Path = "/;x"
	if !s.Decide(r).Allowed {
		t.Errorf("the other verb is gone:\n%s", less)
	}
	r.Verb = secret.Get
	if s.Decide(r).Allowed || !strings.Contains(string(less), "dev:b") {
		t.Errorf("not removed, or too much:\n%s", less)
	}
}

func TestPathPatterns(t *testing.T) {
	g := Grant{Principal: "agent:a", Verbs: []secret.Verb{secret.Use}, Env: "dev", Name: "a", Paths: []string{"/v1/**", "/x"}, Methods: []string{"GET", "POST"}, Until: time.Unix(1e9+10, 0)}
	text, err := AddGrant(nil, g)
	if err != nil {
		t.Fatal(err)
	}
	s := set(t, string(text))
	for path, want := range map[string]bool{"/v1/messages": true, "/v1/": true, "/x": true, "/x/y": false, "/v2": false} {
		r := request("agent:a", secret.Use, "dev:a")
		r.Path, r.Method = path, "POST"
		if got := s.Decide(r).Allowed; got != want {
			t.Errorf("%s: %t", path, got)
		}
		r.Time = time.Unix(1e9+10, 0)
		if s.Decide(r).Allowed {
			t.Errorf("%s is allowed after its time", path)
		}
	}
	for _, bad := range []Grant{{Paths: []string{"/v1/*"}}, {Paths: []string{"v1"}}, {Hosts: []string{"*.example.com"}}, {Hosts: []string{""}}} {
		bad.Principal, bad.Verbs, bad.Env, bad.Name = "agent:a", []secret.Verb{secret.Use}, "dev", "a"
		if _, err := AddGrant(nil, bad); secret.KindOf(err) != secret.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestParseRefusals(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"syntax", "permit (principal,", "policy.cedar"},
		{"action", "\npermit (principal, action == Action::\"steal\", resource);", `policy.cedar:2:30: no action "steal" is known; there are: get, use`},
		{"type", "permit (principal == Robot::\"x\", action, resource);", "policy.cedar:1"},
		{"attribute", "permit (principal, action, resource) when { context.hots == \"x\" };", "policy.cedar:1:52: the context has no attribute hots; did you mean host?"},
		{"several", "permit (principal, action == Action::\"gett\", resource);\nforbid (principal is Agnet, action, resource);", "did you mean get?; there are: get, use, put, delete, undelete, destroy, list, rotate, grant, verify, issue, renew, revoke\n  policy.cedar:2:22: no type Agnet is known; did you mean Agent?"},
		{"no environment", "forbid (principal, action, resource == Secret::\"claude/api\");", "policy.cedar:1:49: Secret::\"claude/api\" names no environment"},
		{"folder with a slash", "forbid (principal, action, resource in Folder::\"dev:claude/\");", "can be no name"},
		{"not in form C", "forbid (principal, action, resource) when { resource == Secret::\"dev:e\u0301\" };", "form C"},
		{"upper-case host", "forbid (principal, action, resource) when { context.host == \"Evil.example\" };", "write \"evil.example\""},
		{"chain", "permit (principal, action, resource) when { context has a" + strings.Repeat(".a", 100_000) + " };", "in a row"},
		{"signs", "permit (principal, action, resource) when { " + strings.Repeat("! ", 100_000) + "true };", "in a row"},
		{"long policy", "permit (principal, action, resource) when { true" + strings.Repeat(" && true", 10_000) + " };", "at most 65536 bytes"},
		{"many policies", strings.Repeat("permit (principal, action, resource);\n", 10_001), "policy.cedar:10001:37: a text has at most 10000 policies"},
		{"long text", strings.Repeat("// x\n", 1<<18), "at most 1048576 bytes"},
		{"attribute type", "permit (principal, action, resource) when { context.host == 3 };", "policy.cedar:1"},
		{"nesting", "permit (principal, action, resource) when { " + strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100) + " };", "nested"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("policy.cedar", []byte(tt.text))
			if secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestExplainTellsWhatWasConsidered(t *testing.T) {
	d := set(t, grants).Explain(request("agent:claude-code", secret.Get, "dev:claude/api"))
	if d.Allowed || len(d.Considered) == 0 {
		t.Fatalf("%+v", d)
	}
	want := []Considered{{"policy.cedar:2", "permits use, not get"}, {"policy.cedar:5", "forbids destroy, not get"}}
	if !slices.Equal(d.Considered, want) {
		t.Errorf("%+v", d.Considered)
	}
	r := request("agent:claude-code", secret.Use, "dev:claude/api")
	r.Host = "evil.example"
	d = set(t, grants).Explain(r)
	want[0].Text, want[1].Text = `permits use, but not so: when { context.host == "api.anthropic.com" }`, "forbids destroy, not use"
	if !slices.Equal(d.Considered, want) {
		t.Errorf("%+v", d.Considered)
	}
	several := `permit (principal is Agent, action, resource) when { context.method == "GET" && context.path like "/v1/*" && !context.approved };` + "\n" +
		`forbid (principal == Agent::"other", action, resource);` + "\n" + `permit (principal, action, resource) unless { context.method == "GET" };`
	r.Method, r.Path = "get", "/v2"
	d = set(t, several).Explain(r)
	want = []Considered{{"policy.cedar:1", `permits everything, but not so: when { context.path like "/v1/*" }`}, {"policy.cedar:3", `permits everything, but not so: unless { context.method == "GET" }`}}
	if !slices.Equal(d.Considered, want) {
		t.Errorf("%+v", d.Considered)
	}
}

func TestDecideNamesTheFirstPolicy(t *testing.T) {
	s := set(t, strings.Repeat("permit (principal is App, action, resource);\n", 12))
	r := request("app:x", secret.Get, "dev:a")
	for range 20 {
		if d := s.Decide(r); d.Policy != "policy.cedar:1" {
			t.Fatalf("%+v", d)
		}
	}
	for _, name := range []secret.Name{"a//b", "../a", "a\x00", "e\u0301"} {
		r.Name = name
		if s.Decide(r).Allowed {
			t.Errorf("%q is allowed", name)
		}
	}
}

func TestHostsAndMethodsHaveOneForm(t *testing.T) {
	s := set(t, `permit (principal, action, resource) when { context.host == "k.example" };`+"\n"+`forbid (principal, action, resource) when { context.method == "DELETE" };`)
	for host, want := range map[string]bool{"k.example": true, "K.EXAMPLE.": true, "\u212a.example": false, "k.example:443": false, "": false} {
		r := request("agent:a", secret.Use, "dev:a")
		r.Host = host
		if got := s.Decide(r).Allowed; got != want {
			t.Errorf("%q: %t", host, got)
		}
		r.Method = "Delete"
		if s.Decide(r).Allowed {
			t.Errorf("%q: a forbidden method in other letters is allowed", host)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(grants))
	f.Add([]byte("permit(principal,action,resource)when{!!!!true};"))
	f.Add([]byte("@id(\"a;b\") permit(principal==Agent::\"a\",action in [Action::\"get\"],resource in Folder::\"dev:a\")when{context.path like \"/*\\*\"};// x"))
	f.Add([]byte("forbid(principal is App,action,resource is Secret in Folder::\"dev:\")unless{context.time<datetime(\"2026-01-01\")&&context has host};"))
	f.Fuzz(func(t *testing.T, text []byte) {
		src, err := Parse("p", text)
		if err != nil {
			if secret.KindOf(err) != secret.Invalid {
				t.Fatalf("an error without its kind: %v", err)
			}
			return
		}
		s, err := New(Config{Sources: []*Source{src}, Owner: owner})
		if err != nil {
			t.Fatal(err)
		}
		r := request("agent:a", secret.Get, "dev:a/b")
		if narrow, full := s.Decide(r), s.decide(r, s.full); narrow.Allowed != full.Allowed {
			t.Fatalf("narrowed %+v, full %+v", narrow, full)
		}
		if _, err := Grants(text); err != nil {
			t.Fatalf("parsed, and its grants not: %v", err)
		}
	})
}

func FuzzGrant(f *testing.F) {
	f.Add("claude/api", "claude-code", "api.anthropic.com", true)
	f.Add(`a"b`, "x*", "", false)
	f.Fuzz(func(t *testing.T, name, who, host string, folder bool) {
		g := Grant{Principal: secret.Principal("agent:" + who), Verbs: []secret.Verb{secret.Use}, Env: "dev", Name: secret.Name(name), Folder: folder}
		if host != "" {
			g.Hosts = []string{host}
		}
		if g.Name.Check() != nil {
			return
		}
		text, err := AddGrant([]byte(grants), g)
		if err != nil {
			if k := secret.KindOf(err); k != secret.Invalid && k != secret.Conflict {
				t.Fatalf("an error without its kind: %v", err)
			}
			return
		}
		all, err := Grants(text)
		if err != nil {
			t.Fatal(err)
		}
		last := all[len(all)-1]
		if last.Principal != g.Principal || last.Target() != g.Target() {
			t.Fatalf("wrote %+v, read %+v", g, last.Grant)
		}
		if len(last.Hosts) != len(g.Hosts) || !bytes.HasPrefix(text, []byte(grants)) {
			t.Fatalf("wrote %+v, read %+v", g, last.Grant)
		}
		if less, err := RemoveGrant(text, g); err != nil || len(less) >= len(text) {
			t.Fatalf("cannot be removed: %v", err)
		}
	})
}
