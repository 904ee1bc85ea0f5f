package render

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

// Escapes names the functions that make a value fit for a place in a text.
func Escapes() []string { return []string{"base64", "json", "shell", "url"} }

// Escape applies one of [Escapes]: base64 (standard, padded), json (the inside
// of a JSON string), shell (one single-quoted word), url (percent-encodes all
// but letters, digits, "-", ".", "_", "~"). Errors are of kind
// [secret.Invalid] and tell nothing of the value.
func Escape(name string, b []byte) ([]byte, error) {
	switch name {
	case "base64":
		return []byte(base64.StdEncoding.EncodeToString(b)), nil
	case "shell":
		return []byte("'" + strings.ReplaceAll(string(b), "'", `'\''`) + "'"), nil
	case "url":
		return percentEncode(b), nil
	case "json":
		return inJSON(b)
	default:
		return nil, secret.Errorf(secret.Invalid, "", "%q is no function of a template\n  there are: %s", name, strings.Join(Escapes(), ", "))
	}
}

// inJSON is the inside of a JSON string. It does not escape "<", ">" and "&":
// the text is no HTML.
func inJSON(b []byte) ([]byte, error) {
	if !utf8.Valid(b) {
		return nil, secret.Errorf(secret.Invalid, "", "a binary value has no JSON form\n  use |base64")
	}
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(string(b)); err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "a value has no JSON form")
	}
	quoted := strings.TrimSuffix(out.String(), "\n")
	inside := []byte(nil)
	for _, r := range quoted[1 : len(quoted)-1] {
		if r >= 0x7f && r <= 0x9f || r == 0xfeff { // YAML and TOML take them only like this
			inside = fmt.Appendf(inside, `\u%04x`, r)
			continue
		}
		inside = utf8.AppendRune(inside, r)
	}
	return inside, nil
}

func percentEncode(b []byte) []byte {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(b))
	for _, c := range b {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
		if plain {
			out = append(out, c)
			continue
		}
		out = append(out, '%', digits[c>>4], digits[c&15])
	}
	return out
}
