package awssm

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/awssm/internal/awswire"
	"github.com/tacit-secrets/tacit/secret"
)

func findings(t *testing.T, b *Backend) map[string]secret.Finding {
	t.Helper()
	all, err := b.Posture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]secret.Finding{}
	for _, f := range all {
		out[f.Check] = f
		if (f.Status == secret.FindingOK) != (f.Remedy == "") || f.Evidence == "" {
			t.Errorf("%+v", f)
		}
	}
	if len(out) != 4 {
		t.Errorf("%+v", all)
	}
	return out
}

func status(t *testing.T, f secret.Finding, want string, says ...string) {
	t.Helper()
	if f.Status != want {
		t.Errorf("%+v, want %s", f, want)
	}
	for _, s := range says {
		if !strings.Contains(f.Evidence, s) {
			t.Errorf("%q does not say %q", f.Evidence, s)
		}
	}
}

func TestPosture(t *testing.T) {
	isolate(t)
	long, now := time.Now().Add(-200*day), time.Now()
	clock := now
	srv := awswire.New(awswire.Options{Now: func() time.Time { return clock }})
	server := httptest.NewServer(srv)
	defer server.Close()
	b := open(t, Settings{Region: "eu-west-1", Endpoint: server.URL})
	put := func(n secret.Name, at time.Time) {
		t.Helper()
		clock = at
		if _, err := b.Put(t.Context(), n, secret.Text("x"), nil); err != nil {
			t.Fatal(err)
		}
		clock = now
	}
	put("app/new", now)
	all := findings(t, b)
	status(t, all[checkRotation], secret.FindingOK, "AWS rotates 0 of 1 secrets", "each has changed within 90 days")
	status(t, all[checkPolicies], secret.FindingOK)
	status(t, all[checkUnused], secret.FindingOK)
	status(t, all[checkKeys], secret.FindingOK, "default")

	put("app/old", long)
	put("app/rotated", now)
	srv.SetRotation("111122223333", "eu-west-1", "app/rotated", awswire.Rotation{Enabled: true, Last: long, Next: now.Add(-3 * day)})
	srv.SetPolicy("111122223333", "eu-west-1", "app/new", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}}`)
	all = findings(t, b)
	status(t, all[checkRotation], secret.FindingBad, "AWS rotates 1", "1 have not changed for 90 days: app/old", "overdue: app/rotated")
	status(t, all[checkPolicies], secret.FindingBad, "app/new")
	status(t, all[checkUnused], secret.FindingBad, "app/old")

	keyed := open(t, Settings{Region: "eu-west-1", Endpoint: server.URL, KMSKey: "alias/tacit"})
	status(t, findings(t, keyed)[checkKeys], secret.FindingBad, "3 of 3", "app/new")
	if _, read := srv.Requests()["GetSecretValue"]; read {
		t.Error("a value was read")
	}
}

// TestPostureUnknown: what may not be seen is unknown, never ok.
func TestPostureUnknown(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	l.must(t, "app/db", "one")
	l.allows(func(c awswire.Call) bool { return c.Operation != "GetResourcePolicy" })
	status(t, findings(t, l.Backend)[checkPolicies], secret.FindingUnknown, "app/db")
	l.allows(func(c awswire.Call) bool { return c.Operation != "ListSecrets" })
	for _, f := range findings(t, l.Backend) {
		status(t, f, secret.FindingUnknown)
	}
}

// TestPostureIsBounded: a large account costs no more, and what was not looked
// at is not ok.
func TestPostureIsBounded(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	l.many(t, 501)
	var all map[string]secret.Finding
	sent := l.sent(func() { all = findings(t, l.Backend) })
	if fmt.Sprint(sent) != "map[GetResourcePolicy:100 ListSecrets:5]" {
		t.Errorf("%v", sent)
	}
	for _, f := range all {
		status(t, f, secret.FindingUnknown)
	}
}

func TestOpenings(t *testing.T) {
	for text, want := range map[string]opening{
		"":                 closed,
		`{"Statement":[]}`: closed,
		`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::1:root"}}]}`:                                 closed,
		`{"Statement":[{"Effect":"Deny","Principal":"*"}]}`:                                                            closed,
		`{"Statement":[{"Effect":"Allow","Principal":{"Service":"x.amazonaws.com"}}]}`:                                 closed,
		`{"Statement":[{"Effect":"Allow","Principal":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}]}`: conditional,
		`{"Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::1:root","*"]}}]}`:                           openToAll,
		`{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"}}}`:                                                     openToAll,
		`{"Statement":[{"Effect":"Allow","NotPrincipal":{"AWS":"arn:aws:iam::1:root"}}]}`:                              openToAll,
		`{"Statement":[{"Effect":"Allow","Principal":"*","Condition":{"x":1}},{"Effect":"Allow","Principal":"*"}]}`:    openToAll,
		`{"Statement":[{"Effect":"Perhaps","Principal":"*"}]}`:                                                         unseen,
		`{"Statement":"x"}`: unseen,
		`{}`:                unseen,
		`x`:                 unseen,
	} {
		if got := openingOf(text); got != want {
			t.Errorf("%s is %d, want %d", text, got, want)
		}
	}
}

// FuzzOpenings: no statement hides another one that lets everyone in.
func FuzzOpenings(f *testing.F) {
	f.Add(`{"Effect":"Deny","Principal":"*"}`)
	f.Add(`{"Effect":"Allow","Principal":{"AWS":"x"}}`)
	f.Fuzz(func(t *testing.T, other string) {
		openingOf(other)
		if !json.Valid([]byte("[" + other + "]")) {
			return
		}
		if got := openingOf(`{"Statement":[` + other + `,{"Effect":"Allow","Principal":"*"}]}`); got < openToAll {
			t.Fatalf("%q hides an open policy: %d", other, got)
		}
	})
}
