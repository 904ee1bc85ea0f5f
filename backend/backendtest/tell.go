package backendtest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// onlyGetTells expects no value from any other answer.
func onlyGetTells(t *T) {
	v := t.put("app/db", "one")
	if !v.Value.IsZero() {
		t.Errorf("put tells the value back")
	}
	told := t.describe("app/db").Versions
	for m, err := range t.items(nil) {
		t.ok(err)
		told = append(told, m.Versions...)
	}
	if is[secret.Versioner](t) {
		for v, err := range use[secret.Versioner](t).Versions(t.Context(), "app/db") {
			t.ok(err)
			told = append(told, v)
		}
	}
	if is[secret.Swapper](t) {
		v, err := use[secret.Swapper](t).Swap(t.Context(), "app/db", secret.At{Stage: secret.Current}, text("two"), nil)
		t.ok(err)
		told = append(told, v)
	}
	if m, err := t.b.Delete(t.Context(), "app/db", nil); err == nil {
		told = append(told, m.Versions...)
	}
	for _, v := range told {
		if !v.Value.IsZero() {
			t.Errorf("a value is told: %+v", v)
		}
	}
}

// uidEverywhere collects the uids of all answers about one secret.
func uidEverywhere(t *T) {
	v := t.put("app/db", "one")
	uids := map[string]string{"describe": t.describe("app/db").UID}
	of := func(what string, v secret.Version) {
		if v.Secret != nil {
			uids[what] = v.Secret.UID
		}
	}
	of("put", v)
	of("get", t.reads("app/db", secret.At{}, "one"))
	of("second put", t.put("app/db", "two"))
	for m, err := range t.items(nil) {
		t.ok(err)
		uids["list"] = m.UID
	}
	if is[secret.Versioner](t) {
		for v, err := range use[secret.Versioner](t).Versions(t.Context(), "app/db") {
			t.ok(err)
			of("versions", v)
		}
	}
	if is[secret.VersionAnnotator](t) {
		v, err := use[secret.VersionAnnotator](t).AnnotateVersion(t.Context(), "app/db", secret.At{}, secret.AttributeChange{})
		t.ok(err)
		of("annotate version", v)
	}
	if m, err := t.b.Delete(t.Context(), "app/db", nil); err == nil && is[secret.Undeleter](t) {
		uids["delete"] = m.UID
	}
	if len(slices.Compact(slices.Sorted(maps.Values(uids)))) != 1 {
		t.Errorf("one secret has several: %q", uids)
	}
}

// tellTheSame compares what several answers say about one version.
func tellTheSame(t *T) {
	put := t.put("app/db", "one")
	t.put("app/db", "two")
	got := t.reads("app/db", secret.At{}, "two")
	if got.Secret != nil && (got.Secret.Name != "" || got.Secret.Versions != nil) {
		t.Errorf("a version tells its secret's name or versions: %+v", got.Secret)
	}
	if put.ID != "" && (put.ID == got.ID || put.Number >= got.Number || put.Created.After(got.Created)) {
		t.Errorf("%+v was put before %+v", put, got)
	}
	t.tells("describe", t.describe("app/db"), got)
	for m, err := range t.items(nil) {
		t.ok(err)
		if v, ok := m.Current(); ok && v.Number == 0 && v.Created.IsZero() { // a store may tell them one by one only
			for i := range m.Versions {
				m.Versions[i].Number, m.Versions[i].Created, m.Versions[i].Updated = got.Number, got.Created, got.Updated
			}
		}
		t.tells("list", m, got)
	}
}

// tells expects a Meta of "app/db" to say the same of its current version as
// get does.
func (t *T) tells(what string, m secret.Meta, got secret.Version) {
	t.Helper()
	v, ok := m.Current()
	if !ok || v.ID != got.ID || v.Number != got.Number || !v.Created.Equal(got.Created) || !slices.Equal(v.Stages, got.Stages) || v.Secret != nil {
		t.Errorf("%s tells %+v, get %+v", what, v, got)
	}
	if m.Name != "app/db" || m.Created.IsZero() != t.cfg.NoTimes || m.Updated.Before(m.Created) || !m.Deleted.IsZero() || !m.Purge.IsZero() || m.Prefix {
		t.Errorf("%s tells %+v", what, m)
	}
}

// givenOut keeps what a backend told, changes the secret in every way, and
// looks at it again.
func givenOut(t *T) {
	o := &secret.PutOptions{}
	if is[secret.Annotator](t) {
		o.Annotations = &secret.Annotations{Description: "d", Tags: map[string]string{"a": "1"}}
	}
	if is[secret.VersionAnnotator](t) {
		o.Attributes = &secret.Attributes{Tags: map[string]string{"a": "1"}}
	}
	put := t.putWith("app/db", "one", o)
	got, m := t.reads("app/db", secret.At{}, "one"), t.describe("app/db")
	show := func() string { return fmt.Sprintf("%+v %+v %+v %+v", m, put, got, got.Secret) }
	before := show()
	set := secret.TagChange{Clear: true, Set: map[string]string{"a": "2", "b": "3"}}
	if a, ok := as[secret.Annotator](t); ok {
		_, err := a.Annotate(t.Context(), "app/db", secret.Change{Tags: set})
		t.ok(err)
	}
	if a, ok := as[secret.VersionAnnotator](t); ok {
		_, err := a.AnnotateVersion(t.Context(), "app/db", secret.At{}, secret.AttributeChange{Tags: set})
		t.ok(err)
	}
	if s, ok := as[secret.Stager](t); ok {
		_, err := s.MoveStage(t.Context(), "app/db", "green", "", put.ID)
		t.ok(err)
	}
	t.put("app/db", "two")
	t.delete("app/db")
	if after := show(); after != before || string(got.Value.Reveal()) != canary+"one" {
		t.Errorf("it was %s, and became %s", before, after)
	}
}

// atOnce calls every method of a plain backend from several goroutines.
func atOnce(t *T) {
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	for i := range 8 {
		wg.Go(func() {
			n := secret.Name(fmt.Sprintf("own/%d", i))
			for range 10 {
				_, err := t.b.Put(t.Context(), n, text(string(n)), nil)
				keep(errs, err)
				v, err := t.b.Get(t.Context(), n, secret.At{})
				keep(errs, err)
				if err == nil && !v.Value.Equal(text(string(n))) {
					keep(errs, fmt.Errorf("%s has the value of another", n))
				}
				_, err = t.b.Put(t.Context(), "shared", text("x"), nil)
				keep(errs, err)
				_, err = t.b.Describe(t.Context(), "shared")
				keep(errs, err)
				for _, err := range t.items(&secret.ListOptions{Prefix: "own/"}) {
					keep(errs, err)
				}
			}
			_, err := t.b.Delete(t.Context(), n, nil)
			keep(errs, err)
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.ok(err)
	}
	t.lists(nil, "shared")
}

// keep passes an error on, if there is one and room for it.
func keep(errs chan<- error, err error) {
	if err == nil {
		return
	}
	select {
	case errs <- err:
	default:
	}
}

// givenToEach changes all maps that were given to optional promises.
func givenToEach(t *T) {
	tags := map[string]string{"k": "v"}
	yes, kind, end := true, "text/plain", t.moment(time.Hour)
	var want []func() map[string]string
	if c, ok := as[secret.Creator](t); ok {
		_, err := c.Create(t.Context(), "created", secret.Annotations{Tags: tags})
		t.ok(err)
		want = append(want, func() map[string]string { return t.describe("created").Tags })
	}
	if a, ok := as[secret.Annotator](t); ok {
		t.put("annotated", "x")
		_, err := a.Annotate(t.Context(), "annotated", secret.Change{Tags: secret.TagChange{Set: tags}})
		t.ok(err)
		want = append(want, func() map[string]string { return t.describe("annotated").Tags })
	}
	if a, ok := as[secret.VersionAnnotator](t); ok {
		t.putWith("put", "x", &secret.PutOptions{Attributes: &secret.Attributes{Tags: tags}})
		want = append(want, func() map[string]string { return t.reads("put", secret.At{}, "x").Tags })
		t.put("changed", "x")
		no := !yes
		_, err := a.AnnotateVersion(t.Context(), "changed", secret.At{}, secret.AttributeChange{Disabled: &no, ContentType: &kind, Expires: &end, Tags: secret.TagChange{Set: tags}})
		t.ok(err)
		no, kind, end = true, "changed", time.Time{}
		want = append(want, func() map[string]string {
			v := t.reads("changed", secret.At{}, "x")
			if v.ContentType != "text/plain" || v.Expires.IsZero() {
				t.Errorf("a pointer that was given is kept: %+v", v.Attributes)
			}
			return v.Tags
		})
	}
	tags["k"], tags["more"] = "changed", "x"
	for i, got := range want {
		if got := got(); len(got) != 1 || got["k"] != "v" {
			t.Errorf("a map that was given is kept, %d: %v", i, got)
		}
	}
}
