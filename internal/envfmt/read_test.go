package envfmt

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

func TestReadDotenv(t *testing.T) {
	accepted(t, Dotenv, `
# comment
A=plain
export B = spaced out  # comment
C='single \' \\ \n $x'
D="double \" \\ \n \t \d $x"  # comment
E=
F= # comment
G='two
lines'#c
H=a#b
I=it's`, `A=plain@3 | B=spaced out@4 | C=single ' \ \n $x@5 | D=double " \ `+"\n \t"+` \d $x@6 | E=@7 | F=@8 | `+"G=two\nlines@9 | H=a#b@11 | I=it's@12")
	refused(t, Dotenv, "A\nB='x' y\nC=\"x\nD=#x\nE=`x`\nF=a\u00a0b\n1=x\na.b=x\n =x\nexport =x\nG=ok\n'H'=x\n", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12)
	accepted(t, Dotenv, "", "")
	accepted(t, Dotenv, "\n\n# nothing\n", "")
}

func TestReadShell(t *testing.T) {
	accepted(t, Shell, "#!/bin/sh\nexport A='it'\\''s'\nB=a\"b \\$x \\` \\\" \\\\ \\n\"'c'\\ d # comment\n\texport C=\"two\nlines\"\nD=a\\\nb\nE=\n", "A=it's@2 | B=ab $x ` \" \\ \\nc d@3 | C=two\nlines@4 | D=ab@6 | E=@8")
	refused(t, Shell, "A=1 B=2\nA=a;b\nA=\"x\nB='x\nC = 1\nD=a#b c\n", 1, 2, 3, 4, 5, 6)
}

func TestReadSystemd(t *testing.T) {
	accepted(t, Systemd, "; c\n# c\nA=plain text  \nB=\"a \\\" \\$ \\x $y `z`\"\nC='raw \\'\nD=a \\\n  b\nE=x\"y\"\nF=\\ \\ \nG= \n", "A=plain text@3 | B=a \" $ \\x $y `z`@4 | C=raw \\@5 | D=a   b@6 | E=x\"y\"@8 | F=  @9 | G=@10")
	refused(t, Systemd, "export A=1\nB='x' # c\nC\nD='x\n# c \\\nE='a''b'\n", 1, 2, 3, 4, 5, 6)
}

func TestReadDocker(t *testing.T) {
	accepted(t, Docker, "# c\n  A= \"x\" # y \n\nB=\nC==\n", "A= \"x\" # y @2 | B=@4 | C==@5")
	refused(t, Docker, "A\nB B=1\n=x\nexport C=1\n", 1, 2, 3, 4)
}

func TestReadGitHub(t *testing.T) {
	accepted(t, GitHub, "A=a<<b\nB<<EOF\nx\n\ny\nEOF\nC<<E\nE\nD<<E\n\nE", "A=a<<b@1 | B=x\n\ny@2 | C=@7 | D=@9")
	refused(t, GitHub, "A\n=x\nB<<\nC<<EOF\nD=ok\n A=1\n", 1, 2, 3, 4, 6)
}

func TestReadJSON(t *testing.T) {
	accepted(t, JSON, "{\n \"claude/api\" : \"x\\u00e9\\ud83d\\ude00\\/\\n\",\n\"B\":{ \"b\": 1,  \"a\": [ 1, {} ] },\"C\":[],\"D\":false\n}\n",
		"claude/api=xé😀/\n@2 | B={ \"b\": 1,  \"a\": [ 1, {} ] }@3 | C=[]@3 | D=false@3")
	accepted(t, JSON, "{}", "")
	accepted(t, JSON, `{"A":"\u0000","é":""}`, "A=\x00@1 | é=@1")
}

func TestReadYAML(t *testing.T) {
	accepted(t, YAML, `# c
A: plain text
B: "q\tq"
C: |
  two
  lines
D: >-
  one
  line
E: {b: [1, true, null, x, 2001-01-01, "2", True], a: {}}
"F": ''
1: x
`, "A=plain text@2 | B=q\tq@3 | C=two\nlines\n@4 | D=one line@7 | "+`E={"b":[1,true,null,"x","2001-01-01","2",true],"a":{}}@10 | F=@11 | 1=x@12`)
	refused(t, YAML, "A:\nB: ~\nC: null\n? [x]\n: y\n? {x: y}\n: z\n~: x\n", 1, 2, 3, 4, 6, 8)
	refused(t, YAML, "- A\n", 1)
	refused(t, YAML, "A: [\n", 1)
	refused(t, YAML, "", 1)
	refused(t, YAML, "A: 1\n\tB: 2\n", 2)
}

func TestReadTOML(t *testing.T) {
	accepted(t, TOML, `# c
A = "b\tq \u00e9 \U0001F600" # c
B = 'raw \t'
C = """
two \
   joined
"quoted""""
D = '''
raw'''
"E/e".x = 1
E.y = [ 1, # c
  "two", [ 3.0 ], { k = 'v' } ]
[db]
user = "u"
[db.inner]
when = 2001-01-01
[[list]]
a = 1
[[list]]
`, "A=b\tq é 😀@2 | B=raw \\t@3 | C=two joined\n\"quoted\"@4 | D=raw@8 | "+`E/e={"x":1}@10 | E={"y":[1,"two",[3.0],{"k":"v"}]}@11 | db={"user":"u","inner":{"when":"2001-01-01"}}@13 | list=[{"a":1},{}]@17`)
	refused(t, TOML, "A\nB = \nC = x y\nD = \"\\q\"\nE = 'x\n[F\nG = 1 2\n= 1\nH = [1 2]\nI = 1\n", 1, 2, 4, 5, 6, 8, 9)
	refused(t, TOML, "A = 1\nB = 2001-99-99\n", 2)
	refused(t, TOML, "A = 99999999999999999999\n", 1)
	refused(t, TOML, "A = \"\"\"x\r\ny\"\"\"\n", 1, 2)
}

func TestReadKubernetes(t *testing.T) {
	accepted(t, Kubernetes, `apiVersion: v1
kind: Secret
metadata: {name: app, labels: {a: b}}
type: Opaque
data:
  A: aGk=
  tls.crt: |
    aGkg
    aGk=
stringData:
  B: "12"
`, "A=hi@6 | tls.crt=hi hi@7 | B=12@11")
	accepted(t, Kubernetes, `{"apiVersion":"v1","kind":"Secret","data":{"A":"/w=="}}`, "A=\xff@1")
	accepted(t, Kubernetes, "apiVersion: v1\nkind: Secret\ndata:\n", "")
	refused(t, Kubernetes, "apiVersion: v1\nkind: Secret\ndata:\n  A: plain text\n  B: 12\n  C: aGl=\n  a/b: aGk=\nstringData: x\nDATA: {}\n", 4, 5, 6, 7, 8, 9)
	refused(t, Kubernetes, "apiVersion: v1\nkind: ConfigMap\ndata: {A: x}\n", 2, 3)
	refused(t, Kubernetes, "apiVersion: v1\nkind: List\nitems: []\n", 2, 3)
	refused(t, Kubernetes, "data: {A: aGk=}\n", 1)
	entries, err := Read(strings.NewReader(`{"apiVersion":"v1","kind":"Secret","data":{"A":"/w==","B":"aGk="}}`), Kubernetes)
	if err != nil || !entries[0].Value.IsBinary() || entries[1].Value.IsBinary() {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestReadUnknownFormat(t *testing.T) {
	for _, f := range []Format{"", "ini"} {
		if _, err := Read(strings.NewReader(""), f); secret.KindOf(err) != secret.Invalid {
			t.Errorf("%q: %v", f, err)
		}
		if _, err := NewWriter(&bytes.Buffer{}, f, nil); secret.KindOf(err) != secret.Invalid {
			t.Errorf("%q: %v", f, err)
		}
	}
}

// The whole text of an error, as people see it.
func TestErrorText(t *testing.T) {
	_, err := read1(Dotenv, "A=1\nB\nA=2\n")
	const want = `2 problems in the dotenv text; nothing was read
  line 2: no = after a name
  line 3: A is given again, first on line 1`
	if err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	err = Docker.Check("KEY", secret.Text("a\nb"))
	const check = "KEY holds a newline, which a docker env-file cannot hold\n  take another format for it: --format json"
	if err.Error() != check {
		t.Errorf("got\n%v\nwant\n%s", err, check)
	}
	_, err = read1(JSON, strings.Repeat(" ", MaxBytes+1))
	if want := "1 problem in the json text; nothing was read\n  it is larger than 64 MiB"; err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestDetect(t *testing.T) {
	tests := []struct {
		name, head string
		want       Format
	}{
		{".env", "", Dotenv},
		{"dir/.env.production", "", Dotenv},
		{`dir\prod.env`, "", Dotenv},
		{".envrc", "", Shell},
		{"x.SH", "", Shell},
		{"x.json", "{}", JSON},
		{"x.yml", "A: b", YAML},
		{"x.yaml", "apiVersion: v1\nkind: Secret\n", Kubernetes},
		{"x.yaml", "apiVersion: v1\nkind: ConfigMap\n", YAML},
		{"x.yaml", "kind: SecretStore\napiVersion: v1\n", YAML},
		{"x.json", `{"apiVersion": "v1", "kind": "Secret"}`, Kubernetes},
		{"x.toml", "", TOML},
		{"", "\n# c\nA=b\n", Dotenv},
		{"", "export A=b\n", Shell},
		{"", "A<<EOF\n", GitHub},
		{"", " {\n", JSON},
		{"", "---\nA: b\n", YAML},
		{"", "A:\n  b: c\n", YAML},
		{"", "apiVersion: v1\nkind: Secret\n", Kubernetes},
		{"", `{"apiVersion":"v1","kind":"Secret"}`, Kubernetes},
		{"", "A = 1\n", TOML},
		{"", "[db]\n", TOML},
		{"", "\"a/b\" = 1\n", TOML},
		{"", "", ""},
		{"notes.txt", "hello there\n", ""},
		{"x", "a.b=c", TOML},
		{"x", "\x00\x01", ""},
	}
	for _, tt := range tests {
		got, err := Detect(tt.name, []byte(tt.head))
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%q, %q: %q, %v; want %q", tt.name, tt.head, got, err, tt.want)
		}
		if err != nil && secret.KindOf(err) != secret.Invalid {
			t.Error(err)
		}
	}
	for _, f := range Formats() {
		if got, err := ParseFormat(string(f)); got != f || err != nil {
			t.Errorf("%s: %s, %v", f, got, err)
		}
	}
	if _, err := ParseFormat("ini"); secret.KindOf(err) != secret.Invalid {
		t.Error(err)
	}
	if _, err := ParseProgram("ruby"); secret.KindOf(err) != secret.Invalid {
		t.Error(err)
	}
	if p, err := ParseProgram("node"); p != ForNode || err != nil {
		t.Error(err)
	}
}

// What is written is found to be what it is, unless formats look the same.
func TestDetectWritten(t *testing.T) {
	for _, f := range Formats() {
		text := write(t, f, options(f), []Entry{{Name: "A", Value: secret.Text("x")}})
		want := f
		if f == Docker || f == Systemd {
			want = Dotenv
		}
		if got, err := Detect("", text); got != want || err != nil {
			t.Errorf("%s is taken for %q, %v", f, got, err)
		}
	}
}

func TestProblemsAreFound(t *testing.T) {
	_, err := read1(YAML, "A: ~\n")
	p, ok := errors.AsType[Problems](err)
	if !ok || len(p) != 1 || p[0].Line != 1 || fmt.Sprint(p) == "" {
		t.Errorf("%v", err)
	}
}
