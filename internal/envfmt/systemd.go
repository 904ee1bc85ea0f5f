package envfmt

import "bytes"

// systemdEntry reads the next assignment as systemd.exec(5) says; no name if
// only blanks and a comment were left.
func systemdEntry(t *text) (name string, value []byte, why string) {
	t.skipBlank()
	if t.done() {
		return "", nil, ""
	}
	if c := t.peek(); c == '#' || c == ';' {
		line := bytes.TrimSuffix(t.restOfLine(), []byte("\r"))
		if bytes.IndexByte(line, '\r') >= 0 {
			return "", nil, whyCR
		}
		if bytes.HasSuffix(line, []byte(`\`)) {
			return "", nil, "a comment that ends in a backslash, on which versions of systemd differ"
		}
		return "", nil, ""
	}
	if t.export() {
		return "", nil, "export, which systemd does not know"
	}
	name = t.word("= \t\r")
	t.take(" \t")
	if t.peek() != '=' {
		return "", nil, whyEqual
	}
	if !variable(name) {
		return "", nil, whyName
	}
	t.next()
	t.take(" \t")
	if c := t.peek(); c == '\'' || c == '"' {
		value, why = t.systemdQuoted()
	} else {
		value, why = t.systemdPlain()
	}
	return name, value, why
}

// systemdPlain reads a value without quotes: a backslash takes the next
// character as it is and joins lines; blanks at the end do not count.
func (t *text) systemdPlain() (value []byte, why string) {
	value = []byte{}
	kept := 0 // blanks up to here were escaped, or are followed by something
	for !t.done() {
		switch c := t.peek(); c {
		case '\r':
			if !t.endOfLine() {
				return nil, whyCR
			}
			return value[:kept], ""
		case '\n':
			t.next()
			return value[:kept], ""
		case '\\':
			t.next()
			if t.done() || t.peek() == '\r' {
				return nil, "a backslash at the end"
			}
			if c := t.next(); c != '\n' {
				value = append(value, c)
			}
			kept = len(value)
		default:
			value = append(value, t.next())
			if c != ' ' && c != '\t' {
				kept = len(value)
			}
		}
	}
	return value[:kept], ""
}

func (t *text) systemdQuoted() (value []byte, why string) {
	if t.peek() == '\'' {
		value, why = t.shellSingle([]byte{})
	} else {
		value, why = t.systemdDouble()
	}
	if why != "" {
		return nil, why
	}
	t.take(" \t")
	if !t.endOfLine() {
		return nil, whyAfter
	}
	return value, ""
}

// systemdDouble reads double quotes; unlike in a shell, $ and the backtick are
// characters like others.
func (t *text) systemdDouble() (value []byte, why string) {
	t.next()
	value = []byte{}
	for !t.done() {
		switch c := t.next(); {
		case c == '"':
			return value, ""
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

// escapeSystemd escapes what has a meaning in double quotes: to systemd only "
// and the backslash, to a shell that sources the file also $ and the backtick.
func escapeSystemd(b []byte) string {
	out := make([]byte, 0, len(b)+8)
	for _, c := range b {
		if c == '"' || c == '\\' || c == '$' || c == '`' {
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return string(out)
}
