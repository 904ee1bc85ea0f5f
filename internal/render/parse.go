package render

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

// MaxBytes bounds a template and, eight times that, what becomes of it.
const MaxBytes = 1 << 20

// A Template is a text that was read and found harmless.
type Template struct {
	name string
	tree *template.Template
	refs []secret.Ref
	vars []string
}

// Parse reads a template. name is for errors. The error is of kind
// [secret.Invalid] and says on which line what is wrong.
func Parse(name string, text []byte) (*Template, error) {
	switch {
	case len(text) > MaxBytes:
		return nil, secret.Errorf(secret.Invalid, "", "%s: a template has at most %d bytes", name, MaxBytes)
	case !utf8.Valid(text):
		return nil, secret.Errorf(secret.Invalid, "", "%s: a template is UTF-8", name)
	}
	source, err := expand(name, string(text))
	if err != nil {
		return nil, err
	}
	t := &Template{name: name}
	// The functions are set again with every execution; parsing needs their names.
	t.tree, err = template.New("text").Option("missingkey=error").Funcs(functions(nil)).Parse(source)
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "%s: %s", name, readable(err))
	}
	return t, t.inspect()
}

// Refs returns the references in t, each once, in order.
func (t *Template) Refs() []secret.Ref { return slices.Clone(t.refs) }

// Variables returns the declared secrets in t, each once, in order.
func (t *Template) Variables() []string { return slices.Clone(t.vars) }

// readable drops from an error of the template's parser what says nothing to
// its author.
func readable(err error) string {
	text := strings.TrimPrefix(err.Error(), "template: text:")
	text = strings.TrimPrefix(text, "template: ")
	if strings.HasSuffix(text, " not defined") && strings.Contains(text, ": function ") {
		text += "\n  there are: " + strings.Join(allowed(), ", ")
	}
	return text
}

// scheme begins a reference in a text.
const scheme = "tacit://"

// bare matches a reference where a text has nothing else to show its end.
func bare() *regexp.Regexp {
	return regexp.MustCompile(`tacit://[\pL\pN_./:#@%+=-]*`)
}

// inAction matches a reference that begins an action.
func inAction() *regexp.Regexp { return regexp.MustCompile(`^\s*tacit://[^\s|}]*`) }

// expand turns tacit:// references into calls of secret. Line ends stay where
// they are, so that errors name the author's lines.
func expand(name, text string) (string, error) {
	var b strings.Builder
	find, action := bare(), inAction()
	for rest := text; rest != ""; {
		before, after, open := strings.Cut(rest, "{{")
		b.WriteString(find.ReplaceAllStringFunc(before, func(s string) string { return "{{ secret " + strconv.Quote(s[len(scheme):]) + " }}" }))
		if !open {
			break
		}
		b.WriteString("{{")
		trim := ""
		if strings.HasPrefix(after, "- ") {
			trim, after = "- ", after[2:]
		}
		b.WriteString(trim)
		if m := action.FindString(after); m != "" {
			b.WriteString(" secret " + strconv.Quote(strings.TrimSpace(m)[len(scheme):]))
			after = after[len(m):]
		}
		inside, next, closed := actionEnd(after)
		if !closed {
			line := 1 + strings.Count(text[:len(text)-len(after)], "\n")
			return "", secret.Errorf(secret.Invalid, "", "%s: %d: {{ without }}", name, line)
		}
		b.WriteString(inside)
		rest = next
	}
	return b.String(), nil
}

// actionEnd cuts behind the }} that ends an action; one in quotes does not.
func actionEnd(s string) (inside, after string, ok bool) {
	if strings.HasPrefix(strings.TrimLeft(s, " "), "/*") {
		end := strings.Index(s, "*/")
		if end < 0 {
			return "", "", false
		}
		rest, after, ok := strings.Cut(s[end:], "}}")
		return s[:end] + rest + "}}", after, ok
	}
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case (quote == '"' || quote == '\'') && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '`' || c == '\'':
			quote = c
		case strings.HasPrefix(s[i:], "}}"):
			return s[:i+2], s[i+2:], true
		}
	}
	return "", "", false
}

// inspect walks the whole tree: it collects what is needed and refuses what a
// template may not do.
func (t *Template) inspect() error {
	for _, part := range t.tree.Templates() {
		if part.Tree != nil && part.Name() != "text" {
			return t.refuse(part.Root, "a template defines no others")
		}
	}
	if t.tree.Tree == nil { // an empty text
		return nil
	}
	return t.list(t.tree.Root)
}

func (t *Template) refuse(n parse.Node, format string, args ...any) error {
	where, _ := t.tree.ErrorContext(n)
	line := "?"
	if parts := strings.Split(where, ":"); len(parts) > 1 {
		line = parts[1]
	}
	return secret.Errorf(secret.Invalid, "", "%s: %s: %s", t.name, line, fmt.Sprintf(format, args...))
}

func (t *Template) list(l *parse.ListNode) error {
	if l == nil {
		return nil
	}
	for _, n := range l.Nodes {
		if err := t.node(n); err != nil {
			return err
		}
	}
	return nil
}

func (t *Template) node(n parse.Node) error {
	switch n := n.(type) {
	case *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		return t.pipe(n.Pipe)
	case *parse.IfNode:
		return t.branch(&n.BranchNode)
	case *parse.WithNode:
		return t.refuse(n, "with is not for templates with secrets: it changes what . means\n  use if")
	case *parse.RangeNode:
		return t.refuse(n, "a template does not loop")
	case *parse.TemplateNode:
		return t.refuse(n, "a template calls no others, and not itself")
	default:
		return t.refuse(n, "this is not for templates with secrets")
	}
}

func (t *Template) branch(b *parse.BranchNode) error {
	if err := t.pipe(b.Pipe); err != nil {
		return err
	}
	if err := t.list(b.List); err != nil {
		return err
	}
	return t.list(b.ElseList)
}

func (t *Template) pipe(p *parse.PipeNode) error {
	if p == nil {
		return nil
	}
	for _, c := range p.Cmds {
		if err := t.command(c); err != nil {
			return err
		}
	}
	return nil
}

func (t *Template) command(c *parse.CommandNode) error {
	if f, ok := c.Args[0].(*parse.IdentifierNode); ok {
		if !slices.Contains(allowed(), f.Ident) {
			return t.refuse(f, "there is no function %q here\n  there are: %s", f.Ident, strings.Join(allowed(), ", "))
		}
		if f.Ident == "secret" {
			return t.reference(c)
		}
	}
	for _, a := range c.Args {
		if err := t.argument(a); err != nil {
			return err
		}
	}
	return nil
}

// reference reads what secret is called with. It must stand there as it is:
// a name that is only known later could not be resolved before.
func (t *Template) reference(c *parse.CommandNode) error {
	if len(c.Args) != 2 {
		return t.refuse(c, "secret takes one reference")
	}
	s, ok := c.Args[1].(*parse.StringNode)
	if !ok {
		return t.refuse(c, "secret takes a reference in quotes")
	}
	r, err := secret.ParseRef(s.Text)
	if err != nil {
		return t.refuse(c, "%s", err)
	}
	if !slices.Contains(t.refs, r) {
		t.refs = append(t.refs, r)
	}
	return nil
}

func (t *Template) argument(n parse.Node) error {
	switch n := n.(type) {
	case *parse.StringNode, *parse.NumberNode, *parse.BoolNode:
		return nil
	case *parse.IdentifierNode:
		if !slices.Contains(allowed(), n.Ident) || n.Ident == "secret" {
			return t.refuse(n, "there is no function %q here", n.Ident)
		}
		return nil
	case *parse.VariableNode:
		if len(n.Ident) > 1 || n.Ident[0] == "$" {
			return t.refuse(n, "%s has no fields", n.Ident[0])
		}
		return nil
	case *parse.PipeNode:
		return t.pipe(n)
	case *parse.FieldNode:
		if len(n.Ident) != 1 {
			return t.refuse(n, "%s: a declared secret has no fields\n  its reference may have one:  #field", n)
		}
		if !slices.Contains(t.vars, n.Ident[0]) {
			t.vars = append(t.vars, n.Ident[0])
		}
		return nil
	default:
		return t.refuse(n, "%s is not for templates with secrets", n)
	}
}
