package policy

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	ast "github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/tacit-secrets/tacit/secret"
)

// maxProblems is how many problems of one text are told.
const maxProblems = 50

// check holds policies against the schema, and against what the schema cannot
// say: names that no request can have, which would turn a forbid into nothing.
func check(file string, text []byte, list cedar.PolicyList) ([]string, error) {
	v, err := validator()
	if err != nil {
		return nil, err
	}
	var all []string
	for i, p := range list {
		from, to := p.Position().Offset, len(text)
		if i+1 < len(list) {
			to = list[i+1].Position().Offset
		}
		one := piece{file, text, from, to}
		tree := (*ast.Policy)(p.AST())
		if err := v.Policy("", tree); err != nil {
			all = append(all, one.schema(err.Error())...)
		}
		all = append(all, one.names(tree)...)
		if len(all) >= maxProblems {
			return append(all[:maxProblems], file+": there is more"), nil
		}
	}
	return all, nil
}

// A piece is one policy within its text.
type piece struct {
	file     string
	text     []byte
	from, to int
}

// at is where a word stands in the policy, or the policy if it does not.
func (p piece) at(word string) string {
	i := bytes.Index(p.text[p.from:p.to], []byte(word))
	return at(p.file, p.text, p.from+max(i, 0))
}

// schema words what the validator found, each thing once: it tells the same
// for every action.
func (p piece) schema(found string) []string {
	var out, rest []string
	seen := map[string]bool{}
	for line := range strings.SplitSeq(found, "\n") {
		line = strings.TrimPrefix(line, "for policy ``, ")
		line, _, _ = strings.Cut(line, ` for Action::"`)
		if seen[line] || len(seen) >= maxProblems {
			continue
		}
		seen[line] = true
		if s, known := p.unknown(line); known {
			out = append(out, s)
		} else {
			rest = append(rest, p.at("")+": "+line)
		}
	}
	if len(out) > 0 { // the rest follows from these
		return out
	}
	return rest
}

// unknown words a name that the schema does not have, with the nearest it has.
func (p piece) unknown(line string) (string, bool) {
	word := between(line, "`", "`")
	switch {
	case strings.Contains(line, "unrecognized action") && !strings.HasPrefix(word, "Action::"):
		return fmt.Sprintf("%s: %s is no action; write Action::\"get\"", p.at(word), word), true
	case strings.Contains(line, "unrecognized action"):
		id := between(word, `"`, `"`)
		return fmt.Sprintf("%s: no action %q is known%s; there are: %s", p.at(word), id, meant(id, strings.Split(verbList(), ", ")), verbList()), true
	case strings.Contains(line, "unrecognized entity type"):
		return fmt.Sprintf("%s: no type %s is known%s", p.at(word), word, meant(word, []string{"User", "Agent", "App", "Folder", "Secret", "Action"})), true
	case strings.HasSuffix(line, "in context"):
		return fmt.Sprintf("%s: the context has no attribute %s%s; it has: %s", p.at("."+word), word, meant(word, attributes()), strings.Join(attributes(), ", ")), true
	default:
		return "", false
	}
}

// attributes are those of a request's context, in the schema's order.
func attributes() []string {
	return []string{"host", "method", "path", "time", "approved", "depth", "how", "session", "agent"}
}

// names reports the entities of a policy that no request can be about.
func (p piece) names(tree *ast.Policy) []string {
	var out []string
	look := func(e types.EntityUID) {
		if wrong := wrongName(e); wrong != "" && len(out) < maxProblems {
			out = append(out, p.at(string(e.ID))+": "+wrong)
		}
	}
	switch t := tree.Resource.(type) {
	case ast.ScopeTypeEq:
		look(t.Entity)
	case ast.ScopeTypeIn:
		look(t.Entity)
	case ast.ScopeTypeIsIn:
		look(t.Entity)
	}
	for _, c := range tree.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			if len(out) >= maxProblems {
				return false
			}
			switch t := n.(type) {
			case ast.NodeValue:
				if e, ok := t.Value.(types.EntityUID); ok {
					look(e)
				}
			case ast.NodeTypeEquals:
				out = append(out, p.otherForm(t.Left, t.Right)...)
				out = append(out, p.otherForm(t.Right, t.Left)...)
			case ast.NodeTypeContains:
				if set, ok := t.Left.(ast.NodeTypeSet); ok {
					out = append(out, p.otherForm(t.Right, set.Elements...)...)
				}
			}
			return true
		})
	}
	return out
}

// otherForm finds texts that a host or a method is compared with and can never
// equal: hosts come in lower case, methods in upper case.
func (p piece) otherForm(attribute ast.IsNode, values ...ast.IsNode) []string {
	access, ok := attribute.(ast.NodeTypeAccess)
	if !ok {
		return nil
	}
	form, words := hostOf, "hosts are compared in lower case"
	switch access.Value {
	case "host":
	case "method":
		form, words = upper, "methods are compared in upper case"
	default:
		return nil
	}
	var out []string
	for _, n := range values {
		if s := textOf(n); s != form(s) && len(out) < maxProblems {
			out = append(out, fmt.Sprintf("%s: %s: write %q", p.at(s), words, form(s)))
		}
	}
	return out
}

// wrongName says what is wrong with the identity of a secret or folder.
func wrongName(e types.EntityUID) string {
	if e.Type != typeSecret && e.Type != typeFolder {
		return ""
	}
	env, name, ok := strings.Cut(string(e.ID), ":")
	switch {
	case !ok || secret.CheckEnv(env) != nil:
		return fmt.Sprintf("%s::%q names no environment; write %s::\"ENV:NAME\"", e.Type, string(e.ID), e.Type)
	case e.Type == typeFolder && name == "":
		return ""
	case secret.Name(name).Check() != nil:
		return fmt.Sprintf("%s::%q can be no name: %s", e.Type, string(e.ID), firstLine(secret.Name(name).Check()))
	default:
		return ""
	}
}

// syntax words an error of Cedar's parser.
func syntax(file string, err error) string {
	text := strings.ReplaceAll(firstLine(err), "parser error: ", "")
	text = strings.TrimPrefix(text, "parse error at ")
	rest, ok := strings.CutPrefix(text, "<input>:")
	if !ok {
		return file + ": " + text
	}
	where, what, ok := strings.Cut(rest, ` "`)
	if !ok {
		return file + ":" + rest
	}
	found, what, _ := strings.Cut(what, `": `)
	if _, want, ok := strings.Cut(what, " want "); ok {
		what = fmt.Sprintf("expected %q", want)
	}
	if found == "" {
		return file + ":" + where + ": the text ends: " + what
	}
	return fmt.Sprintf("%s:%s: at %q: %s", file, where, found, what)
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// meant names the nearest of the known words, if one is near.
func meant(word string, known []string) string {
	best, near := "", 3
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < near {
			best, near = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// distance counts the letters to change, add or drop between two short words.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
