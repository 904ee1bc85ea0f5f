package envfmt

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever tacit accepts, the format's own program reads in the same way: the
// texts are made of what people write and of what breaks parsers.

// texts draws files of the formats with variables.
func texts(extra ...string) *rapid.Generator[string] {
	some := append([]string{
		"A=", "B=", "C=", "D =", "export E=", "F= ", "1=", "a.b=", "\n", "\n", "\n", "\n", "\r\n", "\r", " ", "\t", "# c", " # c", "#", "; c",
		"'", "'", `"`, `"`, "'x'", `"x"`, "`", `\`, `\\`, `\'`, `\"`, `\n`, `\$`, "\\\n", "\\\r\n", "$", "${A}", "$(x)", "x", "y z", "é", "\u00a0", "\u0085", "\x0b", "\x0c",
		"\x1c", "=", "!", "~", "*", ";", "{a,b}", "-", "<", "\x7f", "\u2028", "'a' 'b'", "'a''b'", "a#b", "export", "export G", "''", `""`,
	}, extra...)
	return rapid.Map(rapid.SliceOfN(rapid.SampledFrom(some), 1, 14), func(p []string) string { return strings.Join(p, "") })
}

// agrees checks that a parser reads the same wherever tacit accepts a text.
func agrees(t *testing.T, f Format, draw *rapid.Generator[string], read func(path string, names []string) (map[string]string, error)) {
	t.Helper()
	dir := t.TempDir()
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(draw.Draw(t, "text"))
		entries, err := Read(bytes.NewReader(text), f)
		if err != nil {
			return
		}
		accepted++
		got, err := read(save(t, dir, text), names(entries))
		if err != nil {
			t.Fatalf("%v\n%q", err, text)
		}
		if d := differences(asMap(entries), got); d != "" {
			t.Fatalf("%s\n%q", d, text)
		}
	})
	if accepted == 0 {
		t.Error("no text was accepted: nothing was compared")
	}
}

func plain(p parser) func(string, []string) (map[string]string, error) {
	return func(path string, _ []string) (map[string]string, error) { return p(path) }
}

func TestAcceptedPythonDotenv(t *testing.T) {
	agrees(t, Dotenv, texts(), plain(python(t, "dotenv", false)))
}

func TestAcceptedSystemd(t *testing.T)     { agrees(t, Systemd, texts(), plain(systemd(t))) }
func TestAcceptedDocker(t *testing.T)      { agrees(t, Docker, texts(), plain(docker(t))) }
func TestAcceptedDockerRules(t *testing.T) { agrees(t, Docker, texts(), plain(dockerRules)) }

func TestAcceptedGitHubRules(t *testing.T) {
	agrees(t, GitHub, texts("G<<EOF\n", "\nEOF\n", "EOF", "H<<", "<<", "H<<E=F\n", "\nE=F\n"), plain(githubRules))
}

func TestAcceptedShells(t *testing.T) {
	for _, name := range []string{"bash", "dash"} {
		t.Run(name, func(t *testing.T) { agrees(t, Shell, texts(), shell(t, name, "C.UTF-8")) })
	}
}

// What Altered says of a value is what the programs do with it.
func TestAlteredIsTrue(t *testing.T) {
	programs := map[Program]parser{ForNode: node(t), ForDocker: dockerRules}
	now, old := python(t, "expand", false), python(t, "expand", true)
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		e := Entry{Name: "V", Value: text1(values().Filter(func(s string) bool { return Dotenv.Check("V", text1(s)) == nil }).Draw(t, "value"))}
		text := write(t, Dotenv, nil, []Entry{e})
		// A quote further down is what an old python-dotenv takes for the end.
		path := save(t, dir, append(text, "W=\"w\"\nX='x'\n"...))
		want := asMap([]Entry{e, {Name: "W", Value: text1("w")}, {Name: "X", Value: text1("x")}})
		altered := map[Program]bool{}
		for _, p := range Altered(e.Value) {
			altered[p] = true
		}
		same := func(read parser) bool {
			got, err := read(path)
			if err == nil && got["W"] == `"w"` { // docker, as it should
				got["W"], got["X"] = "w", "x"
			}
			return err == nil && differences(want, got) == ""
		}
		for p, read := range programs {
			if same(read) == altered[p] {
				t.Fatalf("%s alters: %v, said: %v\n%q", p, !altered[p], altered[p], text)
			}
		}
		if (same(now) && same(old)) == altered[ForPython] {
			t.Fatalf("python alters: %v, said: %v\n%q", !altered[ForPython], altered[ForPython], text)
		}
	})
}

// Where no form suits all, the one is taken that most read.
func TestAlteredChoosesTheForm(t *testing.T) {
	for v, want := range map[string]string{
		"":         "[]",
		"a b":      "[docker]", // 'a b' is safe in a shell
		"it's":     "[docker]", // "it's"
		"a'b\"c":   "[]",       // without quotes
		"a#b":      "[docker]", // 'a#b'
		"a#b\\":    "[node]",   // without quotes: in quotes an old python-dotenv would go on
		"a\n\\":    "[node python docker]",
		"a\rb":     "[node docker]", // "a\rb"
		"${A":      "[docker]",
		"${A:-b}c": "[python docker]",
	} {
		if got := fmt.Sprint(Altered(text1(v))); got != want {
			t.Errorf("%q: %s, want %s", v, got, want)
		}
	}
}

// A file written for a program is read by it, by tacit and by python-dotenv.
func TestWrittenForProgram(t *testing.T) {
	reference := python(t, "dotenv", false)
	for p, readers := range map[Program][]parser{
		ForNode:   {node(t), reference},
		ForPython: {python(t, "expand", false), python(t, "expand", true), reference},
		ForDocker: {dockerRules, docker(t), reference},
	} {
		t.Run(string(p), func(t *testing.T) {
			dir := t.TempDir()
			rapid.Check(t, func(t *rapid.T) {
				var entries []Entry
				for _, e := range sets(Dotenv).Draw(t, "entries") {
					if _, ok := pickFor(p, string(e.Value.Reveal())); ok {
						entries = append(entries, e)
					}
				}
				path := save(t, dir, write(t, Dotenv, &Options{For: p}, entries))
				for i, read := range append(readers, func(string) (map[string]string, error) {
					got, err := readFile(path, Dotenv)
					return asMap(got), err
				}) {
					got, err := read(path)
					if err != nil {
						t.Fatal(i, err)
					}
					if d := differences(asMap(entries), got); d != "" {
						t.Fatalf("reader %d: %s", i, d)
					}
				}
			})
		})
	}
}

// The option of the node command is the same parser as util.parseEnv.
func TestNodeEnvFile(t *testing.T) {
	node(t) // skips where there is none
	values := []string{"", "a b", "it's", `say "x"`, "a#b", "line 1\nline 2", "$(x) `y`", `back\slash`, "é😀"}
	var entries []Entry
	script := "process.stdout.write(JSON.stringify(["
	for i, v := range values {
		e := Entry{Name: "V" + string(rune('0'+i)), Value: text1(v)}
		if p := Altered(e.Value); len(p) > 0 && p[0] == ForNode {
			t.Fatalf("value %d is said to be altered by node", i)
		}
		entries = append(entries, e)
		script += "process.env." + e.Name + ","
	}
	path := save(t, t.TempDir(), write(t, Dotenv, &Options{For: ForNode}, entries))
	out, err := exec.Command(program(t, "node"), "--env-file", path, "-e", script+"]))").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := jsonTexts(values); string(out) != want {
		t.Errorf("got %s, want %s", out, want)
	}
}
