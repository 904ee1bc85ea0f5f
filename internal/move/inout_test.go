package move_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/secret"
)

func incoming(refs ...string) []move.Incoming {
	out := make([]move.Incoming, len(refs))
	for i, s := range refs {
		r, err := secret.ParseRef(s)
		if err != nil {
			panic(err)
		}
		out[i] = move.Incoming{Ref: r, Value: secret.Text(canary + r.Field)}
	}
	return out
}

func actions(all []move.Incoming) string {
	var out []string
	for _, in := range all {
		out = append(out, string(in.Action))
	}
	return strings.Join(out, " ")
}

func importAll(t *testing.T, m *move.Import, all []move.Incoming) (wrote int) {
	t.Helper()
	if err := m.Compare(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if err := m.Write(t.Context(), all, func(n int) { wrote += n }); err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	return wrote
}

func TestImport(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	put(t, h.dev, "same", "", nil)
	put(t, h.dev, "changed", "old", nil)
	if _, err := h.dev.Put(t.Context(), "json", secret.Text(`{"user":"mia","b":"`+canary+`b"}`), nil); err != nil {
		t.Fatal(err)
	}
	refs := []string{"dev:same", "dev:changed", "dev:new", "dev:json#b", "dev:json#c", "dev:json#user", "dev:made#x", "prod:other"}
	m := &move.Import{Broker: h.Broker, Caller: mia()}
	all := incoming(refs...)
	if wrote := importAll(t, m, all); wrote != 6 || actions(all) != "same update create same create update create create" {
		t.Fatalf("wrote %d: %s", wrote, actions(all))
	}
	v, err := h.dev.Get(t.Context(), "json", secret.At{})
	if err != nil || string(v.Value.Reveal()) != fmt.Sprintf(`{"user":"%suser","b":"%sb","c":"%sc"}`, canary, canary, canary) {
		t.Errorf("the object is another one: %s, %v", v.Value.Reveal(), err)
	}
	before := h.log.writes()
	all = incoming(refs...)
	if wrote := importAll(t, m, all); wrote != 0 || h.log.writes() != before {
		t.Errorf("again, %d were written", wrote)
	}
}

// What is in the way of one value is told with it; nothing is overwritten that
// was not compared.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	put(t, h.dev, "gone", "", nil)
	if _, err := h.dev.Delete(t.Context(), "gone", nil); err != nil {
		t.Fatal(err)
	}
	put(t, h.dev, "text", "", nil)
	m := &move.Import{Broker: h.Broker, Caller: mia()}
	all := incoming("dev:gone", "dev:text#field", "dev:ok")
	if err := m.Compare(t.Context(), all); err != nil || actions(all) != "refuse refuse create" {
		t.Fatalf("%s, %v", actions(all), err)
	}
	if secret.KindOf(all[0].Err) != secret.Conflict || secret.KindOf(all[1].Err) != secret.Invalid {
		t.Errorf("got %v and %v", all[0].Err, all[1].Err)
	}
	for name, change := range map[string]func() error{
		"made meanwhile": func() error {
			_, err := h.dev.Put(t.Context(), "ok", secret.Text("theirs"), nil)
			return err
		},
		"changed meanwhile": func() error {
			_, err := h.dev.Put(t.Context(), "ok", secret.Text("theirs again"), nil)
			return err
		},
	} {
		all := incoming("dev:ok", "dev:beside")
		if err := m.Compare(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if err := m.Write(t.Context(), all, func(int) {}); secret.KindOf(err) != secret.Conflict {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := h.dev.Get(t.Context(), "beside", secret.At{}); secret.KindOf(err) != secret.NotFound {
			t.Errorf("%s: half of the batch was written: %v", name, err)
		}
	}
}

// What somebody wrote between writing and reading back is found.
func TestImportVerifies(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	m := &move.Import{Broker: h.Broker, Caller: mia()}
	all := incoming("dev:a", "dev:b")
	importAll(t, m, all)
	put(t, h.dev, "b", "theirs", nil)
	if err := m.Verify(t.Context(), all); secret.KindOf(err) != secret.Conflict || !strings.Contains(err.Error(), "dev:b") || strings.Contains(err.Error(), canary) {
		t.Errorf("got %v", err)
	}
}

func TestImportInSteps(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *mem.Store) secret.Backend { return plain{s} })
	m := &move.Import{Broker: h.Broker, Caller: mia()}
	for env, want := range map[string]int{"dev": 2, "prod": secret.MaxBatch + 1} {
		if got, err := m.Steps(t.Context(), env, secret.MaxBatch+1); err != nil || got != want {
			t.Errorf("%s: %d steps, %v", env, got, err)
		}
	}
	all := make([]move.Incoming, secret.MaxBatch+1)
	for i := range all {
		all[i] = move.Incoming{Ref: secret.Ref{Env: "dev", Name: secret.Name(fmt.Sprintf("n%d", i))}, Value: secret.Text("v")}
	}
	if wrote := importAll(t, m, all); wrote != len(all) {
		t.Errorf("%d were written", wrote)
	}
	one := incoming("prod:a", "prod:b")
	if wrote := importAll(t, m, one); wrote != 2 {
		t.Errorf("%d were written", wrote)
	}
}

// Who may only put does not learn what is equal: import needs get, too.
func TestImportIsNoOracle(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	put(t, h.dev, "a", "", nil)
	m := &move.Import{Broker: h.Broker, Caller: secret.Caller{Principal: "agent:lister", How: secret.ByMark}}
	all := incoming("dev:a")
	if err := m.Compare(t.Context(), all); secret.KindOf(err) != secret.Denied || all[0].Action != "" {
		t.Errorf("got %v, %s", err, actions(all))
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	const n = 200 // more than are read at once
	for i := range n {
		put(t, h.dev, secret.Name(fmt.Sprintf("app/n%03d", i)), fmt.Sprint(i), nil)
	}
	put(t, h.dev, "other", "", nil)
	if _, err := h.dev.Create(t.Context(), "app/empty", secret.Annotations{}); err != nil {
		t.Fatal(err)
	}
	x := &move.Exporting{Broker: h.Broker, Caller: mia(), From: place("dev:app/")}
	i := 0
	for e, err := range x.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Rel != fmt.Sprintf("n%03d", i) || string(e.Value.Reveal()) != canary+fmt.Sprint(i) || e.Ref.Name != secret.Name("app/"+e.Rel) {
			t.Fatalf("%d is %s", i, e.Rel)
		}
		i++
	}
	if i != n {
		t.Errorf("%d secrets, not %d", i, n)
	}
	x.Caller = secret.Caller{Principal: "agent:lister", How: secret.ByMark}
	for e, err := range x.All(t.Context()) {
		if secret.KindOf(err) != secret.Denied || !e.Value.IsZero() {
			t.Errorf("who may only list gets %v, %v", e.Ref, err)
		}
	}
}
