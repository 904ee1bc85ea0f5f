package match

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// TestAbuseValues are values and outputs that are made to slip through. In each
// one nothing of a value may be left, however the output is cut into writes.
func TestAbuseValues(t *testing.T) {
	tests := []struct {
		name     string
		ps       []Pattern
		in, want string
	}{
		{
			"value-is-prefix-of-another",
			[]Pattern{pattern1("SHORT", "prefix-value"), pattern1("LONG", "prefix-value-and-more")},
			"prefix-value prefix-value-and-more prefix-value-and-mor", "‹SHORT› ‹LONG› ‹SHORT›-and-mor",
		},
		{
			"value-inside-another",
			[]Pattern{pattern1("INNER", "the-inner"), pattern1("OUTER", "xx-the-inner-yy")},
			"xx-the-inner-yy the-inner xx-the-inner-y", "‹OUTER› ‹INNER› xx-‹INNER›-y",
		},
		{
			"overlapping-values",
			[]Pattern{pattern1("LEFT", "aaaa-bbbb"), pattern1("RIGHT", "bbbb-cccc")},
			"1 aaaa-bbbb-cccc 2", "1 ‹LEFT›‹RIGHT› 2",
		},
		{
			"value-overlaps-itself",
			[]Pattern{pattern1("KEY", "ababababab")},
			"ababababababab!", "‹KEY›!",
		},
		{
			"nul-in-a-value",
			[]Pattern{pattern1("KEY", "a\x00b\x00\x00cdef")},
			"\x00a\x00b\x00\x00cdef\x00", "\x00‹KEY›\x00",
		},
		{
			"value-that-is-a-label",
			[]Pattern{pattern1("A", "‹SECOND›"), pattern1("SECOND", "second-value")},
			"second-value ‹SECOND›", "‹SECOND› ‹A›",
		},
		{
			"almost-a-value-and-then-one",
			[]Pattern{pattern1("KEY", "aab-aab-aac")},
			"aab-aab-aab-aac", "aab-‹KEY›",
		},
		{
			"equal-values",
			[]Pattern{pattern1("FIRST", "the-same-value"), pattern1("SECOND", "the-same-value")},
			"the-same-value", "‹FIRST›",
		},
		{ // not promised: what is split is not there byte for byte
			"value-split-by-ansi-codes",
			[]Pattern{pattern1("KEY", "the-secret-value")},
			"the-\x1b[1msecret\x1b[0m-value", "the-\x1b[1msecret\x1b[0m-value",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mustNew(t, tt.ps...)
			for size := 1; size <= len(tt.in); size++ {
				if got := stream([]byte(tt.in), m, []int{size}); got != tt.want {
					t.Fatalf("in writes of %d bytes: got %q, want %q", size, got, tt.want)
				}
			}
		})
	}
}

// A child that never completes a value cannot make the Writer keep more than
// the longest form of one.
func TestAbuseHeldBackIsBounded(t *testing.T) {
	t.Run("endless-prefixes", func(t *testing.T) {
		value := strings.Repeat("ab", 500) + "!"
		m := mustNew(t, pattern1("KEY", value))
		longest := 0
		for _, p := range m.engine().pats {
			longest = max(longest, len(p.text))
		}
		var out bytes.Buffer
		w := NewWriter(&out, m)
		in := 0
		for range 1000 {
			n, _ := io.WriteString(w, strings.Repeat("ab", 50))
			in += n
			if held := in - out.Len(); held >= longest {
				t.Fatalf("%d bytes are held back, the longest form has %d", held, longest)
			}
		}
	})
}
