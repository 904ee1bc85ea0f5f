package envfmt

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// What each format looks like, for those who read it.
func TestWritten(t *testing.T) {
	want := map[Format]string{
		Dotenv:  "A=plain\nB='two words'\nC=\"it's\"\nD=\n",
		JSON:    "{\n  \"A\": \"plain\",\n  \"B\": \"two words\",\n  \"C\": \"it's\",\n  \"D\": \"\"\n}\n",
		YAML:    "\"A\": \"plain\"\n\"B\": \"two words\"\n\"C\": \"it's\"\n\"D\": \"\"\n",
		TOML:    "A = \"plain\"\nB = \"two words\"\nC = \"it's\"\nD = \"\"\n",
		Shell:   "export A='plain'\nexport B='two words'\nexport C='it'\\''s'\nexport D=''\n",
		Docker:  "A=plain\nB=two words\nC=it's\nD=\n",
		Systemd: "A=\"plain\"\nB=\"two words\"\nC=\"it's\"\nD=\"\"\n",
		Kubernetes: "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"app\"\ntype: Opaque\ndata:\n" +
			"  \"A\": \"cGxhaW4=\"\n  \"B\": \"dHdvIHdvcmRz\"\n  \"C\": \"aXQncw==\"\n  \"D\": \"\"\n",
	}
	entries := []Entry{{Name: "A", Value: text1("plain")}, {Name: "B", Value: text1("two words")}, {Name: "C", Value: text1("it's")}, {Name: "D", Value: text1("")}}
	for f, text := range want {
		if got := string(write(t, f, options(f), entries)); got != text {
			t.Errorf("%s: got\n%s\nwant\n%s", f, got, text)
		}
	}
}

// No entries are a whole text too, which reads as none.
func TestWriteNothing(t *testing.T) {
	for _, f := range Formats() {
		text := write(t, f, options(f), nil)
		got, err := Read(bytes.NewReader(text), f)
		if err != nil || len(got) != 0 {
			t.Errorf("%s: %v, %v\n%s", f, got, err, text)
		}
	}
}

func TestWriteRefusesAndStops(t *testing.T) {
	for f, v := range map[Format]secret.Value{
		Docker: text1("a\nb"), Dotenv: text1("\x00"), Shell: text1("\x00"), GitHub: text1("\x00"), Systemd: text1("\ufdd0"),
		JSON: secret.Binary([]byte{0xff}), YAML: secret.Binary([]byte{0xff}), TOML: secret.Binary([]byte{0xff}), Kubernetes: text1(strings.Repeat("x", 1<<20+1)),
	} {
		var b bytes.Buffer
		w, err := NewWriter(&b, f, options(f))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write("A", v); secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), "A ") || !strings.Contains(err.Error(), "--format ") {
			t.Errorf("%s: %v", f, err)
		}
		if err := w.Write("B", text1("x")); secret.KindOf(err) != secret.Invalid {
			t.Errorf("%s goes on after an error: %v", f, err)
		}
		if err := w.Close(); secret.KindOf(err) != secret.Invalid || b.Len() > 0 {
			t.Errorf("%s: %d bytes, %v", f, b.Len(), err)
		}
		if err := f.Check("A", secret.Value{}); secret.KindOf(err) != secret.Invalid {
			t.Errorf("%s takes no value for one: %v", f, err)
		}
	}
}

// The format that a refusal names holds the value.
func TestRefusalNamesAFormatThatHolds(t *testing.T) {
	for _, f := range Formats() {
		for _, v := range []string{"\x00", "\xff", "\n", "\r", "\ufdd0", strings.Repeat("x", 1<<16)} {
			err := f.Check("A", text1(v))
			if err == nil {
				continue
			}
			_, name, _ := strings.Cut(err.Error(), "--format ")
			if err := Format(name).Check("A", text1(v)); err != nil {
				t.Errorf("%s sends to %s: %v", f, name, err)
			}
		}
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat(`"`, 512) // over YAML's bound for a key that is not marked as one
	for f, ok := range map[Format]map[string]bool{
		Dotenv:     {"A": true, "_a1": true, "1A": false, "a-b": false, "a/b": false, "": false, "é": false, strings.Repeat("A", 257): false},
		JSON:       {"A": true, "a/b": true, "é": true, long: true, "a//b": false, "": false, "a\nb": false, "e\u0301": false},
		YAML:       {"yes": true, "null": true, "1": true, "<<": true, "a: b": true, long: true, "~": true},
		TOML:       {"a-b": true, "a.b": true, "a/b": true, long: true, "1": true},
		Kubernetes: {"a-b": true, "a.b": true, "yes": true, "1": true, "a/b": false, ".": false, "..a": false, strings.Repeat("A", 254): false},
	} {
		for name, want := range ok {
			if err := f.Check(name, text1("x")); (err == nil) != want {
				t.Errorf("%s, %.20q: %v", f, name, err)
			}
			if !want {
				continue
			}
			text := write(t, f, options(f), []Entry{{Name: name, Value: text1("x")}})
			got, err := Read(bytes.NewReader(text), f)
			if err != nil || len(got) != 1 || got[0].Name != name {
				t.Errorf("%s, %.20q: not read back, %v", f, name, err)
			}
		}
	}
}

// The keys of YAML are texts for PyYAML as well.
func TestNamesPyYAML(t *testing.T) {
	read := python(t, "yaml", false)
	var entries []Entry
	for _, name := range []string{"yes", "null", "1", "<<", "a: b", "~", "é", strings.Repeat(`"`, 512)} {
		entries = append(entries, Entry{Name: name, Value: text1("x")})
	}
	got, err := read(save(t, t.TempDir(), write(t, YAML, nil, entries)))
	if err != nil {
		t.Fatal(err)
	}
	if d := differences(asMap(entries), got); d != "" {
		t.Error(d)
	}
}

func TestOptions(t *testing.T) {
	for name, tt := range map[string]struct {
		f  Format
		o  *Options
		ok bool
	}{
		"for another format":       {JSON, &Options{For: ForNode}, false},
		"for an unknown program":   {Dotenv, &Options{For: "ruby"}, false},
		"for node":                 {Dotenv, &Options{For: ForNode}, true},
		"masks elsewhere":          {Dotenv, &Options{Masks: io.Discard}, false},
		"no masks":                 {GitHub, nil, false},
		"no object":                {Kubernetes, nil, false},
		"object elsewhere":         {YAML, &Options{Object: "a"}, false},
		"object":                   {Kubernetes, &Options{Object: "a.b-c", Namespace: "n"}, true},
		"object with a line":       {Kubernetes, &Options{Object: "a\ndata: {}"}, false},
		"object in capitals":       {Kubernetes, &Options{Object: "A"}, false},
		"namespace with a dot":     {Kubernetes, &Options{Object: "a", Namespace: "a.b"}, false},
		"object that ends in dash": {Kubernetes, &Options{Object: "a-"}, false},
	} {
		if _, err := NewWriter(io.Discard, tt.f, tt.o); (err == nil) != tt.ok || err != nil && secret.KindOf(err) != secret.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForRefuses(t *testing.T) {
	for p, v := range map[Program]string{ForNode: "'\"\n`", ForPython: "${A}", ForDocker: "a\nb"} {
		w, err := NewWriter(io.Discard, Dotenv, &Options{For: p})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write("A", text1(v)); secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), string(p)) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestSecretOfMoreThanAMebibyte(t *testing.T) {
	w, err := NewWriter(io.Discard, Kubernetes, &Options{Object: "app"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write("A", text1(strings.Repeat("x", 1<<20))); err != nil {
		t.Fatal(err)
	}
	if err := w.Write("B", text1("x")); secret.KindOf(err) != secret.Invalid {
		t.Errorf("%v", err)
	}
}

func TestOutputFails(t *testing.T) {
	for _, f := range Formats() {
		w, err := NewWriter(failing{}, f, options(f))
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if err = w.Write("A", text1(strings.Repeat("x", 1000))); err != nil {
				break
			}
		}
		if secret.KindOf(err) != secret.Unavailable || secret.KindOf(w.Close()) != secret.Unavailable {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// Memory does not grow with the number of entries.
func TestMemoryStaysFlat(t *testing.T) {
	for _, f := range Formats() {
		w, err := NewWriter(io.Discard, f, options(f))
		if err != nil {
			t.Fatal(err)
		}
		grown := func(n int) uint64 {
			for range n {
				if err := w.Write("NAME", text1("v")); err != nil {
					t.Fatal(err)
				}
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := grown(1000)
		if after := grown(20_000); after > before+256<<10 {
			t.Errorf("%s: %d bytes after 1,000 entries, %d after 21,000", f, before, after)
		}
	}
}
