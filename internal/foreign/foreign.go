package foreign

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/internal/envfmt"
	"github.com/tacit-secrets/tacit/secret"
)

// A Tool is one whose reference files can be read.
type Tool string

// The tools.
const (
	Vals       Tool = "vals"
	Chamber    Tool = "chamber"
	Fnox       Tool = "fnox"
	OpTemplate Tool = "op-template"
	Sops       Tool = "sops"
)

// Tools lists all tools.
func Tools() []Tool { return []Tool{Vals, Chamber, Fnox, OpTemplate, Sops} }

// ParseTool returns the tool of that name; an unknown one is [secret.Invalid].
func ParseTool(s string) (Tool, error) {
	var names []string
	for _, t := range Tools() {
		if string(t) == s {
			return t, nil
		}
		names = append(names, string(t))
	}
	return "", secret.Errorf(secret.Invalid, "", "%.40q is no tool whose files can be read\n  one of: %s", s, strings.Join(names, ", "))
}

// The kinds of stores that entries lie in, in tacit's words.
const (
	Vault = "vault"
	AWS   = "awssm"
	Azure = "azurekv"
)

// An Entry is one reference.
type Entry struct {
	Var  string // the variable it is known by
	Line int    // from 1
	// Store is the kind of store, one of those above. Empty: the tool has a
	// store of its own, and Name is what the secret could be called.
	Store string
	// Where tells one store of its kind from another, as far as the file says;
	// without Store, it tells one secret of the tool's own from another. Address
	// is the store's URL, if the file has that.
	Where, Address string
	// Name is the name in the store; for Vault, the mount comes first.
	Name  string
	Field string // empty: the whole value
	// What fnox says besides.
	Description string
	Default     *string
	Optional    bool
}

// Problem is what is wrong with a line, as in envfmt.
type Problem = envfmt.Problem

// Read reads the references of a text in a format (which fnox does not need:
// it is TOML). The error, of kind [secret.Invalid], is about the text as a
// whole; what is wrong with single references comes back as problems.
func Read(text []byte, t Tool, f envfmt.Format) ([]Entry, []Problem, error) {
	if t == Fnox {
		f = envfmt.TOML
	}
	entries, err := envfmt.Read(bytes.NewReader(text), f)
	if err != nil {
		return nil, nil, err
	}
	r := &reading{format: f}
	switch t {
	case Fnox:
		r.fnox(text, entries)
	case Vals:
		r.leaves(entries, r.vals)
	case OpTemplate:
		r.leaves(entries, r.op)
	case Sops:
		r.sops(entries)
	case Chamber:
		r.leaves(entries, r.chamber)
	}
	slices.SortStableFunc(r.entries, func(a, b Entry) int { return a.Line - b.Line })
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return a.Line - b.Line })
	return r.entries, r.problems, nil
}

// reading is a file that is being read.
type reading struct {
	format   envfmt.Format
	entries  []Entry
	problems []Problem
}

func (r *reading) problem(l leaf, format string, args ...any) {
	r.problems = append(r.problems, Problem{Line: l.line, Text: strings.Join(l.path, ".") + ": " + fmt.Sprintf(format, args...)})
}

func (r *reading) add(l leaf, e Entry) {
	e.Line = l.line
	if e.Var == "" {
		e.Var = variable(l.path)
	}
	if !sound(e.Var) {
		r.problem(l, "no variable can be called that")
		return
	}
	r.entries = append(r.entries, e)
}

// variable is what a program would call a setting at a path: as it stands if
// it is a variable, else in upper case with _ for what no variable holds.
func variable(path []string) string {
	if len(path) == 1 && sound(path[0]) {
		return path[0]
	}
	return strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z':
			return c - 'a' + 'A'
		case 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
			return c
		default:
			return '_'
		}
	}, strings.Join(path, "_"))
}

// sound reports whether s is the name of a variable.
func sound(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 256
}
