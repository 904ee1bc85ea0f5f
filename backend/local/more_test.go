package local_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/local"
	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

func inMemory(t testing.TB) *local.Store {
	t.Helper()
	s, err := inMemoryAt(t, nil)
	noError(t, err)
	return s
}

func inMemoryAt(t testing.TB, now func() time.Time) (*local.Store, error) {
	t.Helper()
	db, err := state.Memory(t.Context(), nil)
	noError(t, err)
	t.Cleanup(func() { noError(t, db.Close()) })
	return local.New(db, &local.Options{Now: now})
}

func TestCapabilities(t *testing.T) {
	want := []string{"versions", "swap", "create", "undelete", "remove versions", "stages", "annotations", "attributes", "limits", "backup", "batch", "batch put", "rename", "watch"}
	if got := secret.Capabilities(inMemory(t)); !slices.Equal(got, want) {
		t.Fatalf("capabilities are %v, want %v", got, want)
	}
}

func TestNewNeedsStore(t *testing.T) {
	_, err := local.New(nil, nil)
	wantKind(t, err, secret.Invalid)
}

// TestInterrupted: a context that is done before the commit changes nothing.
func TestInterrupted(t *testing.T) {
	s, db := newFile(t).open(t, nil)
	put(t, s, "a", "1")
	before := db.Generation()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, err := range map[string]error{
		"put":     errOf(s.Put(ctx, "a", secret.Text("2"), nil)),
		"delete":  errOf(s.Delete(ctx, "a", nil)),
		"get":     errOf(s.Get(ctx, "a", secret.At{})),
		"destroy": s.Destroy(ctx, "a"),
		"batch":   s.GetBatch(ctx, []secret.Name{"a"})[0].Err,
	} {
		if !errors.Is(err, secret.Unavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if db.Generation() != before || get(t, s, "a") != "1" {
		t.Error("something was changed")
	}
}

func errOf[T any](_ T, err error) error { return err }

// TestTooLarge: the limit is checked before anything else happens.
func TestTooLarge(t *testing.T) {
	s := inMemory(t)
	_, err := s.Put(t.Context(), "a", secret.Binary(make([]byte, local.MaxValueBytes)), nil)
	noError(t, err)
	_, err = s.Put(t.Context(), "a", secret.Binary(make([]byte, local.MaxValueBytes+1)), nil)
	wantKind(t, err, secret.Invalid)
	_, err = s.Put(t.Context(), "a", secret.Value{}, nil)
	wantKind(t, err, secret.Invalid)
	v, err := s.Get(t.Context(), "a", secret.At{})
	noError(t, err)
	if v.Number != 1 || v.Value.Len() != local.MaxValueBytes || !v.Value.IsBinary() {
		t.Fatalf("version %d of %d bytes", v.Number, v.Value.Len())
	}
}

// listed walks a list in pages of n, each from the cursor of the last one.
func listed(t *testing.T, s *local.Store, opts secret.ListOptions, n int) (out []string) {
	t.Helper()
	for {
		got := 0
		for m, err := range s.List(t.Context(), &opts) {
			noError(t, err)
			out = append(out, string(m.Name))
			if m.Prefix != strings.HasSuffix(string(m.Name), "/") {
				t.Fatalf("%q: prefix is %v", m.Name, m.Prefix)
			}
			opts.After = m.Cursor
			if got++; got == n {
				break
			}
		}
		if got < n {
			return out
		}
	}
}

func TestListPages(t *testing.T) {
	s, _ := newFile(t).open(t, nil)
	var want []string
	for _, n := range []string{"a", "a-b", "a/1", "a/2", "a/b/3", "a0", "b/1", "z"} {
		put(t, s, secret.Name(n), "x")
		want = append(want, n)
	}
	for i := range 600 { // more than a page
		put(t, s, secret.Name(fmt.Sprintf("many/%03d", i)), "x")
		want = append(want, fmt.Sprintf("many/%03d", i))
	}
	slices.Sort(want)
	put(t, s, "gone/1", "x")
	_, err := s.Delete(t.Context(), "gone/1", nil)
	noError(t, err)
	for _, n := range []int{1, 7, 256, 1000} {
		if got := listed(t, s, secret.ListOptions{}, n); !slices.Equal(got, want) {
			t.Fatalf("in pages of %d: %v", n, got)
		}
		if got := listed(t, s, secret.ListOptions{Shallow: true}, n); !slices.Equal(got, []string{"a", "a-b", "a/", "a0", "b/", "many/", "z"}) {
			t.Fatalf("shallow, in pages of %d: %v", n, got)
		}
		if got := listed(t, s, secret.ListOptions{Shallow: true, Prefix: "a/"}, n); !slices.Equal(got, []string{"a/1", "a/2", "a/b/"}) {
			t.Fatalf("shallow below a/, in pages of %d: %v", n, got)
		}
		if got := listed(t, s, secret.ListOptions{Deleted: secret.OnlyDeleted}, n); !slices.Equal(got, []string{"gone/1"}) {
			t.Fatalf("deleted, in pages of %d: %v", n, got)
		}
	}
}

// TestArchive: a backup opens in the same store after a rekey, and nowhere
// else, and only as what it is.
func TestArchive(t *testing.T) {
	f := newFile(t)
	s, db := f.open(t, nil)
	put(t, s, "a", "1")
	put(t, s, "a", "2")
	noError(t, s.DestroyVersions(t.Context(), "a", secret.At{Number: 1}))
	put(t, s, "a", "a value to look for")
	before, err := s.Describe(t.Context(), "a")
	noError(t, err)
	blob, err := s.Backup(t.Context(), "a")
	noError(t, err)
	if strings.Contains(string(blob), "look for") {
		t.Fatal("the blob is not sealed")
	}
	_, err = s.Restore(t.Context(), "a", blob)
	wantKind(t, err, secret.Conflict)
	_, err = s.Restore(t.Context(), "b", blob)
	wantKind(t, err, secret.Invalid)
	_, err = inMemory(t).Restore(t.Context(), "a", blob)
	wantKind(t, err, secret.Invalid)
	for at := 0; at < len(blob); at += 7 {
		bad := slices.Clone(blob)
		bad[at] ^= 1
		_, err = s.Restore(t.Context(), "a", bad)
		wantKind(t, err, secret.Invalid)
	}
	noError(t, s.Destroy(t.Context(), "a"))
	rekey(t, f, db)
	_, err = s.Restore(t.Context(), "a", blob)
	noError(t, err)
	after, err := s.Describe(t.Context(), "a")
	noError(t, err)
	if before.UID == after.UID {
		t.Fatal("the restored secret has the UID of the one that was packed")
	}
	if after.UID = before.UID; fmt.Sprint(before) != fmt.Sprint(after) {
		t.Fatalf("%v became %v", before, after)
	}
	if get(t, s, "a") != "a value to look for" {
		t.Fatal("the value is another")
	}
	v, err := s.Get(t.Context(), "a", secret.At{Number: 2})
	if err != nil || string(v.Value.Reveal()) != "2" {
		t.Fatalf("version 2: %v", err)
	}
	_, err = s.Get(t.Context(), "a", secret.At{Number: 1})
	wantKind(t, err, secret.Destroyed)
	_, err = db.Check(t.Context())
	noError(t, err)
}

func rekey(t *testing.T, f file, db *state.DB) {
	t.Helper()
	u := seal.Unlocker{KeyDir: f.Keys}
	slots, err := db.Slots()
	noError(t, err)
	key, err := seal.NewKey()
	noError(t, err)
	r, err := u.Rekey(t.Context(), db.StoreID(), slots, db.Key(), key)
	noError(t, err)
	noError(t, db.Rekey(t.Context(), db.Key(), key, r.Slots))
}

// TestIDAgain: an id may be used again when its version was dropped, and then
// names the new value alone.
func TestIDAgain(t *testing.T) {
	s, db := newFile(t).open(t, nil)
	id := secret.VersionID(strings.Repeat("i", 40))
	opts := &secret.PutOptions{ID: id}
	_, err := s.Put(t.Context(), "a", secret.Text("first"), opts)
	noError(t, err)
	v, err := s.Put(t.Context(), "a", secret.Text("first"), opts)
	if err != nil || v.Number != 1 {
		t.Fatalf("the same again is version %d, %v", v.Number, err)
	}
	_, err = s.Put(t.Context(), "a", secret.Text("other"), opts)
	wantKind(t, err, secret.Conflict)
	for range local.DefaultVersions {
		put(t, s, "a", "x")
	}
	_, err = s.Put(t.Context(), "a", secret.Text("other"), opts)
	noError(t, err)
	if v, err = s.Get(t.Context(), "a", secret.At{ID: id}); err != nil || string(v.Value.Reveal()) != "other" {
		t.Fatalf("the id names %v, %v", v.Number, err)
	}
	_, err = db.Check(t.Context())
	noError(t, err)
}

// TestTwoAtOnce: two stores on one file, as two processes have, lose nothing.
func TestTwoAtOnce(t *testing.T) {
	f := newFile(t)
	a, _ := f.open(t, nil)
	b, db := f.open(t, nil)
	noError(t, errOf(a.Create(t.Context(), "n", secret.Annotations{})))
	noError(t, a.Limit(t.Context(), "n", secret.Limits{MaxVersions: 1000}))
	both := []*local.Store{a, b}
	many(t, 8, 200, func(i int) error {
		s := both[i%2]
		_, err := s.Put(t.Context(), "n", secret.Text(fmt.Sprint(i)), nil)
		if err != nil {
			return err
		}
		v, err := both[(i+1)%2].Get(t.Context(), "n", secret.At{})
		if err == nil && v.Number == 0 {
			return errors.New("no number")
		}
		return err
	})
	m, err := a.Describe(t.Context(), "n")
	noError(t, err)
	if v, ok := m.Current(); !ok || v.Number != 200 {
		t.Fatalf("the current version is %d, want 200", v.Number)
	}
	_, err = db.Check(t.Context())
	noError(t, err)
}
