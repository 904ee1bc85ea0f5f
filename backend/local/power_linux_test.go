package local_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/tacit-secrets/tacit/backend/local"
	"github.com/tacit-secrets/tacit/secret"
)

// A fact is what a reader finds after a change was acknowledged.
type fact struct {
	name  secret.Name
	value string // empty: there is no such secret
}

// powerWork changes a store and says after each change what is true of it.
// Destroying empties the write-ahead log into the file.
func powerWork(t *testing.T, s *local.Store, did func(fact)) {
	t.Helper()
	powerSteps(func(x fact, change func(*local.Store)) {
		change(s)
		did(x)
	}, t)
}

// powerSteps calls step with each change and what is true after it.
func powerSteps(step func(x fact, change func(*local.Store)), t *testing.T) {
	t.Helper()
	for i := range 60 {
		name := secret.Name(fmt.Sprint("n", i%7))
		if i%12 == 11 {
			step(fact{name, ""}, func(s *local.Store) { noError(t, s.Destroy(t.Context(), name)) })
			continue
		}
		value := fmt.Sprintf("%s=%0*d", name, 1+i*97%5000, i)
		step(fact{name, value}, func(s *local.Store) { put(t, s, name, value) })
	}
}

// TestPowerFailure records all that SQLite writes and syncs, and opens what is
// left when the power fails after any of it, with none, all or some of what was
// not synced. Nothing acknowledged is missing, and the store is sound.
func TestPowerFailure(t *testing.T) {
	f := newFile(t)
	d := newDisk(t, f.Path)
	r := record(t, f.Path)
	s, _ := f.open(t, nil)
	var facts []fact
	powerWork(t, s, func(x fact) {
		facts = append(facts, x)
		r.ack(len(facts))
	})
	g := file{Path: filepath.Join(t.TempDir(), "p", "store.db"), Keys: f.Keys}
	noError(t, os.Mkdir(filepath.Dir(g.Path), 0o700))
	acked, syncs, tried := 0, 0, 0
	r.mu.Lock()
	events := r.events
	r.mu.Unlock()
	for i, e := range events {
		d.happen(e)
		switch e.kind {
		case acknowledged:
			acked = e.ack
		case synced:
			syncs++
		case written, truncated, placed, appeared:
		}
		for _, survive := range failures(i) {
			tried++
			g.lay(t, d.fail(survive))
			g.mustHold(t, facts, acked)
		}
	}
	if syncs < len(facts) {
		t.Fatalf("%d syncs for %d durable changes: the recorder does not record", syncs, len(facts))
	}
	t.Logf("%d events, %d syncs, %d failures of power", len(events), syncs, tried)
}

// failures are ways in which the power fails at event i: all of them in a
// soak, else one in turn.
func failures(i int) []func(int, event) int {
	rng := rand.New(rand.NewPCG(uint64(i), 1))
	some := func(int, event) int {
		if rng.IntN(2) == 0 {
			return -1
		}
		return math.MaxInt
	}
	torn := func(_ int, e event) int { return rng.IntN(len(e.data)/512+1) * 512 }
	all := []func(int, event) int{
		func(int, event) int { return -1 },
		func(int, event) int { return math.MaxInt },
		some, torn,
	}
	if os.Getenv("TACIT_TEST_SOAK") != "" {
		return all
	}
	if i%3 != 0 {
		return nil
	}
	return all[i/3%4 : i/3%4+1]
}

// lay writes the files that a failure leaves.
func (f file) lay(t *testing.T, files map[string][]byte) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(f.Path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	for suffix, b := range files {
		noError(t, os.WriteFile(f.Path+suffix, b, 0o600))
	}
}

// mustHold demands that each secret is as the last acknowledged change left it,
// or as the one that was under way would.
func (f file) mustHold(t *testing.T, facts []fact, acked int) {
	t.Helper()
	s, db, err := f.tryOpen(t.Context(), nil)
	noError(t, err)
	want := map[secret.Name]string{}
	for _, x := range facts[:acked] {
		want[x.name] = x.value
	}
	var coming fact
	if acked < len(facts) {
		coming = facts[acked]
	}
	for n := range 7 {
		name := secret.Name(fmt.Sprint("n", n))
		got := ""
		v, err := s.Get(t.Context(), name, secret.At{})
		if err == nil {
			got = string(v.Value.Reveal())
		} else {
			wantKind(t, err, secret.NotFound)
		}
		if got != want[name] && (name != coming.name || got != coming.value) {
			t.Fatalf("after %d changes %s is %.20q, want %.20q", acked, name, got, want[name])
		}
	}
	_, err = db.Check(t.Context())
	noError(t, err)
	noError(t, db.Close())
}
