package envfmt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

const (
	maxProblems = 10_000 // kept; an input that is not what it is taken for has one on each line
	maxShown    = 50     // in the text of the error
)

// An Entry is one name and its value, and the line on which it begins.
type Entry struct {
	Name  string
	Value secret.Value
	Line  int // from 1
}

// A Problem is one thing that is wrong with an input. Its text never repeats
// what stands there, since that may be a value; only names that are sound.
type Problem struct {
	Line int // from 1; 0 if it concerns the whole input
	Text string
}

// Problems are all that is wrong with an input, in the order of the lines.
// errors.As finds them in an error of [Read].
type Problems []Problem

// Error tells one problem a line, at most 50 of them.
func (p Problems) Error() string {
	var b strings.Builder
	for i, one := range p {
		if i == maxShown {
			fmt.Fprintf(&b, "\n  and %d more", len(p)-i)
			break
		}
		if i > 0 {
			b.WriteString("\n")
		}
		if one.Line > 0 {
			fmt.Fprintf(&b, "  line %d: %s", one.Line, one.Text)
		} else {
			b.WriteString("  " + one.Text)
		}
	}
	return b.String()
}

// A set collects what a reader finds.
type set struct {
	format   Format
	entries  []Entry
	lines    map[string]int
	problems Problems
	full     bool
}

func (s *set) problem(line int, format string, args ...any) {
	if len(s.problems) < maxProblems {
		s.problems = append(s.problems, Problem{line, fmt.Sprintf(format, args...)})
	}
}

// add takes one entry. The value is binary where it is no UTF-8.
func (s *set) add(line int, name string, value []byte) {
	if len(s.entries) >= MaxEntries {
		if !s.full {
			s.problem(line, "more than %d entries", MaxEntries)
		}
		s.full = true
		return
	}
	if !s.name(line, name) {
		return
	}
	if why := s.format.badValue(name, value); why != "" {
		s.problem(line, "the value of %s %s, which %s cannot hold", name, why, s.format.article())
		return
	}
	v := secret.Binary(value)
	if utf8.Valid(value) {
		v = secret.Text(value)
	}
	s.entries = append(s.entries, Entry{name, v, line})
}

// name checks a name and that it is new, and takes note of it.
func (s *set) name(line int, name string) bool {
	if why := s.format.badName(name); why != "" {
		s.problem(line, "what stands before the value is %s", why)
		return false
	}
	if first, ok := s.lines[name]; ok {
		s.problem(line, "%s is given again, first on line %d", name, first)
		return false
	}
	s.lines[name] = line
	return true
}

// result returns the entries, or all problems and nothing else. A line's first
// problem is enough: the others follow from it.
func (s *set) result() ([]Entry, error) {
	if len(s.problems) == 0 {
		return s.entries, nil
	}
	p := s.problems
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	p = slices.CompactFunc(p, func(a, b Problem) bool { return a.Line == b.Line })
	count := "1 problem"
	if len(p) > 1 {
		count = fmt.Sprintf("%d problems", len(p))
	}
	return nil, &secret.Error{
		Kind: secret.Invalid,
		Text: fmt.Sprintf("%s in the %s text; nothing was read\n%s", count, s.format, p.Error()),
		Err:  p,
	}
}
