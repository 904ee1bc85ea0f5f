package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/tacit-secrets/tacit/backend/local"
	"github.com/tacit-secrets/tacit/internal/crashtest"
	"github.com/tacit-secrets/tacit/secret"
	"go.uber.org/goleak"
)

// TestMain runs the test binary as a helper process where a test asks for one.
func TestMain(m *testing.M) {
	if text := os.Getenv("LOCAL_TEST_JOB"); text != "" {
		if err := runJob(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// A job is what a helper process does with a store.
type job struct {
	File file
	Do   string
	ID   int
	N    int
}

// start runs a job in another process; each line of its output is what it had
// acknowledged.
func (j job) start(t testing.TB) *crashtest.Process {
	t.Helper()
	text, err := json.Marshal(j)
	noError(t, err)
	return crashtest.Start(t, []string{"LOCAL_TEST_JOB=" + string(text)})
}

func runJob(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	ctx := context.Background()
	s, db, err := j.File.tryOpen(ctx, nil)
	if err != nil {
		return err
	}
	switch j.Do {
	case "share":
		err = j.share(ctx, s)
	default:
		err = j.work(ctx, s)
	}
	return errors.Join(err, db.Close())
}

// share writes to names of its own and to one that all have.
func (j job) share(ctx context.Context, s *local.Store) error {
	for i := range j.N {
		v := secret.Text(fmt.Sprintf("%d/%d", j.ID, i))
		if _, err := s.Put(ctx, secret.Name(fmt.Sprintf("own/%d/%d", j.ID, i)), v, nil); err != nil {
			return err
		}
		if _, err := s.Put(ctx, "shared", v, nil); err != nil {
			return err
		}
	}
	return nil
}

// workers is how many goroutines of a process write in a crash test.
const workers = 4

// work puts, puts again, deletes and destroys until it is killed, and says
// after each change what a reader must find from then on.
func (j job) work(ctx context.Context, s *local.Store) error {
	var wg sync.WaitGroup
	failed := make(chan error, workers)
	for g := range workers {
		wg.Go(func() {
			for i := 0; ; i++ {
				name := secret.Name(fmt.Sprintf("w/%d/%d/%d", j.ID, g, i%50))
				if err := step(ctx, s, name, i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	return <-failed
}

// step makes one change. It says what it is about to do too, since a change
// that was not acknowledged may have happened. Each line is one write.
func step(ctx context.Context, s *local.Store, name secret.Name, i int) error {
	value := fmt.Sprintf("%s=%d", name, i)
	say := func(state string) { fmt.Println("is", name, state) }
	about := func(state string) { fmt.Println("about", name, state) }
	switch i / 50 % 4 {
	case 0, 1:
		about(value)
		if _, err := s.Put(ctx, name, secret.Text(value), nil); err != nil {
			return err
		}
		say(value)
	case 2:
		about("deleted")
		if _, err := s.Delete(ctx, name, nil); err != nil {
			return err
		}
		say("deleted")
	default:
		about("none")
		if err := s.Destroy(ctx, name); err != nil {
			return err
		}
		say("none")
	}
	return nil
}

// crashes returns how often a writer is killed.
func crashes() int { return crashtest.Times(os.Getenv("TACIT_TEST_CRASHES"), 20) }

// TestKilled kills a writer at random moments: nothing that it acknowledged is
// lost, what it had begun happened whole or not at all, and the store is sound.
func TestKilled(t *testing.T) {
	f := newFile(t)
	acknowledged := 0
	for n := range crashes() {
		lines := job{File: f, Do: "work", ID: n}.start(t).Kill(100)
		acknowledged += checkSaid(t, f, lines)
	}
	if acknowledged < crashes() {
		t.Fatalf("only %d changes were acknowledged: the test does not test", acknowledged)
	}
	t.Logf("%d changes were acknowledged and kept", acknowledged)
}

// checkSaid compares the store with what a killed process said.
func checkSaid(t *testing.T, f file, lines []string) (acknowledged int) {
	t.Helper()
	is, about := map[secret.Name]string{}, map[secret.Name]string{}
	for _, l := range lines {
		w := strings.Fields(l)
		name := secret.Name(w[1])
		if w[0] == "about" {
			about[name] = w[2]
			continue
		}
		is[name] = w[2]
		delete(about, name)
		acknowledged++
	}
	s, db, err := f.tryOpen(t.Context(), nil)
	noError(t, err)
	for name := range union(is, about) {
		before := is[name]
		if before == "" {
			before = "none"
		}
		if got := stateOf(t, s, name); got != before && got != about[name] {
			t.Fatalf("%s is %s; acknowledged was %s, and %q was under way", name, got, before, about[name])
		}
	}
	_, err = db.Check(t.Context())
	noError(t, err)
	noError(t, db.Close())
	return acknowledged
}

func union(a, b map[secret.Name]string) map[secret.Name]bool {
	out := map[secret.Name]bool{}
	for n := range a {
		out[n] = true
	}
	for n := range b {
		out[n] = true
	}
	return out
}

// stateOf describes a secret in the words of a working process.
func stateOf(t *testing.T, s *local.Store, name secret.Name) string {
	t.Helper()
	v, err := s.Get(t.Context(), name, secret.At{})
	switch {
	case err == nil:
		return string(v.Value.Reveal())
	case errors.Is(err, secret.Deleted):
		return "deleted"
	case errors.Is(err, secret.NotFound):
		return "none"
	default:
		t.Fatal(err)
		return ""
	}
}

// TestProcesses lets ten processes write 100 times to names of their own and
// to a shared one.
func TestProcesses(t *testing.T) {
	const processes, writes = 10, 100
	for _, c := range []struct{ limit, kept int }{{2000, processes * writes}, {0, local.DefaultVersions}} {
		t.Run(fmt.Sprint("limit ", c.limit), func(t *testing.T) {
			f := newFile(t)
			s, db := f.open(t, nil)
			_, err := s.Create(t.Context(), "shared", secret.Annotations{})
			noError(t, err)
			noError(t, s.Limit(t.Context(), "shared", secret.Limits{MaxVersions: c.limit}))
			var started []*crashtest.Process
			for id := range processes {
				started = append(started, job{File: f, Do: "share", ID: id, N: writes}.start(t))
			}
			for _, p := range started {
				noError(t, p.End())
			}
			for id := range processes {
				for i := range writes {
					want := fmt.Sprintf("%d/%d", id, i)
					if got := get(t, s, secret.Name("own/"+want)); got != want {
						t.Fatalf("own/%s is %q", want, got)
					}
				}
			}
			checkShared(t, s, processes*writes, c.kept)
			_, err = db.Check(t.Context())
			noError(t, err)
		})
	}
}

// checkShared demands that the last versions are there, without gaps.
func checkShared(t *testing.T, s *local.Store, last, kept int) {
	t.Helper()
	n := 0
	for v, err := range s.Versions(t.Context(), "shared") {
		noError(t, err)
		if want := uint64(last - n); v.Number != want {
			t.Fatalf("version %d comes where %d should", v.Number, want)
		}
		if _, err := s.Get(t.Context(), "shared", secret.At{ID: v.ID}); err != nil {
			t.Fatalf("version %d: %v", v.Number, err)
		}
		n++
	}
	if n != kept {
		t.Fatalf("%d versions are left, want %d", n, kept)
	}
}
