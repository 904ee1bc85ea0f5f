package move_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/secret"
)

// small is a store that holds 100 bytes, one tag, no empty value and no name
// with an underscore.
type small struct{ *mem.Store }

func (small) MaxValueBytes() int { return 100 }

func (s small) Fits(n secret.Name, v secret.Value, o *secret.PutOptions) error {
	switch {
	case strings.Contains(string(n), "_"):
		return secret.Errorf(secret.Invalid, n, "no such name here")
	case !v.IsZero() && (v.Len() == 0 || v.Len() > 100):
		return secret.Errorf(secret.Invalid, n, "no value of %d bytes here", v.Len())
	case o != nil && o.Annotations != nil && len(o.Annotations.Tags) > 1:
		return secret.Errorf(secret.Invalid, n, "one tag at most here")
	}
	return s.Store.Fits(n, v, o)
}

func (s small) Put(ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	if err := s.Fits(n, v, o); err != nil {
		return secret.Version{}, err
	}
	return s.Store.Put(ctx, n, v, o)
}

// gets counts the values that left, by the records.
func (l *log) gets() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if r.Verb == secret.Get && r.Outcome == audit.OK {
			n++
		}
	}
	return n
}

func plan(t *testing.T, c *move.Copy) (out []string) {
	t.Helper()
	for s, err := range c.Plan(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		line := string(s.Action) + " " + s.To.String()
		if s.Err != nil {
			line += ": " + s.Err.Error()
		}
		out = append(out, line)
	}
	return out
}

func TestWhatTheTargetCannotHoldIsNamedFirst(t *testing.T) {
	h := open(t, func(s *mem.Store) secret.Backend { return small{s} })
	for i := range 70 { // more than are weighed at once
		put(t, h.dev, secret.Name(fmt.Sprintf("fine/%02d", i)), "x", nil)
	}
	put(t, h.dev, "a_b", "x", nil)
	put(t, h.dev, "large", strings.Repeat("x", 100), nil)
	put(t, h.dev, "tags", "x", &secret.PutOptions{Annotations: &secret.Annotations{Tags: map[string]string{"a": "1", "b": "2"}}})
	if _, err := h.dev.Put(t.Context(), "void", secret.Text(""), nil); err != nil {
		t.Fatal(err)
	}
	c := move.Copy{Broker: h.Broker, Caller: mia(), From: place("dev:"), To: place("prod:")}
	var refused []string
	got := plan(t, &c)
	for _, line := range got {
		if strings.HasPrefix(line, "refuse ") {
			refused = append(refused, line)
		}
	}
	want := []string{
		"refuse prod:a_b: prod:a_b: no such name here", "refuse prod:large: prod:large: no value of 111 bytes here",
		"refuse prod:tags: prod:tags: one tag at most here", "refuse prod:void: prod:void: no value of 0 bytes here",
	}
	if !slices.Equal(refused, want) || len(got) != 74 || !slices.IsSorted(names(got)) {
		t.Errorf("%d steps, refused %q", len(got), refused)
	}
	if n := h.log.writes(); n != 0 {
		t.Errorf("%d changes were made", n)
	}
	if c := len(h.prodNames(t)); c != 0 {
		t.Errorf("%d secrets are there", c)
	}
}

// names are those of the steps.
func names(lines []string) (out []string) {
	for _, l := range lines {
		_, rest, _ := strings.Cut(l, " ")
		name, _, _ := strings.Cut(rest, ": ")
		out = append(out, name)
	}
	return out
}

func (h *house) prodNames(t *testing.T) (out []secret.Name) {
	t.Helper()
	for m, err := range h.prod.List(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m.Name)
	}
	return out
}

// TestPlanReadsNoValueWithoutNeed: a value that is read is on record, and
// wants the right to.
func TestPlanReadsNoValueWithoutNeed(t *testing.T) {
	for _, narrow := range []bool{false, true} {
		h := open(t, func(s *mem.Store) secret.Backend {
			if narrow {
				return small{s}
			}
			return s
		})
		put(t, h.dev, "a", "x", nil)
		put(t, h.dev, "b", "x", nil)
		plan(t, &move.Copy{Broker: h.Broker, Caller: mia(), From: place("dev:"), To: place("prod:")})
		if want := map[bool]int{true: 2}[narrow]; h.log.gets() != want {
			t.Errorf("narrow %v: %d values were read, want %d", narrow, h.log.gets(), want)
		}
	}
}
