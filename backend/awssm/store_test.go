package awssm

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/tacit-secrets/tacit/backend/awssm/internal/awswire"
	"github.com/tacit-secrets/tacit/secret"
)

// TestRequests counts what each call costs.
func TestRequests(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	ctx := t.Context()
	want(t, l.sent(func() { l.must(t, "app/db", "one") }), "map[CreateSecret:1 ListSecretVersionIds:1 PutSecretValue:1]")
	want(t, l.sent(func() { l.must(t, "app/db", "two") }), "map[ListSecretVersionIds:1 PutSecretValue:1]")
	want(t, l.sent(func() { _, _ = l.Get(ctx, "app/db", secret.At{}) }), "map[GetSecretValue:1]")
	want(t, l.sent(func() { _, _ = l.Get(ctx, "app/db", secret.At{Stage: secret.Previous}) }), "map[GetSecretValue:1]")
	want(t, l.sent(func() { _, _ = l.Describe(ctx, "app/db") }), "map[DescribeSecret:1 ListSecretVersionIds:1]")
	want(t, l.sent(func() { _, _ = l.Get(ctx, "app/none", secret.At{}) }), "map[GetSecretValue:1]")
	want(t, l.sent(func() { _, _ = l.Swap(ctx, "app/new", secret.At{}, secret.Text("one"), nil) }),
		"map[CreateSecret:1 DescribeSecret:1 ListSecretVersionIds:1]")
	want(t, l.sent(func() { _, _ = l.Swap(ctx, "app/db", secret.At{Stage: secret.Current}, secret.Text("three"), nil) }),
		"map[DescribeSecret:1 ListSecretVersionIds:1 PutSecretValue:1 UpdateSecretVersionStage:2]")
	for i := range 100 {
		l.must(t, secret.Name(fmt.Sprintf("n/%03d", i)), "x")
	}
	want(t, l.sent(func() {
		for _, err := range l.List(ctx, &secret.ListOptions{Prefix: "n/"}) {
			if err != nil {
				t.Error(err)
			}
		}
	}), "map[ListSecrets:1]")
}

// TestBatchDenied: the right to batches is one that many lack. It is asked for
// once, not for each secret nor each time.
func TestBatchDenied(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	names := l.many(t, 45)
	l.allows(func(c awswire.Call) bool { return c.Operation != "BatchGetSecretValue" })
	for i, batches := range []int{3, 0} {
		sent := l.sent(func() {
			for j, r := range l.GetBatch(t.Context(), names) {
				if r.Err != nil || !r.Version.Value.Equal(secret.Text(string(names[j]))) {
					t.Errorf("%s: %v", names[j], r.Err)
				}
			}
		})
		if sent["GetSecretValue"] != 45 || sent["BatchGetSecretValue"] > batches || batches > 0 && sent["BatchGetSecretValue"] == 0 {
			t.Errorf("time %d: %v", i, sent)
		}
	}
}

func (l *lab) many(t testing.TB, n int) []secret.Name {
	t.Helper()
	var names []secret.Name
	for i := range n {
		names = append(names, secret.Name(fmt.Sprintf("n/%03d", i)))
		l.must(t, names[i], string(names[i]))
	}
	return names
}

// TestBatchOneDenied: what is wrong with one secret is told of that one, and
// found in the batch's own answer.
func TestBatchOneDenied(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	names := l.many(t, 30)
	if _, err := l.Delete(t.Context(), names[7], nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Create(t.Context(), "n/empty", secret.Annotations{}); err != nil {
		t.Fatal(err)
	}
	names = append(names, "n/none", "n/empty")
	l.allows(func(c awswire.Call) bool { return c.Operation != "GetSecretValue" || c.Name != "n/003" })
	var got []secret.Result
	want(t, l.sent(func() { got = l.GetBatch(t.Context(), names) }), "map[BatchGetSecretValue:2]")
	for i, r := range got {
		switch names[i] {
		case "n/003":
			tells(t, r.Err, secret.Denied, "n/003", "arn:aws:iam::111122223333:user/mia", "secretsmanager:GetSecretValue", "tacit policy export")
		case "n/007":
			tells(t, r.Err, secret.NotFound, "n/007", "tacit undelete")
		case "n/none":
			tells(t, r.Err, secret.NotFound, "n/none: no such secret", "eu-west-1")
		case "n/empty":
			if secret.StateOf(r.Err) != secret.NoVersion {
				t.Errorf("%v", r.Err)
			}
		default:
			if r.Err != nil || !r.Version.Value.Equal(secret.Text(string(names[i]))) || r.Version.Secret.UID == "" {
				t.Errorf("%s: %+v, %v", names[i], r.Version, r.Err)
			}
		}
	}
}

// TestBatchLeavesOut: a batch that leaves secrets out, answers for others, or
// gives an error that passes, is no answer for them.
func TestBatchLeavesOut(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	names := l.many(t, 3)
	for what, body := range map[string]string{
		"another":     `{"SecretValues":[{"ARN":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:other-abcdef","Name":"other","VersionId":"x","SecretString":"not asked for"}],"Errors":[{"SecretId":"another","ErrorCode":"X"}]}`,
		"more pages":  `{"SecretValues":[],"NextToken":"x"}`,
		"throttled":   `{"Errors":[{"SecretId":"n/000","ErrorCode":"ThrottlingException","Message":"Rate exceeded"}]}`,
		"failed":      `{"Errors":[{"SecretId":"n/000","ErrorCode":"InternalServiceError"}]}`,
		"its service": `{"Errors":[{"SecretId":"n/000","ErrorCode":"InternalFailure"}]}`,
	} {
		l.bends(func(op string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if op == "BatchGetSecretValue" {
				_, _ = w.Write([]byte(body))
				return
			}
			next(w, r)
		})
		want(t, l.sent(func() {
			for i, r := range l.GetBatch(t.Context(), names) {
				if r.Err != nil || !r.Version.Value.Equal(secret.Text(string(names[i]))) {
					t.Errorf("%s: %s: %v", what, names[i], r.Err)
				}
			}
		}), "map[BatchGetSecretValue:1 GetSecretValue:3]")
	}
}

// TestNamesOfAWS: what others wrote is listed and read by a name, whatever it
// is called there.
func TestNamesOfAWS(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	s, err := l.session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	theirs := []string{"/prod/db", "a//b", "a/", "//", "prod/..", "rds!cluster-1", "!x", "plain", "app-abcdef"}
	for _, id := range theirs {
		text := "value of " + id
		if _, err := s.write.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &id, SecretString: &text}); err != nil {
			t.Fatal(err)
		}
	}
	var listed []string
	last := ""
	for m, err := range l.List(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Name) <= last {
			t.Errorf("%s comes after %s", m.Name, last)
		}
		last = string(m.Name)
		listed = append(listed, last)
		v, err := l.Get(t.Context(), m.Name, secret.At{})
		if id, _ := secretID(m.Name); err != nil || !v.Value.Equal(secret.Text("value of "+id)) {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
	if len(listed) != len(theirs) {
		t.Errorf("%q are listed", listed)
	}
	for prefix, n := range map[string]int{"%2F": 2, "%2Fprod/": 1, "%2": 2, "a": 3, "a/": 1, "!": 1, "prod/%2E": 1, "ü": 0, "%": 2} {
		got := 0
		for m, err := range l.List(t.Context(), &secret.ListOptions{Prefix: prefix}) {
			if err != nil || !strings.HasPrefix(string(m.Name), prefix) {
				t.Errorf("%s: %v", m.Name, err)
			}
			got++
		}
		if got != n {
			t.Errorf("%d names begin with %q, want %d", got, prefix, n)
		}
	}
}

// TestLabelsOfAWS: labels that read like stages of tacit are told apart.
func TestLabelsOfAWS(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	v := l.must(t, "app/db", "one")
	s, id, err := l.ready(t.Context(), "app/db")
	if err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"current", "=x", "green"} {
		if err := l.relabel(t.Context(), s, "app/db", label, move{"", v.ID}); err != nil {
			t.Fatalf("%s, %s: %v", id, label, err)
		}
	}
	two := l.must(t, "app/db", "two")
	if two.ID == v.ID {
		t.Fatal(two)
	}
	one := l.must(t, "app/other", "one")
	for _, st := range []secret.Stage{"=current", "==x", "green"} {
		if _, err := l.MoveStage(t.Context(), "app/other", st, "", one.ID); err != nil {
			t.Errorf("%s: %v", st, err)
		}
		if got, err := l.Get(t.Context(), "app/other", secret.At{Stage: st}); err != nil || got.ID != one.ID {
			t.Errorf("%s: %v", st, err)
		}
	}
	if got := l.labels(t, "app/other"); !slices.Equal(got, []string{"=x", "AWSCURRENT", "current", "green"}) {
		t.Errorf("the labels are %q", got)
	}
	for _, st := range []secret.Stage{"AWSCURRENT", "=green", "tacit-swap", "=", "", secret.Stage(strings.Repeat("x", 257))} {
		_, err := l.MoveStage(t.Context(), "app/other", st, "", one.ID)
		tells(t, err, secret.Invalid)
	}
}

// TestEndlessLists: a list that does not end is an error, never taken for all
// there is.
func TestEndlessLists(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	l.must(t, "app/db", "one")
	l.bends(func(op string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		switch op {
		case "ListSecrets":
			_, _ = w.Write([]byte(`{"SecretList":[],"NextToken":"again"}`))
		case "ListSecretVersionIds":
			_, _ = w.Write([]byte(`{"ARN":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/db-abcdef","Versions":[],"NextToken":"again"}`))
		default:
			next(w, r)
		}
	})
	want(t, l.sent(func() {
		for _, err := range l.List(t.Context(), nil) {
			tells(t, err, secret.Corrupt, "without end")
		}
	}), "map[ListSecrets:2]")
	want(t, l.sent(func() {
		for _, err := range l.Versions(t.Context(), "app/db") {
			tells(t, err, secret.Corrupt, "app/db", "without end")
		}
	}), "map[ListSecretVersionIds:2]")
}

// TestEmptyPagesGoOn: AWS may give a page without a secret and go on.
func TestEmptyPagesGoOn(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	l.must(t, "app/db", "one")
	first := true
	l.bends(func(op string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if op == "ListSecrets" && first {
			first = false
			_, _ = w.Write([]byte(`{"SecretList":[],"NextToken":"c2VjcmV0czow"}`)) // where the first page begins
			return
		}
		next(w, r)
	})
	n := 0
	for m, err := range l.List(t.Context(), nil) {
		if n++; err != nil || m.Name != "app/db" {
			t.Errorf("%+v, %v", m, err)
		}
	}
	if n != 1 {
		t.Errorf("%d secrets are listed", n)
	}
}
