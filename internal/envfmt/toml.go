package envfmt

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// toml reads all keys of the root. It walks the text itself, because the
// library tells neither lines nor how a number was written; the library then
// judges whether the text is TOML at all.
func (s *set) toml(b []byte) {
	r := &tomlReader{text: &text{b: b, line: 1}, root: newTable()}
	r.table = r.root
	for !r.done() {
		line := r.line
		if why := r.statement(); why != "" {
			s.problem(max(line, r.whyLine), "%s", why)
			if why == whyDepth || why == whyNodes {
				return // the library would follow it
			}
			r.skipLine()
		}
	}
	if len(s.problems) == 0 {
		var ignored map[string]any
		if _, err := toml.Decode(string(b), &ignored); err != nil {
			line := 0
			if e, ok := errors.AsType[toml.ParseError](err); ok {
				line = e.Position.Line
			}
			s.problem(line, "no TOML from here on")
		}
	}
	for _, name := range r.root.names {
		n := r.root.nodes[name]
		if n.scalar {
			s.add(n.line, name, n.text)
		} else {
			s.add(n.line, name, n.json(nil))
		}
	}
}

// A tomlTable is a table, in the order of its names.
type tomlTable struct {
	names []string
	nodes map[string]*tomlNode
}

func newTable() *tomlTable { return &tomlTable{nodes: map[string]*tomlNode{}} }

// A tomlNode is a scalar, a list of values, a table or a list of tables.
type tomlNode struct {
	line   int
	scalar bool
	text   []byte // of a scalar, as it is as a value
	inner  []byte // of a scalar or list, as JSON; nil where JSON cannot write it
	header bool   // a table that a [header] opened
	table  *tomlTable
	tables []*tomlTable
}

// json appends the node as JSON.
func (n *tomlNode) json(dst []byte) []byte {
	switch {
	case n.table != nil:
		return n.table.json(dst)
	case n.tables != nil:
		dst = append(dst, '[')
		for i, t := range n.tables {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = t.json(dst)
		}
		return append(dst, ']')
	default:
		return append(dst, n.inner...)
	}
}

func (t *tomlTable) json(dst []byte) []byte {
	dst = append(dst, '{')
	for i, name := range t.names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendQuoted(dst, []byte(name)), ':')
		dst = t.nodes[name].json(dst)
	}
	return append(dst, '}')
}

func (t *tomlTable) set(name string, n *tomlNode) {
	t.names = append(t.names, name)
	t.nodes[name] = n
}

// A tomlReader goes through a text statement by statement.
type tomlReader struct {
	*text
	root, table *tomlTable
	whyLine     int // of the last problem
	nodes       int // values and tables so far
}

// maxNodes bounds the values and tables of a text: the library needs time and
// memory for them that is out of proportion to their length.
const (
	maxNodes = 4 * MaxEntries
	whyNodes = "more than 400,000 values, tables and parts of keys"
)

// statement reads a header, an assignment, a comment or nothing.
func (r *tomlReader) statement() (why string) {
	r.skipBlank()
	r.whyLine = r.line
	if r.nodes++; r.nodes > maxNodes {
		return whyNodes
	}
	switch {
	case r.done():
		return ""
	case r.peek() == '#':
		r.skipLine()
		return ""
	case r.peek() == '[':
		why = r.header()
	default:
		why = r.assign(r.table, 1)
	}
	if why != "" {
		return why
	}
	r.take(" \t")
	if r.peek() == '#' {
		r.skipLine()
	} else if !r.endOfLine() {
		return "more text after the value"
	}
	return ""
}

// header reads [a.b] or [[a.b]].
func (r *tomlReader) header() (why string) {
	r.next()
	list := r.peek() == '['
	if list {
		r.next()
	}
	path, why := r.path()
	if why != "" {
		return why
	}
	if !r.skip(']') || list && !r.skip(']') {
		return "a header that is not closed"
	}
	in, why := r.walk(r.root, path[:len(path)-1], r.line)
	if why != "" {
		return why
	}
	r.table, why = r.open(in, path[len(path)-1], list)
	return why
}

// open returns the table that a header names.
func (r *tomlReader) open(in *tomlTable, name string, list bool) (*tomlTable, string) {
	n, table := in.nodes[name], newTable()
	switch {
	case n == nil && list:
		in.set(name, &tomlNode{line: r.line, tables: []*tomlTable{table}})
	case n == nil:
		in.set(name, &tomlNode{line: r.line, header: true, table: table})
	case list && n.tables != nil:
		n.tables = append(n.tables, table)
	case !list && n.table != nil && !n.header:
		n.header = true
		return n.table, ""
	default:
		return newTable(), r.again(name, n)
	}
	return table, ""
}

// again tells both lines; the name only where it is a plain one.
func (r *tomlReader) again(name string, first *tomlNode) string {
	if !variable(name) {
		name = "a key"
	}
	return fmt.Sprintf("%s is given again, first on line %d", name, first.line)
}

// walk returns the table at path below t, and makes the ones that are missing.
func (r *tomlReader) walk(t *tomlTable, path []string, line int) (*tomlTable, string) {
	for _, name := range path {
		n := t.nodes[name]
		switch {
		case n == nil:
			n = &tomlNode{line: line, table: newTable()}
			t.set(name, n)
			t = n.table
		case n.table != nil:
			t = n.table
		case n.tables != nil:
			t = n.tables[len(n.tables)-1]
		default:
			return nil, r.again(name, n)
		}
	}
	return t, ""
}

// assign reads key = value into t.
func (r *tomlReader) assign(t *tomlTable, depth int) (why string) {
	line := r.line
	path, why := r.path()
	if why != "" {
		return why
	}
	if !r.skip('=') {
		return whyEqual
	}
	r.take(" \t")
	n, why := r.value(depth)
	if why != "" {
		return why
	}
	n.line = line
	t, why = r.walk(t, path[:len(path)-1], line)
	if why != "" {
		return why
	}
	if t != r.root && n.inner == nil {
		return whyNumber
	}
	last := path[len(path)-1]
	if first := t.nodes[last]; first != nil {
		return r.again(last, first)
	}
	t.set(last, n)
	return ""
}

// path reads a dotted key and the blanks around it.
func (r *tomlReader) path() (path []string, why string) {
	for {
		r.take(" \t")
		var part string
		if c := r.peek(); c == '"' || c == '\'' {
			b, why := r.tomlString(false)
			if why != "" {
				return nil, why
			}
			part = string(b)
		} else if part = r.word(" \t\r.=]#\"'"); part == "" || !only(part, nameBytes+"-") {
			return nil, "no key where one is expected"
		}
		r.nodes++
		if path = append(path, part); len(path) > MaxDepth {
			return nil, whyDepth
		}
		r.take(" \t")
		if r.peek() != '.' {
			return path, ""
		}
		r.next()
	}
}

// value reads one value.
func (r *tomlReader) value(depth int) (n *tomlNode, why string) {
	r.whyLine = r.line
	r.nodes++
	switch c := r.peek(); {
	case depth > MaxDepth:
		return nil, whyDepth
	case r.nodes > maxNodes:
		return nil, whyNodes
	case c == '"' || c == '\'':
		text, why := r.tomlString(true)
		return &tomlNode{scalar: true, text: text, inner: appendQuoted(nil, text)}, why
	case c == '[':
		return r.list(depth)
	case c == '{':
		return r.inline(depth)
	}
	text := []byte(strings.TrimRight(r.word("#,]}\r"), " \t"))
	if len(text) == 0 || !only(string(text), nameBytes+"+-.: ") {
		return nil, "no value where one is expected"
	}
	return &tomlNode{scalar: true, text: text, inner: bareJSON(text)}, ""
}

// bareJSON returns a number, truth value or date as JSON; nil if JSON cannot
// write it like this.
func bareJSON(text []byte) []byte {
	switch {
	case json.Valid(text):
		return text
	case len(text) > 4 && (text[4] == '-' || text[2] == ':'): // a date or time, which JSON writes as a string
		return appendQuoted(nil, text)
	default:
		return nil
	}
}

// list reads [a, b].
func (r *tomlReader) list(depth int) (n *tomlNode, why string) {
	inner := []byte{'['}
	why = r.items(']', func() string {
		if len(inner) > 1 {
			inner = append(inner, ',')
		}
		item, why := r.value(depth + 1)
		if why != "" {
			return why
		}
		if item.inner == nil {
			return whyNumber
		}
		inner = append(inner, item.inner...)
		return ""
	})
	return &tomlNode{inner: append(inner, ']')}, why
}

// inline reads {a = 1, b = 2}.
func (r *tomlReader) inline(depth int) (n *tomlNode, why string) {
	if depth >= MaxDepth {
		return nil, whyDepth
	}
	table := newTable()
	if why = r.items('}', func() string { return r.assign(table, depth+1) }); why != "" {
		return nil, why
	}
	return &tomlNode{inner: table.json(nil)}, ""
}

// items calls item for each item up to the closing bracket.
func (r *tomlReader) items(closing byte, item func() string) (why string) {
	r.next()
	for {
		r.skipSpace()
		switch {
		case r.done():
			return "a list or table that is not closed"
		case r.peek() == closing:
			r.next()
			return ""
		}
		if why = item(); why != "" {
			return why
		}
		r.skipSpace()
		if c := r.peek(); c == ',' {
			r.next()
		} else if c != closing {
			return "no comma between items"
		}
	}
}

// skipSpace skips blanks, line ends and comments.
func (r *tomlReader) skipSpace() {
	for r.skipBlank(); r.peek() == '#'; r.skipBlank() {
		r.skipLine()
	}
}
