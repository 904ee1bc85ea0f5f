package policy

import (
	"fmt"
	"strings"

	"github.com/cedar-policy/cedar-go"
	ast "github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/tacit-secrets/tacit/secret"
)

// The limits of a policy text.
const (
	MaxBytes    = 1 << 20
	MaxPolicies = 10_000
	maxNesting  = 64 // brackets within brackets
)

// A Source is a policy text that passed all checks.
type Source struct {
	file     string
	policies cedar.PolicyList
}

// Len returns the number of policies.
func (s *Source) Len() int { return len(s.policies) }

// Parse reads a policy text and checks it against the built-in schema. The
// error is of kind [secret.Invalid] and lists every problem with file and line.
func Parse(file string, text []byte) (*Source, error) {
	if len(text) > MaxBytes {
		return nil, secret.Errorf(secret.Invalid, "", "%s: a policy text has at most %d bytes", file, MaxBytes)
	}
	if nesting(text) > maxNesting {
		return nil, secret.Errorf(secret.Invalid, "", "%s: brackets are nested more than %d deep", file, maxNesting)
	}
	list, err := cedar.NewPolicyListFromBytes(file, text)
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "%s: %s", file, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	if len(list) > MaxPolicies {
		return nil, secret.Errorf(secret.Invalid, "", "%s: at most %d policies", file, MaxPolicies)
	}
	check, err := validator()
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, p := range list {
		at := place(file, p)
		if err := check.Policy(at, (*ast.Policy)(p.AST())); err != nil {
			problems = append(problems, problem(at, err))
		}
	}
	if len(problems) > 0 {
		return nil, secret.Errorf(secret.Invalid, "", "%s", strings.Join(problems, "\n  "))
	}
	return &Source{file, list}, nil
}

// problem words what the validator found, and names the verb that was meant.
func problem(at string, err error) string {
	text := strings.ReplaceAll(strings.TrimPrefix(err.Error(), at+": "), "\n", " ")
	if _, rest, ok := strings.Cut(text, `Action::"`); ok {
		if id, _, ok := strings.Cut(rest, `"`); ok && !secret.Verb(id).Known() {
			return fmt.Sprintf("%s: no action %q is known; there are: %s", at, id, verbList())
		}
	}
	return at + ": " + text
}

func verbList() string {
	var out []string
	for _, v := range secret.Verbs() {
		out = append(out, string(v))
	}
	return strings.Join(out, ", ")
}

// place names a policy by file and line, as compilers do.
func place(file string, p *cedar.Policy) string { return fmt.Sprintf("%s:%d", file, p.Position().Line) }

// nesting returns how deep brackets are nested, outside of strings and
// comments: the parser is recursive, and its stack is not ours to spend.
func nesting(text []byte) int {
	depth, deepest := 0, 0
	for t := range tokens(text) {
		switch t.c {
		case '(', '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ')', ']', '}':
			depth--
		}
	}
	return deepest
}

type token struct {
	c  byte
	at int
}

// tokens yields the bytes of a text that are in no string and no comment.
func tokens(text []byte) func(yield func(token) bool) {
	return func(yield func(token) bool) {
		for i := 0; i < len(text); i++ {
			switch c := text[i]; {
			case c == '"':
				for i++; i < len(text) && text[i] != '"'; i++ {
					if text[i] == '\\' {
						i++
					}
				}
			case c == '/' && i+1 < len(text) && text[i+1] == '/':
				for i < len(text) && text[i] != '\n' {
					i++
				}
			default:
				if !yield(token{c, i}) {
					return
				}
			}
		}
	}
}
