package envfmt

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

const (
	whyTOMLEscape = "an escape that TOML does not know"
	whyTOMLByte   = "a control character in a string; write it as an escape"
)

// tomlString reads a string of any of the four kinds; those of several lines
// only with multi.
func (r *tomlReader) tomlString(multi bool) (value []byte, why string) {
	quote := r.peek()
	closing := []byte{quote}
	if three := bytes.Repeat(closing, 3); bytes.HasPrefix(r.b[r.at:], three) {
		if !multi {
			return nil, "a key of several lines"
		}
		closing = three
	}
	r.at += len(closing)
	if len(closing) == 3 {
		r.firstNewline()
	}
	value = []byte{}
	for !r.done() {
		if bytes.HasPrefix(r.b[r.at:], closing) {
			return r.closeString(value, closing), ""
		}
		if value, why = r.tomlByte(value, closing); why != "" {
			return nil, why
		}
	}
	return nil, whyOpen
}

// tomlByte takes the next byte of a string, or the escape that begins there.
func (r *tomlReader) tomlByte(value, closing []byte) ([]byte, string) {
	multi := len(closing) == 3
	if r.peek() == '\n' && !multi {
		return nil, whyOpen
	}
	switch c := r.next(); {
	case c == '\\' && closing[0] == '"':
		return r.tomlEscape(value, multi)
	case c == 0x7f || c < ' ' && c != '\t' && c != '\n':
		return nil, whyTOMLByte
	default:
		return append(value, c), ""
	}
}

// firstNewline skips the line's end right after three quotes.
func (r *tomlReader) firstNewline() {
	if bytes.HasPrefix(r.b[r.at:], []byte("\r\n")) {
		r.next()
	}
	if r.peek() == '\n' {
		r.next()
	}
}

// closeString goes behind the closing quotes. One or two more quotes before
// three belong to the value.
func (r *tomlReader) closeString(value, closing []byte) []byte {
	r.at += len(closing)
	for i := 0; i < 2 && len(closing) == 3 && r.peek() == closing[0]; i++ {
		value = append(value, r.next())
	}
	return value
}

func (r *tomlReader) tomlEscape(value []byte, multi bool) ([]byte, string) {
	c := r.next()
	if i := strings.IndexByte(`btnfr"\`, c); i >= 0 && c != 0 {
		return append(value, "\b\t\n\f\r\"\\"[i]), ""
	}
	switch digits := map[byte]int{'u': 4, 'U': 8}[c]; {
	case digits > 0 && r.at+digits <= len(r.b) && only(string(r.b[r.at:r.at+digits]), "0123456789abcdefABCDEF"):
		code := codePoint(r.b[r.at : r.at+digits])
		if code == utf8.RuneError && !isFFFD(r.b[r.at:r.at+digits]) || 0xd800 <= code && code <= 0xdfff {
			return nil, whyTOMLEscape
		}
		r.at += digits
		return utf8.AppendRune(value, code), ""
	case multi && strings.IndexByte(" \t\r\n", c) >= 0 && c != 0:
		return r.joinLines(value, c)
	default:
		return nil, whyTOMLEscape
	}
}

func isFFFD(hex []byte) bool {
	return strings.EqualFold(strings.TrimLeft(string(hex), "0"), "fffd")
}

// joinLines skips a line's end after a backslash, and all blanks and line ends
// that follow.
func (r *tomlReader) joinLines(value []byte, c byte) ([]byte, string) {
	start := r.at
	r.skipBlank()
	if c != '\n' && bytes.IndexByte(r.b[start:r.at], '\n') < 0 {
		return nil, whyTOMLEscape
	}
	return value, ""
}
