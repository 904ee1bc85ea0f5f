package envfmt

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// entries makes n entries with values of 64 bytes, some with what has to be
// escaped.
func entries(n int) []Entry {
	var out []Entry
	for i := range n {
		out = append(out, Entry{Name: fmt.Sprintf("VARIABLE_%d", i), Value: text1(strings.Repeat("s3cr'et$", 8))})
	}
	return out
}

func BenchmarkRead(b *testing.B) {
	for _, f := range Formats() {
		b.Run(string(f), func(b *testing.B) {
			text := write(b, f, options(f), entries(10_000))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Read(bytes.NewReader(text), f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	all := entries(10_000)
	for _, f := range Formats() {
		b.Run(string(f), func(b *testing.B) {
			b.SetBytes(int64(len(write(b, f, options(f), all))))
			b.ReportAllocs()
			for b.Loop() {
				w, err := NewWriter(io.Discard, f, options(f))
				if err != nil {
					b.Fatal(err)
				}
				for _, e := range all {
					if err := w.Write(e.Name, e.Value); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
