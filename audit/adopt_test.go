package audit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/audit/internal/segment"
	"github.com/tacit-secrets/tacit/secret"
)

// TestAdoption: the log begins anew, says what the store remembers of the old
// one, and no key of the old one is left.
func TestAdoption(t *testing.T) {
	cfg := config(t)
	store := &testStore{}
	cfg.Store = store
	cfg.MaxBytes = 1
	l, _ := create2(t, cfg)
	add(t, l, "a", "b", "c")
	store.head = l.Head()
	_ = l.Close()
	if err := os.RemoveAll(cfg.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), cfg); secret.KindOf(err) != secret.Corrupt || !strings.Contains(err.Error(), "tacit audit adopt") {
		t.Fatalf("a log that is missing opens: %v", err)
	}
	l, key, err := Adoption(t.Context(), cfg, Record{Principal: "user:mia", Verb: Adopt, Outcome: OK})
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	left, err := filepath.Glob(filepath.Join(cfg.KeyDir, "audit-*.key"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "audit-1.key" {
		t.Errorf("keys that are left: %v", left)
	}
	sound(t, cfg, VerifyOptions{FirstKey: key})
	for r, err := range Read(t.Context(), cfg.Dir, Filter{}) {
		if err != nil || r.Verb != Adopt || !strings.Contains(r.Reason, "at least 6 lines") {
			t.Errorf("%+v %v", r, err)
		}
	}
}

// TestMissingSigningKey: nobody can go on with the segment, but its owner can
// begin a new epoch behind it.
func TestMissingSigningKey(t *testing.T) {
	for _, torn := range []string{"", "torn"} {
		cfg := config(t)
		l, key := create2(t, cfg)
		add(t, l, "a")
		_ = l.Close()
		if err := os.Remove(l.keyPath(1)); err != nil {
			t.Fatal(err)
		}
		edit(t, segment.Path(cfg.Dir, 1), func(b []byte) []byte { return append(b, torn...) })
		if _, err := Open(t.Context(), cfg); secret.KindOf(err) != secret.Corrupt || !strings.Contains(err.Error(), "tacit audit adopt") {
			t.Fatalf("it opens without a key: %v", err)
		}
		l, _, err := NewEpoch(t.Context(), cfg, Record{Principal: "user:mia", Verb: Epoch, Outcome: OK})
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		add(t, reopen(t, cfg), "b")
		r := sound(t, cfg, VerifyOptions{FirstKey: key})
		if len(r.Epochs) != 1 || len(r.FirstKeys) != 2 || (len(r.Recovered) != 0) != (torn != "") || names(t, cfg.Dir) != "a b" {
			t.Errorf("%+v", r)
		}
	}
}
