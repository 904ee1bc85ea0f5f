package foreign

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/internal/envfmt"
)

// fnoxProvider is one that a fnox.toml names, as far as it matters.
type fnoxProvider struct {
	Type      string `json:"type"`
	Address   string `json:"address"`
	Namespace string `json:"namespace"`
	Path      string `json:"path"`
	Region    string `json:"region"`
	Profile   string `json:"profile"`
	Endpoint  string `json:"endpoint"`
	VaultURL  string `json:"vault_url"`
	Prefix    string `json:"prefix"`
}

// fnoxSecret is a secret of a fnox.toml. Anything else in it is a problem.
type fnoxSecret struct {
	Provider    string  `json:"provider"`
	Value       *string `json:"value"`
	JSONPath    string  `json:"json_path"`
	Description string  `json:"description"`
	Default     *string `json:"default"`
	IfMissing   string  `json:"if_missing"`
}

// fnox reads a fnox.toml, which envfmt gives as one JSON text for each table.
func (r *reading) fnox(text []byte, tables []envfmt.Entry) {
	var providers map[string]fnoxProvider
	var standard, missing string
	var secrets map[string]json.RawMessage
	for _, t := range tables {
		b := t.Value.Reveal()
		ok := true
		switch t.Name {
		case "providers":
			ok = json.Unmarshal(b, &providers) == nil
		case "secrets":
			ok = json.Unmarshal(b, &secrets) == nil
		case "default_provider":
			standard = string(b)
		case "if_missing":
			missing = string(b)
		case "profiles":
			r.problems = append(r.problems, Problem{Line: t.Line, Text: "profiles: what a profile declares is not read\n    put it into a file of its own, and import that with -e"})
		case "import", "imports":
			r.problems = append(r.problems, Problem{Line: t.Line, Text: t.Name + ": other files are named, which are not read\n    import each of them"})
		}
		if !ok {
			r.problems = append(r.problems, Problem{Line: t.Line, Text: t.Name + ": is not what fnox has there"})
		}
	}
	if standard == "" && len(providers) == 1 {
		for name := range providers {
			standard = name
		}
	}
	names := make([]string, 0, len(secrets))
	for name := range secrets {
		names = append(names, name)
	}
	slices.Sort(names)
	lines := fnoxLines(text)
	for _, name := range names {
		l := leaf{path: []string{name}, line: lines[name]}
		e, why := fnoxEntry(secrets[name], providers, fnoxSecret{Provider: standard, IfMissing: missing})
		if why != "" {
			r.problem(l, "%s", why)
			continue
		}
		r.add(l, e)
	}
}

// fnoxEntry reads one secret; what it does not say is taken from otherwise.
func fnoxEntry(raw json.RawMessage, providers map[string]fnoxProvider, otherwise fnoxSecret) (Entry, string) {
	if len(raw) > 0 && raw[0] == '"' {
		return Entry{}, "has a value, and no reference"
	}
	s := otherwise
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if d.Decode(&s) != nil {
		return Entry{}, "has a setting besides provider, value, json_path, default, description and if_missing"
	}
	p, known := providers[s.Provider]
	switch {
	case s.Value == nil:
		return Entry{}, "has no value that points into a store"
	case !slices.Contains([]string{"", "error", "warn", "ignore"}, s.IfMissing):
		return Entry{}, "has an if_missing that is none of error, warn, ignore"
	case !known:
		return Entry{}, "its provider is not in this file"
	}
	e, why := p.entry(*s.Value)
	e.Description, e.Default = s.Description, s.Default
	e.Optional = s.IfMissing == "warn" || s.IfMissing == "ignore"
	if why == "" && s.JSONPath != "" {
		e.Field, why = jsonField(e.Field, s.JSONPath)
	}
	return e, why
}

// jsonField is the field that a json_path points at.
func jsonField(field, path string) (string, string) {
	path = strings.TrimPrefix(path, "$.")
	if field != "" || path == "" || strings.ContainsAny(path, "./[]*") {
		return "", "has a json_path that is no single field"
	}
	return path, ""
}

func (p fnoxProvider) entry(value string) (Entry, string) {
	switch p.Type {
	case "vault":
		base := strings.TrimRight(p.Path, "/")
		if p.Path == "" {
			base = "secret"
		}
		name, field, found := strings.Cut(value, "/")
		if !found {
			field = "value"
		}
		if name == "" || field == "" || strings.Contains(field, "/") {
			return Entry{}, "is not secret or secret/field, as the provider takes it"
		}
		return Entry{Store: Vault, Address: p.Address, Where: p.Address + " " + p.Namespace, Name: base + "/" + name, Field: field}, ""
	case "aws-sm":
		if strings.HasPrefix(value, "arn:") {
			return Entry{}, "is an ARN, which names an account\n    write the secret's name"
		}
		return Entry{Store: AWS, Where: p.Region + " " + p.Profile + " " + p.Endpoint, Name: p.Prefix + value}, ""
	case "azure-sm":
		return Entry{Store: Azure, Address: p.VaultURL, Where: p.VaultURL, Name: p.Prefix + value}, ""
	case "age", "aws-kms", "azure-kms", "gcp-kms", "plain":
		return Entry{}, "its value lies in the file itself, and not in a store"
	default:
		return Entry{}, "lies in a kind of store that tacit does not know"
	}
}

// fnoxLines finds the lines of the secrets: [secrets.NAME], or NAME = below
// [secrets].
func fnoxLines(text []byte) map[string]int {
	lines := map[string]int{}
	table, n := "", 0
	for raw := range bytes.Lines(text) {
		n++
		s := strings.TrimSpace(string(raw))
		if strings.HasPrefix(s, "[") {
			table, _, _ = strings.Cut(strings.Trim(s, "[] \t"), "]")
			if name, ok := strings.CutPrefix(table, "secrets."); ok {
				note(lines, name, n)
			}
			continue
		}
		if key, _, ok := strings.Cut(s, "="); ok && table == "secrets" {
			name, _, _ := strings.Cut(strings.TrimSpace(key), ".")
			note(lines, name, n)
		} else if name, ok := strings.CutPrefix(strings.TrimSpace(key), "secrets."); ok && table == "" {
			note(lines, name, n)
		}
	}
	return lines
}

func note(lines map[string]int, name string, n int) {
	name = strings.Trim(strings.TrimSpace(name), `"'`)
	if _, ok := lines[name]; !ok {
		lines[name] = n
	}
}
