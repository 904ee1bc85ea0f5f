package backendtest

import (
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// narrowCases are about what a store cannot hold, or is configured not to.
func narrowCases() []testCase {
	return []testCase{
		{name: "names that the store cannot hold are invalid", needs: func(t *T) bool { return t.cfg.Refuses != nil }, ask: refusedNames},
		{name: "fits refuses what put refuses, and nothing else", needs: func(t *T) bool { _, ok := t.b.(secret.Fitter); return ok }, ask: fits},
		{name: "empty value is refused", needs: func(t *T) bool { return t.cfg.NoEmpty }, ask: emptyRefused},
		{name: "what is configured away is unsupported", needs: func(t *T) bool { return len(t.cfg.Unsupported) > 0 }, ask: configuredAway},
	}
}

// names are those that stores trip over. Those that this one cannot hold come
// second.
func (t *T) names() (kept, refused []secret.Name) {
	for _, n := range []secret.Name{
		"%2Fprod/db", "a b", "A", "a", "ü/日本", "a:b#c@d", "a*?[x]", `a"\b`, "..a", "a--b", "%2E%2E/%2e", "%", "%25", " ", " a ", "-", "...", "a'; --", "$(x)`", "~/x", "CON", "e", "\u00e9", "\u1e9e", "\U0001F511", "\ue000",
		"a_b", "a.b", "a+b=c", "data/metadata/x", "secret/secret", "abcdef-a1b2c3", "a/B/a", secret.Name(strings.Repeat("ü", 256)), secret.Name(strings.Repeat("y", 512)),
	} {
		if t.cfg.Refuses != nil && t.cfg.Refuses(n) {
			refused = append(refused, n)
		} else {
			kept = append(kept, n)
		}
	}
	return kept, refused
}

func refusedNames(t *T) {
	_, refused := t.names()
	if len(refused) == 0 {
		t.Fatalf("no name that is asked is refused")
	}
	for _, n := range refused {
		for _, p := range t.promises(nil) {
			err := p.call(t.Context(), n)
			if secret.KindOf(err) != secret.Invalid {
				t.Errorf("%s of %q answers %v", p.what, n, err)
			}
			t.clean(err)
		}
	}
	t.lists(nil)
}

func emptyRefused(t *T) {
	_, err := t.b.Put(t.Context(), "empty", secret.Text(""), nil)
	t.fails(err, secret.Invalid, 0)
	_, err = t.b.Put(t.Context(), "empty", secret.Binary(nil), nil)
	t.fails(err, secret.Invalid, 0)
	_, err = t.b.Get(t.Context(), "empty", secret.At{})
	t.fails(err, secret.NotFound, 0)
	t.put("there", "one")
	_, err = t.b.Put(t.Context(), "there", secret.Text(""), nil)
	t.fails(err, secret.Invalid, 0)
	t.reads("there", secret.At{}, "one")
}

// configuredAway calls all methods of promises that the backend makes, and that
// this store, as it is configured, does not keep.
func configuredAway(t *T) {
	t.put("app/db", "one")
	whole := &T{TB: t.TB, cfg: t.cfg, ctx: t.ctx, b: t.b, nth: t.nth, n: t.n}
	whole.cfg.Unsupported = nil
	keeps := func(p promise) bool {
		return slices.ContainsFunc(append(t.promises(nil), t.unnamed()...), func(k promise) bool { return k.what == p.what })
	}
	asked := 0
	for _, p := range append(whole.promises(nil), whole.unnamed()...) {
		if keeps(p) {
			continue
		}
		asked++
		err := p.call(t.Context(), "app/db")
		if secret.KindOf(err) != secret.Unsupported {
			t.Errorf("%s answers %v", p.what, err)
		}
		t.fails(err, secret.Unsupported, 0)
	}
	if asked == 0 {
		t.Errorf("nothing is asked of %q", t.cfg.Unsupported)
	}
	if n, ok := t.b.(secret.Narrower); ok {
		lacks, err := n.Lacks(t.Context())
		if t.ok(err); !slices.Equal(slices.Sorted(slices.Values(lacks)), slices.Sorted(slices.Values(t.cfg.Unsupported))) {
			t.Errorf("it says that it lacks %q", lacks)
		}
	}
	t.reads("app/db", secret.At{}, "one")
	t.lists(nil, "app/db")
}
