package cli

import (
	"bytes"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

// This file reads what is typed and pasted at a hidden prompt. The terminal is
// raw, so that what its own line editing does is done here: nothing is cut at
// 4,095 bytes, and a key of several lines can be pasted.

// What a terminal puts around what is pasted, where it was asked to.
const pasteBegins, pasteEnds = "\x1b[200~", "\x1b[201~"

// typed is one hidden line so far.
type typed struct {
	value   []byte
	paste   []byte // what is being pasted
	pasting bool
	escape  []byte // a sequence of the keyboard that has begun
}

// feed takes what was typed and reports whether the line ended.
func (t *typed) feed(b []byte) (done bool, err error) {
	for i, c := range b {
		if len(t.value)+len(t.paste) > maxInput {
			return false, secret.Errorf(secret.Invalid, "", "the input is larger than %d bytes", maxInput)
		}
		switch {
		case t.pasting:
			t.pasted(c)
		case t.escaped(c):
		case c == '\r' || c == '\n':
			return true, t.alone(c, b[i+1:])
		case c == 'C'-'@':
			return false, interrupted()
		case c == 'D'-'@' && len(t.value) == 0:
			return false, noAnswer()
		case c == 'D'-'@':
			return true, nil
		default:
			t.key(c)
		}
	}
	return false, nil
}

// key takes one key.
func (t *typed) key(c byte) {
	switch c {
	case '\b', 0x7f:
		_, n := utf8.DecodeLastRune(t.value)
		t.value = t.value[:len(t.value)-n]
	case 'U' - '@':
		t.value = t.value[:0]
	case 'Z' - '@', '\\' - '@': // would stop or end a process
	default:
		t.value = append(t.value, c)
	}
}

// alone refuses a line that did not come alone: several lines were pasted, and
// the terminal did not say so. Taking the first would keep a piece of a key
// and give the rest to the shell.
func (t *typed) alone(end byte, rest []byte) error {
	if end == '\r' {
		rest = bytes.TrimPrefix(rest, []byte("\n"))
	}
	if len(rest) == 0 {
		return nil
	}
	return secret.Errorf(secret.Invalid, "", "more than one line came at once: nothing was changed\n  a value of several lines comes from a file, with --file or on stdin")
}

// escaped takes the sequences that keys like the arrows send: nobody means
// them as part of a value. Only the mark of a paste counts.
func (t *typed) escaped(c byte) bool {
	switch {
	case len(t.escape) == 0 && c != 0x1b:
		return false
	case len(t.escape) == 1 && c < ' ': // the escape key alone, and then another
		t.escape = nil
		return false
	}
	t.escape = append(t.escape, c)
	if string(t.escape) == pasteBegins {
		t.pasting = true
	}
	if len(t.escape) > 1 && ends(t.escape) {
		t.escape = nil
	}
	return true
}

// ends reports whether a sequence is whole.
func ends(s []byte) bool {
	last := s[len(s)-1]
	switch {
	case len(s) > 16:
		return true
	case s[1] == '[':
		return len(s) > 2 && last >= '@' && last <= '~'
	case s[1] == 'O':
		return len(s) > 2
	default:
		return true
	}
}

// pasted takes one byte of what is pasted. Terminals send a carriage return
// for a newline. The newline after a single line stands for the enter key.
func (t *typed) pasted(c byte) {
	t.paste = append(t.paste, c)
	text, ended := bytes.CutSuffix(t.paste, []byte(pasteEnds))
	if !ended {
		return
	}
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	text = bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
	if bytes.IndexByte(text, '\n') == len(text)-1 {
		text = bytes.TrimSuffix(text, []byte("\n"))
	}
	t.value = append(t.value, text...)
	t.paste, t.pasting = nil, false
}
