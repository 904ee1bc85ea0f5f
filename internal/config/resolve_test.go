package config

import (
	"context"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// getter answers from a map and counts the references it was asked for.
type getter struct {
	values map[string]string
	asked  int
}

func (g *getter) GetAll(_ context.Context, _ secret.Caller, refs []secret.Ref) []secret.Result {
	g.asked += len(refs)
	out := make([]secret.Result, len(refs))
	for i, r := range refs {
		if v, ok := g.values[r.String()]; ok {
			out[i].Version.Value = secret.Text(v)
			continue
		}
		out[i].Err = secret.Errorf(secret.NotFound, r.Name, "no such secret")
	}
	return out
}

func declarations(t *testing.T, text string) []Declaration {
	t.Helper()
	f, err := ParseFile(FileName, []byte("[env.dev]\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewProject("x", f, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := p.Declarations("")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestResolve(t *testing.T) {
	all := declarations(t, `
[secrets]
A = {ref = "a"}
B = {ref = "b#f", required = false}
C = {ref = "c", default = "otherwise"}
D = {compose = "${a}-${:A}-${:E|url}"}
E = {compose = "e ${a}"}
F = {default = "fixed"}
G = {ref = "g"}
H = {compose = "${:G}${h#x}"}
`)
	g := &getter{values: map[string]string{"dev:a": "1"}}
	got, missing, err := Resolve(t.Context(), g, secret.Caller{}, all, all)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "1", "C": "otherwise", "D": "1-1-e%201", "E": "e 1", "F": "fixed"}
	for _, r := range got {
		if want[r.Var] != string(r.Value.Reveal()) {
			t.Errorf("%s is %q", r.Var, r.Value.Reveal())
		}
		delete(want, r.Var)
	}
	if len(want) > 0 {
		t.Errorf("not resolved: %v", want)
	}
	var lacking []string
	for _, m := range missing {
		lacking = append(lacking, m.Var+" "+m.Ref.String())
	}
	if s := strings.Join(lacking, ", "); s != "G dev:g, H dev:g, H dev:h#x" {
		t.Errorf("missing: %s", s)
	}
	if g.asked != 5 {
		t.Errorf("%d references were asked for, want each of 5 once", g.asked)
	}
}

// A file whose declarations double with each line must cost no more than its
// lines.
func TestResolveDoublingComposeIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("[secrets]\nA0 = {ref = \"a\"}\n")
	for i := range 40 {
		prev := "A" + strings.Repeat("x", i)
		if i == 0 {
			prev = "A0"
		}
		b.WriteString("A" + strings.Repeat("x", i+1) + " = {compose = \"${:" + prev + "}${:" + prev + "}\"}\n")
	}
	all := declarations(t, b.String())
	_, _, err := Resolve(t.Context(), &getter{values: map[string]string{"dev:a": "12345678"}}, secret.Caller{}, all, all)
	if secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got %v", err)
	}
}

// Only some are wanted, and what they are composed of is not among them.
func TestResolveOfSome(t *testing.T) {
	all := declarations(t, `
[secrets]
A = {ref = "a"}
B = {ref = "none", default = "from the file"}
C = {compose = "${:A} ${:B} ${c}"}
D = {ref = "d"}
`)
	g := &getter{values: map[string]string{"dev:a": "1", "dev:c": "3"}}
	got, missing, err := Resolve(t.Context(), g, secret.Caller{}, all[2:3], all)
	if err != nil || len(missing) > 0 || len(got) != 1 || string(got[0].Value.Reveal()) != "1 from the file 3" {
		t.Fatalf("%d resolved, missing %v, %v", len(got), missing, err)
	}
	if len(got[0].Parts) != 2 || g.asked != 3 {
		t.Errorf("%d parts; %d references were asked for", len(got[0].Parts), g.asked)
	}
	for name, want := range map[string]bool{"a": true, "none": false, "c": true, "d": false} {
		if Needs(all[2], all, secret.Ref{Env: "dev", Name: secret.Name(name)}) != want {
			t.Errorf("needs %s: want %t", name, want)
		}
	}
}

// What the proxy is to put into requests is not to be seen through another
// variable.
func TestUseIn(t *testing.T) {
	all := declarations(t, `
[secrets]
A = {ref = "a"}
B = {ref = "b", use = {host = "example.com", header = "x-api-key"}}
C = {compose = "${:A}"}
D = {compose = "${:C} ${:B}"}
E = {compose = "${:D}"}
`)
	for i, want := range []string{"", "B", "", "B", "B"} {
		if got := UseIn(all[i], all); got != want {
			t.Errorf("%s: got %q, want %q", all[i].Var, got, want)
		}
	}
}
