package backendtest

import (
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func writeCases() []testCase {
	swapper, creator, undeleter := is[secret.Swapper], is[secret.Creator], is[secret.Undeleter]
	return []testCase{
		{name: "put over a deleted secret is a conflict", needs: undeleter, ask: func(t *T) {
			t.put("app/db", "one")
			t.delete("app/db")
			_, err := t.b.Put(t.Context(), "app/db", text("two"), nil)
			t.fails(err, secret.Conflict, secret.Deleted)
		}},
		{name: "options of missing promises are unsupported", ask: missingPromises},
		{name: "swap wants the current version", needs: swapper, ask: swapCurrent},
		{name: "swap with the zero at wants no version", needs: swapper, ask: swapZero},
		{name: "refused swap changes nothing", needs: swapper, ask: func(t *T) {
			one := t.put("app/db", "one")
			t.put("app/db", "two")
			_, err := use[secret.Swapper](t).Swap(t.Context(), "app/db", secret.At{ID: one.ID}, text("lost"), nil)
			t.fails(err, secret.Conflict, 0)
			t.reads("app/db", secret.At{}, "two")
		}},
		{name: "create keeps a secret without a version", needs: creator, ask: create},
		{name: "undelete brings all versions back", needs: undeleter, ask: undelete},
		{name: "deleted secret is described with its end", needs: undeleter, ask: describedEnd},
		{name: "deleted secret is gone after its window", needs: undeleter, ask: func(t *T) {
			t.put("app/db", "one")
			_, err := t.b.Delete(t.Context(), "app/db", &secret.DeleteOptions{Window: time.Hour})
			t.ok(err)
			t.pass(2 * time.Hour)
			_, err = use[secret.Undeleter](t).Undelete(t.Context(), "app/db")
			t.fails(err, secret.NotFound, 0)
			t.put("app/db", "new")
			t.reads("app/db", secret.At{Number: 1}, "new")
		}},
		{name: "destroy is for ever", needs: undeleter, ask: destroy},
		{name: "a new secret of the same name has another uid", needs: undeleter, ask: func(t *T) {
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
		}},
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
		{is[secret.Versioner](t.b), secret.PutOptions{ID: id}},
		{is[secret.Stager](t.b), secret.PutOptions{Stages: []secret.Stage{secret.Current}}},
		{is[secret.Annotator](t.b), secret.PutOptions{Annotations: &secret.Annotations{}}},
		{is[secret.VersionAnnotator](t.b), secret.PutOptions{Attributes: &secret.Attributes{}}},
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
	if is[secret.Versioner](t.b) {
		t.reads("app/db", secret.At{ID: one.ID}, "one")
	}
	_, err = u.Undelete(t.Context(), "app/db")
	t.fails(err, secret.Conflict, 0)
	_, err = u.Undelete(t.Context(), "app/none")
	t.fails(err, secret.NotFound, 0)
}

// list collects the names of a listing.
func (t *T) list(o *secret.ListOptions) []string {
	t.Helper()
	var out []string
	for m, err := range t.b.List(t.Context(), o) {
		t.ok(err)
		out = append(out, string(m.Name))
	}
	return out
}

func (t *T) lists(o *secret.ListOptions, want ...string) {
	t.Helper()
	got := t.list(o)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
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
	if m.Deleted.IsZero() || !d.Deleted.Equal(m.Deleted) || !d.Purge.Equal(m.Purge) || !d.Purge.After(d.Deleted) {
		t.Errorf("%+v, %+v", m, d)
	}
	_, err = t.b.Delete(t.Context(), "app/db", nil)
	t.fails(err, secret.NotFound, secret.Deleted)
}
