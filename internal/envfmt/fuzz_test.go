package envfmt

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v3"

	"github.com/tacit-secrets/tacit/secret"
)

// fuzzRead checks what holds for every text in every format: it is refused with
// problems and nothing else, or it is read into entries that are sound, and
// that are read again from what is written of them. It returns the entries.
func fuzzRead(t *testing.T, f Format, text []byte) []Entry {
	t.Helper()
	entries, err := Read(bytes.NewReader(text), f)
	if err != nil {
		if len(entries) > 0 || secret.KindOf(err) != secret.Invalid || len(err.Error()) > 50*1000 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		return nil
	}
	line := 0
	for _, e := range entries {
		if e.Line < line && f != Kubernetes && f != TOML || e.Line < 1 || e.Line > 1+bytes.Count(text, []byte("\n")) {
			t.Fatalf("an entry on line %d after one on line %d", e.Line, line)
		}
		line = e.Line
	}
	var b bytes.Buffer
	w, err := NewWriter(&b, f, options(f))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := w.Write(e.Name, e.Value); err != nil {
			t.Fatalf("read and not written: %v", err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Read(&b, f)
	if err != nil || len(again) != len(entries) {
		t.Fatalf("written and not read: %d of %d, %v", len(again), len(entries), err)
	}
	for i, e := range again {
		if e.Name != entries[i].Name || !e.Value.Equal(entries[i].Value) {
			t.Fatalf("entry %d is read differently from what was written", i)
		}
	}
	return entries
}

func seeds(f *testing.F, texts ...string) {
	f.Helper()
	for _, s := range texts {
		f.Add([]byte(s))
	}
}

func FuzzReadDotenv(f *testing.F) {
	seeds(f, "A=1\nexport B='x\\'y' # c\nC=\"a\\n\nb\"\n", "A=x # c\r\nB= # c\n", "A='\nB=1\n", "A=`x`\n")
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, e := range fuzzRead(t, Dotenv, text) {
			Altered(e.Value)
		}
	})
}

func FuzzReadShell(f *testing.F) {
	seeds(f, "export A='it'\\''s'\nB=\"a\\$b\\\n\" # c\nC=\\ \n", "A=$(x)\n", "A='\xff'\n", "A=1;B=2\n")
	f.Fuzz(func(t *testing.T, text []byte) { fuzzRead(t, Shell, text) })
}

func FuzzReadSystemd(f *testing.F) {
	seeds(f, "; c\nA=x \\\n y  \nB=\"q\\\"\\$\"\nC='r'\n", "A=\\ \n", "# c \\\n")
	f.Fuzz(func(t *testing.T, text []byte) { fuzzRead(t, Systemd, text) })
}

// byRules compares with rules that were written apart.
func byRules(t *testing.T, f Format, text []byte, rules parser) {
	t.Helper()
	_, err := Read(bytes.NewReader(text), f)
	entries := fuzzRead(t, f, text)
	if err != nil {
		return
	}
	got, err := rules(save(t, t.TempDir(), text))
	if err != nil {
		t.Fatal(err)
	}
	if d := differences(asMap(entries), got); d != "" {
		t.Fatal(d)
	}
}

func FuzzReadDocker(f *testing.F) {
	seeds(f, "# c\n A=\"x\" \r\nB==\n", "A\n", "A=x\ry\n")
	f.Fuzz(func(t *testing.T, text []byte) { byRules(t, Docker, text, dockerRules) })
}

func FuzzReadGitHub(f *testing.F) {
	seeds(f, "A=b\nC<<EOF\nx\n\nEOF\n", "A<<E=F\nE=F", "A=<<x\n", "A<<E\r\nx\nE\r\n")
	f.Fuzz(func(t *testing.T, text []byte) { byRules(t, GitHub, text, githubRules) })
}

// library compares each value with what a library reads.
func library(t *testing.T, f Format, text []byte, unmarshal func([]byte, any) error) {
	t.Helper()
	entries := fuzzRead(t, f, text)
	if len(entries) == 0 {
		return
	}
	var want map[string]any
	if err := unmarshal(text, &want); err != nil {
		t.Fatalf("accepted, but the library refuses it: %v", err)
	}
	if len(want) != len(entries) {
		t.Fatalf("%d entries, the library has %d", len(entries), len(want))
	}
	for _, e := range entries {
		b := e.Value.Reveal()
		switch w := want[e.Name].(type) {
		case string:
			if string(b) != w {
				t.Fatalf("a string is %q, the library reads %q", b, w)
			}
		case map[string]any:
			var got map[string]any
			if err := json.Unmarshal(b, &got); err != nil || len(got) != len(w) {
				t.Fatalf("%d members, the library has %d: %v", len(got), len(w), err)
			}
		case []any, []map[string]any:
			if !json.Valid(b) || b[0] != '[' {
				t.Fatalf("a list is no JSON: %q", b)
			}
		}
	}
}

func FuzzReadJSON(f *testing.F) {
	seeds(f, `{"A":"x\u00e9\ud83d\ude00","B":{"x":[1,{}]},"C":1.10,"D":true}`, `{"A":null}`, `{"A":"\ud800"}`, `{"a/b":"",  "A" :[ ]}`, "{}x")
	f.Fuzz(func(t *testing.T, text []byte) { library(t, JSON, text, json.Unmarshal) })
}

func FuzzReadTOML(f *testing.F) {
	seeds(f, "A = \"x\\u00e9\"\nB = '''\nx'''\n[c.d]\ne = [1, {x = 2}]\n[[f]]\n", "A = \"\"\"x \\\n  y\"\"\"\"\n", "A.b = 1\nA.c = 2001-01-01\n", "A = 0x1F\n", "\"a b\" = inf\n", "A=[{}]\nA=1\n")
	f.Fuzz(func(t *testing.T, text []byte) { library(t, TOML, text, toml.Unmarshal) })
}

func FuzzReadYAML(f *testing.F) {
	seeds(f, "A: x\nB: |\n  two\n  lines\nC: {d: [1, true, ~]}\n", "A: &a x\nB: *a\n", "? A\n: 'x'\n", "A: \"\\x41\\\n  b\"\n---\n", "!!map {}", "A: >-\n  x\n\n  y\n", "<<: {a: b}")
	f.Fuzz(func(t *testing.T, text []byte) {
		library(t, YAML, text, func(b []byte, v any) error {
			// The library has an opinion on words without quotes; only texts count here.
			var nodes map[string]yaml.Node
			if err := yaml.Unmarshal(b, &nodes); err != nil {
				return err
			}
			out := map[string]any{}
			for k, n := range nodes {
				switch n.Kind {
				case yaml.ScalarNode:
					out[k] = n.Value
				case yaml.SequenceNode:
					out[k] = []any{}
				default:
					var m map[string]yaml.Node
					if err := n.Decode(&m); err != nil {
						return err
					}
					members := map[string]any{}
					for k := range m {
						members[k] = nil
					}
					out[k] = members
				}
			}
			*v.(*map[string]any) = out
			return nil
		})
	})
}

func FuzzReadKubernetes(f *testing.F) {
	seeds(f, "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {A: aGk=}\nstringData:\n  B: x\n", `{"apiVersion":"v1","kind":"Secret","data":{"A":"/w=="}}`, "kind: List\n")
	f.Fuzz(func(t *testing.T, text []byte) { fuzzRead(t, Kubernetes, text) })
}

func FuzzDetect(f *testing.F) {
	f.Add(".env", []byte("A=1"))
	f.Add("", []byte("{"))
	f.Fuzz(func(t *testing.T, name string, head []byte) {
		format, err := Detect(name, head)
		if (format == "") != (secret.KindOf(err) == secret.Invalid) {
			t.Fatalf("%q, %v", format, err)
		}
	})
}

// FuzzWrite checks that every value is refused, or read back as it was.
func FuzzWrite(f *testing.F) {
	f.Add([]byte("x'\"`\\\r\n$#"))
	f.Add([]byte{0, 0xff})
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, format := range Formats() {
			e := Entry{Name: "V", Value: secret.Text(value)}
			if format.Check(e.Name, e.Value) != nil {
				continue
			}
			got, err := Read(bytes.NewReader(write(t, format, options(format), []Entry{e})), format)
			if err != nil || len(got) != 1 || !bytes.Equal(got[0].Value.Reveal(), value) {
				t.Errorf("%s: not read back: %v", format, err)
			}
		}
	})
}
