package vault

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"
)

// The store forgets how a JSON object was written: the order of its fields,
// white space, digits of long numbers. A layout remembers that beside the
// fields, so that the bytes come back: it is the object's text with "_" in the
// place of each text, number, true, false and null. So it holds no value, but
// for one that is written in an unusual way, like 1.0 or "\u0041", which it
// keeps as written.
//
// Whoever changes a field with another client changes the value in its place.
// Whoever adds or removes one makes the layout void: the object comes back as
// one without.
const fieldLayout = "tacit-layout"

// maxDepth is how deep an object is that has a layout.
const maxDepth = 100

// errMisfit says that a layout is not of this object; errNoLayout that it is
// none.
const (
	errMisfit   flaw = "the layout is of another object"
	errNoLayout flaw = "it is no layout"
)

// withLayout returns an object with its layout; false if it has none, since it
// would not come back as it is.
func withLayout(b []byte) ([]byte, bool) {
	fields, err := object(b)
	if err != nil || !utf8.Valid(b) || len(fields) == 0 {
		return nil, false
	}
	if _, taken := fields[fieldLayout]; taken {
		return nil, false
	}
	w := writer{text: b, make: true}
	if w.value(fields, 0) != nil || w.rest() != nil {
		return nil, false
	}
	told, ok := asTold(fields).(map[string]any)
	if !ok {
		return nil, false
	}
	back, err := render(w.out.Bytes(), told)
	if err != nil || !bytes.Equal(back, b) {
		return nil, false
	}
	fields[fieldLayout] = w.out.String()
	return canonical(fields), true
}

// asTold is what the store makes of a value: its numbers are floating point.
// One that is too large for that gives nil.
func asTold(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, inner := range v {
			out[k] = asTold(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = asTold(inner)
		}
		return out
	case json.Number:
		return floating(v)
	default:
		return v
	}
}

// floating is how the store writes a number.
func floating(n json.Number) any {
	f, err := strconv.ParseFloat(n.String(), 64)
	if err != nil || math.IsInf(f, 0) {
		return nil
	}
	text, err := json.Marshal(f)
	if err != nil {
		return nil
	}
	return json.Number(text)
}

// render fills a layout with the fields of an object.
func render(layout []byte, fields map[string]any) ([]byte, error) {
	w := writer{text: layout}
	if err := w.value(fields, 0); err != nil {
		return nil, err
	}
	if err := w.rest(); err != nil {
		return nil, err
	}
	return w.out.Bytes(), nil
}

// A writer goes through the text of an object, or of a layout, side by side
// with the object itself.
type writer struct {
	text []byte // what is left of it
	out  bytes.Buffer
	make bool // a layout of an object, not the other way round
}

// space copies white space and returns what comes behind; 0 at the end.
func (w *writer) space() byte {
	for len(w.text) > 0 {
		switch w.text[0] {
		case ' ', '\t', '\r', '\n':
			w.copy(1)
		default:
			return w.text[0]
		}
	}
	return 0
}

func (w *writer) copy(n int) {
	w.out.Write(w.text[:n])
	w.text = w.text[n:]
}

// rest copies what stands behind the object.
func (w *writer) rest() error {
	if w.space() != 0 {
		return errNoLayout
	}
	return nil
}

func (w *writer) value(v any, depth int) error {
	if depth > maxDepth {
		return errNoLayout
	}
	switch c := w.space(); c {
	case '{':
		fields, ok := v.(map[string]any)
		seen := map[string]bool{}
		return w.items('}', func() error {
			k, err := w.key()
			if err != nil {
				return err
			}
			if seen[k] { // what is named again and again would grow without end
				return errNoLayout
			}
			inner, there := fields[k]
			ok = ok && there
			seen[k] = true
			return w.value(inner, depth+1)
		}, func() bool { return ok && len(seen) == len(fields) })
	case '[':
		list, ok := v.([]any)
		i := 0
		return w.items(']', func() error {
			var inner any
			if ok = ok && i < len(list); ok {
				inner = list[i]
			}
			i++
			return w.value(inner, depth+1)
		}, func() bool { return ok && i == len(list) })
	default:
		return w.scalar(c, v)
	}
}

// items goes through what stands between brackets.
func (w *writer) items(end byte, item func() error, fits func() bool) error {
	w.copy(1)
	for first := true; w.space() != end; first = false {
		if !first {
			if w.space() != ',' {
				return errNoLayout
			}
			w.copy(1)
		}
		if err := item(); err != nil {
			return err
		}
	}
	w.copy(1)
	if !fits() {
		return errMisfit
	}
	return nil
}

// key reads a field's name and the colon behind it.
func (w *writer) key() (string, error) {
	if w.space() != '"' {
		return "", errNoLayout
	}
	n := token(w.text)
	var k string
	if n == 0 || json.Unmarshal(w.text[:n], &k) != nil {
		return "", errNoLayout
	}
	w.copy(n)
	if w.space() != ':' {
		return "", errNoLayout
	}
	w.copy(1)
	return k, nil
}

// scalar writes what is neither object nor list.
func (w *writer) scalar(c byte, v any) error {
	if c == '_' && !w.make {
		switch v.(type) {
		case map[string]any, []any:
			return errMisfit
		}
		w.text = w.text[1:]
		w.out.Write(scalarText(v))
		return nil
	}
	n := token(w.text)
	if n == 0 || !json.Valid(w.text[:n]) {
		return errNoLayout
	}
	written := w.text[:n]
	w.text = w.text[n:]
	told := asTold(v)
	if told == nil && v != nil {
		return errNoLayout // a number that the store refuses
	}
	usual := bytes.Equal(scalarText(told), written)
	switch {
	case w.make && usual:
		w.out.WriteByte('_')
	case w.make || meant(written, v):
		w.out.Write(written)
	default: // another client changed it
		w.out.Write(scalarText(v))
	}
	return nil
}

// meant tells whether a text that a layout keeps is of this value.
func meant(written []byte, v any) bool {
	d := json.NewDecoder(bytes.NewReader(written))
	d.UseNumber()
	var w any
	if d.Decode(&w) != nil {
		return false
	}
	return bytes.Equal(scalarText(asTold(w)), scalarText(asTold(v)))
}

func scalarText(v any) []byte { return bytes.TrimSuffix(jsonBody(v), []byte("\n")) }

// token returns the length of the text, number or word at the beginning; 0 if
// there is none.
func token(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	if b[0] != '"' {
		if n := bytes.IndexAny(b, " \t\r\n,:]}{[\"_"); n >= 0 {
			return n
		}
		return len(b)
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}
