package broker_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// lacking is a store that is configured to keep no versions.
type lacking struct {
	*mem.Store
	err error
}

func (l lacking) Lacks(context.Context) ([]string, error) {
	return []string{"versions", "swap"}, l.err
}

func over(b secret.Backend) func(*broker.Env) {
	return func(e *broker.Env) {
		e.Open = func(context.Context) (secret.Backend, error) { return b, nil }
	}
}

// TestFits: the store is asked with the name that it would be given, and the
// answer names what the caller knows.
func TestFits(t *testing.T) {
	h := open(t, func(e *broker.Env) {
		over(mem.New(nil))(e)
		e.Prefix = strings.Repeat("p", 500) + "/"
	})
	if most, err := h.MaxValueBytes(t.Context(), "dev"); err != nil || most != mem.MaxValueBytes {
		t.Errorf("%d, %v", most, err)
	}
	large := secret.Binary(make([]byte, mem.MaxValueBytes+1))
	for _, c := range []struct {
		name  string
		value secret.Value
		kind  secret.Kind
	}{
		{"app/db", secret.Text("x"), 0}, {"app/db", secret.Value{}, 0}, {"app/db", large, secret.Invalid}, {"app/database", secret.Text("x"), secret.Invalid},
	} {
		err := h.Fits(t.Context(), ref(t, c.name), c.value, nil)
		if secret.KindOf(err) != c.kind || err != nil && strings.Contains(err.Error(), "ppp") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := h.Fits(t.Context(), secret.Ref{Env: "none", Name: "a"}, secret.Text("x"), nil); err == nil {
		t.Error("an environment that there is not holds everything")
	}
	if len(h.log.records) > 0 {
		t.Errorf("%d records of what is no access", len(h.log.records))
	}
}

// TestFitsUnknown: where only the store knows, nothing is refused here.
func TestFitsUnknown(t *testing.T) {
	h := open(t, over(struct{ secret.Backend }{mem.New(nil)}))
	if most, err := h.MaxValueBytes(t.Context(), "dev"); err != nil || most != 0 {
		t.Errorf("%d, %v", most, err)
	}
	if err := h.Fits(t.Context(), ref(t, "a"), secret.Binary(make([]byte, 2<<20)), nil); err != nil {
		t.Error(err)
	}
}

func TestCapabilitiesAreThoseConfigured(t *testing.T) {
	b := lacking{Store: mem.New(nil)}
	h := open(t, over(b))
	caps, err := h.Capabilities(t.Context(), "dev")
	if err != nil || slices.Contains(caps, "versions") || slices.Contains(caps, "swap") || !slices.Contains(caps, "undelete") {
		t.Errorf("%q, %v", caps, err)
	}
	b.err = secret.Errorf(secret.Unavailable, "", "no answer")
	_, err = open(t, over(b)).Capabilities(t.Context(), "dev")
	wantKind(t, err, secret.Unavailable)
}
