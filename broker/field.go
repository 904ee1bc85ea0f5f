package broker

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

// A member is one field of a JSON object, as it stands in the text.
type member struct {
	name     string
	from, to int // of its value
}

// members reads the fields of a JSON object. Duplicate names are refused:
// readers do not agree on which one counts.
func members(v secret.Value, n secret.Name) ([]member, error) {
	b := v.Reveal()
	notObject := secret.Errorf(secret.Invalid, n, "its value is no JSON object, so it has no fields")
	if v.IsBinary() || !utf8.Valid(b) {
		return nil, notObject
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, notObject
	}
	var out []member
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, notObject
		}
		if seen[name] {
			return nil, secret.Errorf(secret.Invalid, n, "its value names a field twice")
		}
		seen[name] = true
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return nil, notObject
		}
		to := int(d.InputOffset())
		out = append(out, member{name, to - len(raw), to})
	}
	if _, err := d.Token(); err != nil {
		return nil, notObject
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, notObject
	}
	return out, nil
}

// Field returns what a reference points at within a value that the caller was
// given already: all of it, or one field.
func Field(v secret.Value, r secret.Ref) (secret.Value, error) {
	if r.Field == "" {
		return v, nil
	}
	return field(v, r)
}

// field returns one field of a value: a string's text, anything else's JSON
// text byte for byte.
func field(v secret.Value, r secret.Ref) (secret.Value, error) {
	all, err := members(v, r.Name)
	if err != nil {
		return secret.Value{}, err
	}
	i := slices.IndexFunc(all, func(m member) bool { return m.name == r.Field })
	if i < 0 {
		return secret.Value{}, missingField(r, all)
	}
	raw := v.Reveal()[all[i].from:all[i].to]
	if raw[0] != '"' {
		return secret.Text(raw), nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil || loneSurrogate(raw) {
		return secret.Value{}, secret.Errorf(secret.Invalid, r.Name, "the field %s holds half a surrogate pair, which is no text", r.Field)
	}
	return secret.Text(s), nil
}

// loneSurrogate reports whether a JSON string holds an escape that stands for
// no character. Decoding puts another character in its place without a word,
// which must not happen to a value.
func loneSurrogate(raw []byte) bool {
	for i := 0; i+1 < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		i++
		first := escaped(raw[i:])
		if first < 0xd800 || first > 0xdfff {
			continue
		}
		if first > 0xdbff || i+5 >= len(raw) || raw[i+5] != '\\' {
			return true
		}
		if second := escaped(raw[i+6:]); second < 0xdc00 || second > 0xdfff {
			return true
		}
		i += 10
	}
	return false
}

// escaped returns the code of an escape like "u00e9" at the start of b; 0 if
// it is another one.
func escaped(b []byte) uint64 {
	if len(b) < 5 || b[0] != 'u' {
		return 0
	}
	n, err := strconv.ParseUint(string(b[1:5]), 16, 16)
	if err != nil {
		return 0
	}
	return n
}

// missingField names the fields that there are. It is only reached by callers
// who may read them all.
func missingField(r secret.Ref, all []member) error {
	var names []string
	for _, m := range all {
		names = append(names, m.name)
	}
	has := "it has none"
	if len(names) > 0 {
		has = "it has: " + strings.Join(names[:min(len(names), 20)], ", ")
	}
	return &secret.Error{Kind: secret.NotFound, Text: string(shown(r.Env, r.Name)) + " has no field " + r.Field + "\n  " + has}
}

// setField returns the object with one field replaced, or added at the end.
// All other bytes stay as they are. A text becomes a JSON string; binary is
// Invalid.
func setField(v secret.Value, r secret.Ref, to secret.Value) (secret.Value, error) {
	if r.Field == "" {
		return secret.Value{}, secret.Errorf(secret.Invalid, r.Name, "no field is named")
	}
	if to.IsBinary() || !utf8.Valid(to.Reveal()) {
		return secret.Value{}, secret.Errorf(secret.Invalid, r.Name, "a field holds text, and this is binary\n  encode it, or put it as a secret of its own")
	}
	all, err := members(v, r.Name)
	if err != nil {
		return secret.Value{}, err
	}
	text, err := quote(string(to.Reveal()))
	if err != nil {
		return secret.Value{}, err
	}
	old := v.Reveal()
	if i := slices.IndexFunc(all, func(m member) bool { return m.name == r.Field }); i >= 0 {
		return secret.Text(slices.Concat(old[:all[i].from], text, old[all[i].to:])), nil
	}
	name, err := quote(r.Field)
	if err != nil {
		return secret.Value{}, err
	}
	end := bytes.LastIndexByte(old, '}')
	if len(all) == 0 {
		return secret.Text(slices.Concat(old[:end], name, []byte(":"), text, old[end:])), nil
	}
	at := all[len(all)-1].to
	return secret.Text(slices.Concat(old[:at], []byte(","), name, []byte(":"), text, old[at:])), nil
}

// quote writes a JSON string without escaping for HTML.
func quote(s string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "a text cannot be written as JSON")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
