package foreign

import (
	"errors"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/internal/envfmt"
	"github.com/tacit-secrets/tacit/secret"
)

// said writes entries and problems the way the tests compare them.
func said(entries []Entry, problems []Problem) string {
	var out []string
	for _, e := range entries {
		s := e.Var + " " + e.Store + ":" + e.Name
		if e.Field != "" {
			s += "#" + e.Field
		}
		out = append(out, s)
	}
	for _, p := range problems {
		first, _, _ := strings.Cut(p.Text, "\n")
		out = append(out, "! "+first)
	}
	return strings.Join(out, "\n")
}

func TestVals(t *testing.T) {
	for ref, want := range map[string]string{
		"ref+vault://kv/app#/password":                                "K vault:kv/app#password",
		"ref+vault://kv/team/app#password":                            "K vault:kv/team/app#password",
		"ref+vault://kv/team/app/password":                            "K vault:kv/team/app#password",
		"secretref+vault://kv/app#/p+":                                "K vault:kv/app#p",
		"ref+vault://kv/app?address=https://v:8200&namespace=a#/p":    "K vault:kv/app#p",
		"ref+vault://kv/app?token_env=T&auth_method=approle#/p":       "K vault:kv/app#p",
		"ref+vault://kv/a%20b#/p":                                     "K vault:kv/a b#p",
		"ref+awssecrets://team/key":                                   "K awssm:team/key",
		"ref+awssecrets://team/doc?region=us-west-2&role_arn=x#/foo":  "K awssm:team/doc#foo",
		"ref+azurekeyvault://my-vault/secret-a":                       "K azurekv:secret-a",
		"ref+azurekeyvault://gov.vault.usgovcloudapi.net/secret-b#/f": "K azurekv:secret-b#f",

		"ref+vault://kv":                        "! K: names no field",
		"ref+vault://kv/app":                    "! K: names no mount, secret and field",
		"ref+vault:///app#/p":                   "! K: names no mount, secret and field",
		"ref+vault://kv/data/app#/p":            "! K: has data/ after its mount, which the API of Vault puts there, or a name may have",
		"ref+vault://kv/app?version=2#/p":       "! K: points at a version, and a declaration follows the current one",
		"ref+vault://kv/app#/a/b":               "! K: reaches more than one level into the value: a reference has one field",
		"ref+vault://kv/app?decode=base64#/p":   "! K: has the parameter decode, which changes what is read",
		"ref+awssecrets://a?version_id=x":       "! K: points at a version, and a declaration follows the current one",
		"ref+awssecrets:///a":                   "! K: has a slash where the name begins or ends, and whether it belongs to the name is not told",
		"ref+awssecrets://arn:aws:x:1:secret:a": "! K: is an ARN, which names an account",
		"ref+azurekeyvault://v/a/0123":          "! K: points at a version, and a declaration follows the current one",
		"ref+azurekeyvault://v":                 "! K: names no vault and secret",
		"ref+sops://x#/y":                       "! K: lies in a kind of store that tacit does not know",
		"ref+vault://kv/%zz#/y":                 "! K: is no reference that can be read",
		"a ref+vault://kv/x#/y":                 "! K: is a text with a reference in it",
		"ref+vault://kv/x#/y+ref+vault://z/w#x": "! K: is no single reference of vals",
		"hunter2":                               "! K: has a value, and no reference",
		"":                                      "! K: has a value, and no reference",
	} {
		r := &reading{format: envfmt.JSON}
		r.vals(leaf{path: []string{"K"}, text: ref, line: 1})
		if got := said(r.entries, r.problems); got != want {
			t.Errorf("%s\n got %s\nwant %s", ref, got, want)
		}
	}
}

func TestNested(t *testing.T) {
	const text = `{
  "db": {"user": "ref+vault://kv/db#/u", "more": {"deep-er": "ref+vault://kv/db#/d"}},
  "list": [{"x": "ref+vault://kv/db#/x"}],
  "n": 1,
  "looks": "{\"like\": \"ref+vault://kv/db#/l\"}",
  "ref+vault": "ref+vault://kv/db#/k"
}`
	got, problems, err := Read([]byte(text), Vals, envfmt.JSON)
	if err != nil {
		t.Fatal(err)
	}
	want := `DB_USER vault:kv/db#u
DB_MORE_DEEP_ER vault:kv/db#d
LOOKS_LIKE vault:kv/db#l
REF_VAULT vault:kv/db#k
! list.x: lies in a list, and no variable can be made of it
! n: has a value, and no reference`
	if s := said(got, problems); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
	if got[0].Line != 2 || got[3].Line != 6 {
		t.Errorf("lines: %+v", got)
	}
}

func TestFnox(t *testing.T) {
	const text = `if_missing = "warn"
secrets.TOP = { provider = "v", value = "top" }
[providers]
v = { type = "vault", path = "kv/base/" }
bare = { type = "vault" }
aws = { type = "aws-sm", region = "eu", prefix = "p/" }
az = { type = "azure-sm", vault_url = "https://x.vault.azure.net/", prefix = "p-" }
age = { type = "age" }
odd = { type = "gcp-sm" }
[secrets]
A = { provider = "v", value = "db/url", if_missing = "error" }
B = { provider = "bare", value = "x" }
C = { provider = "aws", value = "q", json_path = "$.k" }
D = { provider = "az", value = "q" }
E = { provider = "v", value = "a/b/c" }
F = { provider = "none", value = "x" }
G = { provider = "age", value = "AGE" }
H = { provider = "odd", value = "x" }
I = "hunter2"
J = { provider = "aws", value = "q", as_file = true }
K = { provider = "aws", value = "q", json_path = "a.b" }
L = { provider = "aws" }
M = { value = "x" }
N = { provider = "aws", value = "q", if_missing = "later" }
[secrets.P]
provider = "aws"
value = "arn:aws:x"
`
	got, problems, err := Read([]byte(text), Fnox, "")
	if err != nil {
		t.Fatal(err)
	}
	want := `TOP vault:kv/base/top#value
A vault:kv/base/db#url
B vault:secret/x#value
C awssm:p/q#k
D azurekv:p-q
! E: is not secret or secret/field, as the provider takes it
! F: its provider is not in this file
! G: its value lies in the file itself, and not in a store
! H: lies in a kind of store that tacit does not know
! I: has a value, and no reference
! J: has a setting besides provider, value, json_path, default, description and if_missing
! K: has a json_path that is no single field
! L: has no value that points into a store
! M: its provider is not in this file
! N: has an if_missing that is none of error, warn, ignore
! P: is an ARN, which names an account`
	if s := said(got, problems); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
	for i, line := range []int{2, 11, 12, 13, 14} {
		if got[i].Line != line {
			t.Errorf("%s is on line %d, not %d", got[i].Var, got[i].Line, line)
		}
	}
	if problems[0].Line != 15 || problems[len(problems)-1].Line != 25 {
		t.Errorf("the problems are on other lines: %+v", problems)
	}
	if got[1].Optional || !got[2].Optional {
		t.Error("if_missing was read otherwise")
	}
}

// No problem repeats what may be a value.
func TestProblemsTellNoValue(t *testing.T) {
	for _, tool := range Tools() {
		for f, text := range map[envfmt.Format]string{
			envfmt.Dotenv: "A=hunter2\nB=\"x hunter2 op://a ref+x\"\nC=ref+vault://hunter2\nD=op://hunter2\nE=ref+vault://a/b?hunter2=1\nsops_x=1\n",
			envfmt.JSON:   `{"A": "hunter2", "B": {"C": ["hunter2"]}, "sops": {}, "secrets": {"X": "hunter2"}}`,
			envfmt.YAML:   "A: hunter2\nB: ref+vault://x/data/hunter2#/x\nsops: {a: b}\n",
		} {
			if tool == Fnox {
				f, text = envfmt.TOML, "[secrets]\nA = \"hunter2\"\nB = {hunter2 = 1}\n[providers]\nx = \"hunter2\"\n"
			}
			_, problems, err := Read([]byte(text), tool, f)
			if err != nil {
				t.Fatal(tool, err)
			}
			if len(problems) == 0 {
				t.Errorf("%s finds nothing wrong with %s", tool, f)
			}
			for _, p := range problems {
				if strings.Contains(p.Text, "hunter2") {
					t.Errorf("%s tells a value: %s", tool, p.Text)
				}
			}
		}
	}
}

func TestWholeFiles(t *testing.T) {
	if _, err := ParseTool("lastpass"); secret.KindOf(err) != secret.Invalid {
		t.Errorf("got %v", err)
	}
	_, _, err := Read([]byte("A=1\nB\n"), Vals, envfmt.Dotenv)
	if _, ok := errors.AsType[envfmt.Problems](err); !ok {
		t.Errorf("got %v", err)
	}
	_, problems, err := Read([]byte("A=1\n"), Sops, envfmt.Dotenv)
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].Text, "no metadata") {
		t.Errorf("got %v, %v", problems, err)
	}
}

// What comes out is sound, whatever goes in.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"A=ref+vault://kv/a#/b\nB=op://a/b c/d\nC=chamberme\nD=ENC[x]\nsops_a=1\n",
		"a:\n  b: ref+awssecrets://x?region=y#/z\n  c: [ref+vault://a/b#c]\nsops:\n  x: []\n",
		`{"a": {"b": "ref+azurekeyvault://a/b/c", "c": "ENC[x]"}, "sops": {}}`,
		"[providers]\nv = {type = \"vault\"}\n[secrets]\nA = {provider = \"v\", value = \"a/b\"}\n[secrets.B]\nvalue = \"c\"\n",
		"secrets = 1\nproviders = \"x\"\nprofiles = []\n",
	} {
		for tool := range Tools() {
			for format := range envfmt.Formats() {
				f.Add([]byte(seed), uint8(tool), uint8(format))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, tool, format uint8) {
		tools, formats := Tools(), envfmt.Formats()
		which := tools[int(tool)%len(tools)]
		entries, problems, err := Read(text, which, formats[int(format)%len(formats)])
		if err != nil {
			if secret.KindOf(err) != secret.Invalid || entries != nil {
				t.Fatalf("%v, %v", entries, err)
			}
			return
		}
		lines := strings.Count(string(text), "\n") + 1
		for _, e := range entries {
			if !sound(e.Var) || e.Line < 0 || e.Line > lines || e.Name == "" && which != Chamber {
				t.Fatalf("%+v", e)
			}
			if which == Vals && strings.Contains(e.Field, "/") {
				t.Fatalf("%+v", e)
			}
		}
		for _, p := range problems {
			if p.Line < 0 || p.Line > lines || p.Text == "" {
				t.Fatalf("%+v", p)
			}
		}
	})
}
