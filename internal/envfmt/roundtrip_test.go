package envfmt

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/secret"
)

// pieces are what parsers stumble over.
func pieces() []string {
	out := []string{
		"'", `"`, "`", `\`, `\\`, `\'`, `\"`, `\n`, `\r`, `\t`, `\u0041`, `\x41`, "$", "${A}", "${A:-b}", "${", "}", "$(x)", "`x`", "$'x'",
		"!", "!!", "#", " #", "\t#", " ", "  ", "\t", "\n", "\r", "\r\n", "\n\n", "=", ";", "&", "|", "<", ">", "<<EOF", "EOF", "\nEOF\n",
		"::set-env name=A::b", "::add-mask::", "%0A", "%25", "*", "?", "[", "]", "{", "}", "(", ")", "~", ":", ": ", "- ", ",", ".", "%", "@", "^",
		"é", "😀", "\u00a0", "\u0085", "\u2028", "\u2029", "\ufeff", "\ufffd", "\ufffe", "\U0001ffff", "\ufdd0", "\u200b", "\u202e", "\u1680", "\u3000",
		"a", "B", "0", "12", "x", "n", "r", "t", "_", "yes", "null", "0x1F", "1e3", "export ", "A=b",
	}
	for c := range 0x20 {
		out = append(out, string(rune(c)))
	}
	return append(out, "\x7f", "\x80", "\xff", "\xc3", "\xed\xa0\x80")
}

// values draws byte strings, often of pieces and sometimes of anything.
func values() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.Map(rapid.SliceOfN(rapid.SampledFrom(pieces()), 0, 8), func(p []string) string {
			return string(bytes.Join(slices.Collect(func(yield func([]byte) bool) {
				for _, s := range p {
					if !yield([]byte(s)) {
						return
					}
				}
			}), nil))
		}),
		rapid.String(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 30), func(b []byte) string { return string(b) }),
	)
}

// sets draws what a format can hold.
func sets(f Format) *rapid.Generator[[]Entry] {
	return rapid.Custom(func(t *rapid.T) []Entry {
		var out []Entry
		for i, v := range rapid.SliceOfN(values(), 1, 20).Draw(t, "values") {
			e := Entry{Name: fmt.Sprintf("V%d", i), Value: secret.Text(v)}
			if f.Check(e.Name, e.Value) == nil {
				out = append(out, e)
			}
		}
		return out
	})
}

type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func options(f Format) *Options {
	switch f {
	case GitHub:
		return &Options{Masks: io.Discard}
	case Kubernetes:
		return &Options{Object: "app"}
	default:
		return nil
	}
}

func write(t failer, f Format, o *Options, entries []Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, f, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := w.Write(e.Name, e.Value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asMap(entries []Entry) map[string]string {
	out := map[string]string{}
	for _, e := range entries {
		out[e.Name] = string(e.Value.Reveal())
	}
	return out
}

// save puts a text where a parser finds it.
func save(t failer, dir string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// holds checks that a parser reads what was written, for all that f can hold.
func holds(t *testing.T, f Format, read parser) {
	t.Helper()
	dir := t.TempDir()
	one := func(t failer, entries []Entry) {
		text := write(t, f, options(f), entries)
		got, err := read(save(t, dir, text))
		if err != nil {
			t.Fatalf("%v\n%.2000q", err, text)
		}
		if d := differences(asMap(entries), got); d != "" {
			t.Fatalf("%.2000s\n%.2000q", d, text)
		}
	}
	if f != Kubernetes { // its values are base64, which has nothing to stumble over
		for some := range slices.Chunk(pairs(f), 2000) { // a library compares each name with each other
			one(t, some)
		}
	}
	rapid.Check(t, func(t *rapid.T) { one(t, sets(f).Draw(t, "entries")) })
}

// pairs are all pieces followed by all pieces, as far as f can hold them.
func pairs(f Format) []Entry {
	var out []Entry
	for _, a := range pieces() {
		for _, b := range pieces() {
			e := Entry{Name: fmt.Sprintf("P%d", len(out)), Value: secret.Text(a + b)}
			if f.Check(e.Name, e.Value) == nil {
				out = append(out, e)
			}
		}
	}
	return out
}

// What tacit writes, tacit reads, in every format; and a text value stays text.
func TestRoundTrip(t *testing.T) {
	for _, f := range Formats() {
		t.Run(string(f), func(t *testing.T) {
			holds(t, f, func(path string) (map[string]string, error) {
				b, err := os.ReadFile(path)
				if err != nil {
					return nil, err
				}
				entries, err := Read(bytes.NewReader(b), f)
				return asMap(entries), err
			})
		})
	}
}

func TestRoundTripPythonDotenv(t *testing.T) { holds(t, Dotenv, python(t, "dotenv", false)) }
func TestRoundTripSystemd(t *testing.T)      { holds(t, Systemd, systemd(t)) }
func TestRoundTripDocker(t *testing.T)       { holds(t, Docker, docker(t)) }
func TestRoundTripDockerRules(t *testing.T)  { holds(t, Docker, dockerRules) }
func TestRoundTripGitHubRules(t *testing.T)  { holds(t, GitHub, githubRules) }
func TestRoundTripPyYAML(t *testing.T)       { holds(t, YAML, python(t, "yaml", false)) }
func TestRoundTripTomllib(t *testing.T)      { holds(t, TOML, python(t, "toml", false)) }
func TestRoundTripPythonJSON(t *testing.T)   { holds(t, JSON, python(t, "json", false)) }
func TestRoundTripJq(t *testing.T)           { holds(t, JSON, jq(t)) }
func TestRoundTripGoYAML(t *testing.T)       { holds(t, YAML, decoded(yaml.Unmarshal)) }
func TestRoundTripGoTOML(t *testing.T)       { holds(t, TOML, decoded(toml.Unmarshal)) }
func TestRoundTripGoJSON(t *testing.T)       { holds(t, JSON, decoded(json.Unmarshal)) }

// JSON is YAML, so PyYAML has to read it too.
func TestRoundTripJSONIsYAML(t *testing.T) { holds(t, JSON, python(t, "yaml", false)) }

func TestRoundTripShells(t *testing.T) {
	for _, name := range []string{"bash", "dash"} {
		for _, locale := range []string{"C", "C.UTF-8"} {
			t.Run(name+" "+locale, func(t *testing.T) {
				source := shell(t, name, locale)
				holds(t, Shell, func(path string) (map[string]string, error) {
					entries, err := readFile(path, Shell)
					if err != nil {
						return nil, err
					}
					return source(path, names(entries))
				})
			})
		}
	}
}

func TestRoundTripKubernetes(t *testing.T) {
	for name, read := range map[string]parser{
		"PyYAML":  python(t, "kubernetes", false),
		"Go YAML": goManifest,
	} {
		t.Run(name, func(t *testing.T) {
			holds(t, Kubernetes, func(path string) (map[string]string, error) {
				got, err := read(path)
				for k, v := range got {
					b, err := base64.StdEncoding.Strict().DecodeString(v)
					if err != nil {
						return nil, err
					}
					got[k] = string(b)
				}
				return got, err
			})
		})
	}
}

func goManifest(path string) (map[string]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var m struct{ Data map[string]string }
	return m.Data, yaml.Unmarshal(b, &m)
}

func decoded(unmarshal func([]byte, any) error) parser {
	return func(path string) (map[string]string, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		got := map[string]string{}
		return got, unmarshal(b, &got)
	}
}

func readFile(path string, f Format) ([]Entry, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Read(bytes.NewReader(b), f)
}

func names(entries []Entry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Name)
	}
	return out
}

func text1(s string) secret.Value { return secret.Text(s) }

func jsonTexts(values []string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(values)
	return string(bytes.TrimSpace(b.Bytes()))
}
