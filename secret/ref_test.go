package secret_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/secret"
)

const (
	hexID  = "0123456789abcdef0123456789abcdef"
	uuidID = "123e4567-e89b-12d3-a456-426614174000"
)

func TestParseRef(t *testing.T) {
	id := func(n int) string { return strings.Repeat("f", n) }
	tests := []struct {
		in   string
		want secret.Ref // zero: invalid
	}{
		{"a", secret.Ref{Name: "a"}},
		{"claude/api", secret.Ref{Name: "claude/api"}},
		{"dev:claude/api", secret.Ref{Env: "dev", Name: "claude/api"}},
		{"claude/api#claude_api_key", secret.Ref{Name: "claude/api", Field: "claude_api_key"}},
		{"dev:claude/api#key@3", secret.Ref{Env: "dev", Name: "claude/api", Field: "key", At: secret.At{Number: 3}}},
		{"a@previous", secret.Ref{Name: "a", At: secret.At{Stage: secret.Previous}}},
		{"a@18446744073709551615", secret.Ref{Name: "a", At: secret.At{Number: 1<<64 - 1}}},
		{"a@" + hexID, secret.Ref{Name: "a", At: secret.At{ID: hexID}}},
		{"a@" + uuidID, secret.Ref{Name: "a", At: secret.At{ID: uuidID}}},
		{"a@" + id(32), secret.Ref{Name: "a", At: secret.At{ID: secret.VersionID(id(32))}}},
		{"a@" + id(64), secret.Ref{Name: "a", At: secret.At{ID: secret.VersionID(id(64))}}},
		{"a@" + strings.Repeat("1", 32), secret.Ref{Name: "a", At: secret.At{ID: secret.VersionID(strings.Repeat("1", 32))}}},
		{"a@" + strings.Repeat("0", 31) + "1", secret.Ref{Name: "a", At: secret.At{ID: secret.VersionID(strings.Repeat("0", 31) + "1")}}},

		// Only four codes mean something, and only in this form.
		{"a%3Ab", secret.Ref{Name: "a:b"}},
		{"a%23b", secret.Ref{Name: "a#b"}},
		{"a%40b", secret.Ref{Name: "a@b"}},
		{"a%25b", secret.Ref{Name: "a%b"}},
		{"a%253Ab", secret.Ref{Name: "a%3Ab"}}, // decoded once
		{"a%3ab", secret.Ref{Name: "a%3ab"}},
		{"%2Fprod/db", secret.Ref{Name: "%2Fprod/db"}},
		{"%2E%2E/a", secret.Ref{Name: "%2E%2E/a"}},
		{"a%", secret.Ref{Name: "a%"}},
		{"a%2", secret.Ref{Name: "a%2"}},
		{"a%zz%00%20", secret.Ref{Name: "a%zz%00%20"}},
		{"a#b%3A%23%40%25c", secret.Ref{Name: "a", Field: "b:#@%c"}},
		{"a@" + id(31) + "%40", secret.Ref{Name: "a", At: secret.At{ID: secret.VersionID(id(31) + "@")}}},
		{"cafe\u0301#e\u0301", secret.Ref{Name: "caf\u00e9", Field: "e\u0301"}}, // a field is the key as it stands in the value

		// From the right: what stands behind a mark belongs to it.
		{"a#b:c", secret.Ref{Name: "a", Field: "b:c"}},
		{"dev:a#b:c@previous", secret.Ref{Env: "dev", Name: "a", Field: "b:c", At: secret.At{Stage: secret.Previous}}},
		{"a#b/c d", secret.Ref{Name: "a", Field: "b/c d"}},

		{"", secret.Ref{}},
		{":", secret.Ref{}},
		{":a", secret.Ref{}},
		{"dev:", secret.Ref{}},
		{"#f", secret.Ref{}},
		{"a#", secret.Ref{}},
		{"@1", secret.Ref{}},
		{"a@", secret.Ref{}},
		{"a:b:c", secret.Ref{}},
		{"a#b#c", secret.Ref{}},
		{"a@1@2", secret.Ref{}},
		{"a@1#f", secret.Ref{}},
		{"a@0", secret.Ref{}},
		{"a@01", secret.Ref{}},
		{"a@-1", secret.Ref{}},
		{"a@+1", secret.Ref{}},
		{"a@1_0", secret.Ref{}},
		{"a@1.0", secret.Ref{}},
		{"a@18446744073709551616", secret.Ref{}},
		{"a@current", secret.Ref{}},
		{"a@pending", secret.Ref{}},
		{"a@Previous", secret.Ref{}},
		{"a@" + id(31), secret.Ref{}},
		{"a@" + id(65), secret.Ref{}},
		{"a@" + id(31) + " ", secret.Ref{}},
		{"a@" + id(31) + "\n", secret.Ref{}},
		{"a@" + id(30) + "ü", secret.Ref{}},
		{"de v:a", secret.Ref{}},
		{".dev:a", secret.Ref{}},
		{"-dev:a", secret.Ref{}},
		{"_dev:a", secret.Ref{}},
		{"dev/x:a", secret.Ref{}},
		{"dév:a", secret.Ref{}},
		{strings.Repeat("d", 65) + ":a", secret.Ref{}},
		{"a//b", secret.Ref{}},
		{"../a", secret.Ref{}},
		{"a#b\nc", secret.Ref{}},
		{"a#\xff", secret.Ref{}},
		{"a#" + strings.Repeat("f", 513), secret.Ref{}},
		{"a\x00", secret.Ref{}},
		{"https://user:password@example.com/a", secret.Ref{}},
		{strings.Repeat("%3A", 513), secret.Ref{}},
		{strings.Repeat("x", secret.MaxRefBytes+1), secret.Ref{}},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := secret.ParseRef(tt.in)
			if tt.want == (secret.Ref{}) {
				invalid(t, err)
			} else if err != nil {
				t.Error(err)
			}
			if got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestRefString(t *testing.T) {
	for _, tt := range []struct {
		in   secret.Ref
		want string
	}{
		{secret.Ref{Name: "a"}, "a"},
		{secret.Ref{Env: "dev", Name: "a/b", Field: "f", At: secret.At{Number: 7}}, "dev:a/b#f@7"},
		{secret.Ref{Name: "a:b#c@d"}, "a%3Ab%23c%40d"},
		{secret.Ref{Name: "a", Field: "b:c#d@e"}, "a#b%3Ac%23d%40e"},

		// A percent is written as %25 only where one of the four codes would
		// follow: all other names stay as they are.
		{secret.Ref{Name: "%2Fprod/db"}, "%2Fprod/db"},
		{secret.Ref{Name: "100%"}, "100%"},
		{secret.Ref{Name: "%3a%20%zz"}, "%3a%20%zz"},
		{secret.Ref{Name: "%3A"}, "%253A"},
		{secret.Ref{Name: "%23"}, "%2523"},
		{secret.Ref{Name: "%40"}, "%2540"},
		{secret.Ref{Name: "%25"}, "%2525"},
		{secret.Ref{Name: "%253A"}, "%25253A"},
		{secret.Ref{Name: "%%3A"}, "%%253A"},
		{secret.Ref{Name: "%:"}, "%%3A"},

		{secret.Ref{Name: "a", At: secret.At{Stage: secret.Previous}}, "a@previous"},
		{secret.Ref{Name: "a", At: secret.At{ID: hexID}}, "a@" + hexID},
		{secret.Ref{Name: "a", At: secret.At{Stage: secret.Current}}, "a"},
		{secret.Ref{Name: "a", At: secret.At{Stage: secret.Pending}}, "a"},
		{secret.Ref{Name: "a", At: secret.At{ID: hexID, Number: 3, Stage: secret.Previous}}, "a@" + hexID}, // the narrowest
		{secret.Ref{Name: "a", At: secret.At{Number: 3, Stage: secret.Previous}}, "a@3"},
	} {
		if got := tt.in.String(); got != tt.want {
			t.Errorf("%+v is written %q, want %q", tt.in, got, tt.want)
		}
	}
}

// refs are all references that have a text.
func refs() *rapid.Generator[secret.Ref] {
	ats := rapid.Custom(func(t *rapid.T) secret.At {
		switch rapid.IntRange(0, 3).Draw(t, "at") {
		case 1:
			return secret.At{Number: rapid.Uint64Min(1).Draw(t, "number")}
		case 2:
			return secret.At{ID: secret.VersionID(rapid.StringMatching(`[!-~]{32,64}`).Draw(t, "id"))}
		case 3:
			return secret.At{Stage: secret.Previous}
		default:
			return secret.At{}
		}
	})
	return rapid.Custom(func(t *rapid.T) secret.Ref {
		return secret.Ref{
			Env:   rapid.SampledFrom([]string{"", "dev", "p.r_o-d", "9"}).Draw(t, "env"),
			Name:  names().Draw(t, "name"),
			Field: rapid.SampledFrom([]string{"", "f", "%3A", "%25", "a:b", "#", "@1", "%", "e\u0301"}).Draw(t, "field"),
			At:    ats.Draw(t, "at"),
		}
	})
}

func TestRefRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := refs().Draw(t, "ref")
		got, err := secret.ParseRef(r.String())
		if err != nil || got != r {
			t.Fatalf("%+v is written %q, which reads %+v, %v", r, r.String(), got, err)
		}
	})
}

// Different references have different texts.
func TestRefStringTellsApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := refs().Draw(t, "a"), refs().Draw(t, "b")
		if (a.String() == b.String()) != (a == b) {
			t.Fatalf("%+v and %+v are written %q and %q", a, b, a.String(), b.String())
		}
	})
}

func TestLongestRefFits(t *testing.T) {
	r := secret.Ref{
		Env: strings.Repeat("e", 64), Name: secret.Name(strings.Repeat(":", secret.MaxNameBytes)),
		Field: strings.Repeat("#", secret.MaxNameBytes), At: secret.At{ID: secret.VersionID(strings.Repeat("@", 64))},
	}
	if got, err := secret.ParseRef(r.String()); err != nil || got != r {
		t.Errorf("%d bytes: %v", len(r.String()), err)
	}
}

// FuzzParseRef: what is read is written so that it reads the same.
func FuzzParseRef(f *testing.F) {
	for _, s := range []string{
		"a", "dev:claude/api#claude_api_key@3", "a@previous", "a@" + hexID, "a@" + uuidID, "%2Fprod/db", "a%3Ab", "a%253A", "a#b#c", "a:b:c", ":a", "a@", "a#",
		"a@0", "a@18446744073709551616", "#@", "a#f%40@1", "%25%25", "%", "cafe\u0301#e\u0301", "a\x00", "\xff", strings.Repeat("%3A", 600), "a@" + strings.Repeat("%40", 32),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := secret.ParseRef(s)
		if err != nil {
			invalid(t, err)
			if r != (secret.Ref{}) {
				t.Errorf("an error comes with %+v", r)
			}
			return
		}
		if err := r.Name.Check(); err != nil {
			t.Errorf("%q: %v", s, err)
		}
		again, err := secret.ParseRef(r.String())
		if err != nil || again != r || again.String() != r.String() {
			t.Errorf("%q reads %+v, written %q, reads %+v, %v", s, r, r.String(), again, err)
		}
	})
}

func TestCheckEnv(t *testing.T) {
	for _, s := range []string{"dev", "a", "0", "Prod-1.eu_west", strings.Repeat("x", 64)} {
		if err := secret.CheckEnv(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", ".", "..", ".a", "-a", "_a", "a/b", "a b", "a:b", "a\n", "ü", strings.Repeat("x", 65)} {
		invalid(t, secret.CheckEnv(s))
	}
}
