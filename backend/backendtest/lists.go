package backendtest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func listCases() []testCase {
	undeleter := is[secret.Undeleter]
	return []testCase{
		{name: "list tells names, versions and no values", ask: listTells},
		{name: "list by prefix is by bytes", ask: listPrefix},
		{name: "shallow list folds folders", ask: shallow},
		{name: "paging over 300 names loses none", ask: paging},
		{name: "list order is the same each time", ask: sameOrder},
		{name: "list by deletion", needs: undeleter, ask: listByDeletion},
		{name: "list can be left early", ask: leftEarly},
		{name: "an empty store lists nothing", ask: func(t *T) {
			t.lists(nil)
			t.lists(&secret.ListOptions{Prefix: "a", Shallow: true, Names: true})
		}},
		{name: "shallow paging loses none", ask: shallowPaging},
		{name: "a cursor outlives its secret", ask: cursorOutlives},
		{name: "names alone list the same", ask: namesAlone},
		{name: "a context done midway ends a list", ask: doneMidway},
		{name: "deleted secrets in folders are listed apart", needs: undeleter, ask: deletedFolders},
		{name: "writers at once lose nothing", needs: is[secret.Swapper], ask: func(t *T) { writers(t, t.b) }},
	}
}

// items lists, once the listing had the time to follow the writes.
func (t *T) items(o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	time.Sleep(t.cfg.Lag)
	return t.b.List(t.Context(), o)
}

// list collects the names of a listing.
func (t *T) list(o *secret.ListOptions) []string {
	t.Helper()
	var out []string
	for m, err := range t.items(o) {
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
		for m, err := range t.items(&secret.ListOptions{Prefix: "page/", After: after}) {
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

// writers lets several goroutines swap the same secret: each step is made
// once.
func writers(t *T, others ...secret.Backend) {
	const each = 10
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	var replaced sync.Map // each version is replaced by one writer
	steps := 0
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
	replaced.Range(func(any, any) bool { steps++; return true })
	if steps != 8*each {
		t.Errorf("%d of %d steps are left", steps, 8*each)
	}
}

// another is another instance over the same store.
func (t *T) another() secret.Backend {
	t.Helper()
	return t.cfg.Second(t.TB, t.b, t.now)
}

// togetherCases are about two instances over one store.
func togetherCases() []testCase {
	return []testCase{
		{name: "two instances see each other's writes", ask: seeEachOther},
		{name: "two instances at once lose nothing", needs: is[secret.Swapper], ask: func(t *T) { writers(t, t.b, t.another()) }},
		{name: "watch sees the other instance", needs: is[secret.Watcher], ask: func(t *T) { watches(t, t.another()) }},
		{name: "two instances agree on what is deleted, listed and limited", ask: func(t *T) { agree(t, t.another()) }},
		{name: "opened anew it is all there", ask: openedAnew},
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

// pages lists one item at a time, and expects the same as of a list at once.
func (t *T) pages(o secret.ListOptions, want ...string) {
	t.Helper()
	t.lists(&o, want...)
	var got []string
	for range len(want) + 1 {
		begun := o.After
		for m, err := range t.items(&o) {
			t.ok(err)
			got, o.After = append(got, string(m.Name)), m.Cursor
			break
		}
		if o.After == begun {
			break
		}
	}
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("in pages: %q, want %q", got, want)
	}
}

// cursorOutlives removes and adds names between pages: the others are all
// yielded, once.
func cursorOutlives(t *T) {
	for i := range 20 {
		t.put(secret.Name(fmt.Sprintf("n/%02d", i)), "x")
	}
	seen, after := map[secret.Name]int{}, ""
	for i := range 21 {
		for m, err := range t.items(&secret.ListOptions{Prefix: "n/", After: after}) {
			t.ok(err)
			seen[m.Name]++
			after = m.Cursor
			t.delete(m.Name)
			t.put(secret.Name(fmt.Sprintf("other/%02d", i)), "x")
			break
		}
	}
	for i := range 20 {
		if n := secret.Name(fmt.Sprintf("n/%02d", i)); seen[n] != 1 {
			t.Errorf("%s is yielded %d times", n, seen[n])
		}
	}
}

// doneMidway: what is left of a list is not taken for all there is.
func doneMidway(t *T) {
	for i := range 30 {
		t.put(secret.Name(fmt.Sprintf("n/%02d", i)), "x")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	items, after := 0, 0
	time.Sleep(t.cfg.Lag)
	for _, err := range t.b.List(ctx, nil) {
		if last != nil {
			after++
		}
		if items++; items == 3 {
			cancel()
		}
		last = err
	}
	if last == nil && items == 30 {
		return // it was all there before the context was done
	}
	t.fails(last, secret.Unavailable, 0)
	if after != 0 || items > 30 {
		t.Errorf("%d items come after an error", after)
	}
}

// agree expects another instance to see changes of every kind.
func agree(t *T, b secret.Backend) {
	t.put("a", "x")
	t.put("b", "x")
	t.delete("a")
	_, err := b.Get(t.Context(), "a", secret.At{})
	if secret.KindOf(err) != secret.NotFound {
		t.Errorf("what one deleted, the other reads: %v", err)
	}
	var names []string
	time.Sleep(t.cfg.Lag)
	for m, err := range b.List(t.Context(), nil) {
		t.ok(err)
		names = append(names, string(m.Name))
	}
	if !slices.Equal(names, []string{"b"}) {
		t.Errorf("the other lists %q", names)
	}
	l, ok := b.(secret.Limiter)
	if !ok || !is[secret.Limiter](t) {
		return
	}
	t.ok(l.Limit(t.Context(), "", secret.Limits{SwapOnly: true}))
	_, err = t.b.Put(t.Context(), "c", text("x"), nil)
	t.fails(err, secret.Invalid, 0)
}

func listTells(t *T) {
	t.put("a", "one")
	t.put("a", "two")
	for m, err := range t.items(nil) {
		t.ok(err)
		v, ok := m.Current()
		if m.Name != "a" || !ok || !v.Value.IsZero() || m.Cursor == "" {
			t.Errorf("%+v", m)
		}
	}
	t.lists(nil, "a")
}

func shallow(t *T) {
	for _, n := range []secret.Name{"app/a/x", "app/a/y", "app/a", "app/b", "z/1/2"} {
		t.put(n, "x")
	}
	t.lists(&secret.ListOptions{Shallow: true}, "app/", "z/")
	t.lists(&secret.ListOptions{Shallow: true, Prefix: "app/"}, "app/a", "app/a/", "app/b")
	for m, err := range t.items(&secret.ListOptions{Shallow: true}) {
		t.ok(err)
		if !m.Prefix {
			t.Errorf("%s is no prefix", m.Name)
		}
	}
}

func sameOrder(t *T) {
	for i := range 50 {
		t.put(secret.Name(fmt.Sprintf("n/%d", i*7919%50)), "x")
	}
	if a, b := t.list(nil), t.list(nil); !slices.Equal(a, b) {
		t.Errorf("%q, then %q", a, b)
	}
}

func listByDeletion(t *T) {
	t.put("a", "x")
	t.put("b", "x")
	t.delete("b")
	t.lists(nil, "a")
	t.lists(&secret.ListOptions{Deleted: secret.AlsoDeleted}, "a", "b")
	t.lists(&secret.ListOptions{Deleted: secret.OnlyDeleted}, "b")
}

func leftEarly(t *T) {
	t.put("a", "x")
	t.put("b", "x")
	for _, err := range t.items(nil) {
		t.ok(err)
		break
	}
	t.put("c", "x") // no lock is left behind
}

func shallowPaging(t *T) {
	for _, n := range []secret.Name{"a", "a/1", "a/2", "a!", "b/1/2", "b/1/3", "c"} {
		t.put(n, "x")
	}
	t.pages(secret.ListOptions{Shallow: true}, "a", "a!", "a/", "b/", "c")
	t.pages(secret.ListOptions{Shallow: true, Prefix: "b/"}, "b/1/")
	t.pages(secret.ListOptions{Prefix: "a"}, "a", "a!", "a/1", "a/2")
}

func namesAlone(t *T) {
	for _, n := range []secret.Name{"a", "a/1", "b"} {
		t.put(n, "x")
	}
	if whole, names := t.list(nil), t.list(&secret.ListOptions{Names: true}); !slices.Equal(whole, names) {
		t.Errorf("%q, by names alone %q", whole, names)
	}
}

func deletedFolders(t *T) {
	t.put("a/live", "x")
	t.put("a/gone", "x")
	t.put("b/gone", "x")
	t.delete("a/gone")
	t.delete("b/gone")
	t.lists(&secret.ListOptions{Shallow: true}, "a/")
	t.lists(&secret.ListOptions{Shallow: true, Deleted: secret.OnlyDeleted}, "a/", "b/")
	t.lists(&secret.ListOptions{Prefix: "a/", Deleted: secret.OnlyDeleted}, "a/gone")
	t.pages(secret.ListOptions{Deleted: secret.AlsoDeleted}, "a/gone", "a/live", "b/gone")
}

func seeEachOther(t *T) {
	b := t.another()
	t.put("app/db", "one")
	v, err := b.Get(t.Context(), "app/db", secret.At{})
	t.ok(err)
	if !v.Value.Equal(text("one")) {
		t.Errorf("another value")
	}
	_, err = b.Put(t.Context(), "app/db", text("two"), nil)
	t.ok(err)
	t.reads("app/db", secret.At{}, "two")
}

func openedAnew(t *T) {
	t.put("app/db", "one")
	start := time.Now()
	b := t.another()
	v, err := b.Get(t.Context(), "app/db", secret.At{})
	t.ok(err)
	if !v.Value.Equal(text("one")) || time.Since(start) > t.wait() {
		t.Errorf("not there, or late")
	}
}
