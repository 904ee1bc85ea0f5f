package secret_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/secret"
)

func TestParseName(t *testing.T) {
	tests := []struct {
		why, in, want string // no want: invalid
	}{
		{"a segment", "app", "app"},
		{"two segments", "claude/api", "claude/api"},
		{"case counts", "Claude/API", "Claude/API"},
		{"composed, as it is", "caf\u00e9", "caf\u00e9"},
		{"decomposed becomes composed", "cafe\u0301", "caf\u00e9"},
		{"compatibility forms stay", "\ufb01", "\ufb01"},
		{"a composition that NFC takes apart", "\u0958", "\u0915\u093c"},
		{"spaces", " a b ", " a b "},
		{"every mark of a keyboard", "!\"#$%&'()*+,-.:;<=>?@[\\]^_`{|}~", "!\"#$%&'()*+,-.:;<=>?@[\\]^_`{|}~"},
		{"dots that are no dot segments", "..a/.b/c../...", "..a/.b/c../..."},
		{"an encoded slash is part of the name", "%2Fprod/db", "%2Fprod/db"},
		{"an encoded dot is part of the name", "%2E/%2E%2E", "%2E/%2E%2E"},
		{"other codes are too", "%25%3A%00%zz%", "%25%3A%00%zz%"},
		{"outside of the first plane", "\U0001F511", "\U0001F511"},
		{"private use", "\ue000", "\ue000"},
		{"512 bytes", strings.Repeat("x", 512), strings.Repeat("x", 512)},
		{"512 bytes of two each", strings.Repeat("ü", 256), strings.Repeat("ü", 256)},
		{"512 bytes only once composed", strings.Repeat("u\u0308", 256), strings.Repeat("ü", 256)},

		{"empty", "", ""},
		{"a slash", "/", ""},
		{"a slash first", "/a", ""},
		{"a slash last", "a/", ""},
		{"two slashes", "a//b", ""},
		{"dot", ".", ""},
		{"dot dot", "..", ""},
		{"dot first", "./a", ""},
		{"dot in between", "a/./b", ""},
		{"dot dot in between", "a/../b", ""},
		{"dot dot last", "a/..", ""},
		{"513 bytes", strings.Repeat("x", 513), ""},
		{"513 bytes of two each", strings.Repeat("ü", 256) + "x", ""},
		{"513 bytes once composed", strings.Repeat("\u0958", 86), ""},
		{"more than is normalised", strings.Repeat("u\u0308", 100_000), ""},
		{"not UTF-8", "a\xffb", ""},
		{"half a character", "\xc3", ""},
		{"a surrogate", "\xed\xa0\x80", ""},
		{"an overlong slash", "a\xc0\xafb", ""},
		{"NUL", "a\x00b", ""},
		{"newline", "a\nb", ""},
		{"tab", "a\tb", ""},
		{"escape", "\x1b[31m", ""},
		{"delete", "a\x7f", ""},
		{"C1", "a\u0085b", ""},
		{"zero width space", "a\u200bb", ""},
		{"zero width joiner", "a\u200db", ""},
		{"byte order mark", "\ufeffa", ""},
		{"soft hyphen", "a\u00adb", ""},
		{"right to left override", "a\u202eb", ""},
		{"isolate", "a\u2066b", ""},
		{"line separator", "a\u2028b", ""},
		{"paragraph separator", "a\u2029b", ""},
		{"a tag character", "a\U000E0041b", ""},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			got, err := secret.ParseName(tt.in)
			if tt.want == "" {
				invalid(t, err)
			} else if err != nil {
				t.Error(err)
			}
			if got != secret.Name(tt.want) {
				t.Errorf("%+q, want %+q", got, tt.want)
			}
		})
	}
}

// invalid expects an error of kind Invalid that is safe to print.
func invalid(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	if secret.KindOf(err) != secret.Invalid || secret.StateOf(err) != 0 {
		t.Errorf("%v is %v, want invalid", err, secret.KindOf(err))
	}
	text := err.Error()
	unsafe := func(r rune) bool { return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }
	if len(text) > 4096 || !utf8.ValidString(text) || strings.ContainsFunc(text, unsafe) {
		t.Errorf("the error is not safe to print: %.200q", text)
	}
}

func TestCheckWantsFormC(t *testing.T) {
	n := secret.Name("cafe\u0301")
	invalid(t, n.Check())
	if err := secret.Name(norm.NFC.String(string(n))).Check(); err != nil {
		t.Error(err)
	}
}

// Each rule has a text of its own, so that people learn which one they broke.
func TestCheckSaysWhichRule(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "empty",
		strings.Repeat("x", 513): "512 bytes, this one has 513",
		"\xff":                   "not UTF-8",
		"\n":                     "control or format",
		"e\u0301":                "normal form C",
		"a//b":                   `"a//b" has an empty`,
	} {
		if err := secret.Name(in).Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want one that says %q", in, err, want)
		}
	}
}

// names are mostly made of what is hard: the characters that references and
// other stores' names give a meaning, alone and as codes.
func names() *rapid.Generator[secret.Name] {
	hard := []string{"%", ":", "#", "@", "%25", "%3A", "%23", "%40", "%2F", "%2E", "%3a", "2", "5", "3A", ".", "-", "--", " ", "a", "Z", "ü", "e\u0301", "日本", "\U0001F511"}
	segment := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(hard), 1, 6).Draw(t, "parts"), "")
	})
	return rapid.Custom(func(t *rapid.T) secret.Name {
		for {
			s := strings.Join(rapid.SliceOfN(segment, 1, 4).Draw(t, "segments"), "/")
			if n, err := secret.ParseName(s); err == nil {
				return n
			}
		}
	})
}

func TestParseNameKeepsNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := names().Draw(t, "name")
		again, err := secret.ParseName(string(n))
		if err != nil || again != n {
			t.Fatalf("%q became %q, %v", n, again, err)
		}
	})
}

// FuzzParseName: what is read is a name, stays one, and has a reference.
func FuzzParseName(f *testing.F) {
	for _, s := range []string{
		"claude/api", "", "/", "a//b", ".", "a/../b", "%2Fprod/db", "%2E%2E", "caf\u00e9", "cafe\u0301", "a\x00b", "\xff\xfe", "a\u202eb", "\ufeff",
		strings.Repeat("x", 513), strings.Repeat("\u0958", 180), "%", "%25", "%253A", "a:b#c@d", "\u0344", "\u1100\u1161\u11a8",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := secret.ParseName(s)
		if err != nil {
			invalid(t, err)
			if n != "" {
				t.Errorf("an error comes with %q", n)
			}
			return
		}
		if err := n.Check(); err != nil {
			t.Errorf("%q is no name: %v", n, err)
		}
		if again, err := secret.ParseName(string(n)); err != nil || again != n {
			t.Errorf("%q became %q, %v", n, again, err)
		}
		if r, err := secret.ParseRef(secret.Ref{Name: n}.String()); err != nil || r != (secret.Ref{Name: n}) {
			t.Errorf("%q became %+v, %v", n, r, err)
		}
	})
}
