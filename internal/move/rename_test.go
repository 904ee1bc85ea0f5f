package move_test

import (
	"slices"
	"testing"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/secret"
)

func (h *house) rename(from, to string) *move.Rename {
	return &move.Rename{Broker: h.Broker, Caller: mia(), From: secret.Ref{Env: "prod", Name: secret.Name(from)}, To: secret.Ref{Env: "prod", Name: secret.Name(to)}}
}

func TestRenameInOneStep(t *testing.T) {
	h := open(t, nil)
	put(t, h.prod, "a", "one", nil)
	put(t, h.prod, "a", "two", nil)
	if err := h.rename("a", "b").Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := h.prod.Get(t.Context(), "b", secret.At{Number: 1}); err != nil {
		t.Error(err)
	}
}

// keeping is a store that keeps versions and does not rename.
type keeping struct {
	secret.Backend
	secret.Versioner
	secret.Undeleter
}

func TestRenameByCopyAndDelete(t *testing.T) {
	h := open(t, func(s *mem.Store) secret.Backend { return keeping{s, s, s} })
	for _, v := range []string{"one", "two", "three"} {
		put(t, h.prod, "a", v, nil)
	}
	r := h.rename("a", "b")
	if whole, err := r.Whole(t.Context()); whole || err != nil {
		t.Fatalf("%v, %v", whole, err)
	}
	if behind, err := r.Behind(t.Context()); err != nil || !slices.Equal(behind, []uint64{2, 1}) {
		t.Errorf("what stays behind: %v, %v", behind, err)
	}
	if err := r.Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	v, err := h.prod.Get(t.Context(), "b", secret.At{})
	if err != nil || string(v.Value.Reveal()) != canary+"three" {
		t.Errorf("%v", err)
	}
	if m, err := h.prod.Describe(t.Context(), "a"); err != nil || m.Deleted.IsZero() {
		t.Errorf("the old name is not deleted: %v", err)
	}
	put(t, h.prod, "c", "theirs", nil)
	if err := h.rename("b", "c").Run(t.Context(), nil); secret.KindOf(err) != secret.Conflict {
		t.Errorf("err = %v", err)
	}
	v, err = h.prod.Get(t.Context(), "c", secret.At{})
	if err != nil || string(v.Value.Reveal()) != canary+"theirs" {
		t.Errorf("it was overwritten: %v", err)
	}
}
