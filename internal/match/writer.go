package match

import (
	"fmt"
	"io"
	"maps"
)

// A Writer passes on what is written to it, with values replaced by their
// labels as ‹LABEL›. It is not safe for concurrent use.
//
// At each place the longest pattern wins; every byte that belongs to a pattern
// is replaced, also where patterns overlap. A Writer keeps back only bytes
// that may be the beginning of a pattern, until the next bytes decide or
// [Writer.Close] ends the text: never longer, and it knows no time.
//
// A pattern with a long period (a value of thousands of equal bytes) can make
// it slow on text with the same period; it stays right.
type Writer struct {
	// A closure, not fields: what is kept back may be most of a value.
	state func() *state
}

type state struct {
	dst    io.Writer
	e      *engine
	held   []byte // what is kept back, beginning with an undecided place
	open   bool   // cand is about the first byte of held
	cand   candidate
	cover  int   // how many bytes from the beginning of held are replaced already
	last   int32 // the label last written for what is covered
	out    []byte
	counts map[string]int
	err    error
}

// NewWriter returns a Writer to dst for the patterns of m. dst gets each
// Write's bytes in one piece, as far as they are decided.
func NewWriter(dst io.Writer, m *Matcher) *Writer {
	s := &state{dst: dst, counts: map[string]int{}}
	if !m.Empty() {
		s.e = m.engine()
	}
	return &Writer{state: func() *state { return s }}
}

// Format implements [fmt.Formatter] and shows nothing of the text.
func (w *Writer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacting writer]") }

// Counts returns how often each label was put in the place of a value so far.
func (w *Writer) Counts() map[string]int { return maps.Clone(w.state().counts) }

// Follow looks for the patterns of m from here on, also in what is kept back.
// Those of before are forgotten unless m has them too.
func (w *Writer) Follow(m *Matcher) {
	s := w.state()
	// The candidate and the label belong to the engine of before. What is kept
	// back is looked at again, from its beginning.
	s.e, s.open, s.cand, s.last = nil, false, candidate{}, -1
	if !m.Empty() {
		s.e = m.engine()
	} else if len(s.held) > 0 && s.err == nil {
		s.out = s.out[:0]
		s.pass(s.held[min(s.cover, len(s.held)):])
		s.held, s.cover = s.held[:0], 0
	}
}

// Write implements [io.Writer]. It returns the errors of the destination as
// they are, and keeps returning the first one.
func (w *Writer) Write(p []byte) (int, error) {
	s := w.state()
	if s.err != nil {
		return 0, s.err
	}
	if s.e == nil {
		return s.dst.Write(p)
	}
	text := p
	if len(s.held) > 0 {
		s.held = append(s.held, p...)
		text = s.held
	}
	s.scan(text, false)
	if s.err != nil {
		return 0, s.err
	}
	return len(p), nil
}

// Close passes on what was kept back. It does not close the destination.
func (w *Writer) Close() error {
	s := w.state()
	if s.err == nil && s.e != nil && len(s.held) > 0 {
		s.scan(s.held, true)
	}
	return s.err
}

// scan decides as much of text as it can, passes it on and keeps the rest.
func (s *state) scan(text []byte, end bool) {
	s.out = s.out[:0]
	done, p := s.cover, 0 // text[:done] is passed on or replaced
	for {
		at, found := s.find(text, p, end)
		p = at
		if !found {
			break
		}
		if to := at + len(s.e.pats[s.cand.best].text); to > done {
			s.out = append(s.out, text[min(done, at):at]...)
			s.replace(at < done)
			done = to
		}
		p++
	}
	s.pass(text[min(done, p):p])
	s.cover = max(done-p, 0)
	s.held = append(s.held[:0], text[p:]...)
}

// find returns the first place from p on where a pattern stands, which is then
// the candidate's best; or, with false, the first place that is undecided.
func (s *state) find(text []byte, p int, end bool) (at int, found bool) {
	if s.open { // about the first byte of text
		s.open = false
		if s.decide(text, end) {
			return p, s.cand.best >= 0 && !s.open
		}
		p++
	}
	for {
		at, key := s.e.next(text, p)
		if key < 0 {
			for !end && at < len(text) && !s.e.begins(text[at:]) {
				at++
			}
			if end {
				at = len(text)
			}
			return at, false
		}
		s.e.open(&s.cand, key)
		if s.decide(text[at:], end) {
			return at, s.cand.best >= 0 && !s.open
		}
		p = at + 1
	}
}

// decide looks at the candidate with all that is known of its text. It reports
// whether a pattern is there or may be there; then s.open is set.
func (s *state) decide(text []byte, end bool) bool {
	s.e.extend(&s.cand, text)
	s.open = len(s.cand.live) > 0 && !end
	return s.open || s.cand.best >= 0
}

// replace writes the label of the candidate's best, once for what overlaps.
func (s *state) replace(overlaps bool) {
	l := s.e.pats[s.cand.best].label
	if overlaps && l == s.last {
		return
	}
	s.last = l
	name := s.e.labels[l]
	s.out = append(append(append(s.out, "‹"...), name...), "›"...)
	s.counts[name]++
}

// pass writes what was collected and then b, without copying b where it can.
func (s *state) pass(b []byte) {
	if len(s.out) > 0 {
		s.out = append(s.out, b...)
		b = s.out
	}
	if len(b) > 0 {
		_, s.err = s.dst.Write(b)
	}
}
