package backendtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// postureCases belong to Prober and Grantor: what is known about the store
// itself, and the rules it would need.
func postureCases() []testCase {
	prober, grantor := is[secret.Prober], is[secret.Grantor]
	return []testCase{
		{name: "posture tells evidence or a remedy, in a fixed order", needs: prober, ask: posture},
		{name: "posture tells no value and changes nothing", needs: prober, ask: postureChangesNothing},
		{name: "rules are written for each name and verb, the same each time", needs: grantor, ask: rules},
		{name: "rules of bad names and unknown verbs are refused", needs: grantor, ask: badRules},
		{name: "rules of nothing allow nothing", needs: grantor, ask: noRules},
	}
}

func posture(t *T) {
	checks := func() (out []string) {
		found, err := use[secret.Prober](t).Posture(t.Context())
		t.ok(err)
		for _, f := range found {
			if out = append(out, f.Check); f.Check == "" || f.Evidence == "" {
				t.Errorf("nothing is said: %+v", f)
			}
			if !slices.Contains([]string{secret.FindingOK, secret.FindingBad, secret.FindingUnknown}, f.Status) {
				t.Errorf("%s has the status %q", f.Check, f.Status)
			}
			if (f.Status == secret.FindingOK) != (f.Remedy == "") {
				t.Errorf("%s is %s, its remedy is %q", f.Check, f.Status, f.Remedy)
			}
		}
		return out
	}
	one, two := checks(), checks()
	if len(one) == 0 || !slices.Equal(one, two) {
		t.Errorf("first %q, then %q", one, two)
	}
}

func postureChangesNothing(t *T) {
	t.put("app/db", "one")
	before := t.describe("app/db")
	found, err := use[secret.Prober](t).Posture(t.Context())
	t.ok(err)
	if strings.Contains(fmt.Sprintf("%+v", found), canary) {
		t.Errorf("a finding tells a value")
	}
	if after := t.describe("app/db"); len(after.Versions) != len(before.Versions) || !after.Updated.Equal(before.Updated) {
		t.Errorf("%+v became %+v", before, after)
	}
	t.lists(nil, "app/db")
}

// rules asks for texts only: what they allow is tried by the test of each
// store, if it can.
func rules(t *T) {
	g := use[secret.Grantor](t)
	text := func(names []secret.Name, verbs ...secret.Verb) string {
		got, err := g.Rules(names, verbs...)
		t.ok(err)
		for _, r := range got {
			if r.Language == "" || strings.TrimSpace(r.Text) == "" {
				t.Errorf("nothing is written: %+v", r)
			}
		}
		return fmt.Sprintf("%q", got)
	}
	get := text([]secret.Name{"app/db"}, secret.Get)
	if get != text([]secret.Name{"app/db"}, secret.Get) {
		t.Errorf("the same question has two answers")
	}
	for what, other := range map[string]string{
		"another name":   text([]secret.Name{"app/other"}, secret.Get),
		"a further name": text([]secret.Name{"app/db", "app/other"}, secret.Get),
		"a further verb": text([]secret.Name{"app/db"}, secret.Get, secret.Put),
	} {
		if other == get {
			t.Errorf("%s makes no difference", what)
		}
	}
}

func badRules(t *T) {
	g := use[secret.Grantor](t)
	for _, n := range []secret.Name{"", "a//b", "..", "a\x00b", "a\nb"} {
		got, err := g.Rules([]secret.Name{"app/db", n}, secret.Get)
		t.fails(err, secret.Invalid, 0)
		if len(got) > 0 {
			t.Errorf("rules are written all the same for %q", n)
		}
	}
	got, err := g.Rules([]secret.Name{"app/db"}, secret.Get, "dance")
	if k := secret.KindOf(err); k != secret.Unsupported && k != secret.Invalid || len(got) > 0 {
		t.Errorf("an unknown verb gives %d rules and %v", len(got), err)
	}
}

// noRules: what names nothing must not come to mean everything.
func noRules(t *T) {
	g := use[secret.Grantor](t)
	for _, ask := range []func() ([]secret.Rule, error){
		func() ([]secret.Rule, error) { return g.Rules(nil, secret.Get) },
		func() ([]secret.Rule, error) { return g.Rules([]secret.Name{"app/db"}) },
	} {
		if got, err := ask(); len(got) > 0 || err != nil && secret.KindOf(err) != secret.Invalid {
			t.Errorf("%d rules, %v", len(got), err)
		}
	}
}
