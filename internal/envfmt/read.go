package envfmt

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

// What is read at most. More is [secret.Invalid].
const (
	MaxBytes         = 64 << 20 // of one input
	MaxDocumentBytes = 16 << 20 // of one YAML or TOML document, which takes much more memory than its size
	MaxEntries       = 100_000  // of one input
	MaxDepth         = 64       // objects and lists within each other
)

// Read reads all entries, in their order. A text that is half right yields
// nothing: the error is of kind [secret.Invalid], its text names each line that
// is wrong, and its cause is the [Problems]. A reader that fails is
// [secret.Unavailable].
//
// It is strict: a name that is given twice, a byte order mark, bytes that are
// no UTF-8 (in a shell file they are a binary value), text after a closing
// quote, a quote that is not closed, and everything that a program would run
// or expand are problems. Nothing of that is repaired.
func Read(r io.Reader, f Format) ([]Entry, error) {
	if _, err := ParseFormat(string(f)); err != nil {
		return nil, err
	}
	limit := MaxBytes
	if f == YAML || f == TOML || f == Kubernetes {
		limit = MaxDocumentBytes
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, &secret.Error{Kind: secret.Unavailable, Text: "the " + string(f) + " text cannot be read", Err: err}
	}
	s := &set{format: f, lines: map[string]int{}}
	if len(b) > limit {
		s.problem(0, "it is larger than %d MiB", limit>>20)
		return s.result()
	}
	if s.encoding(b) {
		s.read(b)
	}
	return s.result()
}

func (s *set) read(b []byte) {
	switch s.format {
	case Dotenv:
		s.each(b, dotenvEntry)
	case Shell:
		s.each(b, shellEntry)
	case Systemd:
		s.each(b, systemdEntry)
	case Docker:
		s.docker(b)
	case GitHub:
		s.each(b, githubEntry)
	case JSON:
		s.json(b)
	case YAML:
		s.yaml(b)
	case Kubernetes:
		s.kubernetes(b)
	case TOML:
		s.toml(b)
	}
}

// encoding names the lines that are no text, and reports whether it is worth
// going on.
func (s *set) encoding(b []byte) bool {
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		s.problem(1, "it begins with a byte order mark; save it as UTF-8 without one")
		return false
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		s.problem(1, "it is UTF-16; save it as UTF-8 without a byte order mark")
		return false
	case s.format == Shell && bytes.IndexByte(b, 0) < 0:
		return true
	}
	n := 0
	for line := range bytes.Lines(b) {
		n++
		if bytes.IndexByte(line, 0) >= 0 {
			s.problem(n, "a NUL byte, which no text holds")
		} else if s.format != Shell && !utf8.Valid(line) {
			s.problem(n, "bytes that are no UTF-8 text")
		}
	}
	return s.format.variables() || len(s.problems) == 0
}

// each reads one entry after the other until the text ends. An entry that is
// wrong costs its first line only, so that the others are looked at too.
func (s *set) each(b []byte, entry func(*text) (name string, value []byte, why string)) {
	t := &text{b: b, line: 1}
	for !t.done() && !s.full {
		start := *t
		name, value, why := entry(t)
		if why != "" {
			s.problem(start.entryLine(), "%s", why)
			*t = start
			t.skipBlank()
			t.skipLine()
			continue
		}
		if name != "" {
			s.add(start.entryLine(), name, value)
		}
	}
}

// entryLine returns the line on which the entry that begins at t begins to say
// something.
func (t text) entryLine() int {
	t.skipBlank()
	return t.line
}

// A text is what is left to read.
type text struct {
	b    []byte
	at   int
	line int
}

func (t *text) done() bool { return t.at >= len(t.b) }

// peek returns the next byte, 0 at the end: there are no NUL bytes.
func (t *text) peek() byte {
	if t.done() {
		return 0
	}
	return t.b[t.at]
}

func (t *text) next() byte {
	c := t.peek()
	if c == '\n' {
		t.line++
	}
	if !t.done() {
		t.at++
	}
	return c
}

// take skips the bytes that are in of and returns how many there were.
func (t *text) take(of string) int {
	start := t.at
	for !t.done() && strings.IndexByte(of, t.b[t.at]) >= 0 {
		t.next()
	}
	return t.at - start
}

// skip goes behind c if it comes next.
func (t *text) skip(c byte) bool {
	if t.done() || t.peek() != c {
		return false
	}
	t.next()
	return true
}

func (t *text) skipBlank() { t.take(" \t\r\n") }

// restOfLine returns what is left of the line, without its end, and goes on to
// the next.
func (t *text) restOfLine() []byte {
	rest := t.b[t.at:]
	if i := bytes.IndexByte(rest, '\n'); i >= 0 {
		t.at += i + 1
		t.line++
		return rest[:i]
	}
	t.at = len(t.b)
	return rest
}

func (t *text) skipLine() { t.restOfLine() }

// endOfLine reports whether nothing is left on the line but its end, CR LF
// included, and goes on to the next.
func (t *text) endOfLine() bool {
	if t.done() {
		return true
	}
	if t.peek() == '\r' && t.at+1 < len(t.b) && t.b[t.at+1] == '\n' {
		t.next()
	}
	return t.next() == '\n'
}

// word takes the bytes up to one of ends, or the end of the line.
func (t *text) word(ends string) string {
	start := t.at
	for !t.done() && t.b[t.at] != '\n' && strings.IndexByte(ends, t.b[t.at]) < 0 {
		t.at++
	}
	return string(t.b[start:t.at])
}

// export skips the word export and what separates it from the name.
func (t *text) export() bool {
	rest := t.b[t.at:]
	if !bytes.HasPrefix(rest, []byte("export ")) && !bytes.HasPrefix(rest, []byte("export\t")) {
		return false
	}
	t.at += len("export")
	t.take(" \t")
	return true
}

const (
	whyName  = "no name of a variable before the ="
	whyEqual = "no = after a name"
	whyOpen  = "its quote is not closed"
	whyAfter = "more text after the closing quote"
	whyCR    = "a carriage return that does not end the line"
)
