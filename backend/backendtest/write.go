package backendtest

import (
	"errors"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func writeCases() []testCase {
	swapper, creator, undeleter := is[secret.Swapper], is[secret.Creator], is[secret.Undeleter]
	return []testCase{
		{name: "put over a deleted secret is a conflict", needs: undeleter, ask: putOverDeleted},
		{name: "options of missing promises are unsupported", ask: missingPromises},
		{name: "swap wants the current version", needs: swapper, ask: swapCurrent},
		{name: "swap with the zero at wants no version", needs: swapper, ask: swapZero},
		{name: "refused swap changes nothing", needs: swapper, ask: refusedSwap},
		{name: "swap over a deleted secret is a conflict", needs: both(swapper, undeleter), ask: swapOverDeleted},
		{name: "swap replaces a deleted or destroyed version", needs: both(swapper, is[secret.VersionRemover]), ask: swapRemoved},
		{name: "conflict names the version in the way", needs: both(swapper, is[secret.Versioner]), ask: inTheWay},
		{name: "swap keeps the options of put", needs: both(swapper, is[secret.Versioner]), ask: swapOptions},
		{name: "swap with the zero at takes a secret without a version", needs: both(swapper, creator), ask: swapCreated},
		{name: "create keeps a secret without a version", needs: creator, ask: create},
		{name: "created secret is listed and keeps what it was made with", needs: creator, ask: created},
		{name: "undelete brings all versions back", needs: undeleter, ask: undelete},
		{name: "deleted secret is described with its end", needs: undeleter, ask: describedEnd},
		{name: "deleted secret is gone after its window", needs: both(undeleter, settable), ask: goneAfterWindow},
		{name: "a window is chosen by the store where none is asked for", needs: undeleter, ask: ownWindow},
		{name: "destroy takes all versions", needs: both(undeleter, is[secret.Versioner]), ask: destroyAll},
		{name: "destroy is for ever", needs: undeleter, ask: destroy},
		{name: "a new secret of the same name has another uid", needs: undeleter, ask: newUID},
	}
}

func (t *T) delete(n secret.Name) {
	t.Helper()
	_, err := t.b.Delete(t.Context(), n, nil)
	t.ok(err)
}

func missingPromises(t *T) {
	id := secret.VersionID("0123456789abcdef0123456789abcdef")
	for _, o := range []struct {
		has  bool
		opts secret.PutOptions
	}{
		{is[secret.Versioner](t), secret.PutOptions{ID: id}},
		{is[secret.Stager](t), secret.PutOptions{Stages: []secret.Stage{secret.Current}}},
		{is[secret.Annotator](t), secret.PutOptions{Annotations: &secret.Annotations{}}},
		{is[secret.VersionAnnotator](t), secret.PutOptions{Attributes: &secret.Attributes{}}},
	} {
		_, err := t.b.Put(t.Context(), "app/db", text("one"), &o.opts)
		if o.has {
			t.ok(err)
			t.b = t.cfg.New(t.TB, t.now)
			continue
		}
		t.fails(err, secret.Unsupported, 0)
		_, err = t.b.Get(t.Context(), "app/db", secret.At{})
		t.fails(err, secret.NotFound, 0)
		if s, ok := as[secret.Swapper](t); ok {
			_, err = s.Swap(t.Context(), "app/db", secret.At{}, text("one"), &o.opts)
			t.fails(err, secret.Unsupported, 0)
			t.lists(nil)
		}
		t.put("app/there", "old")
		_, err = t.b.Put(t.Context(), "app/there", text("new"), &o.opts)
		t.fails(err, secret.Unsupported, 0)
		t.reads("app/there", secret.At{}, "old")
		t.delete("app/there")
	}
	if is[secret.Undeleter](t) {
		return
	}
	for _, d := range []secret.Deletion{secret.AlsoDeleted, secret.OnlyDeleted} {
		var last error
		for _, err := range t.items(&secret.ListOptions{Deleted: d}) {
			last = err
		}
		t.fails(last, secret.Unsupported, 0)
	}
}

func swapRemoved(t *T) {
	s, r := use[secret.Swapper](t), use[secret.VersionRemover](t)
	one := t.put("app/db", "one")
	t.ok(r.DeleteVersions(t.Context(), "app/db", secret.At{}))
	two, err := s.Swap(t.Context(), "app/db", secret.At{ID: one.ID}, text("two"), nil)
	t.ok(err)
	t.ok(r.DestroyVersions(t.Context(), "app/db", secret.At{}))
	_, err = s.Swap(t.Context(), "app/db", secret.At{}, text("lost"), nil)
	t.fails(err, secret.Conflict, 0)
	_, err = s.Swap(t.Context(), "app/db", secret.At{Number: two.Number}, text("three"), nil)
	t.ok(err)
	t.reads("app/db", secret.At{}, "three")
}

func inTheWay(t *T) {
	s := use[secret.Swapper](t)
	one, two := t.put("app/db", "one"), t.put("app/db", "two")
	for _, at := range []secret.At{{}, {ID: one.ID}, {Number: one.Number}, {ID: two.ID, Number: one.Number}, {Stage: secret.Previous}} {
		_, err := s.Swap(t.Context(), "app/db", at, text("lost"), nil)
		t.fails(err, secret.Conflict, 0)
		if e, ok := errors.AsType[*secret.Error](err); !ok || e.Version != two.ID || e.Name != "app/db" {
			t.Errorf("%+v: %+v, want the version %s", at, err, two.ID)
		}
	}
	t.reads("app/db", secret.At{}, "two")
}

func swapOptions(t *T) {
	o := &secret.PutOptions{ID: "0123456789abcdef0123456789abcdef"}
	one := t.put("app/db", "one")
	if is[secret.Annotator](t) {
		o.Annotations = &secret.Annotations{Description: "d"}
	}
	if is[secret.VersionAnnotator](t) {
		o.Attributes = &secret.Attributes{ContentType: "text/plain"}
	}
	if is[secret.Stager](t) {
		o.Stages = []secret.Stage{secret.Pending}
	}
	v, err := use[secret.Swapper](t).Swap(t.Context(), "app/db", secret.At{ID: one.ID}, text("two"), o)
	t.ok(err)
	if got := t.reads("app/db", secret.At{ID: o.ID}, "two"); v.ID != o.ID || o.Attributes != nil && got.ContentType != "text/plain" {
		t.Errorf("%+v", v)
	}
	if m := t.describe("app/db"); o.Annotations != nil && m.Description != "d" {
		t.Errorf("%+v", m)
	}
	if o.Stages != nil {
		t.reads("app/db", secret.At{}, "one")
		t.reads("app/db", secret.At{Stage: secret.Pending}, "two")
	}
}

func created(t *T) {
	_, err := use[secret.Creator](t).Create(t.Context(), "app/db", secret.Annotations{Description: "d", Tags: map[string]string{"k": "v"}})
	t.ok(err)
	t.lists(nil, "app/db")
	before := t.describe("app/db")
	if before.Description != "d" || before.Tags["k"] != "v" || len(before.Versions) != 0 || before.Created.IsZero() {
		t.Errorf("%+v", before)
	}
	t.put("app/db", "one")
	after := t.describe("app/db")
	if after.UID != before.UID || after.Description != "d" || !after.Created.Equal(before.Created) {
		t.Errorf("%+v became %+v", before, after)
	}
}

func swapCurrent(t *T) {
	s := use[secret.Swapper](t)
	v := t.put("app/db", "0")
	for i, at := range []func(secret.Version) secret.At{
		func(v secret.Version) secret.At { return secret.At{ID: v.ID} },
		func(v secret.Version) secret.At { return secret.At{Number: v.Number} },
		func(secret.Version) secret.At { return secret.At{Stage: secret.Current} },
		func(v secret.Version) secret.At { return secret.At{ID: v.ID, Number: v.Number} },
	} {
		old := v
		var err error
		v, err = s.Swap(t.Context(), "app/db", at(old), text("next"), nil)
		t.ok(err)
		t.reads("app/db", secret.At{}, "next")
		if i < 2 {
			_, err = s.Swap(t.Context(), "app/db", at(old), text("late"), nil)
			t.fails(err, secret.Conflict, 0)
		}
	}
	_, err := s.Swap(t.Context(), "app/none", secret.At{Number: 1}, text("x"), nil)
	t.fails(err, secret.Conflict, 0)
}

func swapZero(t *T) {
	s := use[secret.Swapper](t)
	_, err := s.Swap(t.Context(), "app/db", secret.At{}, text("one"), nil)
	t.ok(err)
	_, err = s.Swap(t.Context(), "app/db", secret.At{}, text("two"), nil)
	t.fails(err, secret.Conflict, 0)
	t.reads("app/db", secret.At{}, "one")
}

func create(t *T) {
	c := use[secret.Creator](t)
	m, err := c.Create(t.Context(), "app/db", secret.Annotations{Description: "d"})
	t.ok(err)
	if _, ok := m.Current(); ok || m.Name != "app/db" {
		t.Errorf("%+v", m)
	}
	_, err = t.b.Get(t.Context(), "app/db", secret.At{})
	t.fails(err, secret.NotFound, secret.NoVersion)
	_, err = c.Create(t.Context(), "app/db", secret.Annotations{})
	t.fails(err, secret.Conflict, 0)
	t.put("app/db", "one")
	t.reads("app/db", secret.At{}, "one")
	t.delete("app/db")
	_, err = c.Create(t.Context(), "app/db", secret.Annotations{})
	t.fails(err, secret.Conflict, secret.Deleted)
}

func undelete(t *T) {
	u := use[secret.Undeleter](t)
	one := t.put("app/db", "one")
	t.put("app/db", "two")
	t.delete("app/db")
	v, err := t.b.Get(t.Context(), "app/db", secret.At{})
	t.fails(err, secret.NotFound, secret.Deleted)
	if !v.Value.IsZero() {
		t.Errorf("a deleted value is told with the error")
	}
	m, err := u.Undelete(t.Context(), "app/db")
	t.ok(err)
	if !m.Deleted.IsZero() || !m.Purge.IsZero() {
		t.Errorf("%+v", m)
	}
	t.reads("app/db", secret.At{}, "two")
	if is[secret.Versioner](t) {
		t.reads("app/db", secret.At{ID: one.ID}, "one")
	}
	_, err = u.Undelete(t.Context(), "app/db")
	t.fails(err, secret.Conflict, 0)
	_, err = u.Undelete(t.Context(), "app/none")
	t.fails(err, secret.NotFound, 0)
}

func destroy(t *T) {
	u := use[secret.Undeleter](t)
	t.put("app/db", "one")
	t.ok(u.Destroy(t.Context(), "app/db"))
	_, err := t.b.Describe(t.Context(), "app/db")
	t.fails(err, secret.NotFound, 0)
	_, err = u.Undelete(t.Context(), "app/db")
	t.fails(err, secret.NotFound, 0)
	t.fails(u.Destroy(t.Context(), "app/db"), secret.NotFound, 0)
	t.put("app/db", "two")
	t.delete("app/db")
	t.ok(u.Destroy(t.Context(), "app/db"))
}

func describedEnd(t *T) {
	t.put("app/db", "one")
	m, err := t.b.Delete(t.Context(), "app/db", &secret.DeleteOptions{Window: time.Hour})
	t.ok(err)
	d, err := t.b.Describe(t.Context(), "app/db")
	t.ok(err)
	if m.Deleted.IsZero() || !d.Deleted.Equal(m.Deleted) || !d.Purge.Equal(m.Purge) || !t.cfg.NoPurge && !d.Purge.After(d.Deleted) {
		t.Errorf("%+v, %+v", m, d)
	}
	_, err = t.b.Delete(t.Context(), "app/db", nil)
	t.fails(err, secret.NotFound, secret.Deleted)
}

func putOverDeleted(t *T) {
	t.put("app/db", "one")
	t.delete("app/db")
	_, err := t.b.Put(t.Context(), "app/db", text("two"), nil)
	t.fails(err, secret.Conflict, secret.Deleted)
}

func refusedSwap(t *T) {
	one := t.put("app/db", "one")
	t.put("app/db", "two")
	_, err := use[secret.Swapper](t).Swap(t.Context(), "app/db", secret.At{ID: one.ID}, text("lost"), nil)
	t.fails(err, secret.Conflict, 0)
	t.reads("app/db", secret.At{}, "two")
}

func swapOverDeleted(t *T) {
	v := t.put("app/db", "one")
	t.delete("app/db")
	for _, at := range []secret.At{{}, {ID: v.ID}, {Stage: secret.Current}, {Number: v.Number + 1}} {
		_, err := use[secret.Swapper](t).Swap(t.Context(), "app/db", at, text("two"), nil)
		t.fails(err, secret.Conflict, secret.Deleted)
	}
}

func swapCreated(t *T) {
	_, err := use[secret.Creator](t).Create(t.Context(), "app/db", secret.Annotations{})
	t.ok(err)
	for _, at := range []secret.At{{Number: 1}, {Stage: secret.Current}} {
		_, err = use[secret.Swapper](t).Swap(t.Context(), "app/db", at, text("lost"), nil)
		t.fails(err, secret.Conflict, 0)
	}
	_, err = use[secret.Swapper](t).Swap(t.Context(), "app/db", secret.At{}, text("one"), nil)
	t.ok(err)
	t.reads("app/db", secret.At{}, "one")
}

func goneAfterWindow(t *T) {
	t.put("app/db", "one")
	m, err := t.b.Delete(t.Context(), "app/db", &secret.DeleteOptions{Window: time.Hour})
	t.ok(err)
	t.pass(max(m.Purge.Sub(m.Deleted), time.Hour) + time.Hour) // what was asked for is a hint
	_, err = use[secret.Undeleter](t).Undelete(t.Context(), "app/db")
	t.fails(err, secret.NotFound, 0)
	_, err = t.b.Get(t.Context(), "app/db", secret.At{})
	t.fails(err, secret.NotFound, 0)
	t.lists(&secret.ListOptions{Deleted: secret.AlsoDeleted})
	v := t.put("app/db", "new")
	t.reads("app/db", secret.At{ID: v.ID, Number: v.Number}, "new")
}

func ownWindow(t *T) {
	t.put("app/db", "one")
	t.delete("app/db")
	if settable(t) {
		t.pass(time.Minute)
	}
	if m := t.describe("app/db"); m.Deleted.IsZero() || !m.Purge.IsZero() && m.Purge.Sub(m.Deleted) < time.Hour {
		t.Errorf("%+v", m)
	}
	_, err := use[secret.Undeleter](t).Undelete(t.Context(), "app/db")
	t.ok(err)
	t.reads("app/db", secret.At{}, "one")
}

func destroyAll(t *T) {
	one := t.put("app/db", "one")
	t.put("app/db", "two")
	t.ok(use[secret.Undeleter](t).Destroy(t.Context(), "app/db"))
	v := t.put("app/db", "three")
	for _, at := range []secret.At{{ID: one.ID}, {Stage: secret.Previous}} {
		_, err := t.b.Get(t.Context(), "app/db", at)
		t.fails(err, secret.NotFound, secret.NoVersion)
	}
	if m := t.describe("app/db"); len(m.Versions) != 1 || m.Versions[0].ID != v.ID {
		t.Errorf("%+v", m)
	}
}

func newUID(t *T) {
	t.put("app/db", "one")
	a, err := t.b.Describe(t.Context(), "app/db")
	t.ok(err)
	t.ok(use[secret.Undeleter](t).Destroy(t.Context(), "app/db"))
	t.put("app/db", "one")
	b, err := t.b.Describe(t.Context(), "app/db")
	t.ok(err)
	if a.UID != "" && a.UID == b.UID {
		t.Errorf("both are %s", a.UID)
	}
}
