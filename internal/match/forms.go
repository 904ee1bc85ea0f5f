package match

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// forms returns the encodings in which a value is looked for, each at least
// [MinLength] bytes long, without duplicates of the raw one.
//
// A value that ends in white space, as one read from a file usually does, is
// looked for without it too, since most programs trim what they read. A value
// of several lines is looked for as a whole, as it is and JSON-escaped; its
// lines alone are not, because lines like "{" are not secret.
func forms(v []byte) [][]byte {
	out := encodings(v)
	if t := bytes.TrimSpace(v); len(t) != len(v) && len(t) >= MinLength {
		out = append(out, encodings(t)...)
	}
	if bytes.IndexByte(v, '\n') >= 0 && bytes.IndexByte(v, '\r') < 0 {
		// What a terminal or a mail makes of it.
		crlf := bytes.ReplaceAll(v, []byte("\n"), []byte("\r\n"))
		out = append(out, crlf)
		if t := bytes.TrimSpace(crlf); len(t) >= MinLength {
			out = append(out, t)
		}
	}
	return out
}

func encodings(v []byte) [][]byte {
	out := [][]byte{v}
	out = append(out, hexForms(v)...)
	out = append(out, base64Forms(v)...)
	for _, f := range append(percentForms(v), jsonForms(v)...) {
		if !bytes.Equal(f, v) {
			out = append(out, f)
		}
	}
	return out
}

func hexForms(v []byte) [][]byte {
	lower := []byte(hex.EncodeToString(v))
	return [][]byte{lower, bytes.ToUpper(lower)}
}

// base64Forms returns v in both alphabets, at each of the three alignments it
// can have inside something longer, and wrapped in lines.
//
// At each alignment the first character may hold bits of what stands before;
// it is left out. The last one may hold bits of what follows: the form is
// given without it, and with it (and its padding) as at the end of a text.
// So a few bits at the edges of an embedded value can remain.
func base64Forms(v []byte) [][]byte {
	var out [][]byte
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for before := range 3 {
			b := make([]byte, enc.EncodedLen(before+len(v)))
			enc.Encode(b, append(make([]byte, before, before+len(v)), v...))
			b = b[(before*8+5)/6:]
			text := len(bytes.TrimRight(b, "="))
			out = append(out, b)
			if text != len(b) {
				out = append(out, b[:text], b[:text-1])
			}
		}
		full := make([]byte, enc.EncodedLen(len(v)))
		enc.Encode(full, v)
		out = append(out, wrapped(full)...)
		if t := bytes.TrimRight(full, "="); len(t) != len(full) {
			out = append(out, wrapped(t[:len(t)-1])...)
		}
	}
	return out
}

// wrapped returns b broken into the lines of base64(1) and MIME, and of PEM and
// openssl; nothing if it fits into one.
func wrapped(b []byte) [][]byte {
	var out [][]byte
	for _, width := range []int{76, 64} {
		if len(b) > width {
			out = append(out, wrap(b, width, "\n"), wrap(b, width, "\r\n"))
		}
	}
	return out
}

// wrap breaks b into lines of width bytes.
func wrap(b []byte, width int, end string) []byte {
	var out []byte
	for len(b) > width {
		out = append(append(out, b[:width]...), end...)
		b = b[width:]
	}
	return append(out, b...)
}

func percentForms(v []byte) [][]byte {
	// The bytes that encoders leave alone besides letters and digits.
	kept := []string{
		"-_.~",                 // RFC 3986; Go's and Python's query encoders
		"-_.~/",                // Python's quote
		"-_.~$&+:=@",           // Go's path segments
		"-_.~!'()*",            // encodeURIComponent
		"-_.~!'()*;,/?:@&=+$#", // encodeURI
	}
	var out [][]byte
	for _, digits := range []string{"0123456789ABCDEF", "0123456789abcdef"} {
		out = append(out, percent(v, kept[0], digits, true))
		for _, k := range kept {
			out = append(out, percent(v, k, digits, false))
		}
	}
	return out
}

func percent(v []byte, kept, digits string, plus bool) []byte {
	out := make([]byte, 0, len(v))
	for _, c := range v {
		switch {
		case c == ' ' && plus:
			out = append(out, '+')
		case alphanumeric(c) || bytes.IndexByte([]byte(kept), c) >= 0:
			out = append(out, c)
		default:
			out = append(out, '%', digits[c>>4], digits[c&15])
		}
	}
	return out
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// jsonForms returns v as the inside of a JSON string: with and without the
// escapes for HTML, for everything beyond ASCII and for the slash. What is not
// UTF-8 has no JSON form.
func jsonForms(v []byte) [][]byte {
	if !utf8.Valid(v) {
		return nil
	}
	var out [][]byte
	for _, s := range []jsonStyle{
		{},
		{html: true},
		{html: true, upper: true},
		{ascii: true},
		{ascii: true, upper: true},
		{ascii: true, slash: true},
		{slash: true},
	} {
		out = append(out, s.escape(v))
	}
	return out
}

// A jsonStyle is a habit of an encoder: Go's escapes for HTML, Python's for
// everything beyond ASCII, PHP's also the slash.
type jsonStyle struct{ html, ascii, slash, upper bool }

func (s jsonStyle) escape(v []byte) []byte {
	out := make([]byte, 0, len(v)+8)
	for _, r := range string(v) {
		switch {
		case strings.ContainsRune("\b\f\n\r\t\"\\", r):
			out = append(out, '\\', "bfnrt\"\\"[strings.IndexRune("\b\f\n\r\t\"\\", r)])
		case r == '/' && s.slash:
			out = append(out, `\/`...)
		case r < ' ', s.html && strings.ContainsRune("<>&\u2028\u2029", r), s.ascii && r >= 0x7f && r <= 0xffff:
			out = s.unicode(out, r)
		case s.ascii && r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = s.unicode(s.unicode(out, high), low)
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

func (s jsonStyle) unicode(out []byte, r rune) []byte {
	digits := "0123456789abcdef"
	if s.upper {
		digits = "0123456789ABCDEF"
	}
	return append(out, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
