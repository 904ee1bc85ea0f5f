package match

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/secret"
)

func pattern1(label, value string) Pattern { return Pattern{label, secret.Text(value)} }

func mustNew(t testing.TB, ps ...Pattern) *Matcher {
	t.Helper()
	m, err := New(ps)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// redact passes chunks through a Writer.
func redact(t testing.TB, m *Matcher, chunks ...string) (string, map[string]int) {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, m)
	for _, c := range chunks {
		if n, err := w.Write([]byte(c)); err != nil || n != len(c) {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), w.Counts()
}

func TestEncodings(t *testing.T) {
	values := map[string]string{
		"ascii":   "sk-ant-api03-Zm9vYmFy_x",
		"symbols": "p@ss w/rd+\"&<>\\'=%é😀\t!",
		"binary":  "\x00\xff\xfe\x80\x01\x02\x03\x04\x05",
		"pem":     "-----BEGIN KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2OF\n-----END KEY-----\n",
	}
	encoders := map[string]func(string) string{
		"raw":          func(s string) string { return s },
		"base64":       func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"base64-raw":   func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) },
		"base64url":    func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) },
		"base64urlraw": func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
		"base64-76": func(s string) string {
			return string(wrap([]byte(base64.StdEncoding.EncodeToString([]byte(s))), 76, "\n"))
		},
		"hex":       func(s string) string { return hex.EncodeToString([]byte(s)) },
		"HEX":       func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
		"query":     url.QueryEscape,
		"path":      url.PathEscape,
		"json":      func(s string) string { return jsonText(t, s, true) },
		"json-bare": func(s string) string { return jsonText(t, s, false) },
		"trimmed":   strings.TrimSpace,
		"crlf":      func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
	}
	for vn, v := range values {
		for en, encode := range encoders {
			if vn == "binary" && strings.HasPrefix(en, "json") {
				continue // JSON holds no such bytes
			}
			t.Run(vn+"/"+en, func(t *testing.T) {
				got, counts := redact(t, mustNew(t, pattern1("KEY", v)), "<<", encode(v), ">>")
				if got != "<<‹KEY›>>" || counts["KEY"] != 1 {
					t.Errorf("not replaced whole; %d bytes remain, counts %v", len(got), counts)
				}
			})
		}
	}
}

func jsonText(t testing.TB, s string, html bool) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	if err := e.Encode(s); err != nil {
		t.Fatal(err)
	}
	return strings.Trim(b.String(), "\"\n")
}

// What encoders of other languages write for the value "symbols" above.
func TestForeignEncodings(t *testing.T) {
	const v = "p@ss w/rd+\"&<>\\'=%é😀\t!"
	for name, text := range map[string]string{
		"python json.dumps":  `p@ss w/rd+\"&<>\\'=%\u00e9\ud83d\ude00\t!`,
		"php json_encode":    `p@ss w\/rd+\"&<>\\'=%\u00e9\ud83d\ude00\t!`,
		"encodeURIComponent": `p%40ss%20w%2Frd%2B%22%26%3C%3E%5C'%3D%25%C3%A9%F0%9F%98%80%09!`,
		"curl lower case":    `p%40ss%20w%2frd%2b%22%26%3c%3e%5c%27%3d%25%c3%a9%f0%9f%98%80%09%21`,
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := redact(t, mustNew(t, pattern1("KEY", v)), text); got != "‹KEY›" {
				t.Error("not replaced whole")
			}
		})
	}
}

// A value inside something longer that is then encoded: a header with user and
// password. At most two characters at each edge can remain.
func TestBase64InsideLonger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(rapid.Byte(), MinLength, 40).Draw(t, "value")
		before := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "before")
		after := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "after")
		m, err := New([]Pattern{{"KEY", secret.Binary(v)}})
		if err != nil {
			t.Fatal(err)
		}
		whole := slices.Concat(before, v, after)
		var out bytes.Buffer
		w := NewWriter(&out, m)
		_, _ = io.WriteString(w, base64.StdEncoding.EncodeToString(whole))
		_ = w.Close()
		got := out.String()
		if !strings.Contains(got, "‹KEY›") {
			t.Fatalf("not found")
		}
		left := strings.Index(got, "‹KEY›")
		if limit := (len(before)*8 + 5) / 6; left > limit {
			t.Fatalf("%d characters before the label, at most %d may", left, limit)
		}
	})
}

func TestShortValues(t *testing.T) {
	m := mustNew(t, pattern1("PIN", "1234567"), pattern1("EMPTY", ""), pattern1("KEY", "12345678"))
	if got := m.Short(); !slices.Equal(got, []string{"PIN", "EMPTY"}) {
		t.Errorf("Short is %v", got)
	}
	if got, _ := redact(t, m, "1234567 12345678"); got != "1234567 ‹KEY›" {
		t.Errorf("got %q", got)
	}
}

func TestLimits(t *testing.T) {
	big := strings.Repeat("\x01\x80", MaxValue/2)
	tests := []struct {
		name string
		ps   []Pattern
		ok   bool
	}{
		{"none", nil, true},
		{"largest value", []Pattern{pattern1("A", big)}, true},
		{"larger value", []Pattern{pattern1("A", big+"x")}, false},
		{"too much together", []Pattern{pattern1("A", big), pattern1("B", big[1:]), pattern1("C", big[2:])}, false},
		{"too many", make([]Pattern, MaxPatterns+1), false},
		{"no label", []Pattern{pattern1("", "12345678")}, false},
		{"label with a mark", []Pattern{pattern1("A›", "12345678")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.ps)
			if tt.ok != (err == nil) || err != nil && !errors.Is(err, secret.Invalid) {
				t.Errorf("err is %v", err)
			}
		})
	}
}

func TestHoldsBackOnlyLivePrefixes(t *testing.T) {
	m := mustNew(t, pattern1("KEY", "\x01value-one"), pattern1("LONG", "\x01value-one-and-more"))
	var out bytes.Buffer
	w := NewWriter(&out, m)
	steps := []struct{ in, out string }{
		{"plain\n", "plain\n"},
		{"\x01val", "plain\n"},
		{"id\n", "plain\n\x01valid\n"},
		{"\x01value-one", "plain\n\x01valid\n"},
		{"-and", "plain\n\x01valid\n"},
		{"!", "plain\n\x01valid\n‹KEY›-and!"},
		{"\x01value-one-and-more.", "plain\n\x01valid\n‹KEY›-and!‹LONG›."},
		{"\x01value-o", "plain\n\x01valid\n‹KEY›-and!‹LONG›."},
	}
	for i, s := range steps {
		if _, err := io.WriteString(w, s.in); err != nil {
			t.Fatal(err)
		}
		if out.String() != s.out {
			t.Fatalf("step %d: got %q, want %q", i, out.String(), s.out)
		}
	}
	if err := w.Close(); err != nil || !strings.HasSuffix(out.String(), ".\x01value-o") {
		t.Errorf("Close: %v, %q", err, out.String())
	}
	if c := w.Counts(); c["KEY"] != 1 || c["LONG"] != 1 {
		t.Errorf("counts are %v", c)
	}
}

// TestOnlyGivenValuesAreMasked: masking says nothing about values that were
// not given, so a program cannot find another secret by printing guesses.
func TestOnlyGivenValuesAreMasked(t *testing.T) {
	t.Run("pin-oracle-through-redaction", func(t *testing.T) {
		m := mustNew(t, pattern1("KEY", "given-to-this-session"), pattern1("PIN", "4711"))
		var guesses strings.Builder
		for pin := range 10000 {
			fmt.Fprintf(&guesses, "%04d\n", pin)
		}
		guesses.WriteString("other-secret-of-the-store\n")
		if got, counts := redact(t, m, guesses.String()); got != guesses.String() || len(counts) != 0 {
			t.Error("redaction answered a guess")
		}
	})
}

func TestWriteErrorsStay(t *testing.T) {
	m := mustNew(t, pattern1("KEY", "12345678"))
	w := NewWriter(failing{}, m)
	for range 2 {
		if n, err := io.WriteString(w, "text\n"); n != 0 || !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Write: %d, %v", n, err)
		}
	}
	if err := w.Close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Close: %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestNilMatcherPassesEverything(t *testing.T) {
	var m *Matcher
	if got, _ := redact(t, m, "12345678"); got != "12345678" || !m.Empty() || m.Short() != nil {
		t.Errorf("got %q", got)
	}
}

// TestNeverPrinted prints everything that holds patterns or text, with every
// verb, also from unexported fields.
func TestNeverPrinted(t *testing.T) {
	const canary = "canary-7f3a9c"
	m := mustNew(t, pattern1("KEY", canary))
	w := NewWriter(io.Discard, m)
	_, _ = io.WriteString(w, canary[:10])
	outer := struct {
		m  *Matcher
		mv Matcher
		w  *Writer
		wv Writer
		p  []Pattern
	}{m, *m, w, *w, []Pattern{pattern1("KEY", canary)}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		for _, v := range []any{m, *m, w, *w, outer, &outer} {
			got := fmt.Sprintf(verb, v)
			for _, leak := range []string{canary[:10], hex.EncodeToString([]byte(canary[:8])), "99 97 110 97"} {
				if strings.Contains(strings.ToLower(got), leak) {
					t.Errorf("%s of %T shows the value", verb, v)
				}
			}
		}
	}
}
