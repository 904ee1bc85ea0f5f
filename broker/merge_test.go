package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

func TestFields(t *testing.T) {
	h := open(t, nil)
	h.put(t, "a", `{ "s":"t\u00e9\n", "n": 12345678901234567890.10, "o" : {"k": [1 , 2]} , "z":null, "":"empty"}`)
	for field, want := range map[string]string{"s": "té\n", "n": "12345678901234567890.10", "o": `{"k": [1 , 2]}`, "z": "null"} {
		v, err := h.Get(t.Context(), mia(), ref(t, "a#"+field))
		if err != nil || string(v.Value.Reveal()) != want {
			t.Errorf("field %s: %d bytes, %v", field, v.Value.Len(), err)
		}
	}
	for value, kind := range map[string]secret.Kind{
		`{"s":1,"s":2}`: secret.Invalid, `["s"]`: secret.Invalid, `plain`: secret.Invalid, `{"s":1} x`: secret.Invalid,
		`{"s":"\ud800"}`: secret.Invalid, `{"s":"\ud83d\ude00"}`: 0, `{"x":1}`: secret.NotFound, "{\"s\":\"\xff\"}": secret.Invalid,
	} {
		h.put(t, "b", value)
		_, err := h.Get(t.Context(), mia(), ref(t, "b#s"))
		if secret.KindOf(err) != kind {
			t.Errorf("%s: %v, want %v", value, err, kind)
		}
	}
	h.put(t, "b", `{"field-name":1}`)
	err := h.Check(t.Context(), mia(), []secret.Ref{ref(t, "b#s")})[0]
	if wantKind(t, err, secret.NotFound); strings.Contains(err.Error(), "field-name") {
		t.Errorf("a check names fields: %v", err)
	}
}

func TestMerge(t *testing.T) {
	h := open(t, nil)
	merge := func(s, value string) error {
		_, err := h.Merge(t.Context(), mia(), ref(t, s), secret.Text(value), nil)
		return err
	}
	for _, step := range []struct{ field, value, want string }{
		{"a", "1", `{"a":"1"}`},
		{"b", `<"&`, `{"a":"1","b":"<\"&"}`},
		{"a", "2", `{"a":"2","b":"<\"&"}`},
	} {
		if err := merge("new#"+step.field, step.value); err != nil {
			t.Fatal(err)
		}
		v, err := h.store.Get(t.Context(), "new", secret.At{})
		if err != nil || string(v.Value.Reveal()) != step.want {
			t.Errorf("got %s, %v, want %s", v.Value.Reveal(), err, step.want)
		}
	}
	h.put(t, "text", canary)
	wantKind(t, merge("text#a", "x"), secret.Invalid)
	_, err := h.Merge(t.Context(), mia(), ref(t, "new#a"), secret.Binary([]byte{0xff}), nil)
	wantKind(t, err, secret.Invalid)
	wantKind(t, merge("new#a@1", "x"), secret.Conflict)
	wantKind(t, merge("new", "x"), secret.Invalid)
	if err := merge("new#a@3", "x"); err != nil {
		t.Error(err)
	}
	if _, err := h.Delete(t.Context(), mia(), ref(t, "new"), nil); err != nil {
		t.Fatal(err)
	}
	if err := merge("new#a", "x"); !errors.Is(err, secret.Deleted) || secret.KindOf(err) != secret.Conflict {
		t.Errorf("merged into a deleted secret: %v", err)
	}
}

// A put by someone who may not get keeps what that one may not see.
func TestMergeNeedsNoGet(t *testing.T) {
	h := open(t, nil)
	h.put(t, "a", `{"x":"`+canary+`"}`)
	writer := secret.Caller{Principal: "agent:writer", How: secret.ByMark}
	v, err := h.Merge(t.Context(), writer, ref(t, "a#y"), secret.Text("1"), nil)
	if err != nil || !v.Value.IsZero() {
		t.Errorf("%v, %v", v, err)
	}
	_, err = h.Get(t.Context(), writer, ref(t, "a#y"))
	wantKind(t, err, secret.Denied)
}

func TestMergeLosesNoSibling(t *testing.T) {
	for name, change := range map[string]func(*broker.Env){
		"swapper": nil,
		"exclusive": func(e *broker.Env) {
			s := mem.New(nil)
			*e = broker.Env{Exclusive: true, Open: func(context.Context) (secret.Backend, error) { return plainStore{s}, nil }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, change)
			var wg sync.WaitGroup
			for g := range 8 {
				wg.Go(func() {
					for i := range 10 {
						r := secret.Ref{Env: "dev", Name: "shared", Field: fmt.Sprintf("f%d-%d", g, i)}
						if _, err := h.Merge(t.Context(), mia(), r, secret.Text(r.Field), nil); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			v, err := h.Get(t.Context(), mia(), ref(t, "shared"))
			if err != nil {
				t.Fatal(err)
			}
			fields := map[string]string{}
			if err := json.Unmarshal(v.Value.Reveal(), &fields); err != nil || len(fields) != 80 {
				t.Errorf("%d of 80 fields are there, %v", len(fields), err)
			}
		})
	}
}

// Whatever is merged in whatever order, reading gives what was merged, and the
// siblings stay where and what they were.
func TestMergeProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := open(t, nil)
		want := map[string]string{}
		for range rapid.IntRange(1, 8).Draw(rt, "n") {
			k := rapid.StringMatching(`[a-d<"\\é ]{1,3}`).Draw(rt, "field")
			v := rapid.String().Draw(rt, "value")
			r := secret.Ref{Env: "dev", Name: "a", Field: k}
			if _, err := h.Merge(t.Context(), mia(), r, secret.Text(v), nil); err != nil {
				rt.Fatal(err)
			}
			want[k] = v
			for k, v := range want {
				got, err := h.Get(t.Context(), mia(), secret.Ref{Env: "dev", Name: "a", Field: k})
				if err != nil || string(got.Value.Reveal()) != v {
					rt.Fatalf("field %q: %v", k, err)
				}
			}
		}
	})
}

func TestRollback(t *testing.T) {
	h := open(t, nil)
	h.put(t, "a", "one")
	h.put(t, "a", "two")
	v, err := h.Rollback(t.Context(), mia(), ref(t, "a@1"))
	if err != nil || v.Number != 3 || !v.Value.IsZero() {
		t.Fatalf("%+v, %v", v, err)
	}
	got, err := h.Get(t.Context(), mia(), ref(t, "a"))
	if err != nil || string(got.Value.Reveal()) != "one" {
		t.Errorf("current is not the old value, %v", err)
	}
	_, err = h.Rollback(t.Context(), mia(), ref(t, "a"))
	wantKind(t, err, secret.Invalid)
	_, err = h.Rollback(t.Context(), mia(), ref(t, "a@9"))
	wantKind(t, err, secret.NotFound)
}
