package vault

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// serverRound is what a KV engine makes of what it is given: it parses numbers
// as floating point and writes fields in its own order.
func serverRound(t testing.TB, stored []byte) []byte {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(stored, &fields); err != nil {
		t.Fatalf("what is stored is no object: %v", err)
	}
	out, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// samples are values in the shapes that stores of JSON lose.
func samples() []string {
	return []string{
		"", "x", "null", "[1,2]", "{}", " {}", `{"a":1}`, `{"a":"<&>"}`, `{"a":"\u003c"}`, `{"b":1,"a":2}`, "{\n  \"b\": \"x\",\n  \"a\": [1, 2, {\"c\": null}]\n}\n",
		`{"n":12345678901234567890}`, `{"n":1.0,"m":1e400}`, `{"n":1.0}`, `{"n":1E5,"m":-0,"o":-0.0}`, `{"a":1,"a":2}`, `{"a":{"b":1,"b":1}}`,
		`{"value":"x"}`, `{"encoding":"utf-8","value":"x"}`, `{"value":"x","encoding":"base64"}`, `{"tacit-layout":"{}"}`, `{"tacit-layout":"{\"a\":_}","a":"b"}`,
		"{\"a\":\"\\ud800\"}", "{\"a\":\"\u2028\"}", "{\"a\":\"\xff\"}", "\xff\xfe", `{"a":"b"} `, `{"a":"b"}x`, `{"_":"_"}`, `{"a" : "_" , "b":[ ]}`, `{"":""}`,
		`{"a":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}`, `{"b":` + strings.Repeat("[ ", 300) + strings.Repeat("]", 300) + `}`,
	}
}

func TestValuesComeBackByteForByte(t *testing.T) {
	for _, s := range samples() {
		for _, v := range []secret.Value{secret.Text(s), secret.Binary([]byte(s))} {
			comesBack(t, v)
		}
	}
}

func comesBack(t testing.TB, v secret.Value) {
	t.Helper()
	stored := encodeValue(v)
	got, err := decodeValue(serverRound(t, stored))
	if err != nil || !got.Equal(v) {
		t.Errorf("%q is stored as %s and comes back as %q, %v", v.Reveal(), stored, got.Reveal(), err)
	}
	// And from a store that keeps the text of numbers.
	if got, err = decodeValue(stored); err != nil || !got.Equal(v) {
		t.Errorf("%q is stored as %s and comes back as %q, %v", v.Reveal(), stored, got.Reveal(), err)
	}
}

// Fields are seen by the store's other clients, whichever way the object was
// written.
func TestObjectsKeepTheirFields(t *testing.T) {
	for s, want := range map[string]string{
		`{"a":"x"}`:                      `{"a":"x"}`,
		`{"b":"x","a":"y"}`:              `{"a":"y","b":"x","tacit-layout":"{\"b\":_,\"a\":_}"}`,
		"{\n \"n\": 1.0,\n \"a\": []}\n": `{"a":[],"n":1.0,"tacit-layout":"{\n \"n\": 1.0,\n \"a\": []}\n"}`,
		`x`:                              `{"encoding":"utf-8","value":"x"}`,
		`{}`:                             `{"encoding":"utf-8","value":"{}"}`,
	} {
		if got := bytes.TrimSpace(encodeValue(secret.Text(s))); string(got) != want {
			t.Errorf("%s is stored as %s, want %s", s, got, want)
		}
	}
}

// What another client makes of a secret is read as it then is.
func TestFieldsThatOthersChange(t *testing.T) {
	for stored, want := range map[string]string{
		`{"value":"x"}`: `{"value":"x"}`,
		`{"b":"new","a":"y","tacit-layout":"{\"b\": _, \"a\": _}"}`: `{"b": "new", "a": "y"}`,
		`{"c":1,"a":"y","tacit-layout":"{\"b\": _, \"a\": _}"}`:     `{"a":"y","c":1}`,
		`{"a":"y","tacit-layout":"{\"b\": _, \"a\": _}"}`:           `{"a":"y"}`,
		`{"n":2,"tacit-layout":"{\"n\": 1.0}"}`:                     `{"n": 2}`,
		`{"n":1,"tacit-layout":"{\"n\": 1.0}"}`:                     `{"n": 1.0}`,
		`{"n":{"x":1},"tacit-layout":"{\"n\": _}"}`:                 `{"n":{"x":1}}`,
		`{"a":1,"tacit-layout":"not ours"}`:                         `{"a":1,"tacit-layout":"not ours"}`,
		`{"a":1,"tacit-layout":7}`:                                  `{"a":1,"tacit-layout":7}`,
		`{"encoding":"base64","value":"not base64!"}`:               `{"encoding":"base64","value":"not base64!"}`,
		`{"encoding":"utf-8","value":"x","more":1}`:                 `{"encoding":"utf-8","more":1,"value":"x"}`,
		`{"encoding":"base64","value":"AP8="}`:                      "\x00\xff",
	} {
		if got, err := decodeValue([]byte(stored)); err != nil || string(got.Reveal()) != want {
			t.Errorf("%s is read as %q, %v, want %q", stored, got.Reveal(), err, want)
		}
	}
}

func TestNoObjectIsNoValue(t *testing.T) {
	for _, s := range []string{"", "null", "[]", "1", `"x"`, "{", "{}{}", `{"a":1} x`} {
		if v, err := decodeValue([]byte(s)); err == nil || !v.IsZero() {
			t.Errorf("%q is read as a value", s)
		}
	}
}

func FuzzValueComesBack(f *testing.F) {
	for _, s := range samples() {
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, binary bool) {
		v := secret.Text(b)
		if binary {
			v = secret.Binary(b)
		}
		comesBack(t, v)
	})
}

// A layout may be of anybody: what it makes of an object is either the object
// or nothing.
func FuzzLayout(f *testing.F) {
	for _, s := range []string{`{"b": _, "a": [_, 1.0]}`, `{`, `_`, `{"a":{"b":_}}`, `{"a":_,"a":_}`, `{"b":"\u0041","a":[_,_]}`} {
		f.Add(s, `{"a":[1,"x"],"b":"A"}`)
	}
	f.Fuzz(func(t *testing.T, layout, text string) {
		fields, err := object([]byte(text))
		if err != nil {
			return
		}
		out, err := render([]byte(layout), fields)
		if err != nil {
			return
		}
		back, err := object(out)
		if err != nil || !bytes.Equal(canonical(asTold(back).(map[string]any)), canonical(asTold(fields).(map[string]any))) {
			t.Errorf("%q makes %q of %q", layout, out, text)
		}
	})
}
