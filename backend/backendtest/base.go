package backendtest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// clean expects an error without a value in its text.
func (t *T) clean(err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), canary) {
		t.Errorf("an error tells a value: %v", err)
	}
}

func baseCases() []testCase {
	return []testCase{
		{name: "capabilities are those promised", ask: func(t *T) {
			if got := secret.Capabilities(t.b); !slices.Equal(got, t.cfg.Capabilities) {
				t.Errorf("capabilities are %q, want %q", got, t.cfg.Capabilities)
			}
		}},
		{name: "get what was put", ask: func(t *T) {
			t.put("app/db", "one")
			v := t.reads("app/db", secret.At{}, "one")
			if !slices.Equal(v.Stages, []secret.Stage{secret.Current}) || v.Created.IsZero() {
				t.Errorf("%+v", v)
			}
		}},
		{name: "missing secret is not found", ask: missingSecret},
		{name: "bad names are invalid", ask: badNames},
		{name: "odd names are kept", ask: oddNames},
		{name: "a and a/b are two secrets", ask: func(t *T) {
			t.put("a", "one")
			t.put("a/b", "two")
			t.reads("a", secret.At{}, "one")
			t.reads("a/b", secret.At{}, "two")
		}},
		{name: "arbitrary bytes are kept", ask: arbitraryBytes},
		{name: "empty value is a value", ask: func(t *T) {
			_, err := t.b.Put(t.Context(), "empty", secret.Text(""), nil)
			t.ok(err)
			v, err := t.b.Get(t.Context(), "empty", secret.At{})
			t.ok(err)
			if v.Value.IsZero() || v.Value.Len() != 0 {
				t.Errorf("an empty value comes back as %v, %d bytes", v.Value.IsZero(), v.Value.Len())
			}
		}},
		{name: "no value is invalid", ask: func(t *T) {
			_, err := t.b.Put(t.Context(), "none", secret.Value{}, nil)
			t.fails(err, secret.Invalid, 0)
			_, err = t.b.Get(t.Context(), "none", secret.At{})
			t.fails(err, secret.NotFound, 0)
		}},
		{name: "largest value fits, a larger one is invalid", ask: largest},
		{name: "done context is unavailable", ask: doneContext},
		{name: "what is given is not kept", ask: notKept},
		{name: "describe tells no value", ask: describeTellsNoValue},
		{name: "delete makes unreadable", ask: func(t *T) {
			t.put("app/db", "one")
			_, err := t.b.Delete(t.Context(), "app/db", nil)
			t.ok(err)
			v, err := t.b.Get(t.Context(), "app/db", secret.At{})
			if secret.KindOf(err) != secret.NotFound || !v.Value.IsZero() {
				t.Errorf("a deleted secret is read: %v", err)
			}
		}},
	}
}

func badNames(t *T) {
	for _, n := range []secret.Name{"", "/a", "a/", "a//b", ".", "a/../b", "a\x00b", "a\nb", "a\u202eb", "e\u0301", "\xff", secret.Name(strings.Repeat("x", 513))} {
		_, err := t.b.Put(t.Context(), n, text("x"), nil)
		t.fails(err, secret.Invalid, 0)
		_, err = t.b.Get(t.Context(), n, secret.At{})
		t.fails(err, secret.Invalid, 0)
		_, err = t.b.Describe(t.Context(), n)
		t.fails(err, secret.Invalid, 0)
		_, err = t.b.Delete(t.Context(), n, nil)
		t.fails(err, secret.Invalid, 0)
	}
}

func oddNames(t *T) {
	all := []secret.Name{"%2Fprod/db", "a b", "A", "a", "ü/日本", "a:b#c@d", "a*?[x]", `a"\b`, "..a", "a--b", secret.Name(strings.Repeat("y", 512))}
	for _, n := range all {
		t.put(n, string(n))
	}
	for _, n := range all {
		t.reads(n, secret.At{}, string(n))
	}
	if got := len(t.list(nil)); got != len(all) {
		t.Errorf("%d names are listed, %d were put", got, len(all))
	}
}

func arbitraryBytes(t *T) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for i, v := range []secret.Value{secret.Binary(every), secret.Text(every), secret.Text("\r\n\x00"), secret.Binary([]byte("text"))} {
		n := secret.Name(strings.Repeat("b", i+1))
		_, err := t.b.Put(t.Context(), n, v, nil)
		t.ok(err)
		got, err := t.b.Get(t.Context(), n, secret.At{})
		t.ok(err)
		if !bytes.Equal(got.Value.Reveal(), v.Reveal()) || got.Value.IsBinary() != v.IsBinary() {
			t.Errorf("value %d comes back changed", i)
		}
	}
}

func largest(t *T) {
	if t.cfg.MaxValueBytes == 0 {
		t.Fatalf("the test does not say how large a value may be")
	}
	b := bytes.Repeat([]byte("x"), t.cfg.MaxValueBytes)
	_, err := t.b.Put(t.Context(), "large", secret.Text(b), nil)
	t.ok(err)
	v, err := t.b.Get(t.Context(), "large", secret.At{})
	t.ok(err)
	if v.Value.Len() != len(b) {
		t.Errorf("%d of %d bytes come back", v.Value.Len(), len(b))
	}
	_, err = t.b.Put(t.Context(), "large", secret.Text(append(b, 'x')), nil)
	t.fails(err, secret.Invalid, 0)
	v, err = t.b.Get(t.Context(), "large", secret.At{})
	t.ok(err)
	if v.Value.Len() != len(b) {
		t.Errorf("a refused put changed the value")
	}
}

func doneContext(t *T) {
	t.put("app/db", "one")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	check := func(err error) {
		t.Helper()
		t.fails(err, secret.Unavailable, 0)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v does not wrap the context's error", err)
		}
	}
	_, err := t.b.Get(ctx, "app/db", secret.At{})
	check(err)
	_, err = t.b.Describe(ctx, "app/db")
	check(err)
	_, err = t.b.Put(ctx, "app/db", text("two"), nil)
	check(err)
	_, err = t.b.Delete(ctx, "app/db", nil)
	check(err)
	for _, err := range t.b.List(ctx, nil) {
		check(err)
	}
	t.reads("app/db", secret.At{}, "one")
}

func notKept(t *T) {
	tags := map[string]string{"k": "v"}
	stages := []secret.Stage{secret.Current}
	o := &secret.PutOptions{}
	if is[secret.Annotator](t.b) {
		o.Annotations = &secret.Annotations{Tags: tags}
	}
	if is[secret.Stager](t.b) {
		o.Stages = stages
	}
	_, err := t.b.Put(t.Context(), "app/db", text("one"), o)
	t.ok(err)
	tags["k"], stages[0] = "changed", "changed"
	v := t.reads("app/db", secret.At{}, "one")
	if !slices.Equal(v.Stages, []secret.Stage{secret.Current}) {
		t.Errorf("a slice that was given is kept: %v", v.Stages)
	}
	m, err := t.b.Describe(t.Context(), "app/db")
	t.ok(err)
	if is[secret.Annotator](t.b) && m.Tags["k"] != "v" {
		t.Errorf("a map that was given is kept: %v", m.Tags)
	}
}

func missingSecret(t *T) {
	_, err := t.b.Get(t.Context(), "app/none", secret.At{})
	t.fails(err, secret.NotFound, 0)
	_, err = t.b.Describe(t.Context(), "app/none")
	t.fails(err, secret.NotFound, 0)
	_, err = t.b.Delete(t.Context(), "app/none", nil)
	t.fails(err, secret.NotFound, 0)
}

func describeTellsNoValue(t *T) {
	t.put("app/db", "one")
	m, err := t.b.Describe(t.Context(), "app/db")
	t.ok(err)
	v, ok := m.Current()
	if !ok || m.Name != "app/db" || !v.Value.IsZero() || v.ID != t.reads("app/db", secret.At{}, "one").ID {
		t.Errorf("%+v", m)
	}
}
