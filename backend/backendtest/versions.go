package backendtest

import (
	"slices"
	"strconv"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func versionCases() []testCase {
	versioner, stager, remover := is[secret.Versioner], is[secret.Stager], is[secret.VersionRemover]
	return []testCase{
		{name: "old versions are read by id, number and stage", needs: versioner, ask: oldVersions},
		{name: "missing version is told apart", needs: versioner, ask: func(t *T) {
			t.put("app/db", "one")
			for _, at := range []secret.At{{Number: 99}, {ID: "ffffffffffffffffffffffffffffffff"}, {Stage: secret.Pending}, {Stage: secret.Previous}} {
				_, err := t.b.Get(t.Context(), "app/db", at)
				t.fails(err, secret.NotFound, secret.NoVersion)
			}
		}},
		{name: "versions come newest first, without values", needs: versioner, ask: versionsOrder},
		{name: "versions of a missing secret are not found", needs: versioner, ask: func(t *T) {
			for _, err := range use[secret.Versioner](t).Versions(t.Context(), "app/none") {
				t.fails(err, secret.NotFound, 0)
			}
		}},
		{name: "numbers grow and ids differ", needs: versioner, ask: func(t *T) {
			one, two := t.put("app/db", "one"), t.put("app/db", "two")
			if one.Number >= two.Number || one.ID == two.ID || len(one.ID) < 32 || len(one.ID) > 64 {
				t.Errorf("%+v, %+v", one, two)
			}
		}},
		{name: "the one before keeps exactly the stage previous", needs: versioner, ask: func(t *T) {
			t.put("app/db", "one")
			t.put("app/db", "two")
			t.put("app/db", "three")
			if got := t.stages("app/db"); !slices.Equal(got, []string{"3 current", "2 previous", "1 "}) {
				t.Errorf("%q", got)
			}
		}},
		{name: "a chosen id is kept and idempotent", needs: versioner, ask: chosenID},
		{name: "stages move to the new version", needs: stager, ask: putStages},
		{name: "move stage compares and swaps", needs: stager, ask: moveStage},
		{name: "moving current leaves previous behind", needs: stager, ask: moveCurrent},
		{name: "previous is moved by the store alone", needs: stager, ask: func(t *T) {
			v := t.put("app/db", "one")
			_, err := use[secret.Stager](t).MoveStage(t.Context(), "app/db", secret.Previous, "", v.ID)
			t.fails(err, secret.Invalid, 0)
			_, err = t.b.Put(t.Context(), "app/db", text("two"), &secret.PutOptions{Stages: []secret.Stage{secret.Previous}})
			t.fails(err, secret.Invalid, 0)
			_, err = use[secret.Stager](t).MoveStage(t.Context(), "app/db", secret.Current, v.ID, "")
			t.fails(err, secret.Invalid, 0)
		}},
		{name: "deleted version can come back", needs: remover, ask: removeVersions},
		{name: "destroyed version is gone and told", needs: remover, ask: destroyVersions},
		{name: "missing versions are ignored", needs: remover, ask: func(t *T) {
			r := use[secret.VersionRemover](t)
			t.put("app/db", "one")
			t.ok(r.DeleteVersions(t.Context(), "app/db", secret.At{Number: 99}))
			t.reads("app/db", secret.At{}, "one")
			t.fails(r.DeleteVersions(t.Context(), "app/none", secret.At{}), secret.NotFound, 0)
		}},
	}
}

// stages lists the numbers and stages of all versions.
func (t *T) stages(n secret.Name) []string {
	t.Helper()
	var out []string
	for v, err := range use[secret.Versioner](t).Versions(t.Context(), n) {
		t.ok(err)
		s := strconv.FormatUint(v.Number, 10) + " "
		for i, st := range v.Stages {
			if i > 0 {
				s += ","
			}
			s += string(st)
		}
		out = append(out, s)
	}
	return out
}

func versionsOrder(t *T) {
	for _, s := range []string{"one", "two", "three"} {
		t.put("app/db", s)
	}
	last := uint64(1 << 62)
	seen := 0
	for v, err := range use[secret.Versioner](t).Versions(t.Context(), "app/db") {
		t.ok(err)
		if v.Number >= last || !v.Value.IsZero() {
			t.Errorf("%+v after %d", v, last)
		}
		last = v.Number
		seen++
	}
	if seen != 3 {
		t.Errorf("%d of 3 versions", seen)
	}
}

func chosenID(t *T) {
	id := secret.VersionID("ABCDEF12-e89b-12d3-a456-426614174000")
	o := &secret.PutOptions{ID: id}
	v, err := t.b.Put(t.Context(), "app/db", text("one"), o)
	t.ok(err)
	if v.ID != id {
		t.Errorf("the id is %s", v.ID)
	}
	t.put("app/db", "two")
	again, err := t.b.Put(t.Context(), "app/db", text("one"), o)
	t.ok(err)
	if again.ID != id || again.Number != v.Number {
		t.Errorf("a repeated put made %+v", again)
	}
	t.reads("app/db", secret.At{}, "two")
	_, err = t.b.Put(t.Context(), "app/db", text("other"), o)
	t.fails(err, secret.Conflict, 0)
	t.reads("app/db", secret.At{ID: id}, "one")
	if is[secret.Swapper](t.b) { // looked at before the condition
		_, err = use[secret.Swapper](t).Swap(t.Context(), "app/db", secret.At{Number: 77}, text("one"), o)
		t.ok(err)
	}
	_, err = t.b.Put(t.Context(), "app/db", text("x"), &secret.PutOptions{ID: "short"})
	t.fails(err, secret.Invalid, 0)
}

func putStages(t *T) {
	one := t.put("app/db", "one")
	two, err := t.b.Put(t.Context(), "app/db", text("two"), &secret.PutOptions{Stages: []secret.Stage{secret.Pending}})
	t.ok(err)
	t.reads("app/db", secret.At{}, "one")
	t.reads("app/db", secret.At{Stage: secret.Pending}, "two")
	_, err = t.b.Put(t.Context(), "app/db", text("three"), &secret.PutOptions{Stages: []secret.Stage{secret.Pending, "green"}})
	t.ok(err)
	if got := t.stages("app/db"); !slices.Equal(got, []string{"3 green,pending", "2 ", "1 current"}) {
		t.Errorf("%q after %s and %s", got, one.ID, two.ID)
	}
	_, err = t.b.Put(t.Context(), "first", text("x"), &secret.PutOptions{Stages: []secret.Stage{secret.Pending}})
	t.ok(err)
	if got := t.stages("first"); !slices.Equal(got, []string{"1 current,pending"}) {
		t.Errorf("a first version has %q", got)
	}
}

func moveStage(t *T) {
	s := use[secret.Stager](t)
	one, two := t.put("app/db", "one"), t.put("app/db", "two")
	_, err := s.MoveStage(t.Context(), "app/db", "green", "", one.ID)
	t.ok(err)
	_, err = s.MoveStage(t.Context(), "app/db", "green", "", two.ID)
	t.fails(err, secret.Conflict, 0)
	_, err = s.MoveStage(t.Context(), "app/db", "green", two.ID, one.ID)
	t.fails(err, secret.Conflict, 0)
	_, err = s.MoveStage(t.Context(), "app/db", "green", one.ID, "ffffffffffffffffffffffffffffffff")
	t.fails(err, secret.NotFound, secret.NoVersion)
	_, err = s.MoveStage(t.Context(), "app/db", "green", one.ID, two.ID)
	t.ok(err)
	t.reads("app/db", secret.At{Stage: "green"}, "two")
	_, err = s.MoveStage(t.Context(), "app/db", "green", two.ID, "")
	t.ok(err)
	_, err = t.b.Get(t.Context(), "app/db", secret.At{Stage: "green"})
	t.fails(err, secret.NotFound, secret.NoVersion)
}

func moveCurrent(t *T) {
	s := use[secret.Stager](t)
	one, two := t.put("app/db", "one"), t.put("app/db", "two")
	_, err := s.MoveStage(t.Context(), "app/db", "green", "", two.ID)
	t.ok(err)
	m, err := s.MoveStage(t.Context(), "app/db", secret.Current, two.ID, one.ID)
	t.ok(err)
	if c, ok := m.Current(); !ok || c.ID != one.ID {
		t.Errorf("%+v", m)
	}
	t.reads("app/db", secret.At{}, "one")
	if got := t.stages("app/db"); !slices.Equal(got, []string{"2 green,previous", "1 current"}) {
		t.Errorf("%q", got)
	}
}

func removeVersions(t *T) {
	r := use[secret.VersionRemover](t)
	one, two := t.put("app/db", "one"), t.put("app/db", "two")
	t.ok(r.DeleteVersions(t.Context(), "app/db", secret.At{ID: one.ID}, secret.At{}))
	v, err := t.b.Get(t.Context(), "app/db", secret.At{})
	t.fails(err, secret.NotFound, secret.Deleted)
	if v.ID != two.ID || !v.Value.IsZero() {
		t.Errorf("with the error comes %+v", v)
	}
	m, err := t.b.Describe(t.Context(), "app/db")
	t.ok(err)
	if !m.Deleted.IsZero() {
		t.Errorf("the whole secret is deleted: %+v", m)
	}
	t.ok(r.UndeleteVersions(t.Context(), "app/db", secret.At{Number: two.Number}))
	t.reads("app/db", secret.At{}, "two")
	_, err = t.b.Get(t.Context(), "app/db", secret.At{ID: one.ID})
	t.fails(err, secret.NotFound, secret.Deleted)
	three := t.put("app/db", "three") // over a deleted version, not a deleted secret
	t.reads("app/db", secret.At{Number: three.Number}, "three")
}

func destroyVersions(t *T) {
	r := use[secret.VersionRemover](t)
	one := t.put("app/db", "one")
	t.put("app/db", "two")
	t.ok(r.DestroyVersions(t.Context(), "app/db", secret.At{ID: one.ID}))
	v, err := t.b.Get(t.Context(), "app/db", secret.At{ID: one.ID})
	t.fails(err, secret.NotFound, secret.Destroyed)
	if !v.Destroyed || !v.Value.IsZero() {
		t.Errorf("%+v", v)
	}
	t.ok(r.UndeleteVersions(t.Context(), "app/db", secret.At{ID: one.ID}))
	_, err = t.b.Get(t.Context(), "app/db", secret.At{ID: one.ID})
	t.fails(err, secret.NotFound, secret.Destroyed)
	t.reads("app/db", secret.At{}, "two")
	_, err = t.b.Put(t.Context(), "app/db", text("one"), &secret.PutOptions{ID: one.ID})
	t.fails(err, secret.Conflict, 0)
}

// limitCases belong to Limiter.
func limitCases() []testCase {
	limiter := is[secret.Limiter]
	return []testCase{
		{name: "oldest versions are dropped beyond the limit", needs: limiter, ask: func(t *T) {
			t.put("app/db", "0")
			t.ok(use[secret.Limiter](t).Limit(t.Context(), "app/db", secret.Limits{MaxVersions: 3}))
			for range 4 {
				t.put("app/db", "x")
			}
			if got := t.stages("app/db"); !slices.Equal(got, []string{"5 current", "4 previous", "3 "}) {
				t.Errorf("%q", got)
			}
		}},
		{name: "a version with a stage is not dropped", needs: func(b secret.Backend) bool { return is[secret.Limiter](b) && is[secret.Stager](b) }, ask: func(t *T) {
			one := t.put("app/db", "one")
			t.put("app/db", "two") // a put leaves the one before with previous alone
			t.ok(use[secret.Limiter](t).Limit(t.Context(), "app/db", secret.Limits{MaxVersions: 2}))
			_, err := use[secret.Stager](t).MoveStage(t.Context(), "app/db", "kept", "", one.ID)
			t.ok(err)
			for range 4 {
				t.put("app/db", "x")
			}
			t.reads("app/db", secret.At{Stage: "kept"}, "one")
		}},
		{name: "swap only refuses a put", needs: limiter, ask: func(t *T) {
			v := t.put("app/db", "one")
			t.ok(use[secret.Limiter](t).Limit(t.Context(), "app/db", secret.Limits{SwapOnly: true}))
			_, err := t.b.Put(t.Context(), "app/db", text("two"), nil)
			t.fails(err, secret.Invalid, 0)
			_, err = use[secret.Swapper](t).Swap(t.Context(), "app/db", secret.At{ID: v.ID}, text("two"), nil)
			t.ok(err)
		}},
		{name: "delete after hides a version in time", needs: limiter, ask: deleteAfter},
		{name: "limits of the store join those of a secret", needs: limiter, ask: storeLimits},
	}
}

func deleteAfter(t *T) {
	t.put("app/db", "one")
	t.ok(use[secret.Limiter](t).Limit(t.Context(), "app/db", secret.Limits{DeleteAfter: time.Hour}))
	v := t.put("app/db", "two")
	if v.Deleted.IsZero() {
		t.Errorf("it does not tell when: %+v", v)
	}
	t.reads("app/db", secret.At{}, "two")
	t.pass(2 * time.Hour)
	_, err := t.b.Get(t.Context(), "app/db", secret.At{})
	t.fails(err, secret.NotFound, secret.Deleted)
	t.ok(use[secret.VersionRemover](t).UndeleteVersions(t.Context(), "app/db", secret.At{}))
	t.reads("app/db", secret.At{}, "two")
	t.pass(2 * time.Hour)
	_, err = t.b.Get(t.Context(), "app/db", secret.At{})
	t.fails(err, secret.NotFound, secret.Deleted)
}

func storeLimits(t *T) {
	l := use[secret.Limiter](t)
	t.ok(l.Limit(t.Context(), "", secret.Limits{MaxVersions: 2, SwapOnly: true}))
	got, err := l.Limits(t.Context())
	t.ok(err)
	if got.MaxVersions != 2 || !got.SwapOnly {
		t.Errorf("%+v", got)
	}
	_, err = t.b.Put(t.Context(), "app/db", text("one"), nil)
	t.fails(err, secret.Invalid, 0)
	t.ok(l.Limit(t.Context(), "", secret.Limits{MaxVersions: 2}))
	t.put("app/db", "1")
	t.ok(l.Limit(t.Context(), "app/db", secret.Limits{MaxVersions: 4}))
	for range 5 {
		t.put("app/db", "x")
	}
	if got := len(t.stages("app/db")); got != 4 {
		t.Errorf("%d versions are kept, the higher limit is 4", got)
	}
}

func oldVersions(t *T) {
	one, two := t.put("app/db", "one"), t.put("app/db", "two")
	t.reads("app/db", secret.At{ID: one.ID}, "one")
	t.reads("app/db", secret.At{Number: one.Number}, "one")
	t.reads("app/db", secret.At{Stage: secret.Previous}, "one")
	t.reads("app/db", secret.At{Stage: secret.Current}, "two")
	t.reads("app/db", secret.At{ID: two.ID, Number: two.Number, Stage: secret.Current}, "two")
	_, err := t.b.Get(t.Context(), "app/db", secret.At{ID: one.ID, Number: two.Number})
	t.fails(err, secret.NotFound, secret.NoVersion)
}
