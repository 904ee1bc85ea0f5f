package envfmt

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The dialect is that of python-dotenv from 1.2.3 with interpolate=False, less
// what other programs or its own older versions read in another way.

// Python's escapes; any other backslash stands for itself.
const (
	doubleEscapes = `\'"abfnrtv`
	doubleMeaning = "\\'\"\a\b\f\n\r\t\v"
	singleEscapes = `\'`
)

// dotenvEntry reads the next assignment; no name if only blanks and a comment
// were left.
func dotenvEntry(t *text) (name string, value []byte, why string) {
	t.skipBlank()
	if t.done() {
		return "", nil, ""
	}
	if t.peek() == '#' {
		return "", nil, t.comment()
	}
	t.export()
	name = t.word("= \t\r#")
	if !variable(name) {
		return "", nil, whyName
	}
	t.take(" \t")
	if t.peek() != '=' {
		return "", nil, whyEqual
	}
	t.next()
	blank := t.take(" \t") > 0
	switch c := t.peek(); {
	case c == '\'' || c == '"':
		value, why = t.dotenvQuoted()
	case c == '#' && blank:
		why = t.comment()
	case c == '#':
		why = "a value that begins with # needs quotes"
	case c == '`':
		why = "a value that begins with a backtick needs quotes, ' or \", since programs differ on it"
	default:
		value, why = dotenvPlain(t.restOfLine())
	}
	return name, value, why
}

// comment goes on to the next line.
func (t *text) comment() (why string) {
	if bytes.IndexByte(bytes.TrimSuffix(t.restOfLine(), []byte("\r")), '\r') >= 0 {
		return whyCR
	}
	return ""
}

// dotenvPlain reads a value without quotes: the rest of its line, up to a
// blank followed by #.
func dotenvPlain(line []byte) (value []byte, why string) {
	value = bytes.TrimSuffix(line, []byte("\r"))
	if i := inlineComment(value); i >= 0 {
		if bytes.IndexByte(value, '\r') >= 0 {
			return nil, whyCR
		}
		value = value[:i]
	}
	value = bytes.TrimRight(value, " \t")
	if bytes.IndexByte(value, '\r') >= 0 {
		return nil, whyCR
	}
	if bytes.ContainsFunc(value, unseen) {
		return nil, "a control character or an unusual space outside quotes"
	}
	return bytes.Clone(value), ""
}

// inlineComment returns where a blank followed by # begins, -1 if none does.
func inlineComment(b []byte) int {
	for i := 1; i < len(b); i++ {
		if b[i] == '#' && (b[i-1] == ' ' || b[i-1] == '\t') {
			return i - 1
		}
	}
	return -1
}

// unseen reports whether programs may take r for a space, or cut at it.
func unseen(r rune) bool {
	return r != ' ' && r != '\t' && (unicode.IsSpace(r) || unicode.IsControl(r) || r == utf8.RuneError)
}

// dotenvQuoted reads a quoted value and what may follow it on its line.
func (t *text) dotenvQuoted() (value []byte, why string) {
	quote := t.next()
	value = []byte{}
	for {
		if t.done() {
			return nil, whyOpen
		}
		c := t.next()
		if c == quote {
			break
		}
		if c == '\\' && !t.done() {
			value = append(value, dotenvEscape(t, quote)...)
		} else {
			value = append(value, c)
		}
		if t.b[t.at-1] == '\r' {
			return nil, `a carriage return within quotes; write it as \r in double quotes`
		}
	}
	t.take(" \t")
	if t.peek() == '#' {
		return value, t.comment()
	}
	if !t.endOfLine() {
		return nil, whyAfter
	}
	return value, ""
}

// dotenvEscape reads what follows a backslash.
func dotenvEscape(t *text, quote byte) []byte {
	c := t.next()
	escapes, meaning := singleEscapes, singleEscapes
	if quote == '"' {
		escapes, meaning = doubleEscapes, doubleMeaning
	}
	if i := strings.IndexByte(escapes, c); i >= 0 {
		return []byte{meaning[i]}
	}
	return []byte{'\\', c}
}

// A form is one way to write a value in a .env file.
type form struct {
	quote byte   // ', " or 0 for none
	inner string // what stands between the quotes
	plain bool   // without quotes and harmless everywhere
}

func (f form) String() string {
	if f.quote == 0 {
		return f.inner
	}
	return string(f.quote) + f.inner + string(f.quote)
}

// forms lists the ways to write v that tacit and python-dotenv read back, the
// preferred one first: single quotes keep a shell that reads the file by
// mistake from running or expanding anything.
func forms(v string) []form {
	var all []form
	bare := form{inner: v, plain: only(v, nameBytes+"./:@%+,=^-")}
	if bare.plain {
		all = append(all, bare)
	}
	if !strings.Contains(v, "\r") {
		all = append(all, form{quote: '\'', inner: escapeDotenv(v, '\'', singleEscapes)})
	}
	all = append(all, form{quote: '"', inner: escapeDotenv(v, '"', doubleEscapes)})
	if !bare.plain && bareHolds(v) {
		all = append(all, bare)
	}
	return all
}

// escapeDotenv escapes as little as possible, since other programs know fewer
// escapes: a backslash only where it would be read as one.
func escapeDotenv(v string, quote byte, escapes string) string {
	var b strings.Builder
	for i := range len(v) {
		switch c := v[i]; {
		case c == quote, c == '\\' && (i+1 == len(v) || strings.IndexByte(escapes+"\r", v[i+1]) >= 0):
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\r':
			b.WriteString(`\r`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// bareHolds reports whether v stands without quotes.
func bareHolds(v string) bool {
	if v == "" || strings.IndexByte("'\"`#", v[0]) >= 0 || strings.ContainsAny(v, "\r\n") {
		return false
	}
	read, why := dotenvPlain([]byte(v))
	return why == "" && string(read) == v && v[0] != ' ' && v[0] != '\t'
}
