package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// The names of the files in a project's folder. All three are under trust.
const (
	FileName   = "tacit.toml"       // committed; never holds a value
	LocalName  = "tacit.local.toml" // one's own; ignored by git
	PolicyName = "policy.cedar"     // committed
)

// MaxFileBytes bounds each of the files.
const MaxFileBytes = 1 << 20

// File is what tacit.toml and tacit.local.toml may say. Its comments are the
// descriptions that editors show; see [Schema].
type File struct {
	Project    string            `toml:"project" json:"project,omitempty" jsonschema:"the project's name, shown in prompts and records"`
	DefaultEnv string            `toml:"default_env" json:"default_env,omitempty" jsonschema:"the environment that is meant when none is named"`
	Env        map[string]Env    `toml:"env" json:"env,omitempty" jsonschema:"the environments: places with rules of their own, such as dev, staging and prod"`
	Secrets    map[string]Secret `toml:"secrets" json:"secrets,omitempty" jsonschema:"the declared secrets, by the variable a program knows them by"`
}

// Secret declares one secret, by the variable a program knows it by.
type Secret struct {
	Ref         *string `toml:"ref" json:"ref,omitempty" jsonschema:"which secret: [env:]name[#field][@version]"`
	Compose     *string `toml:"compose" json:"compose,omitempty" jsonschema:"a text with references: ${name#field|url}"`
	Lease       *string `toml:"lease" json:"lease,omitempty" jsonschema:"which credential the store makes for each run: [env:]name[#field]"`
	As          *string `toml:"as" json:"as,omitempty" jsonschema:"env (the default) or file: the variable then holds the path of a file in memory"`
	Required    *bool   `toml:"required" json:"required,omitempty" jsonschema:"whether a missing secret stops the command; true unless said otherwise"`
	Default     *string `toml:"default" json:"default,omitempty" jsonschema:"used where the secret is missing; not confidential, since this file is committed"`
	Description *string `toml:"description" json:"description,omitempty" jsonschema:"what the secret is for"`
	Rotate      *string `toml:"rotate" json:"rotate,omitempty" jsonschema:"how old a value may grow: 90d"`
	Use         *Use    `toml:"use" json:"use,omitempty" jsonschema:"the child gets a placeholder, and the value is put into these requests only"`
}

// Use says into which requests a value may be put without being handed over.
type Use struct {
	Host    string   `toml:"host" json:"host" jsonschema:"the host the request goes to"`
	Header  string   `toml:"header" json:"header,omitempty" jsonschema:"the header that carries the value"`
	Methods []string `toml:"methods" json:"methods,omitempty" jsonschema:"the methods allowed; none: all"`
	Paths   []string `toml:"paths" json:"paths,omitempty" jsonschema:"patterns of the paths allowed; none: all"`
}

// ParseFile reads the text of one of the files. The error is of kind
// [secret.Invalid] and names file and line; an unknown setting names the
// nearest known one.
func ParseFile(name string, text []byte) (File, error) {
	var f File
	if len(text) > MaxFileBytes {
		return f, secret.Errorf(secret.Invalid, "", "%s is larger than %d bytes", name, MaxFileBytes)
	}
	if err := decodeTOML(name, text, &f); err != nil {
		return File{}, err
	}
	if err := f.check(name, text); err != nil {
		return File{}, err
	}
	return f, nil
}

// decodeTOML decodes text and refuses what v does not know.
func decodeTOML(name string, text []byte, v any) error {
	if err := bounded(name, text); err != nil {
		return err
	}
	md, err := toml.Decode(string(text), v)
	if err != nil {
		return secret.Errorf(secret.Invalid, "", "%s", tomlError(name, err))
	}
	if unknown := md.Undecoded(); len(unknown) > 0 {
		return unknownSetting(name, text, md, unknown[0], v)
	}
	return nil
}

// tomlError tells file and line the way compilers do.
func tomlError(name string, err error) string {
	if p, ok := errors.AsType[toml.ParseError](err); ok {
		return fmt.Sprintf("%s:%d: %s", name, p.Position.Line, p.Message)
	}
	text := strings.TrimPrefix(err.Error(), "toml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if line, what, ok := strings.Cut(rest, " "); ok {
			return name + ":" + line + ": " + what
		}
	}
	return name + ": " + text
}

func unknownSetting(name string, text []byte, md toml.MetaData, key toml.Key, v any) error {
	known := knownSettings(v)
	// The first part that is unknown is the one to talk about: of
	// "envs.dev.backend" that is "envs".
	n := 1
	for n < len(key) && slices.ContainsFunc(known, func(k string) bool { return matchesSetting(k, key[:n]) }) {
		n++
	}
	where := name
	if line := lineOf(text, md, key[:n]); line > 0 {
		where = fmt.Sprintf("%s:%d", name, line)
	}
	message := fmt.Sprintf("%s: unknown setting %q", where, key[:n].String())
	if isCredential(key[n-1]) {
		message += "\n  " + FileName + " holds no credentials: name the file that does, or set the store's own variable"
	} else if near := nearestSetting(known, key[:n]); near != "" {
		message += fmt.Sprintf("\n  the nearest known one is %q", near)
	}
	return secret.Errorf(secret.Invalid, "", "%s", message)
}

// errHere is what finder answers, so that the decoder tells the position.
var errHere = errors.New("here")

type finder struct{}

func (*finder) UnmarshalTOML(any) error { return errHere }

// lineOf returns the line on which key, or the first key below it, is set; 0
// if that is not known.
func lineOf(text []byte, md toml.MetaData, key toml.Key) int {
	for _, k := range md.Keys() {
		if len(k) < len(key) || !slices.Equal(k[:len(key)], key) {
			continue
		}
		if line := positionOf(text, k); line > 0 {
			return line
		}
	}
	return 0
}

func positionOf(text []byte, key toml.Key) int {
	var table map[string]toml.Primitive
	md, err := toml.Decode(string(text), &table)
	if err != nil {
		return 0
	}
	p := table[key[0]]
	for _, part := range key[1:] {
		var next map[string]toml.Primitive
		if md.PrimitiveDecode(p, &next) != nil {
			return 0
		}
		p = next[part]
	}
	if pe, ok := errors.AsType[toml.ParseError](md.PrimitiveDecode(p, &finder{})); ok {
		return pe.Position.Line
	}
	return 0
}

// check finds what is wrong with a file beyond its form: all of it at once.
func (f *File) check(name string, text []byte) error {
	if what := f.tooMany(); what != "" {
		return secret.Errorf(secret.Invalid, "", "%s: %s", name, what)
	}
	var problems []string
	add := func(key []string, format string, args ...any) {
		if len(problems) >= maxProblems { // each costs one more reading of the text
			return
		}
		where := name
		if line := positionOf(text, key); line > 0 {
			where = fmt.Sprintf("%s:%d", name, line)
		}
		problems = append(problems, where+": "+fmt.Sprintf(format, args...))
	}
	if f.DefaultEnv != "" && secret.CheckEnv(f.DefaultEnv) != nil {
		add([]string{"default_env"}, "%q is no name of an environment", f.DefaultEnv)
	}
	for _, n := range slices.Sorted(maps.Keys(f.Env)) {
		e := f.Env[n]
		if err := secret.CheckEnv(n); err != nil {
			add([]string{"env", n}, "%s", err)
		}
		for _, w := range e.problems(name == LocalName) {
			add(append([]string{"env", n}, w.key...), "%s", w.text)
		}
		checkSecrets(e.Secrets, func(rest []string, format string, args ...any) {
			add(append([]string{"env", n, "secrets"}, rest...), format, args...)
		})
	}
	checkSecrets(f.Secrets, func(rest []string, format string, args ...any) {
		add(append([]string{"secrets"}, rest...), format, args...)
	})
	if len(problems) > 0 {
		return secret.Errorf(secret.Invalid, "", "%s", strings.Join(problems, "\n  "))
	}
	return nil
}

// tooMany reports what would be too much once every environment is joined
// with every declaration.
func (f *File) tooMany() string {
	declared := len(f.Secrets)
	for _, e := range f.Env {
		declared = max(declared, len(e.Secrets))
	}
	switch {
	case len(f.Env) > maxEnvironments:
		return fmt.Sprintf("there are more than %d environments", maxEnvironments)
	case declared > maxDeclared:
		return fmt.Sprintf("one table declares more than %d secrets", maxDeclared)
	case declared*len(f.Env) > maxJoined:
		return fmt.Sprintf("%d environments with %d secrets each are more than %d together", len(f.Env), declared, maxJoined)
	default:
		return ""
	}
}

func checkSecrets(m map[string]Secret, add func(rest []string, format string, args ...any)) {
	for _, v := range slices.Sorted(maps.Keys(m)) {
		s := m[v]
		if !isVariable(v) {
			add([]string{v}, "%q is no name of a variable: it has letters, digits and _, and no digit first", v)
		}
		for _, field := range s.problems() {
			add([]string{v, field[0]}, "%s", field[1])
		}
	}
}

// problems lists what is wrong with a declaration: setting and text.
func (s *Secret) problems() [][2]string {
	out := s.sourceProblems()
	if s.As != nil && *s.As != "env" && *s.As != "file" {
		out = append(out, [2]string{"as", fmt.Sprintf("%q is neither \"env\" nor \"file\"", *s.As)})
	}
	if s.Rotate != nil {
		if d, err := ParseSpan(*s.Rotate); err != nil || d <= 0 {
			out = append(out, [2]string{"rotate", fmt.Sprintf("%q is no span of time like \"90d\"", *s.Rotate)})
		}
	}
	if s.Use != nil {
		if text := s.Use.problem(); text != "" {
			out = append(out, [2]string{"use", text})
		}
	}
	return out
}

// sourceProblems lists what is wrong with what a declaration is made of.
func (s *Secret) sourceProblems() [][2]string {
	var out [][2]string
	if s.Ref != nil {
		if _, err := secret.ParseRef(*s.Ref); err != nil {
			out = append(out, [2]string{"ref", err.Error()})
		}
	}
	if s.Compose != nil {
		if _, err := ParseTemplate(*s.Compose); err != nil {
			out = append(out, [2]string{"compose", err.Error()})
		}
	}
	if s.Ref != nil && s.Compose != nil {
		out = append(out, [2]string{"compose", "a secret has a ref or a compose, not both"})
	}
	if text := s.leaseProblem(); text != "" {
		out = append(out, [2]string{"lease", text})
	}
	return out
}

// leaseProblem tells what is wrong with a lease; empty if nothing is.
func (s *Secret) leaseProblem() string {
	if s.Lease == nil {
		return ""
	}
	r, err := secret.ParseRef(*s.Lease)
	switch {
	case err != nil:
		return err.Error()
	case r.At != (secret.At{}):
		return "a lease has no versions: leave out what follows @"
	case s.Ref != nil || s.Compose != nil:
		return "a secret has one of ref, compose and lease"
	case s.Rotate != nil:
		return "a lease is new in each run: it has no rotate"
	default:
		return ""
	}
}

// problem tells what is wrong with a use section; empty if nothing is. Its
// words are those of a grant, so what no grant could say is refused here too.
func (u *Use) problem() string {
	if u.Host == "" {
		return "a use section names its host"
	}
	if u.Header != "" && !isHeader(u.Header) {
		return fmt.Sprintf("%q is no header: write x-api-key", u.Header)
	}
	if err := policy.CheckRequest(u.Host, u.Methods, u.Paths); err != nil {
		return err.Error()
	}
	return ""
}

// isHeader reports whether s can be the name of a header: a token of RFC 9110.
func isHeader(s string) bool {
	return len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// isVariable reports whether s can be the name of an environment variable.
func isVariable(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 256
}
