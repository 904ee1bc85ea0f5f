package audit

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/audit/internal/segment"
	"github.com/tacit-secrets/tacit/secret"
)

func TestProofs(t *testing.T) {
	cfg := config(t)
	cfg.MaxBytes = 1500
	l, key := create2(t, cfg)
	checkpoints := []string{}
	for i := range 9 {
		add(t, l, strings.Repeat("n", i+1))
		checkpoints = append(checkpoints, sound(t, cfg, VerifyOptions{}).Checkpoint)
	}
	count := 0
	for n := range l.Head().Size {
		p, err := ProveRecord(t.Context(), cfg.Dir, n, "")
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var q Proof
		if err := json.Unmarshal(b, &q); err != nil {
			t.Fatal(err)
		}
		if err := q.Check(key); err != nil {
			t.Errorf("record %d: %v", n, err)
		}
		q.Record = strings.Replace(q.Record, `:`, `: `, 1)
		if q.Check(key) == nil {
			t.Errorf("record %d: another text is proved", n)
		}
		p.Endorsements = p.Endorsements[1:]
		if p.Check(key) == nil {
			t.Errorf("record %d: proved without an endorsement", n)
		}
		count++
	}
	if count < 12 {
		t.Errorf("%d lines", count)
	}
	for i, old := range checkpoints {
		at, _ := segment.Unverified(old)
		for _, n := range []uint64{0, at.Size - 1} {
			p, err := ProveRecord(t.Context(), cfg.Dir, n, old)
			if err != nil || p.Checkpoint != old || p.Check(key) != nil {
				t.Errorf("record %d in checkpoint %d: %v %v", n, i, err, p.Check(key))
			}
		}
		if _, err := ProveRecord(t.Context(), cfg.Dir, at.Size, old); secret.KindOf(err) != secret.NotFound {
			t.Errorf("a record after checkpoint %d: %v", i, err)
		}
		p, err := ProveExtends(t.Context(), cfg.Dir, old)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Check(key); err != nil {
			t.Errorf("checkpoint %d: %v", i, err)
		}
		sound(t, cfg, VerifyOptions{FirstKey: key, Checkpoint: old})
	}
	if _, err := ProveRecord(t.Context(), cfg.Dir, l.Head().Size, ""); secret.KindOf(err) != secret.NotFound {
		t.Errorf("a record that is not there: %v", err)
	}
}

func TestProofOfAnotherLog(t *testing.T) {
	cfg, other := config(t), config(t)
	l, _ := create2(t, cfg)
	add(t, l, "a", "b")
	m, key := create2(t, other)
	add(t, m, "a", "b")
	old := sound(t, cfg, VerifyOptions{}).Checkpoint
	if _, err := ProveExtends(t.Context(), other.Dir, old); secret.KindOf(err) != secret.Corrupt {
		t.Errorf("a foreign checkpoint is extended: %v", err)
	}
	damaged(t, other, VerifyOptions{FirstKey: key, Checkpoint: old}, "a foreign checkpoint")
	if _, err := ProveRecord(t.Context(), other.Dir, 1, old); secret.KindOf(err) != secret.Corrupt {
		t.Errorf("a record is proved in a foreign checkpoint: %v", err)
	}
	if _, err := ProveRecord(t.Context(), other.Dir, 1, "x"); secret.KindOf(err) != secret.Invalid {
		t.Errorf("a record is proved in no checkpoint: %v", err)
	}
	p, err := ProveRecord(t.Context(), cfg.Dir, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	if p.Check(key) == nil {
		t.Error("a record of one log is proved with the key of another")
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"app/db", "app/db", true},
		{"app/db", "app/db2", false},
		{"app/*", "app/db/main", true},
		{"*", "", true},
		{"*/db", "app/db", true},
		{"a*a", "a", false},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"[a]", "a", false},
	} {
		if got := like(c.pattern, c.name); got != c.want {
			t.Errorf("%q, %q: %v", c.pattern, c.name, got)
		}
	}
}

func TestFilter(t *testing.T) {
	cfg := config(t)
	l, _ := create2(t, cfg)
	add(t, l, "a", "b", "c", "d")
	r := record("app/x")
	r.Principal, r.Outcome, r.Session, r.Env = "agent:x", Denied, "s1", "prod"
	if _, err := l.Append(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]Filter{
		"c d app/x": {Limit: 3}, "b": {Name: "b"}, "app/x": {Principal: "agent:x", Outcome: Denied, Session: "s1", Env: "prod", Name: "app*"},
		"": {Until: l.w.header.Time}, "a b c d app/x": {Since: l.w.header.Time},
	} {
		var got []string
		for r, err := range Read(t.Context(), cfg.Dir, f) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%+v: %q, want %q", f, got, want)
		}
	}
}
