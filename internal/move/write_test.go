package move_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/secret"
)

// singly is a store that is written a secret at a time, as those on a network.
// before is called with each write, and may refuse it.
type singly struct {
	secret.Backend
	secret.Versioner
	secret.Swapper
	annotator secret.Annotator
	before    func(secret.Name) error
}

func alone(s *mem.Store, before func(secret.Name) error) secret.Backend {
	return singly{s, s, s, s, before}
}

func (s singly) Swap(ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	if err := s.before(n); err != nil {
		return secret.Version{}, err
	}
	return s.Swapper.Swap(ctx, n, old, v, o)
}

func (s singly) Annotate(ctx context.Context, n secret.Name, c secret.Change) (secret.Meta, error) {
	if err := s.before(n); err != nil {
		return secret.Meta{}, err
	}
	return s.annotator.Annotate(ctx, n, c)
}

// row is the name of the i-th secret.
func row(i int) secret.Name { return secret.Name(fmt.Sprintf("n%03d", i)) }

func TestCopyEndsWhereTheStoreDoesNotAnswer(t *testing.T) {
	var asked atomic.Int32
	h := open(t, func(s *mem.Store) secret.Backend {
		return alone(s, func(n secret.Name) error {
			asked.Add(1)
			if n >= row(50) && n != row(55) {
				return secret.Errorf(secret.Unavailable, n, "nobody answers")
			}
			return nil
		})
	})
	for i := range 200 {
		put(t, h.dev, row(i), "v", nil)
	}
	got, err := run(t, h.copy("dev:", "prod:"))
	if secret.KindOf(err) != secret.Unavailable || asked.Load() > 55+2*broker.InFlight {
		t.Errorf("asked %d times, %v", asked.Load(), err)
	}
	var done, failed int
	for _, line := range got {
		if strings.HasSuffix(line, " unavailable") {
			failed++
		} else {
			done++
		}
	}
	if there := len(h.prodNames(t)); done != there || failed != 1 {
		t.Errorf("%d secrets are there; told are %d, and %d errors", there, done, failed)
	}
}

// A store that throttles leaves one or the other without an answer. The copy
// goes on, and tells which they were.
func TestCopyGoesOnWhereOneIsNotAnswered(t *testing.T) {
	h := open(t, func(s *mem.Store) secret.Backend {
		return alone(s, func(n secret.Name) error {
			if n == row(3) || n == row(300) {
				return secret.Errorf(secret.Unavailable, n, "too many requests")
			}
			return nil
		})
	})
	for i := range 400 {
		put(t, h.dev, row(i), "v", nil)
	}
	got, err := run(t, h.copy("dev:", "prod:"))
	failed := slices.DeleteFunc(slices.Clone(got), func(line string) bool { return !strings.HasSuffix(line, " unavailable") })
	if secret.KindOf(err) != secret.Unavailable || len(got) != 400 || !slices.Equal(failed, []string{"create prod:n003 unavailable", "create prod:n300 unavailable"}) {
		t.Errorf("%d told, failed %q, %v", len(got), failed, err)
	}
}

// waitFor fails a test that would hang.
func waitFor(t *testing.T, c <-chan struct{}, what string) error {
	t.Helper()
	select {
	case <-c:
		return nil
	case <-time.After(time.Minute):
		t.Error(what)
		return secret.Errorf(secret.Unavailable, "", "gave up")
	}
}

func TestCopyTellsOfEachSecretAsItIsDone(t *testing.T) {
	told := make(chan struct{})
	h := open(t, func(s *mem.Store) secret.Backend {
		return alone(s, func(n secret.Name) error {
			if n == row(40) {
				return waitFor(t, told, "the first one is told when all are done")
			}
			return nil
		})
	})
	for i := range 60 {
		put(t, h.dev, row(i), "v", nil)
	}
	c := h.copy("dev:", "prod:")
	var order []secret.Name
	err := c.Run(t.Context(), func(s move.Step) {
		if order = append(order, s.To.Name); len(order) == 1 {
			close(told)
		}
	})
	if err != nil || len(order) != 60 || order[0] != row(0) || order[59] != row(59) {
		t.Errorf("%q, %v", order, err)
	}
}

func TestCopyChangesTagsOfSomeAtOnce(t *testing.T) {
	var begun atomic.Int32
	two := make(chan struct{})
	wait := false
	h := open(t, func(s *mem.Store) secret.Backend {
		return alone(s, func(secret.Name) error {
			if !wait {
				return nil
			}
			if begun.Add(1) == 2 {
				close(two)
			}
			return waitFor(t, two, "one waits for the other")
		})
	})
	for i := range 5 {
		put(t, h.dev, row(i), "v", nil)
	}
	if _, err := run(t, h.copy("dev:", "prod:")); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := h.dev.Annotate(t.Context(), row(i), secret.Change{Tags: secret.TagChange{Set: map[string]string{"tier": "1"}}}); err != nil {
			t.Fatal(err)
		}
	}
	wait = true
	got, err := run(t, h.copy("dev:", "prod:"))
	want(t, got, err, "annotate prod:n000", "annotate prod:n001", "annotate prod:n002", "annotate prod:n003", "annotate prod:n004")
}

// reads counts how a store is read.
type reads struct {
	*mem.Store
	batches, singles int
	before           func() error
}

func (r *reads) GetBatch(ctx context.Context, names []secret.Name) []secret.Result {
	r.batches++
	if err := r.before(); err != nil {
		out := make([]secret.Result, len(names))
		for i := range out {
			out[i].Err = err
		}
		return out
	}
	return r.Store.GetBatch(ctx, names)
}

func (r *reads) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	r.singles++
	return r.Store.Get(ctx, n, at)
}

// The source can be asked for many at once; what is no longer current there is
// asked for by its version, for that is what was planned.
func TestCopyReadsInBatches(t *testing.T) {
	var r *reads
	h := open(t, func(s *mem.Store) secret.Backend {
		r = &reads{Store: s}
		return r
	})
	listed := map[int]secret.Version{}
	for i := range 100 {
		listed[i] = put(t, h.prod, row(i), "v", nil)
	}
	first := true
	r.before = func() error {
		if first {
			put(t, h.prod, row(7), "later", nil)
		}
		first = false
		return nil
	}
	if got, err := run(t, h.copy("prod:", "dev:")); err != nil || len(got) != 100 {
		t.Fatalf("%d steps, %v", len(got), err)
	}
	if r.batches != 2 || r.singles != 1 {
		t.Errorf("read by %d batches and %d single requests", r.batches, r.singles)
	}
	v, err := h.dev.Get(t.Context(), row(7), secret.At{})
	if err != nil || v.ID != listed[7].ID || string(v.Value.Reveal()) != canary+"v" {
		t.Errorf("another version came than was listed: %v", err)
	}
}

// A source that is gone is not asked for all the others, to see whether they fit.
func TestPlanEndsWhereTheSourceDoesNotAnswer(t *testing.T) {
	h := open(t, func(s *mem.Store) secret.Backend { return small{s} })
	gone := &reads{Store: h.dev, before: func() error { return secret.Errorf(secret.Unavailable, "", "nobody answers") }}
	var err error
	h.Broker, err = broker.New(broker.Config{
		Envs:   map[string]broker.Env{"dev": broker.Opened(gone), "prod": broker.Opened(small{h.prod})},
		Policy: h.policy, Log: h.log,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		put(t, h.dev, row(i), "v", nil)
	}
	c := h.copy("dev:", "prod:")
	steps := 0
	for _, planned := range c.Plan(t.Context()) {
		steps++
		err = planned
	}
	if secret.KindOf(err) != secret.Unavailable || gone.batches != 1 {
		t.Errorf("asked %d times, %d steps, %v", gone.batches, steps, err)
	}
}
