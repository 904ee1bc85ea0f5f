package envfmt

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

const (
	whyNull  = "null is no value; leave it out, or write \"\" for an empty one"
	whyDepth = "objects and lists more than 64 deep"
)

// json reads the members of one object.
func (s *set) json(b []byte) {
	var whole json.RawMessage
	if err := json.Unmarshal(b, &whole); err != nil {
		at := int64(len(b))
		if e, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = min(at, e.Offset)
		}
		s.problem(1+bytes.Count(b[:at], []byte("\n")), "no JSON from here on")
		return
	}
	t := &text{b: b, line: 1}
	t.skipBlank()
	if t.peek() != '{' {
		s.problem(t.line, "no JSON object: its members are the names and values")
		return
	}
	t.members(func(key []byte, line int) bool {
		name, ok := unquoteJSON(key)
		if !ok {
			s.problem(line, "a name with half a surrogate pair, which is no text")
		}
		return s.jsonValue(t, string(name), line, ok)
	})
}

// jsonValue reads one value, and adds it if its name is sound.
func (s *set) jsonValue(t *text, name string, line int, sound bool) bool {
	start := t.at
	first := t.peek()
	if !s.skipJSON(t, 1) {
		return false
	}
	value, ok := t.b[start:t.at], true
	switch first {
	case '"':
		value, ok = unquoteJSON(value)
	case 'n':
		s.problem(line, whyNull)
		return true
	}
	if !ok {
		s.problem(line, "a value with half a surrogate pair, which is no text")
	} else if sound {
		s.add(line, name, bytes.Clone(value))
	}
	return !s.full
}

// members calls member at the value of each member of an object, until it
// returns false. The text is known to be JSON.
func (t *text) members(member func(key []byte, line int) bool) bool {
	t.next()
	for t.skipBlank(); t.peek() != '}'; t.skipBlank() {
		line, start := t.line, t.at
		t.skipString()
		key := t.b[start:t.at]
		t.take(" \t\r\n:")
		if !member(key, line) {
			return false
		}
		t.take(" \t\r\n,")
	}
	t.next()
	return true
}

func (t *text) skipString() {
	for t.next(); t.peek() != '"'; t.next() {
		if t.peek() == '\\' {
			t.next()
		}
	}
	t.next()
}

// skipJSON goes behind a value. It refuses what is too deep and objects that
// name a member twice: readers do not agree on which one counts.
func (s *set) skipJSON(t *text, depth int) bool {
	switch c := t.peek(); {
	case (c == '{' || c == '[') && depth > MaxDepth:
		s.problem(t.line, whyDepth)
		return false
	case c == '{':
		seen := map[string]int{}
		return t.members(func(key []byte, line int) bool {
			s.once(seen, key, line)
			return s.skipJSON(t, depth+1)
		})
	case c == '[':
		t.next()
		for t.skipBlank(); t.peek() != ']'; t.take(" \t\r\n,") {
			if !s.skipJSON(t, depth+1) {
				return false
			}
		}
		t.next()
	case c == '"':
		t.skipString()
	default:
		for strings.IndexByte(",]} \t\r\n", t.peek()) < 0 && !t.done() {
			t.next()
		}
	}
	return true
}

// once refuses a second member of the same name within a value.
func (s *set) once(seen map[string]int, key []byte, line int) {
	name := string(key)
	if decoded, ok := unquoteJSON(key); ok {
		name = string(decoded)
	}
	s.onceName(seen, name, line)
}

func (s *set) onceName(seen map[string]int, name string, line int) {
	if first, ok := seen[name]; ok {
		s.problem(line, "a name within a value is given again, first on line %d", first)
		return
	}
	seen[name] = line
}
