package backendtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func listCases() []testCase {
	undeleter, watcher := is[secret.Undeleter], is[secret.Watcher]
	return []testCase{
		{name: "list tells names, versions and no values", ask: func(t *T) {
			t.put("a", "one")
			t.put("a", "two")
			for m, err := range t.b.List(t.Context(), nil) {
				t.ok(err)
				v, ok := m.Current()
				if m.Name != "a" || !ok || !v.Value.IsZero() || m.Cursor == "" {
					t.Errorf("%+v", m)
				}
			}
			t.lists(nil, "a")
		}},
		{name: "list by prefix is by bytes", ask: listPrefix},
		{name: "shallow list folds folders", ask: func(t *T) {
			for _, n := range []secret.Name{"app/a/x", "app/a/y", "app/a", "app/b", "z/1/2"} {
				t.put(n, "x")
			}
			t.lists(&secret.ListOptions{Shallow: true}, "app/", "z/")
			t.lists(&secret.ListOptions{Shallow: true, Prefix: "app/"}, "app/a", "app/a/", "app/b")
			for m, err := range t.b.List(t.Context(), &secret.ListOptions{Shallow: true}) {
				t.ok(err)
				if !m.Prefix {
					t.Errorf("%s is no prefix", m.Name)
				}
			}
		}},
		{name: "paging over 300 names loses none", ask: paging},
		{name: "list order is the same each time", ask: func(t *T) {
			for i := range 50 {
				t.put(secret.Name(fmt.Sprintf("n/%d", i*7919%50)), "x")
			}
			if a, b := t.list(nil), t.list(nil); !slices.Equal(a, b) {
				t.Errorf("%q, then %q", a, b)
			}
		}},
		{name: "list by deletion", needs: undeleter, ask: func(t *T) {
			t.put("a", "x")
			t.put("b", "x")
			t.delete("b")
			t.lists(nil, "a")
			t.lists(&secret.ListOptions{Deleted: secret.AlsoDeleted}, "a", "b")
			t.lists(&secret.ListOptions{Deleted: secret.OnlyDeleted}, "b")
		}},
		{name: "list can be left early", ask: func(t *T) {
			t.put("a", "x")
			t.put("b", "x")
			for _, err := range t.b.List(t.Context(), nil) {
				t.ok(err)
				break
			}
			t.put("c", "x") // no lock is left behind
		}},
		{name: "watch begins with the empty name and sees changes", needs: watcher, ask: func(t *T) { watches(t, t.b) }},
		{name: "writers at once lose nothing", needs: is[secret.Swapper], ask: func(t *T) { writers(t, t.b) }},
	}
}

func paging(t *T) {
	want := map[string]bool{}
	for i := range 305 {
		n := fmt.Sprintf("page/%03d", i)
		t.put(secret.Name(n), "x")
		want[n] = true
	}
	after := ""
	for range 100 {
		seen := 0
		for m, err := range t.b.List(t.Context(), &secret.ListOptions{Prefix: "page/", After: after}) {
			t.ok(err)
			if !want[string(m.Name)] {
				t.Errorf("%s comes twice, or from nowhere", m.Name)
			}
			delete(want, string(m.Name))
			after = m.Cursor
			if seen++; seen == 7 {
				break
			}
		}
		if seen == 0 {
			break
		}
	}
	if len(want) > 0 {
		t.Errorf("%d names are lost", len(want))
	}
}

// watches expects a change made through b to be told.
func watches(t *T, b secret.Backend) {
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	first := true
	for n, err := range use[secret.Watcher](t).Watch(ctx, "app/") {
		t.ok(err)
		switch {
		case first && n != "":
			t.Fatalf("the first name is %q", n)
		case first:
			first = false
			for _, n := range []secret.Name{"other", "app/db"} {
				_, err := b.Put(ctx, n, text("x"), nil)
				t.ok(err)
			}
		case n == "app/db" || n == "": // empty: anything may have changed
			return
		default:
			t.Fatalf("%q does not begin with the prefix", n)
		}
	}
	t.Fatalf("the change is not told within %s", wait)
}

// writers lets several goroutines swap the same secret: each step is made
// once.
func writers(t *T, others ...secret.Backend) {
	const each = 10
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	var replaced sync.Map // each version is replaced by one writer
	for i := range 8 {
		s, ok := others[i%len(others)].(secret.Swapper)
		if !ok {
			t.Fatalf("no swapper")
		}
		wg.Go(func() {
			for done := 0; done < each; {
				old := secret.At{}
				if v, err := others[i%len(others)].Get(t.Context(), "app/n", secret.At{}); err == nil {
					old = secret.At{ID: v.ID}
				}
				_, err := s.Swap(t.Context(), "app/n", old, text("x"), nil)
				switch {
				case err == nil:
					if _, twice := replaced.LoadOrStore(old.ID, true); twice {
						errs <- fmt.Errorf("two writers replaced version %q", old.ID)
						return
					}
					done++
				case secret.KindOf(err) != secret.Conflict:
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		t.Fatalf("%v", err)
	default:
	}
	v, err := others[0].Get(t.Context(), "app/n", secret.At{})
	t.ok(err)
	if v.Number != 8*each {
		t.Errorf("%d steps end at number %d", 8*each, v.Number)
	}
}

// togetherCases are about two instances over one store.
func togetherCases() []testCase {
	second := func(t *T) secret.Backend { return t.cfg.Second(t.TB, t.b, t.now) }
	return []testCase{
		{name: "two instances see each other's writes", ask: func(t *T) {
			b := second(t)
			t.put("app/db", "one")
			v, err := b.Get(t.Context(), "app/db", secret.At{})
			t.ok(err)
			if !v.Value.Equal(text("one")) {
				t.Errorf("another value")
			}
			_, err = b.Put(t.Context(), "app/db", text("two"), nil)
			t.ok(err)
			t.reads("app/db", secret.At{}, "two")
		}},
		{name: "two instances at once lose nothing", ask: func(t *T) { writers(t, t.b, second(t)) }},
		{name: "watch sees the other instance", ask: func(t *T) {
			if is[secret.Watcher](t.b) {
				watches(t, second(t))
			}
		}},
		{name: "opened anew it is all there", ask: func(t *T) {
			t.put("app/db", "one")
			start := time.Now()
			b := second(t)
			v, err := b.Get(t.Context(), "app/db", secret.At{})
			t.ok(err)
			if !v.Value.Equal(text("one")) || time.Since(start) > wait {
				t.Errorf("not there, or late")
			}
		}},
	}
}

func listPrefix(t *T) {
	for _, n := range []secret.Name{"app", "app/a", "app/b", "apple", "b"} {
		t.put(n, "x")
	}
	t.lists(&secret.ListOptions{Prefix: "app"}, "app", "app/a", "app/b", "apple")
	t.lists(&secret.ListOptions{Prefix: "app/"}, "app/a", "app/b")
	t.lists(&secret.ListOptions{Prefix: "none/"})
	t.lists(&secret.ListOptions{Prefix: "app/", Names: true}, "app/a", "app/b")
}
