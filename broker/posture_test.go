package broker_test

import (
	"context"
	"slices"
	"testing"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// kept is a store that shows how it is kept, and has rules.
type kept struct {
	traced
	asked []secret.Name
	verbs []secret.Verb
	fail  error
}

func (s *kept) Posture(context.Context) ([]secret.Finding, error) {
	s.t.add("posture")
	return []secret.Finding{{Check: "tls", Status: secret.FindingOK}}, s.fail
}

func (s *kept) Rules(names []secret.Name, verbs ...secret.Verb) ([]secret.Rule, error) {
	s.t.add("rules")
	s.asked, s.verbs = names, verbs
	return []secret.Rule{{Language: "hcl", Text: "path"}}, s.fail
}

func openKept(t *testing.T) (*house, *kept) {
	t.Helper()
	s := &kept{}
	h := open(t, func(e *broker.Env) {
		e.Open = func(context.Context) (secret.Backend, error) { return s, nil }
		e.Prefix, e.Leases.Prefix = "team/", "leases-"
	})
	s.traced = traced{h.store, h.trace}
	return h, s
}

// Evidence and rules are decided first, recorded last, and answered then.
func TestPosture(t *testing.T) {
	h, s := openKept(t)
	found, err := h.Posture(t.Context(), mia(), "dev")
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	wantTrace(t, h, "decide list ", "posture", "record list ok")
	if r := h.log.last(); r.Env != "dev" || r.Name != "" {
		t.Errorf("%+v", r)
	}
	_, err = h.Posture(t.Context(), eve(), "dev")
	wantKind(t, err, secret.Denied)
	wantTrace(t, h, "decide list ", "record list denied")
	s.fail = secret.Errorf(secret.Unavailable, "", "sealed")
	_, err = h.Posture(t.Context(), mia(), "dev")
	wantKind(t, err, secret.Unavailable)
	wantTrace(t, h, "decide list ", "posture", "record list unavailable")
	_, err = h.Posture(t.Context(), mia(), "prod")
	wantKind(t, err, secret.Invalid)
	h.log.fail = func(audit.Record) error { return secret.Errorf(secret.Unavailable, "", "full") }
	s.fail = nil
	if found, err := h.Posture(t.Context(), mia(), "dev"); err == nil || found != nil {
		t.Errorf("an answer without a record: %v, %v", found, err)
	}
}

func TestRules(t *testing.T) {
	h, s := openKept(t)
	names := []secret.Name{"app/db", "claude/api"}
	rules, err := h.Rules(t.Context(), mia(), "dev", names, secret.Get, secret.Put)
	if err != nil || len(rules) != 1 || rules[0].Language != "hcl" {
		t.Fatalf("%v, %v", rules, err)
	}
	wantTrace(t, h, "decide list ", "rules", "record list ok")
	if !slices.Equal(s.asked, []secret.Name{"team/app/db", "team/claude/api"}) || !slices.Equal(s.verbs, []secret.Verb{secret.Get, secret.Put}) || names[0] != "app/db" {
		t.Errorf("asked for %v %v of %v", s.verbs, s.asked, names)
	}
	_, err = h.Rules(t.Context(), eve(), "dev", names, secret.Get)
	wantKind(t, err, secret.Denied)
	_, err = h.Rules(t.Context(), mia(), "dev", []secret.Name{"a/../b"}, secret.Get)
	wantKind(t, err, secret.Invalid)
	_, err = h.Rules(t.Context(), mia(), "dev", nil, secret.Get)
	wantKind(t, err, secret.Invalid)
	_, err = h.Rules(t.Context(), mia(), "dev", names)
	wantKind(t, err, secret.Invalid)
	// Leases lie beside the secrets, and are not meant by their verbs.
	if _, err = h.Rules(t.Context(), mia(), "dev", names, secret.Issue, secret.Revoke); err != nil || !slices.Equal(s.asked, []secret.Name{"leases-app/db", "leases-claude/api"}) {
		t.Errorf("asked for %v, %v", s.asked, err)
	}
	_, err = h.Rules(t.Context(), mia(), "dev", names, secret.Get, secret.Issue)
	wantKind(t, err, secret.Invalid)
}

// A store that has neither says so.
func TestPostureUnsupported(t *testing.T) {
	h := open(t, nil)
	_, err := h.Posture(t.Context(), mia(), "dev")
	wantKind(t, err, secret.Unsupported)
	_, err = h.Rules(t.Context(), mia(), "dev", []secret.Name{"a"}, secret.Get)
	wantKind(t, err, secret.Unsupported)
}
