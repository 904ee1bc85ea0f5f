package vault

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl"

	"github.com/tacit-secrets/tacit/secret"
)

// rulesOf is a backend that writes rules and asks nobody.
func rulesOf(t testing.TB, version int) *Backend {
	t.Helper()
	b, err := New(Settings{Address: "http://127.0.0.1:1", Version: version, Auth: Auth{Token: secret.Text("x")}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRules(t *testing.T) {
	for _, c := range []struct {
		version int
		verbs   []secret.Verb
		want    string
	}{
		{0, []secret.Verb{secret.Get, secret.List}, `path "secret/data/claude/api" {
  capabilities = ["read"]
}
path "secret/metadata/claude/api" {
  capabilities = ["read"]
}
path "secret/metadata/" {
  capabilities = ["list"]
}
path "secret/metadata/claude/" {
  capabilities = ["list"]
}
`},
		{1, []secret.Verb{secret.Get, secret.Put}, `path "secret/claude/api" {
  capabilities = ["create", "read", "update"]
}
`},
		{1, []secret.Verb{secret.Put}, `path "secret/claude/api" {
  capabilities = ["create", "update"]
}
`},
		{2, []secret.Verb{secret.Put}, `path "secret/data/claude/api" {
  capabilities = ["create", "update"]
}
path "secret/metadata/claude/api" {
  capabilities = ["create", "patch", "read", "update"]
}
`},
		{2, []secret.Verb{secret.Destroy}, `path "secret/metadata/claude/api" {
  capabilities = ["delete", "read"]
}
path "secret/destroy/claude/api" {
  capabilities = ["update"]
}
`},
		{2, []secret.Verb{secret.Issue, secret.Renew, secret.Revoke}, `path "claude/api" {
  capabilities = ["read", "update"]
}
path "sys/leases/renew" {
  capabilities = ["update"]
  allowed_parameters = {
    "lease_id" = ["claude/api/*"]
    "increment" = []
  }
}
path "sys/leases/revoke" {
  capabilities = ["update"]
  allowed_parameters = {
    "lease_id" = ["claude/api/*"]
    "sync" = []
  }
}
`},
	} {
		rules, err := rulesOf(t, c.version).Rules([]secret.Name{"claude/api"}, c.verbs...)
		if err != nil || len(rules) != 1 || rules[0].Language != "hcl" || rules[0].Text != c.want {
			t.Errorf("version %d, %v: %v\n%+v", c.version, c.verbs, err, rules)
		}
	}
	for v, version := range map[secret.Verb]int{secret.Grant: 2, secret.Verify: 2, secret.Undelete: 1} {
		if _, err := rulesOf(t, version).Rules([]secret.Name{"a"}, v); !errors.Is(err, secret.Unsupported) {
			t.Errorf("%s: %v", v, err)
		}
	}
	for _, n := range []secret.Name{"a*", "+", "a/+/b", "+/a", "a/+", "a/{{identity.entity.id}}", "a}}", "a/+*", "", "../a", "a//b"} {
		if r, err := rulesOf(t, 2).Rules([]secret.Name{n}, secret.Get); !errors.Is(err, secret.Invalid) {
			t.Errorf("%q: %v, %v", n, r, err)
		}
	}
}

// TestRulesListNothingAbove: who may list an environment sees nothing of what
// lies beside it.
func TestRulesListNothingAbove(t *testing.T) {
	for prefix, want := range map[string][]string{
		"":           {"secret/metadata/", "secret/metadata/team/", "secret/metadata/team/prod/", "secret/metadata/team/prod/a/", "secret/metadata/team/prod/a/b"},
		"team/prod/": {"secret/metadata/team/prod/", "secret/metadata/team/prod/a/", "secret/metadata/team/prod/a/b"},
	} {
		b := rulesOf(t, 2)
		b.settings.Prefix = prefix
		rules, err := b.Rules([]secret.Name{"team/prod/a/b"}, secret.List)
		if err != nil || len(rules) != 1 || !slices.Equal(paths(t, rules[0].Text), want) {
			t.Errorf("below %q: %v\n%+v", prefix, err, rules)
		}
	}
}

// paths reads a policy as Vault does.
func paths(t testing.TB, text string) []string {
	t.Helper()
	var doc struct {
		Path map[string]struct {
			Capabilities []string
		}
	}
	if err := hcl.Decode(&doc, text); err != nil {
		t.Fatalf("no HCL: %v\n%s", err, text)
	}
	var out []string
	for p := range doc.Path {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// FuzzRules: whatever a name is, the policy is about it and nothing else.
func FuzzRules(f *testing.F) {
	for _, s := range []string{"claude/api", `a" { capabilities = ["sudo"] } path "*`, "a${b", "a\\", "é/ü", "a$(x)", "a#b", "a/*/b", "a\u2028b", "{{", "a\nb", "+a", "%2a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := secret.Name(s)
		rules, err := rulesOf(t, 2).Rules([]secret.Name{n}, secret.Get)
		if err != nil {
			if !errors.Is(err, secret.Invalid) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if got := paths(t, rules[0].Text); !slices.Equal(got, []string{"secret/data/" + s, "secret/metadata/" + s}) {
			t.Fatalf("%q: the policy is about %q\n%s", s, got, rules[0].Text)
		}
	})
}

// limited signs in with a token that may do what the rules say, and nothing
// else but what every token may.
func (s server) limited(t testing.TB, b *Backend, names []secret.Name, verbs ...secret.Verb) *Backend {
	t.Helper()
	rules, err := b.Rules(names, verbs...)
	if err != nil {
		t.Fatal(err)
	}
	return s.signedInWith(t, b, rules[0].Text)
}

// signedInWith is a backend whose token has one policy and the default one.
func (s server) signedInWith(t testing.TB, b *Backend, text string) *Backend {
	t.Helper()
	policy := unique()
	s.must(t, http.MethodPut, "sys/policies/acl/"+policy, map[string]any{"policy": text})
	got := s.must(t, http.MethodPost, "auth/token/create", map[string]any{"policies": []string{policy}, "ttl": "1h"})
	made, ok := tokenIn(got)
	if !ok {
		t.Fatal("no token")
	}
	settings := b.settings
	settings.Auth = Auth{Method: "token", Token: secret.Text(made.token)}
	out, err := New(settings)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRulesAreEnough: each verb can be done with its rules, on the names that
// they name and on no other.
func TestRulesAreEnough(t *testing.T) {
	s := theServer(t)
	v := secret.Text(`{"a":"b"}`)
	names := []secret.Name{"app/db", `odd/a" { b`, "odd/a${b} é #%", "app/*/db"}
	for _, version := range []string{"1", "2"} {
		var full *Backend
		do := map[secret.Verb]func(*Backend, secret.Name) error{
			secret.Get: func(b *Backend, n secret.Name) error { _, err := b.Get(t.Context(), n, secret.At{}); return err },
			secret.Put: func(b *Backend, n secret.Name) error { _, err := b.Put(t.Context(), n, v, nil); return err },
			secret.List: func(b *Backend, n secret.Name) error {
				_, err := b.Describe(t.Context(), n)
				return err
			},
			secret.Delete:  func(b *Backend, n secret.Name) error { _, err := b.Delete(t.Context(), n, nil); return err },
			secret.Destroy: func(b *Backend, n secret.Name) error { return b.Destroy(t.Context(), n) },
			secret.Undelete: func(b *Backend, n secret.Name) error {
				if _, err := full.Delete(t.Context(), n, nil); err != nil {
					return err
				}
				_, err := b.Undelete(t.Context(), n)
				return err
			},
		}
		if version == "1" {
			delete(do, secret.Undelete)
			do[secret.Destroy] = do[secret.Delete]
		}
		for verb, f := range do {
			t.Run(version+" "+string(verb), func(t *testing.T) {
				full = s.fresh(t, version)
				if version == "1" {
					full.settings.Version = 1 // as somebody says who asks for rules before anything else
				}
				b := s.limited(t, full, names, verb)
				others := []secret.Name{"app/other", "app/x/db", "other"}
				if version == "1" && verb == secret.List {
					others = nil // a folder's list shows what is beside a name, and there is nothing more to see
				}
				for _, n := range slices.Concat(names, others) {
					if _, err := full.Put(t.Context(), n, v, nil); err != nil {
						t.Fatal(err)
					}
					err := f(b, n)
					if slices.Contains(names, n) != (err == nil) || err != nil && !errors.Is(err, secret.Denied) {
						t.Errorf("%q: %v", n, err)
					}
				}
				notMore(t, full, b, verb)
			})
		}
	}
}

// notMore: who may do one thing with a secret may not read or write it for that.
func notMore(t *testing.T, full, b *Backend, verb secret.Verb) {
	t.Helper()
	v := secret.Text(`{"a":"b"}`)
	if _, err := full.Undelete(t.Context(), "app/db"); err != nil && verb == secret.Delete && full.known() == 2 {
		t.Fatal(err)
	}
	if _, err := full.Put(t.Context(), "app/db", v, nil); err != nil {
		t.Fatal(err)
	}
	if verb != secret.Get {
		if _, err := b.Get(t.Context(), "app/db", secret.At{}); !errors.Is(err, secret.Denied) {
			t.Errorf("who may %s reads the value: %v", verb, err)
		}
	}
	if verb != secret.Put {
		if _, err := b.Put(t.Context(), "app/db", v, nil); !errors.Is(err, secret.Denied) {
			t.Errorf("who may %s writes: %v", verb, err)
		}
	}
}

func TestRulesOfLeases(t *testing.T) {
	s, pg := theServer(t), thePostgres(t)
	mount := s.database(t, pg, "10m", "1h")
	name := secret.Name(mount + "/creds/app")
	s.must(t, http.MethodPost, mount+"/roles/other", map[string]any{"db_name": "pg", "creation_statements": []string{`CREATE ROLE "{{name}}"`}})
	b := s.limited(t, s.admin(t), []secret.Name{name}, secret.Issue, secret.Renew, secret.Revoke)
	l, err := b.Issue(t.Context(), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Renew(t.Context(), l.ID, 20*time.Minute); err != nil {
		t.Error(err)
	}
	if err := b.Revoke(t.Context(), l.ID); err != nil {
		t.Error(err)
	}
	other, err := s.admin(t).Issue(t.Context(), secret.Name(mount+"/creds/other"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Revoke(t.Context(), other.ID); !errors.Is(err, secret.Denied) {
		t.Errorf("revoked another role's lease: %v", err)
	}
	if _, err := b.Issue(t.Context(), secret.Name(mount+"/creds/other"), 0); !errors.Is(err, secret.Denied) || !strings.Contains(err.Error(), `capabilities = ["read"]`) {
		t.Errorf("issued by another role: %v", err)
	}
}

func TestPosture(t *testing.T) {
	s := theServer(t)
	find := func(b *Backend) map[string]secret.Finding {
		all, err := b.Posture(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]secret.Finding{}
		for _, f := range all {
			out[f.Check] = f
			if f.Status != secret.FindingOK && f.Remedy == "" || f.Status == secret.FindingOK && f.Remedy != "" || f.Evidence == "" {
				t.Errorf("%+v", f)
			}
		}
		return out
	}
	wants := func(got map[string]secret.Finding, want map[string]string) {
		t.Helper()
		for check, status := range want {
			if got[check].Status != status {
				t.Errorf("%s is %+v, want %s", check, got[check], status)
			}
		}
	}
	wants(find(s.admin(t)), map[string]string{
		asksAudit: secret.FindingOK, asksHashed: secret.FindingOK, asksRoot: secret.FindingBad, asksTTL: secret.FindingBad, asksRights: secret.FindingBad,
		asksSeal: secret.FindingBad, asksTLS: secret.FindingOK,
	})
	// Who may not see the audit devices learns nothing of them.
	narrow := s.limited(t, s.fresh(t, "2"), []secret.Name{"app/db"}, secret.Get, secret.List)
	narrow.settings.Declared = []secret.Name{"app/db", "app/other"}
	got := find(narrow)
	wants(got, map[string]string{
		asksAudit: secret.FindingUnknown, asksHashed: secret.FindingUnknown, asksRoot: secret.FindingOK, asksTTL: secret.FindingOK, asksRights: secret.FindingOK,
	})
	if !strings.Contains(got[asksRights].Evidence, "1 of 2 declared") {
		t.Errorf("%+v", got[asksRights])
	}
	if len(got) != 7 {
		t.Errorf("%d findings", len(got))
	}
	// A rule for a whole folder is wider than what is declared in it.
	folder := s.fresh(t, "2")
	folder = s.signedInWith(t, folder, `path "`+folder.settings.Mount+`/data/app/*" { capabilities = ["read"] }`)
	folder.settings.Declared = []secret.Name{"app/db"}
	if f := find(folder)[asksRights]; f.Status != secret.FindingBad || !strings.Contains(f.Evidence, folder.settings.Mount+"/data/app/… (read)") {
		t.Errorf("a rule for a folder is %+v", f)
	}
	raw := unique()
	s.must(t, http.MethodPost, "sys/audit/"+raw, map[string]any{"type": "file", "options": map[string]string{"file_path": t.TempDir() + "/raw.log", "log_raw": "true"}})
	defer s.must(t, http.MethodDelete, "sys/audit/"+raw, nil)
	if f := find(s.admin(t))[asksHashed]; f.Status != secret.FindingBad || !strings.Contains(f.Evidence, raw) {
		t.Errorf("a raw log is %+v", f)
	}
	far, err := New(Settings{Address: "http://vault.example.com:8200", PlainHTTP: true, Auth: Auth{Token: secret.Text(hidden)}})
	if err != nil {
		t.Fatal(err)
	}
	if f, err := far.transport(t.Context()); err != nil || f[0].Status != secret.FindingBad {
		t.Errorf("http to another machine is %+v, %v", f, err)
	}
	down, err := New(Settings{Address: "http://127.0.0.1:1", Auth: Auth{Token: secret.Text(hidden)}})
	if err != nil {
		t.Fatal(err)
	}
	down.retry = retry{tries: 1}
	if f, err := down.Posture(t.Context()); !errors.Is(err, secret.Unavailable) || len(f) > 0 {
		t.Errorf("a store that is not there: %v, %v", f, err)
	}
}
