package envfmt

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// appendQuoted appends v, which is UTF-8, as a string that means the same in
// JSON, YAML (1.1 and 1.2) and TOML: it uses only escapes that all three know,
// and escapes what one of them would take for a line's end, a byte order mark
// or nothing printable.
func appendQuoted(dst, v []byte) []byte {
	dst = append(dst, '"')
	for len(v) > 0 {
		r, n := utf8.DecodeRune(v)
		v = v[n:]
		if i := strings.IndexRune("\"\\\b\t\n\f\r", r); i >= 0 {
			dst = append(dst, '\\', `"\btnfr`[i])
		} else if unprintable(r) {
			dst = fmt.Appendf(dst, `\u%04x`, r)
		} else {
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// unprintable reports whether a string of one of the three cannot hold r as it
// is.
func unprintable(r rune) bool {
	switch r {
	case 0x2028, 0x2029, 0xfeff, 0xfffe, 0xffff:
		return true
	default:
		return r < ' ' || 0x7f <= r && r <= 0x9f
	}
}

// unquoteJSON returns what a JSON string stands for. It is not ok where an
// escape is half a surrogate pair, which is no text.
func unquoteJSON(raw []byte) (value []byte, ok bool) {
	raw = raw[1 : len(raw)-1]
	value = make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			value = append(value, raw[i])
			continue
		}
		i++
		if raw[i] != 'u' {
			value = append(value, unescapeJSON(raw[i]))
			continue
		}
		r := codePoint(raw[i+1 : i+5])
		i += 4
		if utf16.IsSurrogate(r) {
			if i+6 >= len(raw) || raw[i+1] != '\\' || raw[i+2] != 'u' {
				return nil, false
			}
			if r = utf16.DecodeRune(r, codePoint(raw[i+3:i+7])); r == utf8.RuneError {
				return nil, false
			}
			i += 6
		}
		value = utf8.AppendRune(value, r)
	}
	return value, true
}

func unescapeJSON(c byte) byte {
	if i := strings.IndexByte("btnfr", c); i >= 0 {
		return "\b\t\n\f\r"[i]
	}
	return c
}

// codePoint reads hexadecimal digits; utf8.RuneError if they are none, or
// beyond Unicode.
func codePoint(hex []byte) rune {
	n, err := strconv.ParseUint(string(hex), 16, 32)
	if err != nil || n > utf8.MaxRune {
		return utf8.RuneError
	}
	return rune(n)
}
