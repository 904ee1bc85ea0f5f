package policy

import (
	"fmt"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// The limits of one policy. Cedar's parser and validator are recursive and
// take the square of some lengths: "context has a.a.a…" of 400 KB would take
// all memory. Brackets, chains of "." and of "!" are therefore bounded before
// they see a text; no policy that anyone writes comes near.
const (
	maxPolicyBytes = 64 << 10
	maxNesting     = 64 // brackets within brackets
	maxChain       = 16 // a.b.c, or !!!x
)

// bounded reports the first limit that a text breaks.
func bounded(file string, text []byte) error {
	if len(text) > MaxBytes {
		return secret.Errorf(secret.Invalid, "", "%s: a policy text has at most %d bytes, this one has %d", file, MaxBytes, len(text))
	}
	var b bounds
	for t := range tokens(text) {
		if what := b.next(t); what != "" {
			return secret.Errorf(secret.Invalid, "", "%s: %s", at(file, text, t.at), what)
		}
	}
	if len(text)-b.start > maxPolicyBytes {
		return secret.Errorf(secret.Invalid, "", "%s: %s", at(file, text, b.start), tooLong())
	}
	return nil
}

func tooLong() string { return fmt.Sprintf("a policy has at most %d bytes", maxPolicyBytes) }

// bounds counts what is limited while it passes over a text.
type bounds struct{ policies, start, depth, dots, signs int }

func (b *bounds) next(t token) (broken string) {
	b.chains(t.c)
	switch t.c {
	case '(', '[', '{':
		b.depth++
	case ')', ']', '}':
		b.depth--
	case ';':
		b.policies++
		if t.at-b.start > maxPolicyBytes {
			return tooLong()
		}
		b.start = t.at + 1
	}
	switch {
	case b.depth > maxNesting:
		return fmt.Sprintf("brackets are nested more than %d deep", maxNesting)
	case b.dots > maxChain || b.signs > maxChain:
		return fmt.Sprintf("more than %d attributes or signs in a row", maxChain)
	case b.policies > MaxPolicies:
		return fmt.Sprintf("a text has at most %d policies", MaxPolicies)
	default:
		return ""
	}
}

// chains counts the dots between names, and the signs before something.
func (b *bounds) chains(c byte) {
	switch {
	case strings.IndexByte(" \t\r\n", c) >= 0:
	case c == '.':
		b.dots, b.signs = b.dots+1, 0
	case c == '!' || c == '-':
		b.dots, b.signs = 0, b.signs+1
	case c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9':
		b.signs = 0
	default:
		b.dots, b.signs = 0, 0
	}
}

// at names a place in a text as compilers do: file, line, column, from 1.
func at(file string, text []byte, offset int) string {
	line, column := 1, 1
	for _, r := range string(text[:min(offset, len(text))]) {
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return fmt.Sprintf("%s:%d:%d", file, line, column)
}
