package secret_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

func TestPrincipalSplit(t *testing.T) {
	for _, tt := range []struct {
		in       secret.Principal
		kind, id string // none: no principal
	}{
		{"user:mia", secret.User, "mia"},
		{"agent:claude-code", secret.Agent, "claude-code"},
		{"app:deploy", secret.App, "deploy"},
		{"user:a:b", secret.User, "a:b"},
		{"user:DOMAIN\\mia", secret.User, "DOMAIN\\mia"},
		{"user:日本", secret.User, "日本"},
		{secret.Principal("user:" + strings.Repeat("x", 256)), secret.User, strings.Repeat("x", 256)},

		{"", "", ""},
		{"user", "", ""},
		{"user:", "", ""},
		{":mia", "", ""},
		{"mia", "", ""},
		{"User:mia", "", ""},
		{"root:mia", "", ""},
		{" user:mia", "", ""},
		{"user :mia", "", ""},
		{"user:a\nb", "", ""},
		{"user:a\x1b[2J", "", ""},
		{"user:a\u202eb", "", ""},
		{"user:a\u2028b", "", ""},
		{"user:\xff", "", ""},
		{secret.Principal("user:" + strings.Repeat("x", 257)), "", ""},
	} {
		kind, id, ok := tt.in.Split()
		if kind != tt.kind || id != tt.id || ok != (tt.kind != "") {
			t.Errorf("%q is %q, %q, %v", tt.in, kind, id, ok)
		}
	}
}

func TestIsAgent(t *testing.T) {
	for p, want := range map[secret.Principal]bool{
		"agent:x": true, "agent:": true, // what is no principal is not raised to a user
		"user:agent:x": false, "app:agent": false, "agent": false, "": false,
	} {
		if p.IsAgent() != want {
			t.Errorf("%q: %v", p, !want)
		}
	}
}

// The zero Caller is nobody: its principal has no kind.
func TestZeroCallerIsNobody(t *testing.T) {
	var c secret.Caller
	if _, _, ok := c.Principal.Split(); ok || c.How != "" || c.Principal.IsAgent() {
		t.Errorf("%+v is somebody", c)
	}
}

func TestVerbs(t *testing.T) {
	reads := []secret.Verb{secret.Get, secret.Use, secret.List, secret.Verify}
	all := secret.Verbs()
	if len(all) != 13 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
		t.Errorf("%q", all)
	}
	for _, v := range all {
		if !v.Known() {
			t.Errorf("%s is not known", v)
		}
		if v.Changes() == slices.Contains(reads, v) {
			t.Errorf("%s changes something: %v", v, v.Changes())
		}
	}
	for _, v := range []secret.Verb{"", "GET", "get ", "read", "*"} {
		if v.Known() || !v.Changes() { // unknown: recorded before it begins
			t.Errorf("%q is known, or changes nothing", v)
		}
	}
	all[0] = "changed"
	if secret.Verbs()[0] != secret.Get {
		t.Error("the list of verbs can be changed")
	}
}
