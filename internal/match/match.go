package match

import (
	"fmt"
	"io"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// The limits of a [Matcher].
const (
	// MinLength is the length in bytes below which a value is not looked for:
	// shorter ones turn up by chance, and masking them would tell what they are.
	MinLength = 8
	// MaxPatterns bounds how many values one Matcher looks for.
	MaxPatterns = 4096
	// MaxLabel bounds a label, in bytes.
	MaxLabel = 256
	// MaxValue bounds one value, in bytes.
	MaxValue = 1 << 20
	// maxBytes bounds the encoded forms of all values together.
	maxBytes = 128 << 20
)

// A Pattern is a value to look for and the label that takes its place, like
// the name of the variable it was given in.
type Pattern struct {
	Label string
	Value secret.Value
}

// A Matcher looks for the values it was made with. It is safe for concurrent
// use and never prints them. A nil Matcher finds nothing.
type Matcher struct {
	// A closure, not a pointer: fmt would print the patterns it finds behind
	// an unexported field.
	engine func() *engine
	short  []string
}

// New makes a Matcher of ps. Values shorter than [MinLength] are left out and
// told by [Matcher.Short]. Where two patterns have equal bytes, the label of
// the first is used. Too many, too large or badly labelled patterns are
// [secret.Invalid].
func New(ps []Pattern) (*Matcher, error) {
	if len(ps) > MaxPatterns {
		return nil, secret.Errorf(secret.Invalid, "", "%d values are too many to look for at once, the limit is %d", len(ps), MaxPatterns)
	}
	m := &Matcher{}
	e := newEngine()
	for _, p := range ps {
		if p.Label == "" || len(p.Label) > MaxLabel || strings.ContainsAny(p.Label, "‹›\r\n\x00\x1b") {
			return nil, secret.Errorf(secret.Invalid, "", "a value to look for has no fit label")
		}
		v := p.Value.Reveal()
		if len(v) < MinLength {
			m.short = append(m.short, p.Label)
			continue
		}
		if len(v) <= MaxValue {
			e.add(p.Label, forms(v))
		}
		if len(v) > MaxValue || e.bytes > maxBytes {
			return nil, secret.Errorf(secret.Invalid, "", "%s: %d bytes are too much to look for", p.Label, len(v))
		}
	}
	e.build()
	m.engine = func() *engine { return e }
	return m, nil
}

// Short returns the labels of the values that are too short to be looked for.
func (m *Matcher) Short() []string {
	if m == nil {
		return nil
	}
	return m.short
}

// Empty reports whether there is nothing to look for.
func (m *Matcher) Empty() bool { return m == nil || m.engine == nil || len(m.engine().pats) == 0 }

// Format implements [fmt.Formatter]: it says how much is looked for, never
// what.
func (m *Matcher) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "[matcher]")
}
