package match

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// reference replaces without streaming and without tables: it tries every
// pattern at every place. forms are by label.
func reference(text []byte, labels []string, forms [][]byte) string {
	var out strings.Builder
	done, last := 0, ""
	for at := range text {
		best := -1
		for i, f := range forms {
			if bytes.HasPrefix(text[at:], f) && (best < 0 || len(f) > len(forms[best])) {
				best = i
			}
		}
		if best >= 0 && at+len(forms[best]) > done {
			if at >= done || labels[best] != last {
				out.WriteString("‹" + labels[best] + "›")
				last = labels[best]
			}
			done = at + len(forms[best])
		}
		if at >= done {
			out.WriteByte(text[at])
		}
	}
	return out.String()
}

func engineOf(labels []string, forms [][]byte) *Matcher {
	e := newEngine()
	for i, f := range forms {
		e.add(labels[i], [][]byte{f})
	}
	e.build()
	return &Matcher{engine: func() *engine { return e }}
}

// stream passes text through a Writer in chunks of the given lengths, over and
// over.
func stream(text []byte, m *Matcher, lengths []int) string {
	var out bytes.Buffer
	w := NewWriter(&out, m)
	for i := 0; len(text) > 0; i++ {
		n := min(lengths[i%len(lengths)], len(text))
		chunk := bytes.Clone(text[:n])
		_, _ = w.Write(chunk)
		clear(chunk) // a Writer keeps nothing that it was given
		text = text[n:]
	}
	_ = w.Close()
	return out.String()
}

// TestStreamingEqualsReference: whatever the text, the patterns and the
// chunks, the output is that of the reference and holds no pattern.
func TestStreamingEqualsReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SliceOfN(rapid.SampledFrom([]byte("ab")), MinLength, 24)
		if rapid.Bool().Draw(t, "wide") {
			letters = rapid.SliceOfN(rapid.SampledFrom([]byte("abcdefgh\x00")), MinLength, 12)
		}
		forms := rapid.SliceOfN(letters, 1, 6).Draw(t, "patterns")
		labels := make([]string, len(forms))
		for i, f := range forms {
			labels[i] = strings.Repeat("X", 1+i)
			for j := range i { // equal patterns: the first one's label
				if bytes.Equal(forms[j], f) {
					labels[i] = labels[j]
				}
			}
		}
		piece := rapid.OneOf(rapid.SampledFrom(forms), letters,
			rapid.Custom(func(t *rapid.T) []byte {
				f := rapid.SampledFrom(forms).Draw(t, "of")
				return f[:rapid.IntRange(0, len(f)).Draw(t, "prefix")]
			}))
		text := bytes.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "text"), nil)
		lengths := rapid.SliceOfN(rapid.IntRange(1, 20), 1, 5).Draw(t, "chunks")

		got := stream(text, engineOf(labels, forms), lengths)
		if want := reference(text, labels, forms); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		for _, f := range forms {
			if strings.Contains(got, string(f)) {
				t.Fatalf("a pattern came through")
			}
		}
	})
}

func FuzzWriter(f *testing.F) {
	f.Add([]byte("aaaaaaaab"), []byte("aaaaaaaaa"), []byte("xxaaaaaaaaaaabyy"), uint8(3))
	f.Add([]byte("12345678"), []byte("123456789abc"), []byte("12345678 123456789ab"), uint8(1))
	f.Add([]byte("p@ss w/rd\n"), []byte("-----BEGIN\nx\n"), []byte("cEBzcyB3L3JkCg== p%40ss+w%2Frd"), uint8(7))
	f.Fuzz(func(t *testing.T, a, b, text []byte, chunk uint8) {
		if len(a) < MinLength || len(b) < MinLength || len(a)+len(b) > 4096 || chunk == 0 {
			return
		}
		fa, fb := forms(a), forms(b)
		all := append(append([][]byte{}, fa...), fb...)
		labels := make([]string, len(all))
		for i := range labels {
			labels[i] = "B"
			if i < len(fa) || indexOf(fa, all[i]) {
				labels[i] = "A"
			}
		}
		for _, f := range all {
			if len(f) < keyLen {
				t.Fatalf("a form of %d bytes", len(f))
			}
		}
		m := engineOf(labels, all)
		for _, text := range [][]byte{text, append(append(bytes.Clone(text), a...), b...)} {
			if got, want := stream(text, m, []int{int(chunk)}), reference(text, labels, all); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	})
}

func indexOf(forms [][]byte, f []byte) bool {
	for _, g := range forms {
		if bytes.Equal(f, g) {
			return true
		}
	}
	return false
}
