package broker

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

func seeds(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a" : "x" , "b":[1,{"a":2}]}`, `{"a":1e400,"b":-0.0}`, `{"a":"\ud83d\ude00"}`, `{"a":"\udc00"}`,
		`{"\u0061":1,"a":2}`, `[1]`, `"a"`, ``, `{"a":true}x`, "{\n\t\"a\": null\n}\n", `{"":0}`, `{"a":"}"}`,
	} {
		f.Add(s, "a", "new")
	}
}

// FuzzField compares with encoding/json: a field that is found is the one that
// it finds, with the same meaning, and the bytes stand in the text.
func FuzzField(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text, name, _ string) {
		r := secret.Ref{Env: "dev", Name: "n", Field: name}
		got, err := field(secret.Text(text), r)
		var oracle map[string]json.RawMessage
		isObject := json.Unmarshal([]byte(text), &oracle) == nil && oracle != nil && utf8.ValidString(text)
		raw, there := oracle[name]
		switch {
		case err == nil && (!isObject || !there):
			t.Fatal("found what is not there")
		case err != nil && secret.KindOf(err) == secret.NotFound && there:
			t.Fatal("not found, but it is there")
		case err != nil && secret.KindOf(err) == secret.Invalid && isObject && there && unambiguous(text) && !strings.Contains(text, `\u`):
			t.Fatal("refused for no reason")
		case err != nil:
			return
		}
		var s string
		if raw[0] == '"' {
			if json.Unmarshal(raw, &s) != nil || s != string(got.Reveal()) {
				t.Fatal("not the string's text")
			}
		} else if !bytes.Equal(raw, got.Reveal()) {
			t.Fatal("not the field's bytes")
		}
	})
}

// unambiguous reports whether no field occurs twice, as far as a count tells.
func unambiguous(text string) bool {
	var m map[string]json.RawMessage
	d := json.NewDecoder(strings.NewReader(text))
	n := 0
	if _, err := d.Token(); err != nil {
		return false
	}
	for d.More() {
		var raw json.RawMessage
		if _, err := d.Token(); err != nil || d.Decode(&raw) != nil {
			return false
		}
		n++
	}
	return json.Unmarshal([]byte(text), &m) == nil && len(m) == n
}

// FuzzMerge: what is set is what is read, and every sibling keeps its bytes
// and its place.
func FuzzMerge(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text, name, value string) {
		r := secret.Ref{Env: "dev", Name: "n", Field: name}
		if name == "" || !utf8.ValidString(name) || strings.ContainsRune(name, utf8.RuneError) {
			return // no reference has it
		}
		before, err := members(secret.Text(text), "n")
		if err != nil {
			return
		}
		out, err := setField(secret.Text(text), r, secret.Text(value))
		if !utf8.ValidString(value) {
			if secret.KindOf(err) != secret.Invalid {
				t.Fatalf("what is no text was set: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := field(out, r)
		if err != nil || string(got.Reveal()) != value {
			t.Fatalf("what was set is not what is read: %v", err)
		}
		if !json.Valid(out.Reveal()) {
			t.Fatal("it is JSON no more")
		}
		after, err := members(out, "n")
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for _, m := range before {
			if after[i].name != m.name {
				t.Fatal("a sibling moved")
			}
			if m.name != name && string(out.Reveal()[after[i].from:after[i].to]) != text[m.from:m.to] {
				t.Fatal("a sibling changed")
			}
			i++
		}
		if len(after)-len(before) > 1 {
			t.Fatal("more than one field is new")
		}
	})
}
