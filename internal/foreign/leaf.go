package foreign

import (
	"bytes"
	"encoding/json"

	"github.com/tacit-secrets/tacit/internal/envfmt"
)

// A leaf is one text in a file, and the keys that lead to it.
type leaf struct {
	path []string
	text string
	line int  // of its first key: below that, lines are not known
	list bool // it lies in a list
}

// leaves calls f for each text, those within objects included.
func (r *reading) leaves(entries []envfmt.Entry, f func(leaf)) {
	for _, e := range entries {
		r.leaf(leaf{path: []string{e.Name}, text: string(e.Value.Reveal()), line: e.Line}, f)
	}
}

// leaf goes into an object or a list, which envfmt gives as its JSON text. A
// text that looks like one is no reference either way.
func (r *reading) leaf(l leaf, f func(leaf)) {
	if r.format.Variables() || l.text == "" || l.text[0] != '{' && l.text[0] != '[' || !json.Valid([]byte(l.text)) {
		f(l)
		return
	}
	d := json.NewDecoder(bytes.NewReader([]byte(l.text)))
	open, err := d.Token()
	if err != nil {
		return
	}
	l.list = l.list || open == json.Delim('[')
	for d.More() {
		next := leaf{path: l.path, line: l.line, list: l.list}
		if open == json.Delim('{') {
			key, err := d.Token()
			name, ok := key.(string)
			if err != nil || !ok {
				return
			}
			next.path = append(l.path[:len(l.path):len(l.path)], name)
		}
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return
		}
		if json.Unmarshal(raw, &next.text) != nil { // no string
			next.text = string(raw)
		}
		r.leaf(next, f)
	}
}
