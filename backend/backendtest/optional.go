package backendtest

import (
	"bytes"
	"fmt"
	"maps"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func optionalCases() []testCase {
	annotator, attributes, archiver, batch := is[secret.Annotator], is[secret.VersionAnnotator], is[secret.Archiver], is[secret.BatchGetter]
	return append(limitCases(),
		testCase{name: "annotations outlive versions", needs: annotator, ask: annotations},
		testCase{name: "tags: clear, then remove, then set", needs: annotator, ask: tagChanges},
		testCase{name: "annotating a deleted or missing secret is refused", needs: annotator, ask: func(t *T) {
			a := use[secret.Annotator](t)
			_, err := a.Annotate(t.Context(), "app/none", secret.Change{})
			t.fails(err, secret.NotFound, 0)
			t.put("app/db", "one")
			t.delete("app/db")
			_, err = a.Annotate(t.Context(), "app/db", secret.Change{})
			t.fails(err, secret.NotFound, secret.Deleted)
		}},
		testCase{name: "attributes belong to one version", needs: attributes, ask: versionAttributes},
		testCase{name: "attributes: nil keeps, zero clears", needs: attributes, ask: attributeChanges},
		testCase{name: "tags of a version: clear, then remove, then set", needs: attributes, ask: attributeTags},
		testCase{name: "disabled version is denied, and told", needs: attributes, ask: disabled},
		testCase{name: "validity informs and never gates", needs: attributes, ask: func(t *T) {
			past, future := t.moment(-time.Hour), t.moment(time.Hour)
			_, err := t.b.Put(t.Context(), "app/db", text("one"), &secret.PutOptions{Attributes: &secret.Attributes{Expires: past, NotBefore: future}})
			t.ok(err)
			v := t.reads("app/db", secret.At{}, "one")
			if !v.Expires.Equal(past) || !v.NotBefore.Equal(future) {
				t.Errorf("%+v", v.Attributes)
			}
		}},
		testCase{name: "backup brings back all versions", needs: archiver, ask: backup},
		testCase{name: "backup is sealed and keeps what is said", needs: archiver, ask: backupKeeps},
		testCase{name: "restored secret shares nothing with a renamed one", needs: both(archiver, is[secret.Renamer], is[secret.Undeleter]), ask: restoreBeside},
		testCase{name: "foreign and damaged backups are invalid", needs: archiver, ask: badBackups},
		testCase{name: "batch answers in order, each for itself", needs: batch, ask: batchOrder},
		testCase{name: "batch of none and of many", needs: batch, ask: func(t *T) {
			b := use[secret.BatchGetter](t)
			if got := b.GetBatch(t.Context(), nil); len(got) != 0 {
				t.Errorf("%d answers to no question", len(got))
			}
			names := make([]secret.Name, 150)
			for i := range names {
				names[i] = secret.Name(fmt.Sprintf("n/%d", i))
				t.put(names[i], string(names[i]))
			}
			got := b.GetBatch(t.Context(), names)
			if len(got) != len(names) {
				t.Fatalf("%d answers to %d questions", len(got), len(names))
			}
			for i, r := range got {
				if r.Err != nil || !r.Version.Value.Equal(text(string(names[i]))) {
					t.Errorf("answer %d: %v, or another value", i, r.Err)
				}
			}
		}},
	)
}

func annotations(t *T) {
	_, err := t.b.Put(t.Context(), "app/db", text("one"), &secret.PutOptions{Annotations: &secret.Annotations{Description: "d", Tags: map[string]string{"a": "1"}}})
	t.ok(err)
	t.put("app/db", "two") // nil keeps them
	m, err := t.b.Describe(t.Context(), "app/db")
	t.ok(err)
	if m.Description != "d" || m.Tags["a"] != "1" {
		t.Errorf("%+v", m.Annotations)
	}
	_, err = t.b.Put(t.Context(), "app/db", text("three"), &secret.PutOptions{Annotations: &secret.Annotations{Tags: map[string]string{"b": "2"}}})
	t.ok(err)
	if m, err = t.b.Describe(t.Context(), "app/db"); err != nil || m.Description != "" || len(m.Tags) != 1 || m.Tags["b"] != "2" {
		t.Errorf("not replaced: %+v, %v", m.Annotations, err)
	}
}

func tagChanges(t *T) {
	a := use[secret.Annotator](t)
	t.put("app/db", "one")
	description := "d"
	m, err := a.Annotate(t.Context(), "app/db", secret.Change{Description: &description, Tags: secret.TagChange{Set: map[string]string{"a": "1", "b": "2"}}})
	t.ok(err)
	before := m.Tags
	m, err = a.Annotate(t.Context(), "app/db", secret.Change{Tags: secret.TagChange{Remove: []string{"a", "b"}, Set: map[string]string{"b": "3"}}})
	t.ok(err)
	if len(m.Tags) != 1 || m.Tags["b"] != "3" || m.Description != "d" {
		t.Errorf("%+v", m.Annotations)
	}
	if before["a"] != "1" {
		t.Errorf("a map that was given out changed: %v", before)
	}
	m, err = a.Annotate(t.Context(), "app/db", secret.Change{Tags: secret.TagChange{Clear: true, Set: map[string]string{"c": "4"}}})
	t.ok(err)
	if len(m.Tags) != 1 || m.Tags["c"] != "4" {
		t.Errorf("%+v", m.Annotations)
	}
	t.reads("app/db", secret.At{}, "one")
}

func versionAttributes(t *T) {
	one := t.putWith("app/db", "one", &secret.PutOptions{Attributes: &secret.Attributes{ContentType: "text/plain", Tags: map[string]string{"a": "1"}}})
	t.put("app/db", "two")
	if v := t.reads("app/db", secret.At{}, "two"); v.ContentType != "" || len(v.Tags) != 0 {
		t.Errorf("attributes are inherited: %+v", v.Attributes)
	}
	if v := t.reads("app/db", secret.At{ID: one.ID}, "one"); v.ContentType != "text/plain" || v.Tags["a"] != "1" {
		t.Errorf("%+v", v.Attributes)
	}
}

func attributeChanges(t *T) {
	a := use[secret.VersionAnnotator](t)
	end := t.moment(time.Hour)
	one := t.putWith("app/db", "one", &secret.PutOptions{Attributes: &secret.Attributes{ContentType: "text/plain", Expires: end}})
	other := "application/json"
	v, err := a.AnnotateVersion(t.Context(), "app/db", secret.At{}, secret.AttributeChange{ContentType: &other})
	t.ok(err)
	if v.ContentType != other || !v.Expires.Equal(end) || !v.Value.IsZero() {
		t.Errorf("%+v", v)
	}
	never := time.Time{}
	v, err = a.AnnotateVersion(t.Context(), "app/db", secret.At{ID: one.ID}, secret.AttributeChange{Expires: &never})
	t.ok(err)
	if v.ContentType != other || !v.Expires.IsZero() {
		t.Errorf("%+v", v)
	}
	_, err = a.AnnotateVersion(t.Context(), "app/db", secret.At{Number: one.Number + 1}, secret.AttributeChange{})
	t.fails(err, secret.NotFound, secret.NoVersion)
}

func disabled(t *T) {
	a := use[secret.VersionAnnotator](t)
	t.put("app/db", "one")
	yes, no := true, false
	_, err := a.AnnotateVersion(t.Context(), "app/db", secret.At{}, secret.AttributeChange{Disabled: &yes})
	t.ok(err)
	v, err := t.b.Get(t.Context(), "app/db", secret.At{})
	t.fails(err, secret.Denied, secret.Disabled)
	if !v.Disabled || !v.Value.IsZero() {
		t.Errorf("%+v", v)
	}
	t.lists(nil, "app/db")
	_, err = a.AnnotateVersion(t.Context(), "app/db", secret.At{}, secret.AttributeChange{Disabled: &no})
	t.ok(err)
	t.reads("app/db", secret.At{}, "one")
}

func backup(t *T) {
	a, u := use[secret.Archiver](t), use[secret.Undeleter](t)
	one, two := t.put("app/db", "one"), t.put("app/db", "two")
	blob, err := a.Backup(t.Context(), "app/db")
	t.ok(err)
	_, err = a.Restore(t.Context(), "app/db", blob)
	t.fails(err, secret.Conflict, 0)
	t.ok(u.Destroy(t.Context(), "app/db"))
	_, err = a.Restore(t.Context(), "app/db", blob)
	t.ok(err)
	t.reads("app/db", secret.At{ID: one.ID}, "one")
	if v := t.reads("app/db", secret.At{}, "two"); v.ID != two.ID || v.Number != two.Number {
		t.Errorf("%+v", v)
	}
	if v := t.put("app/db", "three"); v.Number <= two.Number {
		t.Errorf("the next version has number %d", v.Number)
	}
	t.delete("app/db")
	_, err = a.Restore(t.Context(), "app/db", blob)
	t.fails(err, secret.Conflict, secret.Deleted)
	_, err = a.Backup(t.Context(), "app/none")
	t.fails(err, secret.NotFound, 0)
}

func badBackups(t *T) {
	a := use[secret.Archiver](t)
	t.put("app/db", "one")
	blob, err := a.Backup(t.Context(), "app/db")
	t.ok(err)
	_, err = a.Restore(t.Context(), "app/other", blob)
	t.fails(err, secret.Invalid, 0)
	for _, i := range []int{0, len(blob) / 2, len(blob) - 1} {
		bad := append([]byte(nil), blob...)
		bad[i] ^= 1
		_, err = a.Restore(t.Context(), "app/new", bad)
		t.fails(err, secret.Invalid, 0)
	}
	_, err = a.Restore(t.Context(), "app/new", nil)
	t.fails(err, secret.Invalid, 0)
	t.lists(nil, "app/db")
}

func batchOrder(t *T) {
	t.put("a", "one")
	t.put("b", "two")
	t.delete("b")
	got := use[secret.BatchGetter](t).GetBatch(t.Context(), []secret.Name{"none", "a", "b", "a", "x//y"})
	if len(got) != 5 {
		t.Fatalf("%d answers to 5 questions", len(got))
	}
	t.fails(got[0].Err, secret.NotFound, 0)
	t.fails(got[2].Err, secret.NotFound, secret.Deleted)
	t.fails(got[4].Err, secret.Invalid, 0)
	for _, i := range []int{1, 3} {
		if got[i].Err != nil || !got[i].Version.Value.Equal(text("one")) {
			t.Errorf("answer %d: %v", i, got[i].Err)
		}
	}
}

func attributeTags(t *T) {
	a := use[secret.VersionAnnotator](t)
	one := t.putWith("app/db", "one", &secret.PutOptions{Attributes: &secret.Attributes{Tags: map[string]string{"a": "1", "b": "2"}}})
	t.putWith("app/db", "two", &secret.PutOptions{Attributes: &secret.Attributes{Tags: map[string]string{"z": "9"}}})
	for _, step := range []struct {
		change secret.TagChange
		want   map[string]string
	}{
		{secret.TagChange{Remove: []string{"a", "b"}, Set: map[string]string{"b": "3"}}, map[string]string{"b": "3"}},
		{secret.TagChange{}, map[string]string{"b": "3"}},
		{secret.TagChange{Clear: true, Set: map[string]string{"c": "4"}}, map[string]string{"c": "4"}},
	} {
		v, err := a.AnnotateVersion(t.Context(), "app/db", secret.At{ID: one.ID}, secret.AttributeChange{Tags: step.change})
		t.ok(err)
		if got := t.reads("app/db", secret.At{ID: one.ID}, "one"); !maps.Equal(v.Tags, step.want) || !maps.Equal(got.Tags, step.want) || got.Updated.Before(one.Updated) {
			t.Errorf("%v and %v, want %v", v.Tags, got.Tags, step.want)
		}
	}
	if v := t.reads("app/db", secret.At{}, "two"); len(v.Tags) != 1 || v.Tags["z"] != "9" {
		t.Errorf("another version changed: %v", v.Tags)
	}
}

func backupKeeps(t *T) {
	o := &secret.PutOptions{}
	if is[secret.Annotator](t) {
		o.Annotations = &secret.Annotations{Description: "d", Tags: map[string]string{"k": "v"}}
	}
	if is[secret.VersionAnnotator](t) {
		o.Attributes = &secret.Attributes{ContentType: "text/plain", Tags: map[string]string{"k": "v"}}
	}
	one := t.putWith("app/db", "one", o)
	t.put("app/db", "two")
	if r, ok := as[secret.VersionRemover](t); ok {
		t.ok(r.DestroyVersions(t.Context(), "app/db", secret.At{}))
	}
	before := t.describe("app/db")
	blob := t.blob("app/db")
	if bytes.Contains(blob, []byte(canary)) || bytes.Contains(blob, []byte("text/plain")) {
		t.Errorf("the blob is not sealed")
	}
	t.ok(use[secret.Undeleter](t).Destroy(t.Context(), "app/db"))
	_, err := use[secret.Archiver](t).Restore(t.Context(), "app/db", blob)
	t.ok(err)
	after := t.describe("app/db")
	if before.UID = after.UID; fmt.Sprintf("%+v", before) != fmt.Sprintf("%+v", after) {
		t.Errorf("%+v became %+v", before, after)
	}
	v := t.reads("app/db", secret.At{ID: one.ID}, "one")
	if o.Attributes != nil && (v.ContentType != "text/plain" || v.Tags["k"] != "v") {
		t.Errorf("%+v", v.Attributes)
	}
}

// restoreBeside: what a backup was made of may live on under another name.
func restoreBeside(t *T) {
	t.put("a", "one")
	blob := t.blob("a")
	_, err := use[secret.Renamer](t).Rename(t.Context(), "a", "b")
	t.ok(err)
	_, err = use[secret.Archiver](t).Restore(t.Context(), "a", blob)
	t.ok(err)
	if a, b := t.describe("a"), t.describe("b"); a.UID != "" && a.UID == b.UID {
		t.Errorf("both have the uid %s", a.UID)
	}
	t.put("a", "two")
	t.ok(use[secret.Undeleter](t).Destroy(t.Context(), "a"))
	t.reads("b", secret.At{}, "one")
}
