package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

func baseCases() []testCase {
	return []testCase{
		{name: "capabilities are those promised", ask: func(t *T) {
			if got := secret.Capabilities(t.b); !slices.Equal(got, t.cfg.Capabilities) {
				t.Errorf("capabilities are %q, want %q", got, t.cfg.Capabilities)
			}
		}},
		{name: "get what was put", ask: getWhatWasPut},
		{name: "missing secret is not found", ask: missingSecret},
		{name: "bad names are invalid", ask: badNames},
		{name: "odd names are kept", ask: oddNames},
		{name: "a and a/b are two secrets", ask: nestedNames},
		{name: "arbitrary bytes are kept", ask: arbitraryBytes},
		{name: "JSON is kept byte for byte", ask: jsonBytes},
		{name: "empty value is a value", needs: func(t *T) bool { return !t.cfg.NoEmpty }, ask: emptyValue},
		{name: "no value is invalid", ask: noValue},
		{name: "largest value fits, a larger one is invalid", ask: largest},
		{name: "done context is unavailable", ask: doneContext},
		{name: "what is given is not kept", ask: notKept},
		{name: "describe tells no value", ask: describeTellsNoValue},
		{name: "only get tells values", ask: onlyGetTells},
		{name: "current is a stage of every store", ask: currentStage},
		{name: "uid is in every answer or in none", ask: uidEverywhere},
		{name: "get, describe and list tell the same", ask: tellTheSame},
		{name: "what was given out is not changed", ask: givenOut},
		{name: "calls at once are safe", ask: atOnce},
		{name: "delete makes unreadable", ask: deleteMakesUnreadable},
		{name: "deleted is for ever without undelete", needs: not(is[secret.Undeleter]), ask: deletedIsForEver},
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
	all, _ := t.names()
	var want []string
	for _, n := range all {
		t.put(n, string(n))
		want = append(want, string(n))
	}
	for _, n := range all {
		t.reads(n, secret.At{}, string(n))
	}
	t.lists(nil, want...)
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
		binary := v.IsBinary() || t.cfg.TextUTF8 && !utf8.Valid(v.Reveal())
		if !bytes.Equal(got.Value.Reveal(), v.Reveal()) || got.Value.IsBinary() != binary {
			t.Errorf("value %d comes back changed", i)
		}
	}
}

// jsonBytes: stores that take values apart must put them together again.
func jsonBytes(t *T) {
	for i, s := range []string{
		`{"user":"u","password":"p"}`, `{ "b" : "2",  "a":"1"}`, "{\"n\":12345678901234567890,\n\"f\":1.0,\"e\":1e400}", `{"a":"1","a":"2"}`,
		`{"html":"<&>","esc":"\u00e9\u2028\ud83d\udd11","nul":"\u0000"}`, `{"deep":{"list":[1,true,null,{"x":[]}]}}`, `{"":""}`, `{}`, `[]`, `"text"`, `12`, `null`,
		`{"value":"x"}`, `{"value":"eA==","encoding":"base64"}`, `{"data":{"data":{}}}`, `{"a":1} `,
	} {
		n := secret.Name(fmt.Sprintf("json/%d", i))
		_, err := t.b.Put(t.Context(), n, secret.Text(s), nil)
		t.ok(err)
		got, err := t.b.Get(t.Context(), n, secret.At{})
		t.ok(err)
		if string(got.Value.Reveal()) != s || got.Value.IsBinary() {
			t.Errorf("%s comes back as %s", s, got.Value.Reveal())
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
	errs := 0
	for _, err := range t.b.List(ctx, nil) {
		check(err)
		errs++
	}
	if errs != 1 {
		t.Errorf("a list ends with %d errors, want one", errs)
	}
	t.reads("app/db", secret.At{}, "one")
}

func notKept(t *T) {
	tags := map[string]string{"k": "v"}
	stages := []secret.Stage{secret.Current}
	o := &secret.PutOptions{}
	if is[secret.Annotator](t) {
		o.Annotations = &secret.Annotations{Tags: tags}
	}
	if is[secret.Stager](t) {
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
	if is[secret.Annotator](t) && m.Tags["k"] != "v" {
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

func getWhatWasPut(t *T) {
	t.put("app/db", "one")
	v := t.reads("app/db", secret.At{}, "one")
	if !slices.Equal(v.Stages, []secret.Stage{secret.Current}) || v.Created.IsZero() != t.cfg.NoTimes {
		t.Errorf("%+v", v)
	}
}

func nestedNames(t *T) {
	t.put("a", "one")
	t.put("a/b", "two")
	t.reads("a", secret.At{}, "one")
	t.reads("a/b", secret.At{}, "two")
}

func emptyValue(t *T) {
	_, err := t.b.Put(t.Context(), "empty", secret.Text(""), nil)
	t.ok(err)
	v, err := t.b.Get(t.Context(), "empty", secret.At{})
	t.ok(err)
	if v.Value.IsZero() || v.Value.Len() != 0 {
		t.Errorf("an empty value comes back as %v, %d bytes", v.Value.IsZero(), v.Value.Len())
	}
}

func noValue(t *T) {
	_, err := t.b.Put(t.Context(), "none", secret.Value{}, nil)
	t.fails(err, secret.Invalid, 0)
	_, err = t.b.Get(t.Context(), "none", secret.At{})
	t.fails(err, secret.NotFound, 0)
}

func currentStage(t *T) {
	t.put("app/db", "one")
	two := t.put("app/db", "two")
	if v := t.reads("app/db", secret.At{Stage: secret.Current}, "two"); v.ID != two.ID || !slices.Contains(v.Stages, secret.Current) {
		t.Errorf("%+v", v)
	}
}

func deleteMakesUnreadable(t *T) {
	t.put("app/db", "one")
	_, err := t.b.Delete(t.Context(), "app/db", nil)
	t.ok(err)
	v, err := t.b.Get(t.Context(), "app/db", secret.At{})
	if secret.KindOf(err) != secret.NotFound || !v.Value.IsZero() {
		t.Errorf("a deleted secret is read: %v", err)
	}
	t.lists(nil)
}

func deletedIsForEver(t *T) {
	t.put("app/db", "one")
	t.delete("app/db")
	_, err := t.b.Describe(t.Context(), "app/db")
	t.fails(err, secret.NotFound, 0)
	_, err = t.b.Delete(t.Context(), "app/db", nil)
	t.fails(err, secret.NotFound, 0)
	t.put("app/db", "two")
	t.reads("app/db", secret.At{}, "two")
}
