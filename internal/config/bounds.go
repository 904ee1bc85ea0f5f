package config

import (
	"bytes"
	"fmt"

	"github.com/tacit-secrets/tacit/secret"
)

// The limits of a file besides its size. The TOML parser is recursive and
// takes the square of some lengths: 300 KB of "{a={a=…" would keep it busy for
// minutes, and a clone that holds them would stop every command, completion
// included. So brackets and dotted keys are bounded before it sees a text, and
// what is multiplied with each other afterwards.
const (
	maxNesting      = 32    // brackets within brackets
	maxDots         = 64    // dots in one key, or one number
	maxAssignments  = 20000 // "=" and table headers
	maxEnvironments = 64
	maxDeclared     = 20000   // secrets of a file, or of one of its environments
	maxJoined       = 128_000 // environments times secrets: what joining them costs
	maxProblems     = 20      // told at once
)

// bounded reports the first limit that a text breaks.
func bounded(name string, text []byte) error {
	depth, dots, assignments, line := 0, 0, 0, 1
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"', '\'':
			end := skipString(text, i)
			line += bytes.Count(text[i:end], []byte("\n"))
			i = end - 1
			continue
		case '#':
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case '\n':
			line++
			dots = 0
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '.':
			dots++
		case '=', ',':
			dots = 0
			assignments++
		}
		if what := broken(depth, dots, assignments); what != "" {
			return secret.Errorf(secret.Invalid, "", "%s:%d: %s", name, line, what)
		}
	}
	return nil
}

func broken(depth, dots, assignments int) string {
	switch {
	case depth > maxNesting:
		return fmt.Sprintf("brackets are nested more than %d deep", maxNesting)
	case dots > maxDots:
		return fmt.Sprintf("a key has more than %d dots", maxDots)
	case assignments > maxAssignments:
		return fmt.Sprintf("there are more than %d settings", maxAssignments)
	default:
		return ""
	}
}

// skipString returns where the string that begins at i ends: behind its
// closing quotes, or at the end of its line or of the text.
func skipString(text []byte, i int) int {
	quote := text[i]
	long := hasQuotes(text, i, quote)
	if long {
		i += 2
	}
	for i++; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quote == '"':
			i++
		case c == quote && !long:
			return i + 1
		case c == quote && hasQuotes(text, i, quote):
			i += 3
			for extra := 0; extra < 2 && i < len(text) && text[i] == quote; extra++ {
				i++ // up to two belong to the text
			}
			return i
		case c == '\n' && !long:
			return i
		}
	}
	return len(text)
}

// hasQuotes reports whether three of them stand at i.
func hasQuotes(text []byte, i int, quote byte) bool {
	return i+2 < len(text) && text[i] == quote && text[i+1] == quote && text[i+2] == quote
}
