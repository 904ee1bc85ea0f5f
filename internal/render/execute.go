package render

import (
	"errors"
	"slices"
	"strings"
	"text/template"

	"github.com/tacit-secrets/tacit/secret"
)

// Values is what a template is filled with. Every reference and variable of
// the template must be there.
type Values struct {
	Refs      map[secret.Ref]secret.Value
	Variables map[string]secret.Value
}

// Execute fills t. The error is of kind [secret.Invalid], and tells nothing of
// a value.
func (t *Template) Execute(v Values) ([]byte, error) {
	data := make(map[string]string, len(t.vars))
	for _, name := range t.vars {
		value, ok := v.Variables[name]
		if !ok {
			return nil, secret.Errorf(secret.NotFound, "", "%s: %s is not declared", t.name, name)
		}
		data[name] = string(value.Reveal())
	}
	if t.tree.Tree == nil {
		return nil, nil
	}
	tree, err := t.tree.Clone() // a Template may be executed by several at once
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "%s: cannot be filled", t.name)
	}
	var out bounded
	if err := tree.Funcs(functions(v.Refs)).Execute(&out, data); err != nil {
		return nil, t.failed(err)
	}
	return out.b, nil
}

// failed words an error of the execution. Only the errors of this package are
// repeated: those of the template's own machinery may show what they handled.
func (t *Template) failed(err error) error {
	if e, ok := errors.AsType[*secret.Error](err); ok {
		return secret.Errorf(e.Kind, "", "%s: %s", t.name, e.Text)
	}
	return secret.Errorf(secret.Invalid, "", "%s: a function is given what it cannot take", t.name)
}

// bounded keeps what is written, up to eight times what a template may have.
type bounded struct{ b []byte }

func (w *bounded) Write(p []byte) (int, error) {
	if len(w.b)+len(p) > 8*MaxBytes {
		return 0, secret.Errorf(secret.Invalid, "", "what becomes of it is larger than %d bytes", 8*MaxBytes)
	}
	w.b = append(w.b, p...)
	return len(p), nil
}

// allowed lists the functions of a template.
func allowed() []string {
	out := []string{"secret", "default", "trim", "upper", "lower", "indent", "quote", "replace", "contains", "hasPrefix", "hasSuffix", "and", "or", "not", "eq", "ne"}
	out = append(out, Escapes()...)
	slices.Sort(out)
	return out
}

// functions are those of [allowed] that Go's templates do not have.
func functions(refs map[secret.Ref]secret.Value) template.FuncMap {
	m := template.FuncMap{
		"secret": func(s string) (string, error) {
			r, err := secret.ParseRef(s)
			if err != nil {
				return "", err
			}
			v, ok := refs[r]
			if !ok {
				return "", secret.Errorf(secret.NotFound, "", "%s was not read", r)
			}
			return string(v.Reveal()), nil
		},
		"default": func(otherwise, s string) string {
			if s == "" {
				return otherwise
			}
			return s
		},
		"trim":      strings.TrimSpace,
		"upper":     strings.ToUpper,
		"lower":     strings.ToLower,
		"indent":    indent,
		"quote":     quote,
		"replace":   func(old, now, s string) (string, error) { return sized(replaced(s, old, now), s, old, now) },
		"contains":  func(part, s string) bool { return strings.Contains(s, part) },
		"hasPrefix": func(part, s string) bool { return strings.HasPrefix(s, part) },
		"hasSuffix": func(part, s string) bool { return strings.HasSuffix(s, part) },
	}
	for _, name := range Escapes() {
		m[name] = func(s string) (string, error) {
			b, err := Escape(name, []byte(s))
			return string(b), err
		}
	}
	return m
}

// sized runs what makes a text longer only if the result is within bounds.
func sized(f func() string, s, old, now string) (string, error) {
	if old == "" || len(s)+strings.Count(s, old)*len(now) > 8*MaxBytes {
		return "", secret.Errorf(secret.Invalid, "", "replace is given nothing to look for, or makes too much")
	}
	return f(), nil
}

func replaced(s, old, now string) func() string {
	return func() string { return strings.ReplaceAll(s, old, now) }
}

// indent puts blanks before every line but the first: the place of the first
// is where the action stands.
func indent(n int, s string) (string, error) {
	if n < 0 || n > 100 || len(s)+strings.Count(s, "\n")*n > 8*MaxBytes {
		return "", secret.Errorf(secret.Invalid, "", "indent takes 0 to 100 blanks")
	}
	return strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", n)), nil
}

// quote makes a JSON string, which is a YAML and a TOML string too.
func quote(s string) (string, error) {
	b, err := inJSON([]byte(s))
	return `"` + string(b) + `"`, err
}
