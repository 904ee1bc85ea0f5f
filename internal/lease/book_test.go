package lease_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/internal/lease"
	"github.com/tacit-secrets/tacit/secret"
)

func TestIssueNotesDown(t *testing.T) {
	h := newHouse(t)
	l := h.issue(t, time.Hour, true)
	all := notes(t, h.Book)
	if len(all) != 1 || all[0] != l.Note || l.Lease != h.store.left()[0] || l.Name != app().Name || l.For != "user:mia" || !l.Renewable {
		t.Fatalf("noted %+v of %+v", all, l)
	}
	if string(l.Value.Reveal()) != canary || !h.Lives(l.Note) || !h.another().Lives(l.Note) {
		t.Errorf("issued %+v", l)
	}
	for _, row := range h.rows.all {
		if bytes.Contains(row, []byte(canary)) {
			t.Errorf("a note holds the value: %s", row)
		}
	}
	if err := h.Revoke(t.Context(), mia(), l.Note); err != nil || len(h.store.left())+len(notes(t, h.Book)) != 0 {
		t.Errorf("revoked: %v, left %v", err, h.store.left())
	}
}

// A lease that is not tied to a process survives it, and waits for a person.
func TestUntiedIsKept(t *testing.T) {
	h := newHouse(t)
	l := h.issue(t, time.Hour, false)
	h.Close()
	other := h.another()
	if got, err := other.Sweep(t.Context(), nil); err != nil || len(got) > 0 || len(h.store.left()) != 1 {
		t.Fatalf("swept %v, %v", got, err)
	}
	for _, id := range []string{l.ID, l.ID[:4]} {
		if n, err := other.Find(t.Context(), id); err != nil || n != l.Note {
			t.Errorf("found %+v by %q, %v", n, id, err)
		}
	}
	_, err := other.Find(t.Context(), "")
	wantKind(t, err, secret.NotFound)
	n, err := other.Renew(t.Context(), mia(), l.Note, 2*time.Hour)
	if err != nil || !n.Expires.After(l.Expires) || notes(t, other)[0] != n {
		t.Errorf("renewed %+v, %v", n, err)
	}
}

func TestSweepRevokesWhatTheDeadLeft(t *testing.T) {
	h := newHouse(t)
	h.issue(t, time.Hour, true)
	other := h.another()
	if got, err := other.Sweep(t.Context(), nil); err != nil || len(got) > 0 {
		t.Fatalf("a living process's lease was swept: %v, %v", got, err)
	}
	h.Close() // its mark goes as with the process
	if got, err := other.Sweep(t.Context(), func(string) bool { return false }); err != nil || len(got) > 0 {
		t.Fatalf("swept in an environment that is not there: %v, %v", got, err)
	}
	got, err := other.Sweep(t.Context(), nil)
	if err != nil || len(got) != 1 || got[0].Err != nil || got[0].Lost || len(h.store.left())+len(notes(t, other)) != 0 {
		t.Fatalf("swept %+v, %v; left %v", got, err, h.store.left())
	}
	if last := h.log.all[len(h.log.all)-1]; last.Principal != "app:tacit" || last.Verb != secret.Revoke || last.Outcome != "ok" {
		t.Errorf("recorded %+v", last)
	}
}

func TestSweepTriesAgainLater(t *testing.T) {
	h := newHouse(t)
	now := time.Now()
	l := h.issue(t, 100*time.Hour, true)
	h.Close()
	h.store.failRevoke = unavailable()
	other := newBook(h, func() time.Time { return now })
	for try, wait := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute} {
		got, err := other.Sweep(t.Context(), nil)
		if err != nil || len(got) != 1 || got[0].Err == nil || got[0].Tries != try {
			t.Fatalf("try %d: swept %+v, %v", try, got, err)
		}
		now = now.Add(wait - time.Second)
		if got, err := other.Sweep(t.Context(), nil); err != nil || len(got) != 0 {
			t.Fatalf("try %d: not left alone: %+v, %v", try, got, err)
		}
		now = now.Add(time.Second)
	}
	h.store.failRevoke = nil
	if got, err := other.Sweep(t.Context(), nil); err != nil || len(got) != 1 || got[0].Err != nil || len(h.store.left()) != 0 {
		t.Fatalf("swept %+v, %v; left %v", got, err, h.store.left())
	}
	_ = l
}

func TestSweepDropsWhatEnded(t *testing.T) {
	h := newHouse(t)
	h.issue(t, time.Hour, false)
	h.store.failRevoke = unavailable() // nobody is asked
	other := newBook(h, func() time.Time { return time.Now().Add(2 * time.Hour) })
	if got, err := other.Sweep(t.Context(), nil); err != nil || len(got)+len(notes(t, other)) != 0 {
		t.Errorf("swept %v, %v", got, err)
	}
}

func TestFailedIssue(t *testing.T) {
	for _, c := range []struct {
		name   string
		fail   error
		noNote bool
		notes  int
		lost   bool
	}{
		{name: "refused", fail: secret.Errorf(secret.NotFound, "", "no such role")},
		{name: "no answer", fail: unavailable(), notes: 1, lost: true},
		{name: "the second note fails", noNote: true, notes: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			h.store.fail = c.fail
			puts := 0
			h.rows.fail = func([]byte) error {
				if puts++; c.noNote && puts == 2 {
					return unavailable()
				}
				return nil
			}
			l, err := h.Issue(t.Context(), mia(), app(), time.Hour, true)
			if err == nil || !l.Value.IsZero() || len(notes(t, h.Book)) != c.notes || strings.Contains(err.Error(), canary) {
				t.Fatalf("issued %+v, %v; noted %+v", l, err, notes(t, h.Book))
			}
			h.Close()
			got, err := h.another().Sweep(t.Context(), nil)
			if err != nil || len(got) != c.notes || len(notes(t, h.Book)) != 0 {
				t.Fatalf("swept %+v, %v", got, err)
			}
			if len(got) > 0 && (got[0].Lost != c.lost || got[0].Err != nil) {
				t.Errorf("swept %+v", got[0])
			}
			if c.noNote && len(h.store.left()) > 0 {
				t.Errorf("left %v", h.store.left())
			}
		})
	}
}

// A denied caller must not have tacit revoke later what it may not revoke.
func TestDeniedRevocationIsNotDue(t *testing.T) {
	h := newHouse(t)
	l := h.issue(t, time.Hour, false)
	wantKind(t, h.Revoke(t.Context(), eve(), l.Note), secret.Denied)
	_, err := h.Renew(t.Context(), eve(), l.Note, time.Hour)
	wantKind(t, err, secret.Denied)
	if got, err := h.Sweep(t.Context(), nil); err != nil || len(got) > 0 || len(h.store.left()) != 1 {
		t.Errorf("swept %+v, %v", got, err)
	}
	h.store.failRevoke = unavailable()
	wantKind(t, h.Revoke(t.Context(), mia(), l.Note), secret.Unavailable)
	if n := notes(t, h.Book)[0]; !n.Due || n.Tries != 1 {
		t.Errorf("noted %+v", n)
	}
}

func TestMarkOfAnotherProcess(t *testing.T) {
	h := newHouse(t)
	l := h.issue(t, time.Hour, true)
	for _, owner := range []string{"", "x", "../" + l.Owner, strings.Repeat("0", 32)} {
		n := l.Note
		n.Owner = owner
		if h.another().Lives(n) {
			t.Errorf("the owner %q lives", owner)
		}
	}
}

// A note that was renewed meanwhile must not seem to have ended when its
// revocation fails.
func TestFailedRevocationKeepsTheLaterEnd(t *testing.T) {
	h := newHouse(t)
	l := h.issue(t, time.Minute, true)
	renewed, err := h.Renew(t.Context(), mia(), l.Note, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	h.store.failRevoke = unavailable()
	wantKind(t, h.GiveBack(t.Context(), l.Note, "run make ended"), secret.Unavailable)
	if n := notes(t, h.Book)[0]; !n.Expires.Equal(renewed.Expires) || !n.Due {
		t.Errorf("noted %+v, renewed to %s", n, renewed.Expires)
	}
}

// Marks of dead processes that no note names are removed once they are old;
// those of the living never.
func TestOldMarksAreRemoved(t *testing.T) {
	h := newHouse(t)
	l := h.issue(t, time.Hour, true) // alive
	old := time.Now().Add(-48 * time.Hour)
	for name, at := range map[string]time.Time{l.Owner: old, strings.Repeat("a", 32): old, strings.Repeat("b", 32): time.Now()} {
		path := filepath.Join(h.dir, name)
		if f, err := os.OpenFile(path, os.O_CREATE, 0o600); err != nil || f.Close() != nil || os.Chtimes(path, at, at) != nil {
			t.Fatal(err)
		}
	}
	other := h.another()
	defer other.Close()
	if _, err := other.Issue(t.Context(), mia(), app(), time.Hour, true); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(h.dir)
	if err != nil || len(left) != 3 || !other.Lives(l.Note) { // the two that live, and the young one
		t.Errorf("left %v, %v", left, err)
	}
}

// TestAbuseMovedEnvironment: an environment that is another store by now is not
// asked about leases of the one before, to which none of them is known: they
// would be taken for ended.
func TestAbuseMovedEnvironment(t *testing.T) {
	h := newHouse(t)
	places := map[string]string{"prod": "one"}
	book := func() *lease.Book {
		b := h.another()
		b.Place(func(env string) string { return places[env] })
		return b
	}
	first := book()
	tied, err := first.Issue(t.Context(), mia(), app(), time.Hour, true)
	if err != nil || tied.Store != "one" {
		t.Fatalf("%+v, %v", tied.Note, err)
	}
	first.Close() // as if it was killed
	places["prod"] = "two"
	b := book()
	if got, err := b.Sweep(t.Context(), nil); err != nil || len(got) > 0 {
		t.Errorf("swept %+v, %v", got, err)
	}
	if err := b.Revoke(t.Context(), mia(), tied.Note); secret.KindOf(err) != secret.Conflict || !strings.Contains(err.Error(), "is another store now") {
		t.Errorf("revoked: %v", err)
	}
	if _, err := b.Renew(t.Context(), mia(), tied.Note, time.Hour); secret.KindOf(err) != secret.Conflict {
		t.Errorf("renewed: %v", err)
	}
	if err := b.GiveBack(t.Context(), tied.Note, "x"); secret.KindOf(err) != secret.Conflict {
		t.Errorf("given back: %v", err)
	}
	if all, err := b.All(t.Context()); err != nil || len(all) != 1 || len(h.store.left()) != 1 {
		t.Errorf("%d notes and %d leases are left, %v", len(all), len(h.store.left()), err)
	}
	places["prod"] = "one"
	if got, err := book().Sweep(t.Context(), nil); err != nil || len(got) != 1 || len(h.store.left()) != 0 {
		t.Errorf("swept %+v, %v", got, err)
	}
}
