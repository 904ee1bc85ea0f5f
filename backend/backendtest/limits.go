package backendtest

import (
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// limitCases belong to Limiter.
func limitCases() []testCase {
	limiter := is[secret.Limiter]
	return []testCase{
		{name: "oldest versions are dropped beyond the limit", needs: limiter, ask: dropOldest},
		{name: "a version with a stage is not dropped", needs: both(limiter, is[secret.Stager]), ask: keepStaged},
		{name: "swap only refuses a put", needs: limiter, ask: swapOnly},
		{name: "delete after hides a version in time", needs: both(limiter, is[secret.VersionRemover], passes), ask: deleteAfter},
		{name: "limits of the store join those of a secret", needs: limiter, ask: storeLimits},
		{name: "own time to delete goes before the store's", needs: both(limiter, passes), ask: ownDeleteAfter},
		{name: "limits hold for whoever writes", needs: both(limiter, is[secret.Swapper]), ask: limitsForAll},
		{name: "negative limits are invalid", needs: limiter, ask: negativeLimits},
	}
}

func deleteAfter(t *T) {
	t.put("app/db", "one")
	t.ok(use[secret.Limiter](t).Limit(t.Context(), "app/db", secret.Limits{DeleteAfter: t.hours(1)}))
	v := t.put("app/db", "two")
	if v.Deleted.IsZero() {
		t.Errorf("it does not tell when: %+v", v)
	}
	t.reads("app/db", secret.At{}, "two")
	t.pass(t.hours(2))
	_, err := t.b.Get(t.Context(), "app/db", secret.At{})
	t.fails(err, secret.NotFound, secret.Deleted)
	t.ok(use[secret.VersionRemover](t).UndeleteVersions(t.Context(), "app/db", secret.At{}))
	t.reads("app/db", secret.At{}, "two")
	t.pass(t.hours(2))
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

func ownDeleteAfter(t *T) {
	l := use[secret.Limiter](t)
	t.ok(l.Limit(t.Context(), "", secret.Limits{DeleteAfter: t.hours(1)}))
	t.put("own", "one")
	t.ok(l.Limit(t.Context(), "own", secret.Limits{DeleteAfter: t.hours(3)}))
	t.put("own", "two")
	t.put("plain", "one")
	t.pass(t.hours(2))
	_, err := t.b.Get(t.Context(), "plain", secret.At{})
	t.fails(err, secret.NotFound, secret.Deleted)
	t.reads("own", secret.At{}, "two")
	t.pass(t.hours(2))
	_, err = t.b.Get(t.Context(), "own", secret.At{})
	t.fails(err, secret.NotFound, secret.Deleted)
}

func dropOldest(t *T) {
	t.put("app/db", "0")
	t.ok(use[secret.Limiter](t).Limit(t.Context(), "app/db", secret.Limits{MaxVersions: 3}))
	for range 4 {
		t.put("app/db", "x")
	}
	if got := t.stages("app/db"); !slices.Equal(got, []string{"5 current", "4 previous", "3 "}) {
		t.Errorf("%q", got)
	}
}

func keepStaged(t *T) {
	one := t.put("app/db", "one")
	t.put("app/db", "two") // a put leaves the one before with previous alone
	t.ok(use[secret.Limiter](t).Limit(t.Context(), "app/db", secret.Limits{MaxVersions: 2}))
	_, err := use[secret.Stager](t).MoveStage(t.Context(), "app/db", "kept", "", one.ID)
	t.ok(err)
	for range 4 {
		t.put("app/db", "x")
	}
	t.reads("app/db", secret.At{Stage: "kept"}, "one")
}

func swapOnly(t *T) {
	v := t.put("app/db", "one")
	t.ok(use[secret.Limiter](t).Limit(t.Context(), "app/db", secret.Limits{SwapOnly: true}))
	_, err := t.b.Put(t.Context(), "app/db", text("two"), nil)
	t.fails(err, secret.Invalid, 0)
	_, err = use[secret.Swapper](t).Swap(t.Context(), "app/db", secret.At{ID: v.ID}, text("two"), nil)
	t.ok(err)
}

func limitsForAll(t *T) {
	v := t.put("app/db", "0")
	t.ok(use[secret.Limiter](t).Limit(t.Context(), "app/db", secret.Limits{MaxVersions: 2}))
	for range 4 {
		var err error
		v, err = use[secret.Swapper](t).Swap(t.Context(), "app/db", secret.At{ID: v.ID}, text("x"), nil)
		t.ok(err)
		t.note("app/db", v)
	}
	if got := t.stages("app/db"); !slices.Equal(got, []string{"5 current", "4 previous"}) {
		t.Errorf("%q", got)
	}
	if m := t.describe("app/db"); m.MaxVersions != 2 {
		t.Errorf("the limit is not told: %+v", m.Limits)
	}
}

func negativeLimits(t *T) {
	t.put("app/db", "one")
	for _, l := range []secret.Limits{{MaxVersions: -1}, {DeleteAfter: -time.Second}} {
		t.fails(use[secret.Limiter](t).Limit(t.Context(), "app/db", l), secret.Invalid, 0)
		t.fails(use[secret.Limiter](t).Limit(t.Context(), "", l), secret.Invalid, 0)
	}
	got, err := use[secret.Limiter](t).Limits(t.Context())
	t.ok(err)
	if got != (secret.Limits{}) || t.describe("app/db").Limits != (secret.Limits{}) {
		t.Errorf("a refused limit is kept: %+v", got)
	}
}
