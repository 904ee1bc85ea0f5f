package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

func TestWords(t *testing.T) {
	for in, want := range map[string][]string{
		"vi":                             {"vi"},
		"  code   --wait\t":              {"code", "--wait"},
		`emacsclient -t -a ""`:           {"emacsclient", "-t", "-a", ""},
		`"/opt/my editor/ed" 'a"b' c\ d`: {"/opt/my editor/ed", `a"b`, "c d"},
		`x "a\"b\$\n"`:                   {"x", `a"b$\n`},
		"":                               nil,
		"  ":                             nil,
		`""`:                             nil,
		`vi "`:                           nil,
		`vi '`:                           nil,
		`vi \`:                           nil,
		"vi; rm":                         nil,
		"vi $HOME":                       nil,
		`vi "$HOME"`:                     nil,
		"vi `x`":                         nil,
		"~/bin/vi":                       nil,
		"vi\nrm":                         nil,
	} {
		got, err := words(in)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) || err != nil && !errors.Is(err, secret.Invalid) {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

// FuzzWords holds the splitting against a real shell: whatever is not refused
// is split as there.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"vi", `a 'b c' "d\"e" f\ g`, `""x`, `a\'b`, `"a\b"`, "a\tb", `x ""`, "é 'ü'"} {
		f.Add(s)
	}
	sh, err := exec.LookPath("dash")
	if err != nil {
		sh, err = exec.LookPath("sh")
	}
	if err != nil {
		f.Skip("SKIPPED: there is no shell here")
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := words(s)
		if err != nil || strings.ContainsRune(s, '=') || !utf8.ValidString(s) { // a shell takes a=b for a variable
			return
		}
		cmd := exec.Command(sh, "-c", `eval "set -- $1"; for w; do printf '%s\n' "$w"; done`, "sh", s)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%q: the shell refuses: %v", s, err)
		}
		if want := strings.Join(got, "\n") + "\n"; string(out) != want {
			t.Errorf("%q: %q, the shell %q", s, want, out)
		}
	})
}

func TestJSONFault(t *testing.T) {
	for in, want := range map[string]struct {
		line, column int
		what         string
	}{
		`{"a":1}`:                    {},
		" [1,2]\n":                   {},
		"{\n \"a\":1,\n \"a\":2\n}":  {3, 4, "a field is named a second time"},
		"{\n  \"üü\" canary\n}":      {2, 8, "something else is expected here"},
		`{"a":1`:                     {1, 7, "the text ends too early"},
		"":                           {1, 1, "the text ends too early"},
		"\n  ":                       {2, 3, "the text ends too early"},
		`{"a":1}x`:                   {1, 8, "something else is expected here"},
		"\n 12":                      {2, 2, "this is no object and no list"},
		"{\"a\":\n\"b\nc\"}":         {2, 3, "something else is expected here"},
		strings.Repeat("[", 100_000): {1, 10_001, "something else is expected here"},
	} {
		line, column, what := jsonFault([]byte(in))
		if line != want.line || column != want.column || what != want.what {
			t.Errorf("%.40q: %d:%d %s, want %d:%d %s", in, line, column, what, want.line, want.column, want.what)
		}
	}
}

// FuzzJSONFault: what is faultless is an object or a list, a fault is a place
// in the text, and its words are none of the text's.
func FuzzJSONFault(f *testing.F) {
	for _, s := range []string{`{"a":1}`, "[\n1,\n]", `{"a":{"b":[]},"a":2}`, "12", "", "\xff", `{"a":"b`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		line, column, what := jsonFault(b)
		if what == "" {
			if !structured(b) {
				t.Errorf("%q has no fault", b)
			}
			return
		}
		if json.Valid(b) && what != "this is no object and no list" && what != "a field is named a second time" {
			t.Errorf("%q: %s, and it is JSON", b, what)
		}
		lines := bytes.Split(b, []byte("\n"))
		if line < 1 || line > len(lines) || column < 1 || column > utf8.RuneCount(lines[line-1])+1 {
			t.Errorf("%q: %d:%d is not in it", b, line, column)
		}
	})
}
