package backendtest

import (
	"context"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func watchCases() []testCase {
	watcher := is[secret.Watcher]
	return []testCase{
		{name: "watch begins with the empty name and sees changes", needs: watcher, ask: func(t *T) { watches(t, t.b) }},
		{name: "watch ends with its context", needs: watcher, ask: watchEnds},
		{name: "watch can be left early", needs: watcher, ask: func(t *T) {
			for _, err := range use[secret.Watcher](t).Watch(t.Context(), "") {
				t.ok(err)
				break
			}
			t.put("a", "x") // nobody waits for it
		}},
		{name: "watch tells changes of every kind", needs: both(watcher, is[secret.Undeleter], is[secret.Annotator]), ask: watchKinds},
	}
}

// watchEnds ends the context at the first name.
func watchEnds(t *T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	var failed error
	go func() {
		items := 0
		for _, err := range use[secret.Watcher](t).Watch(ctx, "") {
			items, failed = items+1, err
			cancel()
		}
		ended <- items
	}()
	select {
	case items := <-ended:
		if t.ok(failed); items != 1 {
			t.Errorf("%d names are told, though the context was done at the first", items)
		}
	case <-time.After(t.wait()):
		t.Errorf("it does not end within %s", t.wait())
	}
}

// watchKinds makes a change, and then expects it to be told before the next one.
func watchKinds(t *T) {
	t.put("a", "one")
	changes := []func() error{
		func() error { _, err := t.b.Put(t.Context(), "a", text("two"), nil); return err },
		func() error {
			_, err := use[secret.Annotator](t).Annotate(t.Context(), "a", secret.Change{})
			return err
		},
		func() error { _, err := t.b.Delete(t.Context(), "a", nil); return err },
		func() error { _, err := use[secret.Undeleter](t).Undelete(t.Context(), "a"); return err },
		func() error { return use[secret.Undeleter](t).Destroy(t.Context(), "a") },
	}
	ctx, cancel := context.WithTimeout(t.Context(), t.wait())
	defer cancel()
	told := -1
	for n, err := range use[secret.Watcher](t).Watch(ctx, "") {
		t.ok(err)
		if n != "a" && n != "" {
			t.Errorf("%q did not change", n)
		}
		if told++; told == len(changes) {
			return
		}
		t.ok(changes[told]())
	}
	t.Errorf("change %d is not told within %s", told, t.wait())
}

// watches expects a change made through b to be told.
func watches(t *T, b secret.Backend) {
	ctx, cancel := context.WithTimeout(t.Context(), t.wait())
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
	t.Fatalf("the change is not told within %s", t.wait())
}
