package envfmt

import (
	"bytes"
	"strings"
)

// What a shell takes as it is, without quotes, in an assignment.
const shellPlain = nameBytes + "./:@%+,=^-"

// shellEntry reads the next assignment; no name if only blanks and a comment
// were left. It knows words and quotes, and nothing that is run or expanded.
func shellEntry(t *text) (name string, value []byte, why string) {
	t.take(" \t\n")
	if t.done() {
		return "", nil, ""
	}
	if t.peek() == '#' {
		t.skipLine()
		return "", nil, ""
	}
	t.export()
	name = t.word("= \t\r\"'$`\\;&|<>()")
	if t.peek() != '=' {
		return "", nil, "no assignment: only NAME=value and export NAME=value are read, nothing is run"
	}
	if !variable(name) {
		return "", nil, whyName
	}
	t.next()
	if value, why = t.shellWord(); why != "" {
		return "", nil, why
	}
	blank := t.take(" \t") > 0
	switch {
	case blank && t.peek() == '#':
		t.skipLine()
	case t.peek() == '\r':
		return "", nil, "a carriage return, which a shell takes for a part of the value"
	case !t.endOfLine():
		return "", nil, "more than one assignment on the line"
	}
	return name, value, ""
}

// shellWord reads one word: quoted and plain parts side by side.
func (t *text) shellWord() (value []byte, why string) {
	value = []byte{}
	for !t.done() && why == "" {
		switch c := t.peek(); {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			return value, ""
		case c == '\'':
			value, why = t.shellSingle(value)
		case c == '"':
			value, why = t.shellDouble(value)
		case c == '\\':
			value, why = t.shellEscaped(value)
		case strings.IndexByte(shellPlain, c) >= 0:
			value = append(value, t.next())
		case c == '$' || c == '`':
			return nil, whyRuns
		default:
			return nil, "a character that has to be quoted"
		}
	}
	return value, why
}

const whyRuns = "a $ or a backtick, which a shell would expand or run; quote it with '"

func (t *text) shellSingle(value []byte) ([]byte, string) {
	t.next()
	rest := t.b[t.at:]
	end := bytes.IndexByte(rest, '\'')
	if end < 0 {
		return nil, whyOpen
	}
	t.line += bytes.Count(rest[:end], []byte("\n"))
	t.at += end + 1
	return append(value, rest[:end]...), ""
}

func (t *text) shellDouble(value []byte) ([]byte, string) {
	t.next()
	for !t.done() {
		switch c := t.next(); {
		case c == '"':
			return value, ""
		case c == '$' || c == '`':
			return nil, whyRuns
		case c == '\\' && t.done():
			return nil, whyOpen
		case c == '\\':
			value = append(value, unescapeDouble(t.next())...)
		default:
			value = append(value, c)
		}
	}
	return nil, whyOpen
}

// unescapeDouble returns what a backslash and c stand for in the double quotes
// of a shell, and of systemd.
func unescapeDouble(c byte) []byte {
	switch c {
	case '$', '`', '"', '\\':
		return []byte{c}
	case '\n':
		return nil
	default:
		return []byte{'\\', c}
	}
}

func (t *text) shellEscaped(value []byte) ([]byte, string) {
	t.next()
	if t.done() {
		return nil, "a backslash at the end"
	}
	if t.peek() == '\r' {
		return nil, whyCR
	}
	if c := t.next(); c != '\n' {
		value = append(value, c)
	}
	return value, ""
}
