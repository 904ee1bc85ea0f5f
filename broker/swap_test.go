package broker_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// A swapless store keeps versions and brings back what is deleted, but does
// not compare and swap.
type swapless struct {
	secret.Backend
	secret.Versioner
	secret.Undeleter
}

// A flat store keeps no versions: none has an id or a number.
type flat struct{ secret.Backend }

func (f flat) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	v, err := f.Backend.Get(ctx, n, at)
	v.ID, v.Number = "", 0
	return v, err
}

func (f flat) Describe(ctx context.Context, n secret.Name) (secret.Meta, error) {
	m, err := f.Backend.Describe(ctx, n)
	m.Versions = slices.Clone(m.Versions)
	for i := range m.Versions {
		m.Versions[i].ID, m.Versions[i].Number = "", 0
	}
	return m, err
}

func exclusive(wrap func(*mem.Store) secret.Backend) func(*broker.Env) {
	return func(e *broker.Env) {
		s := mem.New(nil)
		*e = broker.Env{Exclusive: true, Open: func(context.Context) (secret.Backend, error) { return wrap(s), nil }}
	}
}

// Compare-and-swap answers the same whether the store does it or the Broker.
func TestSwapIsTheSameHere(t *testing.T) {
	for name, change := range map[string]func(*broker.Env){
		"in the store": nil,
		"here":         exclusive(func(s *mem.Store) secret.Backend { return swapless{s, s, s} }),
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, change)
			swap := func(at secret.At, value string, o *secret.PutOptions) (secret.Version, error) {
				return h.Swap(t.Context(), mia(), secret.Ref{Env: "dev", Name: "a", At: at}, secret.Text(value), o)
			}
			chosen := &secret.PutOptions{ID: "0123456789abcdef0123456789abcdef"}
			one, err := swap(secret.At{}, "one", chosen)
			if err != nil || one.ID != chosen.ID {
				t.Fatalf("%+v, %v", one, err)
			}
			_, err = swap(secret.At{}, "two", nil)
			wantKind(t, err, secret.Conflict)
			two, err := swap(secret.At{ID: one.ID, Number: one.Number}, "two", nil)
			if err != nil {
				t.Fatal(err)
			}

			// What repeats is no change, whatever is current by now.
			again, err := swap(secret.At{}, "one", chosen)
			if err != nil || again.ID != one.ID || again.Number != one.Number {
				t.Errorf("repeated: %+v, %v", again, err)
			}
			_, err = swap(secret.At{ID: two.ID}, "other", chosen)
			wantKind(t, err, secret.Conflict)
			if e, ok := errors.AsType[*secret.Error](err); !ok || e.Version != one.ID {
				t.Errorf("the version in the way is not told: %+v", err)
			}
			if v, err := h.Get(t.Context(), mia(), ref(t, "a")); err != nil || v.ID != two.ID {
				t.Errorf("%+v, %v", v, err)
			}

			if _, err := h.Delete(t.Context(), mia(), ref(t, "a"), nil); err != nil {
				t.Fatal(err)
			}
			for _, at := range []secret.At{{}, {ID: two.ID}, {Number: 99}} {
				_, err = swap(at, "three", nil)
				wantKind(t, err, secret.Conflict)
				if !errors.Is(err, secret.Deleted) {
					t.Errorf("%+v over a deleted secret: %v", at, err)
				}
			}
		})
	}
}

// Where a store has no versions the current one can still be replaced.
func TestMergeWithoutVersions(t *testing.T) {
	h := open(t, exclusive(func(s *mem.Store) secret.Backend { return flat{s} }))
	for _, field := range []string{"x", "y"} {
		if _, err := h.Merge(t.Context(), mia(), ref(t, "a#"+field), secret.Text(field), nil); err != nil {
			t.Fatal(err)
		}
	}
	v, err := h.Get(t.Context(), mia(), ref(t, "a"))
	if err != nil || string(v.Value.Reveal()) != `{"x":"x","y":"y"}` {
		t.Errorf("%s, %v", v.Value.Reveal(), err)
	}
}
