package mem_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

// A variant is a store with one promise broken.
type variant struct {
	name  string
	b     broken
	finds string // a case that must fail
}

// TestSuiteFindsBrokenStores breaks one promise at a time. The case that asks
// for it must fail. Which others fail too is golden, so that a case which no
// longer looks, or looks at too much, is seen; and there is no case that never
// fails.
func TestSuiteFindsBrokenStores(t *testing.T) {
	var mu sync.Mutex
	found := map[string][]string{}
	t.Run("variants", func(t *testing.T) {
		for _, v := range slices.Concat(coreVariants(), manyVariants(), moreVariants()) {
			t.Run(v.name, func(t *testing.T) {
				t.Parallel()
				failed := failures(t, v.name, v.finds, func(s *mem.Store) secret.Backend {
					b := v.b
					b.Store = s
					return b
				}, nil)
				if !slices.Contains(failed, v.finds) {
					t.Errorf("%q does not fail; what fails: %q", v.finds, failed)
				}
				mu.Lock()
				defer mu.Unlock()
				found[v.name] = failed
			})
		}
	})
	lost := "a capability is lost"
	found[lost] = failures(t, lost, "", func(s *mem.Store) secret.Backend { return noCreator{s} }, nil)
	other := "another instance is another store"
	found[other] = failures(t, other, "two instances at once lose nothing", func(s *mem.Store) secret.Backend { return s },
		func(now func() time.Time) secret.Backend { return mem.New(now) })
	compare(t, found)
}

// noCreator loses a capability, as a changed signature would.
type noCreator struct{ secret.Backend }

// failures returns the cases that fail. What happens when writers meet is
// chance, unless it is what the variant is made to show.
func failures(t *testing.T, name, finds string, wrap func(*mem.Store) secret.Backend, second func(func() time.Time) secret.Backend) []string {
	t.Helper()
	cfg := config()
	if strings.HasPrefix(name, "watch") || second != nil {
		cfg.Wait = time.Second // what never comes is waited for
	}
	cfg.New = func(_ backendtest.TB, now func() time.Time) secret.Backend { return wrap(mem.New(now)) }
	if second != nil {
		cfg.Second = func(_ backendtest.TB, _ secret.Backend, now func() time.Time) secret.Backend { return second(now) }
	}
	return slices.DeleteFunc(backendtest.Failures(t, cfg), func(c string) bool { return strings.Contains(c, "at once") && c != finds })
}

// compare compares what was found with what was found before, and with all
// cases there are.
func compare(t *testing.T, found map[string][]string) {
	t.Helper()
	const golden = "testdata/broken.golden"
	var b strings.Builder
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		b.WriteString(name + "\n")
		for _, c := range found[name] {
			b.WriteString("\t" + c + "\n")
			seen[c] = true
		}
	}
	if os.Getenv("TACIT_TEST_UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if had, has := strings.Split(string(want), "\n"), strings.Split(b.String(), "\n"); !slices.Equal(had, has) {
		i := 0
		for i < min(len(had), len(has))-1 && had[i] == has[i] {
			i++
		}
		t.Errorf("what fails is not what %s says, from line %d on: %q, it said %q: look, then TACIT_TEST_UPDATE=1", golden, i+1, has[i], had[i])
	}
	cases, err := os.ReadFile("testdata/cases.golden")
	if err != nil {
		t.Fatal(err)
	}
	for c := range strings.Lines(string(cases)) {
		if c = strings.TrimSuffix(c, "\n"); !seen[c] {
			t.Errorf("no broken store makes %q fail", c)
		}
	}
}

func TestWholeStoreFailsNothing(t *testing.T) {
	if failed := backendtest.Failures(t, config()); len(failed) > 0 {
		t.Errorf("the whole store fails %q", failed)
	}
}
