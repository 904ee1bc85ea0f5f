package backendtest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

func versionCases() []testCase {
	versioner, stager, remover := is[secret.Versioner], is[secret.Stager], is[secret.VersionRemover]
	return []testCase{
		{name: "old versions are read by id, number and stage", needs: versioner, ask: oldVersions},
		{name: "missing version is told apart", needs: versioner, ask: missingVersion},
		{name: "versions come newest first, without values", needs: versioner, ask: versionsOrder},
		{name: "versions of a missing secret are not found", needs: versioner, ask: versionsOfMissing},
		{name: "numbers grow and ids differ", needs: versioner, ask: numbersGrow},
		{name: "the one before keeps exactly the stage previous", needs: versioner, ask: keepsPrevious},
		{name: "describe tells versions newest first, all if complete", needs: versioner, ask: describeVersions},
		{name: "a chosen id is kept and idempotent", needs: versioner, ask: chosenID},
		{name: "a chosen id has 32 to 64 visible characters", needs: versioner, ask: chosenIDForms},
		{name: "stages move to the new version", needs: stager, ask: putStages},
		{name: "put leaves the stages of third versions alone", needs: stager, ask: thirdVersions},
		{name: "move stage compares and swaps", needs: stager, ask: moveStage},
		{name: "move stage keeps other stages", needs: stager, ask: moveKeeps},
		{name: "moving current leaves previous behind", needs: stager, ask: moveCurrent},
		{name: "previous is moved by the store alone", needs: stager, ask: previousIsFixed},
		{name: "deleted version can come back", needs: remover, ask: removeVersions},
		{name: "destroyed version is gone and told", needs: remover, ask: destroyVersions},
		{name: "destroyed version keeps what is said about it", needs: remover, ask: destroyedKeeps},
		{name: "removing versions again changes nothing", needs: remover, ask: removeAgain},
		{name: "missing versions are ignored", needs: remover, ask: ignoresMissing},
	}
}

// stages lists all versions, newest first: by which put each was made, and its
// stages.
func (t *T) stages(n secret.Name) []string {
	t.Helper()
	var out []string
	for v, err := range use[secret.Versioner](t).Versions(t.Context(), n) {
		t.ok(err)
		s := strconv.Itoa(t.nth[v.ID]) + " "
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
	if is[secret.Swapper](t) { // looked at before the condition
		_, err = use[secret.Swapper](t).Swap(t.Context(), "app/db", secret.At{Number: 77}, text("one"), o)
		t.ok(err)
	}
	_, err = t.b.Put(t.Context(), "app/db", text("x"), &secret.PutOptions{ID: "short"})
	t.fails(err, secret.Invalid, 0)
}

func putStages(t *T) {
	one := t.put("app/db", "one")
	two := t.putWith("app/db", "two", &secret.PutOptions{Stages: []secret.Stage{secret.Pending}})
	t.reads("app/db", secret.At{}, "one")
	t.reads("app/db", secret.At{Stage: secret.Pending}, "two")
	t.putWith("app/db", "three", &secret.PutOptions{Stages: []secret.Stage{secret.Pending, "green"}})
	if got := t.stages("app/db"); !slices.Equal(got, []string{"3 green,pending", "2 ", "1 current"}) {
		t.Errorf("%q after %s and %s", got, one.ID, two.ID)
	}
	t.putWith("first", "x", &secret.PutOptions{Stages: []secret.Stage{secret.Pending}})
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

func thirdVersions(t *T) {
	one := t.put("app/db", "one")
	_, err := use[secret.Stager](t).MoveStage(t.Context(), "app/db", "green", "", one.ID)
	t.ok(err)
	t.putWith("app/db", "two", &secret.PutOptions{Stages: []secret.Stage{secret.Pending}})
	t.put("app/db", "three")
	t.putWith("app/db", "four", &secret.PutOptions{Stages: []secret.Stage{secret.Current, "blue"}})
	if got := t.stages("app/db"); !slices.Equal(got, []string{"4 blue,current", "3 previous", "2 pending", "1 "}) {
		t.Errorf("%q", got)
	}
}

func moveKeeps(t *T) {
	s := use[secret.Stager](t)
	one, two := t.put("app/db", "one"), t.put("app/db", "two")
	for stage, to := range map[secret.Stage]secret.VersionID{"blue": one.ID, "green": two.ID, "other": two.ID} {
		_, err := s.MoveStage(t.Context(), "app/db", stage, "", to)
		t.ok(err)
	}
	_, err := s.MoveStage(t.Context(), "app/db", "other", two.ID, one.ID)
	t.ok(err)
	_, err = s.MoveStage(t.Context(), "app/db", secret.Current, two.ID, one.ID)
	t.ok(err)
	if got := t.stages("app/db"); !slices.Equal(got, []string{"2 green,previous", "1 blue,current,other"}) {
		t.Errorf("%q", got)
	}
	three := t.put("app/db", "three") // numbers grow, whichever was current
	if three.Number <= two.Number {
		t.Errorf("number %d after %d", three.Number, two.Number)
	}
	if got := t.stages("app/db"); !slices.Equal(got, []string{"3 current", "2 green", "1 previous"}) {
		t.Errorf("%q", got)
	}
}

func describeVersions(t *T) {
	for range 40 { // of so many a store need not tell all
		t.put("app/db", "x")
		m := t.describe("app/db")
		told := make([]secret.VersionID, 0, len(m.Versions))
		for i, v := range m.Versions {
			if told = append(told, v.ID); i > 0 && v.Number >= m.Versions[i-1].Number {
				t.Errorf("version %d comes after %d", v.Number, m.Versions[i-1].Number)
			}
		}
		var all, staged []secret.VersionID
		for v, err := range use[secret.Versioner](t).Versions(t.Context(), "app/db") {
			t.ok(err)
			if all = append(all, v.ID); len(v.Stages) > 0 {
				staged = append(staged, v.ID)
			}
		}
		if m.Complete && !slices.Equal(told, all) {
			t.Errorf("complete, but %d of %d versions", len(told), len(all))
		}
		for _, id := range staged {
			if !slices.Contains(told, id) {
				t.Errorf("a version with a stage is not described")
			}
		}
	}
}

func chosenIDForms(t *T) {
	long := strings.Repeat("x", 64)
	for _, id := range []string{long[:31], long + "x", long[:31] + " ", long[:40] + "\n", long[:40] + "\x00", long[:40] + "ü", long[:40] + "\xff"} {
		_, err := t.b.Put(t.Context(), "bad", text("x"), &secret.PutOptions{ID: secret.VersionID(id)})
		t.fails(err, secret.Invalid, 0)
	}
	t.lists(nil)
	for _, id := range []string{long, long[:32], "ABCDEF12-e89b-12d3-a456-426614174000", strings.Repeat("1", 32)} {
		t.putWith("good", id, &secret.PutOptions{ID: secret.VersionID(id)})
		t.reads("good", secret.At{ID: secret.VersionID(id)}, id)
	}
}

func destroyedKeeps(t *T) {
	one, two := t.put("app/db", "one"), t.put("app/db", "two")
	t.ok(use[secret.VersionRemover](t).DestroyVersions(t.Context(), "app/db", secret.At{ID: one.ID}, secret.At{}))
	if got := t.stages("app/db"); !slices.Equal(got, []string{"2 current", "1 previous"}) {
		t.Errorf("%q", got)
	}
	for v, err := range use[secret.Versioner](t).Versions(t.Context(), "app/db") {
		t.ok(err)
		was := one
		if v.ID == two.ID {
			was = two
		}
		if v.ID != was.ID || v.Number != was.Number || !v.Created.Equal(was.Created) || !v.Destroyed {
			t.Errorf("%+v became %+v", was, v)
		}
	}
	t.put("app/db", "three")
	t.reads("app/db", secret.At{}, "three")
}

func removeAgain(t *T) {
	r := use[secret.VersionRemover](t)
	one := t.put("app/db", "one")
	t.put("app/db", "two")
	at := secret.At{ID: one.ID}
	t.ok(r.UndeleteVersions(t.Context(), "app/db", at)) // it is not deleted
	t.reads("app/db", at, "one")
	t.ok(r.DeleteVersions(t.Context(), "app/db", at, at))
	before, err := t.b.Get(t.Context(), "app/db", at)
	t.fails(err, secret.NotFound, secret.Deleted)
	t.ok(r.DeleteVersions(t.Context(), "app/db", at))
	after, err := t.b.Get(t.Context(), "app/db", at)
	t.fails(err, secret.NotFound, secret.Deleted)
	if before.Deleted.IsZero() || !after.Deleted.Equal(before.Deleted) {
		t.Errorf("deleted at %s, then at %s", before.Deleted, after.Deleted)
	}
	t.ok(r.DestroyVersions(t.Context(), "app/db", at, at))
	t.ok(r.DestroyVersions(t.Context(), "app/db", at))
	t.ok(r.DeleteVersions(t.Context(), "app/db"))
	t.reads("app/db", secret.At{}, "two")
}

func missingVersion(t *T) {
	t.put("app/db", "one")
	for _, at := range []secret.At{{Number: 99}, {ID: "ffffffffffffffffffffffffffffffff"}, {Stage: secret.Pending}, {Stage: secret.Previous}} {
		_, err := t.b.Get(t.Context(), "app/db", at)
		t.fails(err, secret.NotFound, secret.NoVersion)
	}
}

func versionsOfMissing(t *T) {
	errs := 0
	for _, err := range use[secret.Versioner](t).Versions(t.Context(), "app/none") {
		t.fails(err, secret.NotFound, 0)
		errs++
	}
	if errs != 1 {
		t.Errorf("%d errors", errs)
	}
}

func numbersGrow(t *T) {
	one, two := t.put("app/db", "one"), t.put("app/db", "two")
	if one.Number >= two.Number || one.ID == two.ID || len(one.ID) < 32 || len(one.ID) > 64 {
		t.Errorf("%+v, %+v", one, two)
	}
}

func keepsPrevious(t *T) {
	t.put("app/db", "one")
	t.put("app/db", "two")
	t.put("app/db", "three")
	if got := t.stages("app/db"); !slices.Equal(got, []string{"3 current", "2 previous", "1 "}) {
		t.Errorf("%q", got)
	}
}

func previousIsFixed(t *T) {
	v := t.put("app/db", "one")
	_, err := use[secret.Stager](t).MoveStage(t.Context(), "app/db", secret.Previous, "", v.ID)
	t.fails(err, secret.Invalid, 0)
	_, err = t.b.Put(t.Context(), "app/db", text("two"), &secret.PutOptions{Stages: []secret.Stage{secret.Previous}})
	t.fails(err, secret.Invalid, 0)
	_, err = use[secret.Stager](t).MoveStage(t.Context(), "app/db", secret.Current, v.ID, "")
	t.fails(err, secret.Invalid, 0)
}

func ignoresMissing(t *T) {
	r := use[secret.VersionRemover](t)
	t.put("app/db", "one")
	t.ok(r.DeleteVersions(t.Context(), "app/db", secret.At{Number: 99}))
	t.reads("app/db", secret.At{}, "one")
	t.fails(r.DeleteVersions(t.Context(), "app/none", secret.At{}), secret.NotFound, 0)
}
