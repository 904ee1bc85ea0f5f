package match

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/secret"
)

// What is looked for can change in the middle of a text: nothing of a value
// that is looked for before and after gets through, wherever that happens, nor
// anything of a new one that comes afterwards.
func TestFollow(t *testing.T) {
	old, now := "canary-old-value-0123456789", "canary-new-value-9876543210"
	matcher := func(values ...string) *Matcher {
		var ps []Pattern
		for i, v := range values {
			ps = append(ps, Pattern{Label: string(rune('A' + i)), Value: secret.Text(v)})
		}
		m, err := New(ps)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	before, after := matcher(old), matcher(now, old)
	rapid.Check(t, func(t *rapid.T) {
		text := "x" + old + old + "y" + old[:9] + "z"
		cut := rapid.IntRange(0, len(text)).Draw(t, "where")
		var out strings.Builder
		w := NewWriter(&out, before)
		for i := range text {
			if i == cut {
				w.Follow(after)
			}
			_, _ = w.Write([]byte{text[i]})
		}
		w.Follow(after)
		_, _ = w.Write([]byte(now + "!"))
		_ = w.Close()
		got := strings.NewReplacer("‹A›", "*", "‹B›", "*").Replace(out.String())
		if got != "x**y"+old[:9]+"z*!" {
			t.Fatalf("cut at %d: %q", cut, got)
		}
	})
	var out strings.Builder
	w := NewWriter(&out, nil)
	_, _ = w.Write([]byte("a"))
	w.Follow(after)
	_, _ = w.Write([]byte(now))
	w.Follow(before)
	_, _ = w.Write([]byte("b" + old[:9]))
	w.Follow(nil)
	_, _ = w.Write([]byte("c"))
	if got := out.String(); got != "a‹A›b"+old[:9]+"c" {
		t.Errorf("%q", got)
	}
}
