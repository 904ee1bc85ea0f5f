package backendtest

import (
	"github.com/tacit-secrets/tacit/secret"
)

func manyCases() []testCase {
	batcher, renamer := is[secret.Batcher], is[secret.Renamer]
	return []testCase{
		{name: "batch put writes all, in order", needs: batcher, ask: batchPut},
		{name: "batch put writes all or nothing", needs: batcher, ask: batchAllOrNothing},
		{name: "batch put compares and swaps each", needs: batcher, ask: batchSwap},
		{name: "batch put refuses a name twice, none and too many", needs: batcher, ask: batchBounds},
		{name: "batch put keeps ids and is idempotent", needs: batcher, ask: batchIDs},
		{name: "rename keeps all but the name", needs: renamer, ask: rename},
		{name: "rename refuses what is missing, deleted or in the way", needs: renamer, ask: renameRefused},
		{name: "renamed secret leaves its name free", needs: renamer, ask: renameFree},
	}
}

func batchPut(t *T) {
	old := t.put("b", "old")
	vs, err := use[secret.Batcher](t).PutBatch(t.Context(), []secret.Putting{
		{Name: "b", Value: text("new")},
		{Name: "a/1", Value: text("one"), Options: &secret.PutOptions{Annotations: &secret.Annotations{Tags: map[string]string{"k": "v"}}}},
		{Name: "c", Value: text("three")},
	})
	t.ok(err)
	if len(vs) != 3 || vs[0].Number <= old.Number || !vs[0].Value.IsZero() {
		t.Fatalf("%d versions for 3 secrets, or not theirs", len(vs))
	}
	t.reads("b", secret.At{ID: vs[0].ID}, "new")
	t.reads("b", secret.At{Stage: secret.Previous}, "old")
	t.reads("a/1", secret.At{}, "one")
	t.reads("c", secret.At{ID: vs[2].ID}, "three")
	if m, err := t.b.Describe(t.Context(), "a/1"); err != nil || m.Tags["k"] != "v" {
		t.Errorf("%+v, %v", m.Annotations, err)
	}
}

func batchAllOrNothing(t *T) {
	t.put("a", "old")
	t.put("gone", "old")
	t.delete("gone")
	b := use[secret.Batcher](t)
	for _, bad := range []secret.Putting{
		{Name: "gone", Value: text("new")},
		{Name: "x//y", Value: text("new")},
		{Name: "none"},
		{Name: "id", Value: text("new"), Options: &secret.PutOptions{ID: "short"}},
	} {
		_, err := b.PutBatch(t.Context(), []secret.Putting{{Name: "a", Value: text("new")}, {Name: "fresh", Value: text("new")}, bad, {Name: "z", Value: text("new")}})
		if bad.Name == "gone" {
			t.fails(err, secret.Conflict, secret.Deleted)
		} else {
			t.fails(err, secret.Invalid, 0)
		}
		t.reads("a", secret.At{}, "old")
		t.lists(nil, "a")
	}
}

func batchSwap(t *T) {
	b := use[secret.Batcher](t)
	one := t.put("a", "one")
	_, err := b.PutBatch(t.Context(), []secret.Putting{
		{Name: "a", Value: text("two"), Old: &secret.At{ID: one.ID}},
		{Name: "new", Value: text("new"), Old: &secret.At{}},
	})
	t.ok(err)
	for _, old := range []secret.At{{}, {ID: one.ID}, {Number: one.Number}} {
		_, err = b.PutBatch(t.Context(), []secret.Putting{{Name: "other", Value: text("x")}, {Name: "a", Value: text("lost"), Old: &old}})
		t.fails(err, secret.Conflict, 0)
	}
	t.reads("a", secret.At{}, "two")
	t.lists(nil, "a", "new")
}

func batchBounds(t *T) {
	b := use[secret.Batcher](t)
	_, err := b.PutBatch(t.Context(), []secret.Putting{{Name: "a", Value: text("1")}, {Name: "b", Value: text("2")}, {Name: "a", Value: text("3")}})
	t.fails(err, secret.Invalid, 0)
	_, err = b.PutBatch(t.Context(), nil)
	t.fails(err, secret.Invalid, 0)
	_, err = b.PutBatch(t.Context(), make([]secret.Putting, secret.MaxBatch+1))
	t.fails(err, secret.Invalid, 0)
	t.lists(nil)
}

func batchIDs(t *T) {
	if !is[secret.Versioner](t) {
		return
	}
	b := use[secret.Batcher](t)
	id := secret.VersionID("0123456789abcdef0123456789abcdef")
	puts := []secret.Putting{{Name: "a", Value: text("1"), Options: &secret.PutOptions{ID: id}}, {Name: "b", Value: text("2"), Options: &secret.PutOptions{ID: id}}}
	first, err := b.PutBatch(t.Context(), puts)
	t.ok(err)
	again, err := b.PutBatch(t.Context(), puts)
	t.ok(err)
	if len(first) != 2 || len(again) != 2 {
		t.Fatalf("%d versions, then %d", len(first), len(again))
	}
	for i := range puts {
		if first[i].ID != id || again[i].ID != id || first[i].Number != again[i].Number {
			t.Errorf("%+v, then %+v", first[i], again[i])
		}
	}
	puts[1].Value = text("other")
	_, err = b.PutBatch(t.Context(), puts)
	t.fails(err, secret.Conflict, 0)
}

func rename(t *T) {
	r := use[secret.Renamer](t)
	one := t.put("old/name", "one")
	two, err := t.b.Put(t.Context(), "old/name", text("two"), &secret.PutOptions{Annotations: &secret.Annotations{Description: "d", Tags: map[string]string{"k": "v"}}})
	t.ok(err)
	before, err := t.b.Describe(t.Context(), "old/name")
	t.ok(err)
	m, err := r.Rename(t.Context(), "old/name", "new/name")
	t.ok(err)
	if m.Name != "new/name" || m.UID != before.UID || m.Description != "d" || m.Tags["k"] != "v" || len(m.Versions) != 2 || !m.Created.Equal(before.Created) {
		t.Errorf("before %+v, after %+v", before, m)
	}
	t.reads("new/name", secret.At{ID: one.ID}, "one")
	t.reads("new/name", secret.At{Stage: secret.Previous}, "one")
	t.reads("new/name", secret.At{Number: two.Number}, "two")
	_, err = t.b.Get(t.Context(), "old/name", secret.At{})
	t.fails(err, secret.NotFound, 0)
	t.lists(nil, "new/name")
	if v := t.put("new/name", "three"); v.Number <= two.Number {
		t.Errorf("the next version has number %d", v.Number)
	}
}

func renameRefused(t *T) {
	r := use[secret.Renamer](t)
	t.put("a", "one")
	t.put("b", "two")
	t.put("gone", "three")
	t.delete("gone")
	for _, c := range []struct {
		from, to secret.Name
		kind     secret.Kind
		state    secret.State
	}{
		{"none", "c", secret.NotFound, 0},
		{"gone", "c", secret.NotFound, secret.Deleted},
		{"a", "b", secret.Conflict, 0},
		{"a", "gone", secret.Conflict, secret.Deleted},
		{"a", "a", secret.Invalid, 0},
		{"a", "x//y", secret.Invalid, 0},
		{"x//y", "c", secret.Invalid, 0},
	} {
		_, err := r.Rename(t.Context(), c.from, c.to)
		t.fails(err, c.kind, c.state)
	}
	t.reads("a", secret.At{}, "one")
	t.reads("b", secret.At{}, "two")
	t.lists(nil, "a", "b")
}

func renameFree(t *T) {
	r := use[secret.Renamer](t)
	first := t.put("a", "one")
	_, err := r.Rename(t.Context(), "a", "b")
	t.ok(err)
	second := t.put("a", "two")
	if second.ID == first.ID || second.Secret != nil && first.Secret != nil && second.Secret.UID == first.Secret.UID {
		t.Errorf("the new secret is not new: %+v", second)
	}
	if m := t.describe("a"); len(m.Versions) != 1 {
		t.Errorf("the new secret has an old past: %+v", m)
	}
	t.reads("b", secret.At{}, "one")
	t.reads("a", secret.At{}, "two")
}
