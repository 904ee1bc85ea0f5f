package envfmt

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxMarks bounds the nodes of a YAML document before they are made: each
// needs at least one of these bytes, and takes some 200 bytes of memory.
const (
	maxMarks = 1_000_000
	marks    = ",:-?[{"
)

// yaml reads the members of one mapping.
func (s *set) yaml(b []byte) {
	root := s.yamlRoot(b)
	if root == nil {
		return
	}
	s.pairs(root, func(key, value *yaml.Node) {
		if text, ok := s.yamlText(value); ok {
			s.add(key.Line, key.Value, text)
		}
	})
}

// yamlRoot returns the mapping of the only document, nil if there is a problem
// with it as a whole. Below it are no aliases, tags and depths left.
func (s *set) yamlRoot(b []byte) *yaml.Node {
	n := 0
	for i := range len(marks) {
		n += bytes.Count(b, []byte{marks[i]})
	}
	if n > maxMarks {
		s.problem(0, "more than %d of %s, too many for one YAML document", maxMarks, marks)
		return nil
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	var doc, next yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		s.problem(1, "no YAML document")
		return nil
	case err != nil:
		s.problem(yamlLine(err), whyYAML)
		return nil
	}
	switch err := d.Decode(&next); {
	case err == nil:
		s.problem(next.Line, "more than one YAML document")
		return nil
	case !errors.Is(err, io.EOF):
		s.problem(yamlLine(err), whyYAML)
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		s.problem(root.Line, "no mapping: its members are the names and values")
		return nil
	}
	if !s.plainYAML(root, 0) {
		return nil
	}
	return root
}

// yamlLine finds the line in an error of the library, whose text is not shown:
// it may repeat what stands there.
func yamlLine(err error) int {
	m := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(err.Error())
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// plainYAML reports whether there is nothing but mappings, lists and scalars
// of the core schema, not too deep. An alias makes much of little, and a tag
// asks the reader to make something else of a text.
func (s *set) plainYAML(n *yaml.Node, depth int) bool {
	why := ""
	switch {
	case depth > MaxDepth:
		s.problem(n.Line, whyDepth)
		return false
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		why = "an anchor or alias; write the value out"
	case n.Style&yaml.TaggedStyle != 0:
		why = "a tag; write the value without it"
	case n.Tag == "!!merge":
		why = "a merge key (<<); write the members out"
	}
	if why != "" {
		s.problem(n.Line, "%s", why)
		return false
	}
	ok := true
	for _, child := range n.Content {
		ok = s.plainYAML(child, depth+1) && ok
	}
	return ok
}

// pairs calls member for each member of a mapping whose key is a text.
func (s *set) pairs(n *yaml.Node, member func(key, value *yaml.Node)) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!null" {
			s.problem(key.Line, "a name that is no text")
			continue
		}
		member(key, n.Content[i+1])
	}
}

// yamlText returns the text of a value: as it stands there if it is one word,
// as JSON if it is made of several.
func (s *set) yamlText(n *yaml.Node) ([]byte, bool) {
	if n.Kind == yaml.ScalarNode {
		if n.Tag == "!!null" {
			s.problem(n.Line, whyNull)
			return nil, false
		}
		return []byte(n.Value), true
	}
	before := len(s.problems)
	text := s.yamlJSON(nil, n)
	return text, len(s.problems) == before
}

func (s *set) yamlJSON(dst []byte, n *yaml.Node) []byte {
	switch n.Kind {
	case yaml.MappingNode:
		seen := map[string]int{}
		dst = append(dst, '{')
		s.pairs(n, func(key, value *yaml.Node) {
			if len(seen) > 0 {
				dst = append(dst, ',')
			}
			s.onceName(seen, key.Value, key.Line)
			dst = append(appendQuoted(dst, []byte(key.Value)), ':')
			dst = s.yamlJSON(dst, value)
		})
		return append(dst, '}')
	case yaml.SequenceNode:
		dst = append(dst, '[')
		for i, item := range n.Content {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = s.yamlJSON(dst, item)
		}
		return append(dst, ']')
	default:
		return s.yamlScalar(dst, n)
	}
}

// yamlScalar appends a scalar within a value. A number that JSON writes in
// another way is refused, since its text would have to change.
func (s *set) yamlScalar(dst []byte, n *yaml.Node) []byte {
	switch n.Tag {
	case "!!null":
		return append(dst, "null"...)
	case "!!bool":
		return append(dst, bytes.ToLower([]byte(n.Value))...)
	case "!!int", "!!float":
		if !json.Valid([]byte(n.Value)) {
			s.problem(n.Line, whyNumber)
		}
		return append(dst, n.Value...)
	default:
		return appendQuoted(dst, []byte(n.Value))
	}
}

const (
	whyYAML   = "no YAML, here or on the next line"
	whyNumber = "a number within a value that JSON cannot write like this; put it in quotes"
)
