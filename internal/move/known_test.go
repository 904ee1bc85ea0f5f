package move_test

import (
	"slices"
	"testing"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/secret"
)

// left makes what a killed copy leaves in a store that is told the identity of a
// version after its value: the value, under an identity of the store's own.
func left(t *testing.T) *house {
	t.Helper()
	h := open(t, nil)
	for _, n := range []secret.Name{"same", "tags", "theirs"} {
		put(t, h.dev, n, "v", nil)
	}
	put(t, h.prod, "same", "v", nil)
	put(t, h.prod, "tags", "v", nil)
	put(t, h.prod, "theirs", "another", nil)
	put(t, h.prod, "old", "v", nil)
	put(t, h.dev, "old", "newer", nil)
	if _, err := h.dev.Annotate(t.Context(), "tags", secret.Change{Tags: secret.TagChange{Set: map[string]string{"owner": "payments"}}}); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestCopyKnowsAValueUnderAnotherIdentity(t *testing.T) {
	h := left(t)
	got, err := run(t, h.copy("dev:", "prod:"))
	want(t, got, err, "annotate prod:tags", "same prod:same", "update prod:old", "update prod:theirs")
	m, err := h.prod.Describe(t.Context(), "tags")
	if err != nil || m.Tags["owner"] != "payments" || len(m.Versions) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	got, err = run(t, h.copy("dev:", "prod:"))
	want(t, got, err, "same prod:old", "same prod:same", "same prod:tags", "same prod:theirs")
}

// Who may write there and not read is not told what is there, and no denial
// stands on record that nobody asked for.
func TestCopyComparesNoValueThatItMayNotRead(t *testing.T) {
	h := left(t)
	c := h.copy("dev:", "prod:")
	c.Caller = secret.Caller{Principal: "agent:mover", How: secret.ByMark}
	got, err := run(t, c)
	want(t, got, err, "update prod:old", "update prod:same", "update prod:tags", "update prod:theirs")
	if i := slices.IndexFunc(h.log.records, func(r audit.Record) bool { return r.Outcome == audit.Denied || r.Verb == secret.Get && r.Env == "prod" }); i >= 0 {
		t.Errorf("on record: %+v", h.log.records[i])
	}
}
