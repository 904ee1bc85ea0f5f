package awssm

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/tacit-secrets/tacit/backend/awssm/internal/awswire"
	"github.com/tacit-secrets/tacit/secret"
)

// TestSwapRace: of two writers one wins each time, and what the other left is
// no stage.
func TestSwapRace(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	v := l.must(t, "app/db", "0")
	for round := range 15 {
		var wg sync.WaitGroup
		won := make([]secret.Version, 2)
		for i := range won {
			wg.Go(func() {
				w, err := l.Swap(t.Context(), "app/db", secret.At{ID: v.ID}, secret.Text(fmt.Sprint(round, i)), nil)
				if err == nil {
					won[i] = w
				} else if secret.KindOf(err) != secret.Conflict {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if (won[0].ID == "") == (won[1].ID == "") {
			t.Fatalf("round %d: %+v", round, won)
		}
		old := v
		if v = won[0]; v.ID == "" {
			v = won[1]
		}
		if got, err := l.Get(t.Context(), "app/db", secret.At{}); err != nil || got.ID != v.ID {
			t.Fatalf("%+v, %v", got, err)
		}
		if got, err := l.Get(t.Context(), "app/db", secret.At{Stage: secret.Previous}); err != nil || got.ID != old.ID {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if got := l.labels(t, "app/db"); !slices.Equal(got, []string{"AWSCURRENT", "AWSPREVIOUS"}) {
		t.Errorf("the labels are %q", got)
	}
}

// TestSwapInterrupted: what a swap leaves that could not go on is not served,
// is no stage, and is in nobody's way.
func TestSwapInterrupted(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	v := l.must(t, "app/db", "one")
	for range 3 {
		l.bends(func(op string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if op == "UpdateSecretVersionStage" {
				awswire.WriteError(w, &awswire.Error{Status: 500, Code: "InternalServiceError"})
				return
			}
			next(w, r)
		})
		_, err := l.Swap(t.Context(), "app/db", secret.At{ID: v.ID}, secret.Text("two"), nil)
		tells(t, err, secret.Unavailable, "app/db")
	}
	l.bends(nil)
	if got, err := l.Get(t.Context(), "app/db", secret.At{}); err != nil || got.ID != v.ID {
		t.Errorf("%+v, %v", got, err)
	}
	if got := l.labels(t, "app/db"); !slices.Equal(got, []string{"AWSCURRENT", "tacit-swap"}) {
		t.Errorf("the labels are %q", got)
	}
	m, err := l.Describe(t.Context(), "app/db")
	if err != nil || len(m.Versions) != 4 || !m.Complete || len(m.Versions[0].Stages) != 0 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := l.Swap(t.Context(), "app/db", secret.At{ID: v.ID}, secret.Text("three"), nil); err != nil {
		t.Fatal(err)
	}
	if got := l.labels(t, "app/db"); !slices.Equal(got, []string{"AWSCURRENT", "AWSPREVIOUS"}) {
		t.Errorf("the labels are %q", got)
	}
}

// TestRotationIsLeftAlone: a pending version of AWS's own rotation keeps its
// label through puts and swaps of others.
func TestRotationIsLeftAlone(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	v := l.must(t, "app/db", "one")
	if _, err := l.Put(t.Context(), "app/db", secret.Text("next"), &secret.PutOptions{Stages: []secret.Stage{secret.Pending}}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Swap(t.Context(), "app/db", secret.At{ID: v.ID}, secret.Text("two"), nil); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Get(t.Context(), "app/db", secret.At{Stage: secret.Pending}); err != nil || !got.Value.Equal(secret.Text("next")) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestOneTokenForEachWrite: an answer that is lost makes no second version,
// and no second token.
func TestOneTokenForEachWrite(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	l.must(t, "app/db", "one")
	lost := 0
	l.bends(func(op string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if op != "PutSecretValue" || lost == 2 {
			next(w, r)
			return
		}
		lost++
		next(httptest.NewRecorder(), r) // done, and nobody hears of it
		awswire.WriteError(w, &awswire.Error{Status: 503, Code: "ServiceUnavailable"})
	})
	want(t, l.sent(func() { l.must(t, "app/db", "two") }), "map[ListSecretVersionIds:1 PutSecretValue:3]")
	m, err := l.Describe(t.Context(), "app/db")
	if err != nil || len(m.Versions) != 2 {
		t.Errorf("%d versions, %v", len(m.Versions), err)
	}
}

// TestFullQuotaIsNotAskedAgain: the SDK takes it for throttling.
func TestFullQuotaIsNotAskedAgain(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	l.must(t, "app/db", "one")
	l.bends(func(op string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if op == "PutSecretValue" {
			fail(w, "LimitExceededException", "You've exceeded a quota.")
			return
		}
		next(w, r)
	})
	want(t, l.sent(func() {
		_, err := l.Put(t.Context(), "app/db", secret.Text("two"), nil)
		tells(t, err, secret.Invalid, "app/db", "quota")
	}), "map[PutSecretValue:1]")
}

// TestNewSecretWithoutKey: what is missing when a secret is made is its key.
func TestNewSecretWithoutKey(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{KMSKey: "alias/none"})
	l.bends(func(op string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if op == "CreateSecret" {
			fail(w, "ResourceNotFoundException", "Alias arn:aws:kms:eu-west-1:111122223333:alias/none is not found.")
			return
		}
		next(w, r)
	})
	_, err := l.Put(t.Context(), "app/db", secret.Text("one"), nil)
	tells(t, err, secret.Denied, "app/db", "KMS key", "aws kms describe-key")
}

// TestNewSecretByExactRights: rights to exact names reach what is there, and may
// make what is not. A denial of what is there stays one.
func TestNewSecretByExactRights(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	l.must(t, "app/closed", "one")
	denied := map[string]bool{"app/db": true, "app/closed": true, "app/none": true}
	l.allows(func(c awswire.Call) bool {
		return !denied[c.Name] || c.Operation == "CreateSecret" && c.Name != "app/none"
	})
	if _, err := l.Put(t.Context(), "app/db", secret.Text("one"), nil); err != nil {
		t.Errorf("%v", err)
	}
	for _, n := range []secret.Name{"app/closed", "app/none"} {
		_, err := l.Put(t.Context(), n, secret.Text("two"), nil)
		tells(t, err, secret.Denied, string(n), "secretsmanager:PutSecretValue")
	}
	clear(denied)
	for n, want := range map[secret.Name]string{"app/db": "one", "app/closed": "one"} {
		if got, err := l.Get(t.Context(), n, secret.At{}); err != nil || !got.Value.Equal(secret.Text(want)) {
			t.Errorf("%s: %v", n, err)
		}
	}
}

// TestPartlyWritten: what AWS cannot do in one step says which part is done.
func TestPartlyWritten(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	l.must(t, "app/db", "one")
	l.allows(func(c awswire.Call) bool { return c.Operation != "TagResource" })
	_, err := l.Put(t.Context(), "app/db", secret.Text("two"), &secret.PutOptions{Annotations: &secret.Annotations{Description: "d", Tags: map[string]string{"k": "v"}}})
	tells(t, err, secret.Denied, "app/db: version ", "was written, but not the tags", "secretsmanager:TagResource", "tacit policy export --verb put")
	got, err := l.Get(t.Context(), "app/db", secret.At{})
	if err != nil || !got.Value.Equal(secret.Text("two")) {
		t.Errorf("%v", err)
	}
	_, err = l.Put(t.Context(), "new", secret.Text("x"), &secret.PutOptions{Annotations: &secret.Annotations{Tags: map[string]string{"k": "v"}}})
	tells(t, err, secret.Denied, "new", "TagResource")
	_, err = l.Get(t.Context(), "new", secret.At{})
	tells(t, err, secret.NotFound)
}

// TestChangedAndNotSeen: a change that is made is no error because it cannot
// be looked at afterwards.
func TestChangedAndNotSeen(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	v := l.must(t, "app/db", "one")
	done := map[string]bool{}
	l.bends(func(op string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if op == "ListSecretVersionIds" || op == "DescribeSecret" && len(done) > 0 {
			fail(w, "ThrottlingException", "Rate exceeded")
			return
		}
		if op != "DescribeSecret" {
			done[op] = true
		}
		next(w, r)
	})
	again := func(what string, err error) {
		t.Helper()
		if err != nil || len(done) == 0 {
			t.Errorf("%s: %v, %v", what, err, done)
		}
		clear(done)
	}
	_, err := l.Describe(t.Context(), "app/db")
	tells(t, err, secret.Unavailable, "app/db")
	text := "d"
	m, err := l.Annotate(t.Context(), "app/db", secret.Change{Description: &text, Tags: secret.TagChange{Set: map[string]string{"k": "v"}}})
	if again("annotate", err); m.Description != "d" || m.Tags["k"] != "v" || m.UID == "" {
		t.Errorf("%+v", m)
	}
	_, err = l.MoveStage(t.Context(), "app/db", "green", "", v.ID)
	again("move stage", err)
	m, err = l.Create(t.Context(), "app/empty", secret.Annotations{Description: "d"})
	if again("create", err); m.Name != "app/empty" || m.Description != "d" {
		t.Errorf("%+v", m)
	}
	m, err = l.Delete(t.Context(), "app/db", nil)
	if again("delete", err); m.Deleted.IsZero() || m.Purge.IsZero() {
		t.Errorf("%+v", m)
	}
	m, err = l.Undelete(t.Context(), "app/db")
	if again("undelete", err); !m.Deleted.IsZero() || !m.Purge.IsZero() {
		t.Errorf("%+v", m)
	}
}

// TestDeletedInTheWay says both ways out.
func TestDeletedInTheWay(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{Window: 7 * day})
	l.must(t, "app/db", "one")
	m, err := l.Delete(t.Context(), "app/db", nil)
	if err != nil || m.Purge.Sub(m.Deleted) != 7*day {
		t.Errorf("%+v, %v", m, err)
	}
	for what, write := range map[string]func() error{
		"put":    func() error { _, err := l.Put(t.Context(), "app/db", secret.Text("x"), nil); return err },
		"swap":   func() error { _, err := l.Swap(t.Context(), "app/db", secret.At{}, secret.Text("x"), nil); return err },
		"create": func() error { _, err := l.Create(t.Context(), "app/db", secret.Annotations{}); return err },
	} {
		err := write()
		tells(t, err, secret.Conflict, "app/db", "tacit undelete", "tacit put --recover")
		if secret.StateOf(err) != secret.Deleted {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestDeleteWindows: AWS takes 7 to 30 days.
func TestDeleteWindows(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	for asked, given := range map[time.Duration]time.Duration{0: 30 * day, time.Hour: 30 * day, 7 * day: 7 * day, 7*day + 1: 8 * day, 30 * day: 30 * day, 31 * day: 30 * day} {
		n := secret.Name(fmt.Sprint("n/", int64(asked)))
		l.must(t, n, "x")
		m, err := l.Delete(t.Context(), n, &secret.DeleteOptions{Window: asked})
		if err != nil || m.Purge.Sub(m.Deleted).Round(time.Second) != given {
			t.Errorf("%s gives %s, %v", asked, m.Purge.Sub(m.Deleted), err)
		}
	}
}

// TestDestroyWaits: AWS destroys some time after it was told to.
func TestDestroyWaits(t *testing.T) {
	isolate(t)
	srv := awswire.New(awswire.Options{Destroying: 300 * time.Millisecond})
	server := httptest.NewServer(srv)
	defer server.Close()
	b := open(t, Settings{Region: "eu-west-1", Endpoint: server.URL})
	putAndGet(t, b)
	if err := b.Destroy(t.Context(), "app/db"); err != nil {
		t.Fatal(err)
	}
	putAndGet(t, b) // nothing is in the way any more
}

// TestDeletionDates: of the two dates AWS tells one, as its documents have it
// one way or the other.
func TestDeletionDates(t *testing.T) {
	b := open(t, Settings{Window: 10 * day})
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for date, want := range map[time.Time][2]time.Time{
		{}:                {},
		now.Add(-day):     {now.Add(-day), now.Add(9 * day)},
		now.Add(9 * day):  {now.Add(-day), now.Add(9 * day)},
		now.Add(20 * day): {now.Add(-2 * day), now.Add(20 * day)}, // another window: when it last changed
	} {
		if deleted, purge := b.ends(date, now.Add(-2*day), now); !deleted.Equal(want[0]) || !purge.Equal(want[1]) {
			t.Errorf("%s is %s and %s", date, deleted, purge)
		}
	}
}

// TestKMSKey is given to new secrets.
func TestKMSKey(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{KMSKey: "alias/tacit"})
	l.must(t, "app/db", "one")
	if _, err := l.Create(t.Context(), "app/empty", secret.Annotations{}); err != nil {
		t.Fatal(err)
	}
	s, err := l.session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.read.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
	if err != nil || len(out.SecretList) != 2 {
		t.Fatal(err)
	}
	for _, e := range out.SecretList {
		if e.KmsKeyId == nil || *e.KmsKeyId != "alias/tacit" {
			t.Errorf("%s has another key", *e.Name)
		}
	}
}

// TestLostAnswers: what was done though nobody heard of it is no error because
// it cannot be done again.
func TestLostAnswers(t *testing.T) {
	isolate(t)
	l := newLab(t, Settings{})
	v := l.must(t, "app/db", "one")
	for op, do := range map[string]func() error{
		"DeleteSecret":             func() error { _, err := l.Delete(t.Context(), "app/db", nil); return err },
		"RestoreSecret":            func() error { _, err := l.Undelete(t.Context(), "app/db"); return err },
		"UpdateSecretVersionStage": func() error { _, err := l.MoveStage(t.Context(), "app/db", "green", "", v.ID); return err },
	} {
		if _, err := l.Undelete(t.Context(), "app/db"); secret.KindOf(err) != secret.Conflict && err != nil {
			t.Fatal(err)
		}
		if op == "RestoreSecret" {
			if _, err := l.Delete(t.Context(), "app/db", nil); err != nil {
				t.Fatal(err)
			}
		}
		asked := 0
		l.bends(func(o string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			if o != op {
				next(w, r)
				return
			}
			switch asked++; {
			case asked == 1:
				next(httptest.NewRecorder(), r)
				awswire.WriteError(w, &awswire.Error{Status: 503, Code: "ServiceUnavailable"})
			case op == "RestoreSecret": // what AWS says then was never recorded
				fail(w, "InvalidRequestException", "You can't restore a secret that isn't scheduled for deletion.")
			default:
				next(w, r)
			}
		})
		if err := do(); err != nil || asked != 2 {
			t.Errorf("%s, asked %d times: %v", op, asked, err)
		}
		l.bends(nil)
		m, err := l.Describe(t.Context(), "app/db")
		if err != nil || m.Deleted.IsZero() == (op == "DeleteSecret") {
			t.Errorf("after %s: %+v, %v", op, m, err)
		}
	}
	if m, err := l.Describe(t.Context(), "app/db"); err != nil || m.Deleted.IsZero() {
		if _, err := l.Delete(t.Context(), "app/db", nil); err != nil {
			t.Fatal(err)
		}
	}
	_, err := l.Delete(t.Context(), "app/db", nil)
	if tells(t, err, secret.NotFound); secret.StateOf(err) != secret.Deleted {
		t.Error(err)
	}
}
