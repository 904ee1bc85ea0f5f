package policy

import (
	"fmt"
	"strings"

	"github.com/cedar-policy/cedar-go"

	"github.com/tacit-secrets/tacit/secret"
)

// The limits of a policy text.
const (
	MaxBytes    = 1 << 20
	MaxPolicies = 10_000
)

// A Source is a policy text that passed all checks.
type Source struct {
	file     string
	policies cedar.PolicyList
}

// Len returns the number of policies.
func (s *Source) Len() int { return len(s.policies) }

// Parse reads a policy text and checks it against the built-in schema. The
// error is of kind [secret.Invalid] and lists every problem with file, line
// and column; a text that is no Cedar ends at the first.
func Parse(file string, text []byte) (*Source, error) {
	if err := bounded(file, text); err != nil {
		return nil, err
	}
	list, err := cedar.NewPolicyListFromBytes(file, text)
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "%s", syntax(file, err))
	}
	problems, err := check(file, text, list)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, secret.Errorf(secret.Invalid, "", "%s", strings.Join(problems, "\n  "))
	}
	return &Source{file, list}, nil
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
