package local_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/local"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

const window = 30 * 24 * time.Hour

func expired(t *testing.T, s *local.Store) []secret.Name {
	t.Helper()
	out, err := s.Expired(t.Context())
	noError(t, err)
	return out
}

func TestExpired(t *testing.T) {
	c := newClock()
	f := newFile(t)
	s, db := f.open(t, c.now)
	for _, n := range []secret.Name{"a", "b", "c", "kept"} {
		put(t, s, n, "of "+string(n))
	}
	for _, n := range []secret.Name{"b", "a"} {
		m, err := s.Delete(t.Context(), n, nil)
		noError(t, err)
		if want := c.now().Add(window); !m.Purge.Equal(want) {
			t.Fatalf("%s will be purged at %v, want %v", n, m.Purge, want)
		}
	}
	c.advance(time.Hour)
	_, err := s.Delete(t.Context(), "c", nil)
	noError(t, err)
	c.advance(window - time.Hour - time.Nanosecond)
	if got := expired(t, s); got != nil {
		t.Fatalf("too early: %v", got)
	}
	wantKind(t, s.Purge(t.Context(), "a"), secret.NotFound)

	c.advance(time.Nanosecond)
	if got := expired(t, s); !slices.Equal(got, []secret.Name{"a", "b"}) {
		t.Fatalf("expired are %v", got)
	}
	_, err = s.Undelete(t.Context(), "a")
	wantKind(t, err, secret.NotFound)
	if _, err = s.Get(t.Context(), "a", secret.At{}); secret.KindOf(err) != secret.NotFound || secret.StateOf(err) != 0 {
		t.Fatalf("an expired secret answers %v", err)
	}
	before := rows(t, db)
	noError(t, s.Purge(t.Context(), "a"))
	noError(t, s.Purge(t.Context(), "b"))
	if got := before - rows(t, db); got != 4 {
		t.Fatalf("%d rows went, want two heads and two values", got)
	}
	wantKind(t, s.Purge(t.Context(), "kept"), secret.NotFound)
	if got := expired(t, s); got != nil {
		t.Fatalf("after the purge: %v", got)
	}
	c.advance(time.Hour)
	if got := expired(t, s); !slices.Equal(got, []secret.Name{"c"}) {
		t.Fatalf("an hour later expired are %v", got)
	}
	noError(t, s.Purge(t.Context(), "c"))
	if got := get(t, s, "kept"); got != "of kept" {
		t.Fatalf("kept is %q", got)
	}
	if got := expired(t, s); got != nil {
		t.Fatalf("in the end: %v", got)
	}
}

// TestPurgeSparesNewSecret: between Expired and Purge another process may have
// purged and written a new secret of the name.
func TestPurgeSparesNewSecret(t *testing.T) {
	c := newClock()
	f := newFile(t)
	s, _ := f.open(t, c.now)
	other, _ := f.open(t, c.now)
	put(t, s, "a", "old")
	_, err := s.Delete(t.Context(), "a", nil)
	noError(t, err)
	c.advance(window)
	if got := expired(t, s); len(got) != 1 {
		t.Fatalf("expired are %v", got)
	}
	noError(t, other.Purge(t.Context(), "a"))
	put(t, other, "a", "new")
	wantKind(t, s.Purge(t.Context(), "a"), secret.NotFound)
	if got := get(t, s, "a"); got != "new" {
		t.Fatalf("a is %q", got)
	}
}

func rows(t *testing.T, db *state.DB) uint64 {
	t.Helper()
	r, err := db.Check(t.Context())
	noError(t, err)
	return r.Rows
}

// TestDropped: what is beyond the limit leaves the store, and a destroyed
// secret leaves nothing.
func TestDropped(t *testing.T) {
	s, db := newFile(t).open(t, nil)
	empty := rows(t, db)
	for range 25 {
		put(t, s, "a", "x")
	}
	if got := rows(t, db) - empty; got != 11 {
		t.Fatalf("%d rows for ten versions", got)
	}
	noError(t, s.Limit(t.Context(), "a", secret.Limits{MaxVersions: 3}))
	put(t, s, "a", "x")
	if got := rows(t, db) - empty; got != 4 {
		t.Fatalf("%d rows for three versions", got)
	}
	noError(t, s.DestroyVersions(t.Context(), "a", secret.At{Number: 25}))
	if got := rows(t, db) - empty; got != 3 {
		t.Fatalf("%d rows after one was destroyed", got)
	}
	noError(t, s.Destroy(t.Context(), "a"))
	if got := rows(t, db); got != empty {
		t.Fatalf("%d rows are left, %d were there", got, empty)
	}
}
