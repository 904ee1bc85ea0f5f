package broker_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

func puts(t *testing.T, names ...string) []broker.Putting {
	t.Helper()
	out := make([]broker.Putting, len(names))
	for i, n := range names {
		out[i] = broker.Putting{Ref: ref(t, n), Value: secret.Text(canary + n)}
	}
	return out
}

func TestPutAllIsOneStep(t *testing.T) {
	h := open(t, prefixed)
	vs, err := h.PutAll(t.Context(), mia(), puts(t, "b", "a"))
	if err != nil || len(vs) != 2 || vs[0].Number != 1 {
		t.Fatalf("%+v, %v", vs, err)
	}
	wantTrace(t, h, "decide put b", "decide put a", "record put begin", "record put begin", "record put end ok", "record put end ok")
	if h.log.appends != 2 {
		t.Errorf("%d appends for one step, want one before and one after it", h.log.appends)
	}
	all := h.log.all()
	for i, n := range []string{"b", "a"} {
		if end := all[2+i]; end.Name != n || end.Number != 1 || end.Version != vs[i].ID || *end.Begun != uint64(i) {
			t.Errorf("the end of %s is %+v", n, end)
		}
		if _, err := h.store.Get(t.Context(), secret.Name("team/x/"+n), secret.At{}); err != nil {
			t.Error(err)
		}
	}
}

func TestPutAllOrNothing(t *testing.T) {
	h := open(t, prefixed)
	h.put(t, "a", canary)
	_, err := h.PutAll(t.Context(), mia(), append(puts(t, "new"), broker.Putting{Ref: ref(t, "a"), Value: secret.Text("x"), Old: &secret.At{}}))
	wantKind(t, err, secret.Conflict)
	if !strings.HasPrefix(err.Error(), "dev:a") {
		t.Errorf("the error does not name the secret in the way: %v", err)
	}
	if r := h.log.last(); r.Outcome != "conflict" || r.Phase != audit.End {
		t.Errorf("recorded as %+v", r)
	}
	_, err = h.Describe(t.Context(), mia(), ref(t, "new"))
	wantKind(t, err, secret.NotFound)

	// One denial refuses all; every denial is on record.
	before := len(h.log.all())
	reader := secret.Caller{Principal: "agent:reader", How: secret.ByMark}
	_, err = h.PutAll(t.Context(), reader, puts(t, "claude/a", "claude/b"))
	wantKind(t, err, secret.Denied)
	if got := h.log.all()[before:]; len(got) != 2 || got[1].Name != "claude/b" || got[1].Outcome != audit.Denied {
		t.Errorf("recorded: %+v", got)
	}
}

func TestPutAllBounds(t *testing.T) {
	h := open(t, nil)
	two := puts(t, "a", "b")
	two[1].Ref.Env = "prod"
	for name, bad := range map[string][]broker.Putting{
		"none": nil, "twice": puts(t, "a", "a"), "environments": two, "version": puts(t, "a@1"), "field": puts(t, "a#x"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.PutAll(t.Context(), mia(), bad)
			wantKind(t, err, secret.Invalid)
		})
	}
	many := make([]string, 2500) // more than one group of records
	for i := range many {
		many[i] = fmt.Sprintf("n%d", i)
	}
	if _, err := h.PutAll(t.Context(), mia(), puts(t, many...)); err != nil {
		t.Fatal(err)
	}
	ended := map[uint64]bool{}
	for _, r := range h.log.all() {
		if r.Phase == audit.End && r.Outcome == audit.OK {
			ended[*r.Begun] = true
		}
	}
	if len(ended) != len(many) {
		t.Errorf("%d of %d changes ended on record", len(ended), len(many))
	}
}

// bare has none of the optional promises.
type bare struct{ secret.Backend }

func TestManyUnsupported(t *testing.T) {
	h := open(t, nil)
	h.put(t, "a", canary)
	b, err := broker.New(broker.Config{Envs: map[string]broker.Env{"dev": broker.Opened(bare{h.store})}, Policy: anyone{}, Log: h.log, Now: h.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.PutAll(t.Context(), mia(), puts(t, "b"))
	wantKind(t, err, secret.Unsupported)
	_, err = b.Rename(t.Context(), mia(), ref(t, "a"), ref(t, "b"))
	wantKind(t, err, secret.Unsupported)
}

func TestRename(t *testing.T) {
	h := open(t, prefixed)
	h.put(t, "a", canary)
	h.trace.take()
	m, err := h.Rename(t.Context(), mia(), ref(t, "a"), ref(t, "b"))
	if err != nil || m.Name != "b" {
		t.Fatalf("%+v, %v", m, err)
	}
	wantTrace(t, h, "decide get a", "decide delete a", "decide put b",
		"record delete begin", "record put begin", "record delete end ok", "record put end ok")
	if r := h.log.last(); r.Name != "b" || r.For != "rename dev:a to dev:b" || r.Number != 1 {
		t.Errorf("recorded as %+v", r)
	}
	_, err = h.Rename(t.Context(), mia(), ref(t, "b"), ref(t, "b"))
	wantKind(t, err, secret.Invalid)
	h.put(t, "c", canary)
	_, err = h.Rename(t.Context(), mia(), ref(t, "b"), ref(t, "c"))
	wantKind(t, err, secret.Conflict)
	if !strings.HasPrefix(err.Error(), "dev:c") {
		t.Errorf("the error does not name what is in the way: %v", err)
	}
	for _, bad := range [][2]string{{"b@1", "d"}, {"b", "d@1"}, {"b#x", "d"}} {
		_, err = h.Rename(t.Context(), mia(), ref(t, bad[0]), ref(t, bad[1]))
		wantKind(t, err, secret.Invalid)
	}
}

// A secret must not become readable by being moved to where its mover may read.
func TestAbuseRename(t *testing.T) {
	t.Run("rename-needs-get-of-the-old-name", func(t *testing.T) {
		h := open(t, nil)
		h.put(t, "private/x", canary)
		writer := secret.Caller{Principal: "agent:writer", How: secret.ByMark}
		_, err := h.Rename(t.Context(), writer, ref(t, "private/x"), ref(t, "claude/x"))
		wantKind(t, err, secret.Denied)
		if r := h.log.last(); r.Verb != secret.Get || r.Outcome != audit.Denied {
			t.Errorf("recorded as %+v", r)
		}
	})
}
