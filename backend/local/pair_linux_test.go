package local_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/backend/local"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// A pair is a store and its audit log, which anchor each other. The segments
// lie in log, the log's keys beside the store.
type pair struct {
	file
	log string
	key string // the log's first key
}

// anchor is a store as its log sees it.
type anchor struct{ db *state.DB }

func (a anchor) Generation() uint64 { return a.db.Generation() }

func (a anchor) LogHead() audit.Head {
	h := a.db.LogHead()
	return audit.Head{Size: h.Size, Root: h.Root, Edge: h.Edge}
}

func (a anchor) Refresh(ctx context.Context) error {
	return a.db.View(ctx, func(*state.Tx) error { return nil })
}

func (p pair) config(db *state.DB) audit.Config {
	return audit.Config{Dir: p.log, KeyDir: filepath.Dir(p.Path), Key: db.AuditKey(), Store: anchor{db}, MinFree: 1, MaxBytes: 8000}
}

// anchored lets the store remember its log.
func anchored(db *state.DB, l *audit.Log) {
	db.SetLog(func() state.LogHead {
		h := l.Head()
		return state.LogHead{Size: h.Size, Root: h.Root, Edge: h.Edge}
	})
}

// newPair makes an empty store with its log.
func newPair(t *testing.T) pair {
	t.Helper()
	p := pair{file: newFile(t), log: filepath.Join(t.TempDir(), "audit")}
	_, db := p.open(t, nil)
	l, key, err := audit.Create(t.Context(), p.config(db))
	noError(t, err)
	p.key = key
	noError(t, l.Close())
	return p
}

// others are the files of the log that are written whole and durable, or not at
// all: keys, headers, notes. Those that skip names are not among them.
func (p pair) others(skip func(name string) bool) map[string][]byte {
	out := map[string][]byte{}
	for _, pattern := range []string{filepath.Join(p.log, "*.jsonl"), filepath.Join(filepath.Dir(p.Path), "audit*")} {
		all, _ := filepath.Glob(pattern) // the pattern is good
		for _, path := range all {
			if b, err := os.ReadFile(path); err == nil && !skip(filepath.Base(path)) {
				out[filepath.Base(path)] = b
			}
		}
	}
	return out
}

// A logFile notes what the log does to a segment, among the store's events.
type logFile struct {
	audit.File
	r    *recorder
	p    pair
	name string
	size int64
}

// logSuffix is what stands in an event's file in the place of a suffix.
const logSuffix = "log:"

// openRecorded is the OpenFile of a log whose segments are recorded.
func (p pair) openRecorded(r *recorder) func(string, int) (audit.File, error) {
	known := map[string]bool{}
	return func(path string, flag int) (audit.File, error) {
		f, err := audit.OpenFile(path, flag)
		if err != nil {
			return nil, err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		l := &logFile{f, r, p, filepath.Base(path), int64(len(b))}
		known[l.name] = true
		r.add(event{kind: appeared, file: logSuffix + l.name, data: b})
		r.add(event{kind: placed, others: p.others(func(n string) bool { return known[n] })})
		return l, nil
	}
}

func (f *logFile) Write(b []byte) (int, error) {
	// What was written whole meanwhile: the next segment and its key.
	tracked := f.r.tracked()
	f.r.add(event{kind: placed, others: f.p.others(func(n string) bool { return tracked[n] })})
	n, err := f.File.Write(b)
	f.r.add(event{kind: written, file: logSuffix + f.name, at: f.size, data: append([]byte(nil), b[:n]...)})
	f.size += int64(n)
	return n, err
}

func (f *logFile) Sync() error {
	err := f.File.Sync()
	f.r.add(event{kind: synced, file: logSuffix + f.name})
	return err
}

// tracked names the segments whose writes are recorded one by one.
func (r *recorder) tracked() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]bool{}
	for _, e := range r.events {
		if e.kind == appeared {
			out[strings.TrimPrefix(e.file, logSuffix)] = true
		}
	}
	return out
}

func (r *recorder) add(e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// recordOf is what the log keeps of a change.
func recordOf(x fact, n int, phase audit.Phase) audit.Record {
	return audit.Record{Principal: "user:mia", Verb: secret.Put, Env: "dev", Name: string(x.name), Phase: phase, Note: strconv.Itoa(n)}
}

// TestPowerFailureOfStoreAndLog records all that both write and sync, and opens
// both as a failure of power leaves them, after any of it. Neither calls the
// other rolled back, and no acknowledged change or record is missing.
func TestPowerFailureOfStoreAndLog(t *testing.T) {
	p := newPair(t)
	d := newDisk(t, p.Path)
	d.others = p.others(func(string) bool { return false })
	r := record(t, p.Path)
	s, db := p.open(t, nil)
	cfg := p.config(db)
	cfg.OpenFile = p.openRecorded(r)
	l, err := audit.Open(t.Context(), cfg)
	noError(t, err)
	anchored(db, l)
	var facts []fact
	powerSteps(func(x fact, change func(*local.Store)) {
		_, err := l.Append(t.Context(), recordOf(x, len(facts), audit.Begin))
		noError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() { // a read, while the change is made: log and store are written at once
			if _, err := l.Append(t.Context(), audit.Record{Principal: "user:mia", Verb: secret.Get, Name: "meanwhile"}); err != nil {
				t.Error(err)
			}
		})
		change(s)
		wg.Wait()
		_, err = l.Append(t.Context(), recordOf(x, len(facts), audit.End))
		noError(t, err)
		facts = append(facts, x)
		r.ack(len(facts))
	}, t)
	noError(t, l.Close())
	p.replay(t, d, r, facts)
}

// replay lets the power fail after each event.
func (p pair) replay(t *testing.T, d *disk, r *recorder, facts []fact) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "p")
	q := pair{file{filepath.Join(dir, "store.db"), p.Keys}, filepath.Join(dir, "audit"), p.key}
	r.mu.Lock()
	events := r.events
	r.mu.Unlock()
	acked, tried, segments := 0, 0, 0
	for i, e := range events {
		d.happen(e)
		switch e.kind {
		case acknowledged:
			acked = e.ack
		case appeared:
			segments++
		case written, truncated, synced, placed:
		}
		if i%9 != 0 && os.Getenv("TACIT_TEST_SOAK") == "" {
			continue // fewer than of a store alone: each takes longer
		}
		for _, survive := range failures(i) {
			tried++
			q.layPair(t, d, survive)
			q.mustOpen(t, facts, acked)
		}
	}
	if segments < 3 || tried < len(facts) {
		t.Fatalf("%d segments, %d failures: the test does not test", segments, tried)
	}
	t.Logf("%d events, %d segments, %d failures of power", len(events), segments, tried)
}

// layPair writes the files that a failure leaves.
func (p pair) layPair(t *testing.T, d *disk, survive func(int, event) int) {
	t.Helper()
	noError(t, os.RemoveAll(filepath.Dir(p.Path)))
	noError(t, os.MkdirAll(p.log, 0o700))
	ofStore, ofLog := map[string][]byte{}, maps.Clone(d.others)
	for name, b := range d.fail(survive) {
		if segment, ok := strings.CutPrefix(name, logSuffix); ok {
			ofLog[segment] = b
			continue
		}
		ofStore[name] = b
	}
	p.lay(t, ofStore)
	for name, b := range ofLog {
		dir := filepath.Dir(p.Path)
		if strings.HasSuffix(name, ".jsonl") {
			dir = p.log
		}
		noError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
}

// mustOpen demands store and log with all that was acknowledged.
func (p pair) mustOpen(t *testing.T, facts []fact, acked int) {
	t.Helper()
	p.mustHold(t, facts, acked)
	_, db, err := p.tryOpen(t.Context(), nil)
	noError(t, err)
	l, err := audit.Open(t.Context(), p.config(db))
	if err != nil {
		t.Fatalf("after %d changes the log does not open: %v", acked, err)
	}
	anchored(db, l)
	_, err = l.Append(t.Context(), audit.Record{Principal: "user:mia", Verb: secret.Get, Name: "after"})
	noError(t, err)
	head := anchor{db}.LogHead()
	ended := map[string]bool{}
	r, err := audit.Verify(t.Context(), p.log, audit.VerifyOptions{FirstKey: p.key, Head: &head, Each: func(r audit.Record) error {
		ended[r.Note] = ended[r.Note] || r.Phase == audit.End
		return nil
	}})
	noError(t, err)
	if !r.Sound() {
		t.Fatalf("after %d changes: %v", acked, r.Damage)
	}
	for i := range acked {
		if !ended[strconv.Itoa(i)] {
			t.Fatalf("after %d changes the record of change %d is missing", acked, i)
		}
	}
	noError(t, errors.Join(l.Close(), db.Close()))
}
