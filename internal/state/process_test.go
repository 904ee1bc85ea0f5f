package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/internal/crashtest"
	"github.com/tacit-secrets/tacit/internal/seal"
	"go.uber.org/goleak"
)

// TestMain runs the test binary as a helper process where a test asks for one.
func TestMain(m *testing.M) {
	if job := os.Getenv("STATE_TEST_JOB"); job != "" {
		if err := runJob(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// A job is what a helper process does to a store that a key directory opens.
type job struct {
	Do, Path, Keys string
	First, Count   int
}

func (j job) unlocker() *seal.Unlocker { return &seal.Unlocker{KeyDir: j.Keys} }

func (j job) options() *Options { return &Options{Unlock: j.unlocker().Unlock} }

// start runs a job in another process; each line of its output is what it had
// acknowledged.
func (j job) start(t testing.TB) *crashtest.Process {
	t.Helper()
	text, err := json.Marshal(j)
	noError(t, err)
	return crashtest.Start(t, []string{"STATE_TEST_JOB=" + string(text)})
}

func runJob(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	ctx := context.Background()
	d, err := Open(ctx, j.Path, j.options())
	if err != nil {
		return err
	}
	switch j.Do {
	case "write":
		err = j.writeRows(ctx, d)
	case "rekey":
		err = j.rekeyAgain(ctx, d)
	case "visit":
		err = j.visit(ctx)
	case "count":
		err = j.countUp(ctx, d)
	default:
		err = j.ofThisSystem(ctx, d)
	}
	if err != nil {
		return err
	}
	return d.Close()
}

// writeRows writes rows from several goroutines and says which it has.
func (j job) writeRows(ctx context.Context, d *DB) error {
	var wg sync.WaitGroup
	lines := make(chan string, 64)
	for g := range 4 {
		wg.Go(func() {
			for i := range j.Count {
				name := strconv.Itoa(j.First + g*j.Count + i)
				err := d.Update(ctx, func(tx *Tx) error {
					if err := tx.Put(row(name), []byte("head of "+name)); err != nil {
						return err
					}
					return tx.PutValue(name, "1", []byte("value of "+name))
				})
				if err != nil {
					panic(err)
				}
				lines <- name
			}
		})
	}
	go func() { wg.Wait(); close(lines) }()
	for l := range lines {
		fmt.Println(l)
	}
	return nil
}

// rekeyAgain rekeys until it is killed.
func (j job) rekeyAgain(ctx context.Context, d *DB) error {
	u := j.unlocker()
	for range j.Count {
		slots, err := d.Slots()
		if err != nil {
			return err
		}
		next, err := seal.NewKey()
		if err != nil {
			return err
		}
		fmt.Println("preparing")
		r, err := u.Rekey(ctx, d.StoreID(), slots, d.Key(), next)
		if err != nil {
			return err
		}
		if err := d.Rekey(ctx, d.Key(), next, r.Slots); err != nil {
			return err
		}
		if err := u.Discard(ctx, r.Retired...); err != nil {
			return err
		}
		if err := d.Compact(ctx); err != nil {
			return err
		}
	}
	return nil
}

// visit opens, changes and closes the store many times.
func (j job) visit(ctx context.Context) error {
	for range j.Count {
		d, err := Open(ctx, j.Path, j.options())
		if err != nil {
			return err
		}
		err = d.Update(ctx, func(tx *Tx) error {
			b, err := tx.Get(row("shared"))
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(b))
			if err != nil {
				return err
			}
			return tx.Put(row("shared"), []byte(strconv.Itoa(n+1)))
		})
		if err := errors.Join(err, d.Close()); err != nil {
			return err
		}
	}
	return nil
}

// countUp adds one to a shared row and writes one of its own, many times.
func (j job) countUp(ctx context.Context, d *DB) error {
	for i := range j.Count {
		err := d.Update(ctx, func(tx *Tx) error {
			b, err := tx.Get(row("shared"))
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(b))
			if err != nil {
				return err
			}
			if err := tx.Put(row("shared"), []byte(strconv.Itoa(n+1))); err != nil {
				return err
			}
			return tx.Put(row(fmt.Sprintf("own %d %d", j.First, i)), nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// newShared makes a closed store that a folder of key files opens, so that
// other processes can.
func newShared(t testing.TB) job {
	t.Helper()
	j := job{Path: t.TempDir() + "/store/store.db", Keys: t.TempDir()}
	key, err := seal.NewKey()
	noError(t, err)
	id := NewStoreID()
	s, err := j.unlocker().NewSlot(t.Context(), id, key, seal.Method{Kind: seal.KeyFile})
	noError(t, err)
	d, err := Create(t.Context(), j.Path, Seed{StoreID: id, Key: key, Slots: seal.Slots{s}}, j.options())
	noError(t, err)
	put(t, d, "shared", "0")
	noError(t, d.Close())
	return j
}

// crashes returns how often a process is killed.
func crashes() int { return crashtest.Times(os.Getenv("TACIT_TEST_CRASHES"), 20) }

// TestKilled: a writer killed at a random moment loses nothing that it had
// acknowledged, and the store opens.
func TestKilled(t *testing.T) {
	j := newShared(t)
	j.Do, j.Count = "write", 1_000_000
	var all []string
	for n := range crashes() {
		j.First = n * 10_000_000
		got := j.start(t).Kill(40)
		all = append(all, got...)
		d, err := Open(t.Context(), j.Path, j.options())
		noError(t, err)
		for _, name := range got {
			wantGet(t, d, name, "head of "+name)
			if v, err := getValue(t, d, name, "1"); err != nil || v != "value of "+name {
				t.Fatalf("%s: %q, %v", name, v, err)
			}
		}
		_, err = d.Check(t.Context())
		noError(t, err)
		noError(t, d.Close())
	}
	if len(all) < crashes() {
		t.Fatalf("only %d writes were acknowledged: the test does not test", len(all))
	}
}

func TestAbuseRekey(t *testing.T) {
	t.Run("rekey-killed-at-each-step", func(t *testing.T) {
		j := newShared(t)
		d, err := Open(t.Context(), j.Path, j.options())
		noError(t, err)
		for i := range 300 {
			putValue(t, d, strconv.Itoa(i), "1", "x")
		}
		noError(t, d.Close())
		j.Do, j.Count = "rekey", 1_000_000
		keys := map[string]bool{}
		for i := range crashes() {
			p := j.start(t)
			p.Lines(1 + i%2)                                                // every other time after a whole rekey, however slow the machine is
			time.Sleep(time.Duration(rand.IntN(40_000)) * time.Microsecond) // when to kill
			noError(t, p.Process.Kill())
			_ = p.End() // killed
			d, err := Open(t.Context(), j.Path, j.options())
			noError(t, err)
			_, err = d.Check(t.Context())
			noError(t, err)
			if v, err := getValue(t, d, "299", "1"); err != nil || v != "x" {
				t.Fatalf("%q, %v", v, err)
			}
			keys[d.KeyID()] = true
			noError(t, d.Close())
		}
		if len(keys) < 2 {
			t.Fatal("no rekey was ever completed: the test does not test")
		}
	})
}

// TestManyProcesses: ten at once lose nothing and see no error, whether they
// keep the store open or come and go.
func TestManyProcesses(t *testing.T) {
	t.Run("count", func(t *testing.T) { testManyProcesses(t, "count", 100, 1001) })
	t.Run("visit", func(t *testing.T) { testManyProcesses(t, "visit", 30, 1) })
}

func testManyProcesses(t *testing.T, do string, count int, rows uint64) {
	j := newShared(t)
	j.Do, j.Count = do, count
	const processes = 10
	var wg sync.WaitGroup
	for p := range processes {
		j.First = p
		started := j.start(t)
		wg.Go(func() {
			if err := started.End(); err != nil {
				t.Errorf("process %d: %v", p, err)
			}
		})
	}
	wg.Wait()
	d, err := Open(t.Context(), j.Path, j.options())
	noError(t, err)
	wantGet(t, d, "shared", strconv.Itoa(processes*j.Count))
	r, err := d.Check(t.Context())
	noError(t, err)
	if r.Rows != rows {
		t.Errorf("%d rows", r.Rows)
	}
	noError(t, d.Close())
}
