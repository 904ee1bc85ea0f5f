package policy

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/secret"
)

// TestGrantsComeBack writes grants behind a text and reads them again: every
// field is the same, and the text before it is there byte for byte.
func TestGrantsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := func(label string, from ...string) []string {
			return slices.Clip(rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, 3, rapid.ID[string]).Draw(t, label))
		}
		g := Grant{
			Principal: secret.Principal(rapid.SampledFrom([]string{"user:mia", `agent:a"*\\`, "app:ü x", "agent:" + strings.Repeat("x", 256)}).Draw(t, "principal")),
			Verbs:     rapid.SliceOfNDistinct(rapid.SampledFrom(secret.Verbs()), 1, 4, rapid.ID[secret.Verb]).Draw(t, "verbs"),
			Env:       "dev",
			Name:      secret.Name(rapid.SampledFrom([]string{"a/b", `q"*\\;`, "x; permit (y)", "ü", strings.Repeat("n", 512)}).Draw(t, "name")),
			Folder:    rapid.Bool().Draw(t, "folder"),
			Hosts:     some("hosts", "a.example", "b.example", "127.0.0.1"),
			Methods:   some("methods", "GET", "POST", "M-SEARCH"),
			Paths:     some("paths", "/", "/v1/**", "/**/x", "/a;b"),
			Approved:  rapid.Bool().Draw(t, "approved"),
		}
		if rapid.Bool().Draw(t, "until") {
			g.Until = time.Unix(rapid.Int64Range(1, 1<<35).Draw(t, "time"), 0).UTC()
		}
		before := rapid.SampledFrom([]string{"", "// c", "// c\n", "// c\r\n\n\n\n", grants, "@id(\"x;y\")\npermit (principal, action, resource); // ; tail"}).Draw(t, "before")
		text, err := AddGrant([]byte(before), g)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte(before)) {
			t.Fatalf("%q became %q", before, text)
		}
		all, err := Grants(text)
		if err != nil || len(all) == 0 {
			t.Fatalf("%v in\n%s", err, text)
		}
		got := all[len(all)-1].Grant
		got.Position, got.Condition = "", ""
		for _, l := range []*[]string{&g.Hosts, &g.Methods, &g.Paths, &got.Hosts, &got.Methods, &got.Paths} {
			if len(*l) == 0 {
				*l = nil
			}
		}
		if !reflect.DeepEqual(got, g) {
			t.Fatalf("wrote %+v\nread  %+v\n%s", g, got, text)
		}
		less, err := RemoveGrant(text, g)
		if err != nil || !bytes.HasPrefix(less, []byte(before)) || strings.TrimSpace(string(less)) != strings.TrimSpace(before) {
			t.Fatalf("%v: %q became %q", err, before, less)
		}
	})
}

func TestGrantsLeavesOtherConditionsAsText(t *testing.T) {
	for _, when := range []string{
		`when { context.host != "a.example" }`, `unless { context.host == "a.example" }`,
		`when { context.host == "a.example" || context.method == "GET" }`, `when { context.depth == 0 && context.host == "a.example" }`,
		`when { context.host like "*.example" }`, `when { context.path like "*" }`, `when { !context.approved }`,
	} {
		all, err := Grants([]byte(`permit (principal == Agent::"a", action == Action::"use", resource == Secret::"dev:a") ` + when + ";"))
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %v, %v", when, all, err)
		}
		g := all[0]
		if g.Hosts != nil || g.Methods != nil || g.Paths != nil || g.Approved || !g.Until.IsZero() || g.Condition != when {
			t.Errorf("%s: %+v", when, g.Grant)
		}
	}
}

func TestRemoveGrantTakesItsAnnotationsAndNothingElse(t *testing.T) {
	const first = "// one; two\npermit (principal, action, resource == Secret::\"dev:b\");\n"
	const last = " // tail; of it\nforbid (principal, action, resource == Secret::\"dev:c\");\n"
	text := first + "@id(\"x;y\")\n@doc(\"; \\\"\")\npermit (principal == Agent::\"r\", action == Action::\"get\", // ; within\n resource == Secret::\"dev:a\");" + last
	less, err := RemoveGrant([]byte(text), Grant{Principal: "agent:r", Verbs: []secret.Verb{secret.Get}, Env: "dev", Name: "a"})
	if err != nil || string(less) != first+last {
		t.Errorf("%v\n%s", err, less)
	}
}

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]string{"dev:a": "dev:a", "dev:a/b": "dev:a/b", "dev:a/*": "dev:a/*", "dev:a/": "dev:a/*", "dev:*": "dev:*", "dev:a*": "dev:a*", "dev:a:b": "dev:a:b"} {
		g, err := ParseTarget(in)
		if err != nil || g.Target() != want {
			t.Errorf("%s: %s, %v", in, g.Target(), err)
		}
	}
	for _, in := range []string{"", "dev", "dev:", ":a", "dev:/", "dev:/*", "dev:a//*", "dev:../*", "-x:a", "dev:a\x00"} {
		if g, err := ParseTarget(in); secret.KindOf(err) != secret.Invalid {
			t.Errorf("%q: %+v, %v", in, g, err)
		}
	}
}

func TestAddGrantRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Grant){
		"no principal": func(g *Grant) { g.Principal = "" },
		"no verb":      func(g *Grant) { g.Verbs = nil },
		"other verb":   func(g *Grant) { g.Verbs = []secret.Verb{"steal"} },
		"no name":      func(g *Grant) { g.Name = "" },
		"environment":  func(g *Grant) { g.Env = "a:b" },
		"folder":       func(g *Grant) { g.Name, g.Folder = "a//b", true },
		"host":         func(g *Grant) { g.Hosts = []string{"a.example:443"} },
		"dot for host": func(g *Grant) { g.Hosts = []string{"."} }, // would be the empty host
		"method":       func(g *Grant) { g.Methods = []string{"GET POST"} },
		"query":        func(g *Grant) { g.Paths = []string{"/a?b"} },
		"time":         func(g *Grant) { g.Until = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		t.Run(name, func(t *testing.T) {
			g := Grant{Principal: "agent:a", Verbs: []secret.Verb{secret.Use}, Env: "dev", Name: "a"}
			spoil(&g)
			if text, err := AddGrant(nil, g); secret.KindOf(err) != secret.Invalid {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
}

func TestRemedyIsACommand(t *testing.T) {
	s := set(t, grants)
	for _, tt := range []struct {
		r    Request
		want string
	}{
		{request("agent:claude-code", secret.Get, "dev:claude/api"), "ask for `use` instead:  tacit grant agent:claude-code use dev:claude/api --host HOST"},
		{request("app:x", secret.Put, "dev:it's"), `ask for it:  tacit grant app:x put 'dev:it'\''s'`},
		{request("user:eve", secret.List, "dev:"), ""},
		{request(owner, secret.Destroy, "prod:a"), ""},
	} {
		if d := s.Decide(tt.r); d.Allowed || d.Remedy != tt.want {
			t.Errorf("%+v, want %q", d, tt.want)
		}
	}
}
