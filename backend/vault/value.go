package vault

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

// The store keeps JSON objects, not bytes. A value that is an object is stored
// as one, so that every client sees its fields; where the store would forget
// how it was written, a layout is added. All other values are wrapped into an
// object of two fields, which "vault kv get" shows:
//
//	value     the text, or base64
//	encoding  utf-8, base64 (binary), base64-text (text that is no UTF-8)
const (
	fieldValue    = "value"
	fieldEncoding = "encoding"

	asText   = "utf-8"
	asBinary = "base64"
	asBytes  = "base64-text"
)

func wrap(w wrapped) []byte { return bytes.TrimSuffix(jsonBody(w), []byte("\n")) }

type wrapped struct {
	Encoding string `json:"encoding"`
	Value    string `json:"value"`
}

// encodeValue returns the JSON object that a value is stored as.
func encodeValue(v secret.Value) []byte {
	b := v.Reveal()
	if v.IsBinary() {
		return wrap(wrapped{asBinary, base64.StdEncoding.EncodeToString(b)})
	}
	if survives(b) {
		return b
	}
	if object, ok := withLayout(b); ok && len(object) <= maxStored {
		return object
	}
	if !utf8.Valid(b) {
		return wrap(wrapped{asBytes, base64.StdEncoding.EncodeToString(b)})
	}
	return wrap(wrapped{asText, string(b)})
}

// decodeValue returns the value of a JSON object that the store tells.
func decodeValue(stored []byte) (secret.Value, error) {
	fields, err := object(stored)
	if err != nil {
		return secret.Value{}, err
	}
	if w, ok := unwrap(fields); ok {
		switch w.Encoding {
		case asText:
			return secret.Text(w.Value), nil
		case asBinary, asBytes:
			b, err := base64.StdEncoding.Strict().DecodeString(w.Value)
			if err == nil && w.Encoding == asBinary {
				return secret.Binary(b), nil
			}
			if err == nil {
				return secret.Text(b), nil
			}
		}
	}
	return secret.Text(written(fields)), nil
}

// written is the text of an object: as its layout says, if it has one that
// fits.
func written(fields map[string]any) []byte {
	layout, ok := fields[fieldLayout].(string)
	if !ok {
		return canonical(fields)
	}
	own := maps.Clone(fields)
	delete(own, fieldLayout)
	text, err := render([]byte(layout), own)
	switch {
	case err == nil:
		return text
	case errors.Is(err, errMisfit):
		return canonical(own)
	default: // a field of this name that is not ours
		return canonical(fields)
	}
}

// unwrap tells whether an object has the form of a wrapped value.
func unwrap(fields map[string]any) (wrapped, bool) {
	value, a := fields[fieldValue].(string)
	encoding, b := fields[fieldEncoding].(string)
	known := encoding == asText || encoding == asBinary || encoding == asBytes
	return wrapped{encoding, value}, a && b && known && len(fields) == 2
}

// survives tells whether the store gives back exactly these bytes, if they are
// stored as an object. One that looks wrapped would be taken for it.
func survives(b []byte) bool {
	if len(b) == 0 || b[0] != '{' {
		return false
	}
	fields, err := object(b)
	if err != nil || len(fields) == 0 || !bytes.Equal(canonical(fields), b) {
		return false
	}
	told, ok := asTold(fields).(map[string]any)
	_, looks := unwrap(fields)
	_, laid := fields[fieldLayout]
	return ok && !looks && !laid && bytes.Equal(canonical(told), b)
}

// object parses JSON whose top is an object, and keeps the text of numbers.
func object(b []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, errNoObject
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || fields == nil {
		return nil, errNoObject
	}
	return fields, nil
}

// errNoObject tells nothing of what it is about: that may be a value.
const errNoObject flaw = "it is no JSON object"

// canonical is the form in which objects are given out: fields in the order of
// their bytes, no white space.
func canonical(fields map[string]any) []byte { return bytes.TrimSuffix(jsonBody(fields), []byte("\n")) }
