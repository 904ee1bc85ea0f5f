package awssm

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/backend/awssm/internal/awswire"
	"github.com/tacit-secrets/tacit/secret"
)

func rules(t *testing.T, s Settings, names []secret.Name, verbs ...secret.Verb) []secret.Rule {
	t.Helper()
	out, err := open(t, s).Rules(names, verbs...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRulesAsWritten(t *testing.T) {
	out := rules(t, Settings{Region: "eu-west-1", RoleARN: role, KMSKey: "1234abcd-12ab-34cd-56ef-1234567890ab"},
		[]secret.Name{"prod/db", "%2Fprod/api", "prod/db"}, secret.Get, secret.List, secret.Put, secret.Delete)
	if len(out) != 1 || out[0].Language != "json" {
		t.Fatalf("%+v", out)
	}
	const file = "testdata/policy.json"
	if os.Getenv("TACIT_TEST_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(out[0].Text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || string(want) != out[0].Text {
		t.Errorf("the policy is not that of %s (%v): look, then TACIT_TEST_UPDATE=1\n%s", file, err, out[0].Text)
	}
}

// permits judges a call by policies, as IAM does: enough of it for what Rules
// writes. Conditions on forced deletion are judged, others hold.
func permits(t *testing.T, rules []secret.Rule, action, resource string, force bool) bool {
	t.Helper()
	for _, r := range rules {
		var p policy
		if err := json.Unmarshal([]byte(r.Text), &p); err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Statement {
			holds := true
			for _, c := range s.Condition {
				if want, there := c["secretsmanager:ForceDeleteWithoutRecovery"]; there {
					holds = want == fmt.Sprint(force)
				}
			}
			if holds && s.Effect == "Allow" && slices.Contains(s.Action, action) && slices.ContainsFunc(s.Resource, func(pattern string) bool { return glob(pattern, resource) }) {
				return true
			}
		}
	}
	return false
}

func glob(pattern, s string) bool {
	expr := regexp.QuoteMeta(pattern)
	expr = strings.ReplaceAll(strings.ReplaceAll(expr, `\*`, `.*`), `\?`, `.`)
	return regexp.MustCompile(`^` + expr + `$`).MatchString(s)
}

// TestRulesSuffice: with the rules written for some verbs, exactly these can
// be done, on exactly these names.
func TestRulesSuffice(t *testing.T) {
	isolate(t)
	type step struct {
		verb secret.Verb
		do   func(l *lab, n secret.Name) error
	}
	ctx := t.Context()
	steps := []step{
		{secret.Get, func(l *lab, n secret.Name) error { _, err := l.Get(ctx, n, secret.At{}); return err }},
		{secret.Get, func(l *lab, n secret.Name) error { return l.GetBatch(ctx, []secret.Name{n, "app/twin"})[0].Err }},
		{secret.Put, func(l *lab, n secret.Name) error {
			_, err := l.Put(ctx, n, secret.Text("x"), &secret.PutOptions{Annotations: &secret.Annotations{Description: "d", Tags: map[string]string{"k": "v"}}})
			return err
		}},
		{secret.Put, func(l *lab, n secret.Name) error {
			_, err := l.Swap(ctx, n, secret.At{Stage: secret.Current}, secret.Text("y"), nil)
			return err
		}},
		{secret.Put, func(l *lab, n secret.Name) error {
			_, err := l.Annotate(ctx, n, secret.Change{Tags: secret.TagChange{Clear: true, Set: map[string]string{"k": "v"}}})
			return err
		}},
		{secret.Delete, func(l *lab, n secret.Name) error { _, err := l.Delete(ctx, n, nil); return err }},
		{secret.Undelete, func(l *lab, n secret.Name) error { _, err := l.Undelete(ctx, n); return err }},
		{secret.Destroy, func(l *lab, n secret.Name) error { return l.Destroy(ctx, n) }},
	}
	granted := []secret.Name{"app/db", "app/twin"}
	for _, verb := range []secret.Verb{secret.Get, secret.Put, secret.Delete, secret.Undelete, secret.Destroy} {
		for _, s := range steps {
			for _, n := range []secret.Name{"app/db", "app/db2", "app", "app/db-abcdef"} {
				l := newLab(t, Settings{})
				l.must(t, n, "one")
				l.must(t, "app/twin", "one")
				if s.verb == secret.Undelete {
					if _, err := l.Delete(ctx, n, nil); err != nil {
						t.Fatal(err)
					}
				}
				r := rules(t, Settings{Region: "eu-west-1"}, granted, verb)
				force := s.verb == secret.Destroy
				l.allows(func(c awswire.Call) bool {
					resource := "*"
					if c.Name != "" {
						resource = "arn:aws:secretsmanager:" + c.Region + ":" + c.Account + ":secret:" + c.Name + "-Ab12Cd"
					}
					return permits(t, r, "secretsmanager:"+c.Operation, resource, force)
				})
				err := s.do(l, n)
				if want := n == "app/db" && s.verb == verb; want != (err == nil) || !want && secret.KindOf(err) != secret.Denied {
					t.Errorf("with %s on %s, %s of %s answers %v", verb, granted, s.verb, n, err)
				}
			}
		}
	}
}

// TestRulesMakeNew: a secret that is not there yet can be made, and no other.
func TestRulesMakeNew(t *testing.T) {
	r := rules(t, Settings{}, []secret.Name{"app/db"}, secret.Put)
	for resource, want := range map[string]bool{
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/db":          true,
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/db-Ab12Cd":   true,
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/db2-Ab12Cd":  false,
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/db-x-Ab12Cd": false,
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:other/app/db":    false,
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/dbbbbbb":     false,
	} {
		if got := permits(t, r, "secretsmanager:CreateSecret", resource, false); got != want {
			t.Errorf("%s: %v", resource, got)
		}
	}
}

// TestAbuseRulesInjection: no name, and nothing in the settings, widens a rule.
func TestAbuseRulesInjection(t *testing.T) {
	b := open(t, Settings{Region: "eu-west-1"})
	for _, n := range []secret.Name{"*", "app/*", "app/??????", "${aws:username}", `x"],"Resource":["*`, "app/db\",\"*", "a b", "%2A", "ü"} {
		if out, err := b.Rules([]secret.Name{"app/db", n}, secret.Get); secret.KindOf(err) != secret.Invalid || out != nil {
			t.Errorf("%q: %v, %v", n, out, err)
		}
	}
	for _, v := range []secret.Verb{secret.Grant, secret.Verify, secret.Issue, secret.Renew, secret.Revoke, "read"} {
		if _, err := b.Rules([]secret.Name{"app/db"}, secret.Get, v); secret.KindOf(err) != secret.Unsupported {
			t.Errorf("%s: %v", v, err)
		}
	}
	for _, none := range [][]secret.Name{nil, {}} {
		if out, err := b.Rules(none, secret.Get); out != nil || err != nil {
			t.Errorf("%v, %v", out, err)
		}
	}
	if out, err := b.Rules([]secret.Name{"a"}); out != nil || err != nil {
		t.Errorf("%v, %v", out, err)
	}
}

// TestRulesFitAWS: policies of many names are cut where AWS would refuse them.
func TestRulesFitAWS(t *testing.T) {
	var names []secret.Name
	for i := range 300 {
		names = append(names, secret.Name(fmt.Sprintf("team/project/service-%03d/credentials", i)))
	}
	out := rules(t, Settings{Region: "eu-west-1", KMSKey: "alias/tacit"}, names, secret.Get, secret.List, secret.Put)
	if len(out) < 2 {
		t.Fatalf("%d policies", len(out))
	}
	many := 0
	for _, r := range out {
		if n := len(strings.Join(strings.Fields(r.Text), "")); n > maxPolicy {
			t.Errorf("a policy has %d characters", n)
		}
		many += strings.Count(r.Text, "TacitMany")
	}
	if many != 1 {
		t.Errorf("%d statements are for all secrets", many)
	}
	for _, n := range names {
		if !permits(t, out, "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:1:secret:"+string(n)+"-Ab12Cd", false) {
			t.Errorf("%s is lost", n)
		}
	}
}

func TestRulesOfKeysAndPartitions(t *testing.T) {
	for _, c := range []struct {
		settings Settings
		says     []string
		never    string
	}{
		{Settings{}, []string{`"arn:aws:secretsmanager:*:*:secret:app/db-??????"`}, "kms"},
		{Settings{Region: "cn-north-1", KMSKey: "alias/x"}, []string{`"arn:aws-cn:secretsmanager:cn-north-1:*:secret:app/db-??????"`, "secretsmanager.cn-north-1.amazonaws.com.cn", `"kms:ResourceAliases": "alias/x"`, `"arn:aws-cn:kms:cn-north-1:*:key/*"`}, "GenerateDataKey"},
		{Settings{Region: "us-gov-west-1", KMSKey: "arn:aws-us-gov:kms:us-gov-west-1:1:key/k"}, []string{`"arn:aws-us-gov:kms:us-gov-west-1:1:key/k"`}, "GenerateDataKey"},
		{Settings{Region: "eu-west-1", RoleARN: role, KMSKey: "k"}, []string{`"arn:aws:kms:eu-west-1:444455556666:key/k"`, `"kms:EncryptionContext:SecretARN": [`}, "ListSecrets"},
	} {
		text := rules(t, c.settings, []secret.Name{"app/db"}, secret.Get)[0].Text
		for _, w := range c.says {
			if !strings.Contains(text, w) {
				t.Errorf("%+v: no %s in\n%s", c.settings, w, text)
			}
		}
		if strings.Contains(text, c.never) || strings.Contains(text, "BatchGetSecretValue") {
			t.Errorf("%+v: too much in\n%s", c.settings, text)
		}
	}
}
