package config

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/secret"
)

const example = `project = "orchestrator"
default_env = "dev"

[env.dev]
backend = "local"

[env.prod]
backend = "vault"
address = "https://vault.example.com:8200"
mount = "secret"
prefix = "prod/"
protected = true

[secrets.ANTHROPIC_API_KEY]
ref = "claude/api#claude_api_key"
rotate = "90d"
[secrets.ANTHROPIC_API_KEY.use]
host = "api.anthropic.com"
header = "x-api-key"
methods = ["POST"]
paths = ["/v1/**"]

[secrets.DATABASE_URL]
compose = "postgres://${app/db#user}:${app/db#password|url}@db/app"

[env.prod.secrets.DATABASE_URL]
compose = "postgres://${app/prod#user}@db/app"
`

func TestParseFileReadsTheExample(t *testing.T) {
	f, err := ParseFile(FileName, []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewProject("folder", f, nil)
	if err != nil {
		t.Fatal(err)
	}
	dev, err := p.Declarations("")
	if err != nil || len(dev) != 2 {
		t.Fatalf("declarations: %v, %v", dev, err)
	}
	if d := dev[0]; d.Var != "ANTHROPIC_API_KEY" || d.Ref.String() != "dev:claude/api#claude_api_key" || d.Rotate != 90*24*time.Hour || d.Use == nil || !d.Required {
		t.Errorf("ANTHROPIC_API_KEY: %+v", d)
	}
	prod, err := p.Declarations("prod")
	if err != nil {
		t.Fatal(err)
	}
	if refs := prod[1].Compose.Refs(); len(refs) != 1 || refs[0].Name != "app/prod" {
		t.Errorf("an environment's own declaration does not count: %v", refs)
	}
}

func TestParseFileRefusals(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"syntax", "project = \n", "tacit.toml:1: "},
		{"unknown setting", "[env.dev]\nbackend = \"local\"\nprotekted = true\n", `tacit.toml:3: unknown setting "env.dev.protekted"` + "\n" + `  the nearest known one is "env.dev.protected"`},
		{"unknown table", "x = 1\n[envs.dev]\nbackend = \"local\"\n", `tacit.toml:1: unknown setting "x"`},
		{"misspelt table", "[envs.dev]\nbackend = \"local\"\n", `unknown setting "envs"` + "\n" + `  the nearest known one is "env"`},
		{"inline", "[secrets]\nA = {ref = \"a\", as = \"env\", reff = \"b\"}\n", `tacit.toml:2: unknown setting "secrets.A.reff"`},
		{"type", "[env.dev]\nprotected = \"yes\"\n", "tacit.toml:2:"},
		{"ref", "[secrets.A]\nref = \"a//b\"\n", "tacit.toml:2: name"},
		{"variable", "[secrets.\"A-B\"]\nref = \"a\"\n", "no name of a variable"},
		{"both", "[secrets.A]\nref = \"a\"\ncompose = \"b\"\n", "not both"},
		{"prefix", "[env.dev]\nprefix = \"../x/\"\n", "tacit.toml:2: "},
		{"rotate", "[secrets.A]\nref = \"a\"\nrotate = \"ninety\"\n", "tacit.toml:3: "},
		{"compose", "[secrets.A]\ncompose = \"$x\"\n", "write $$ for a dollar sign"},
		{"no host", "[secrets.A.use]\nheader = \"x-api-key\"\n", "a use section names its host"},
		{"host", "[secrets.A]\nref = \"a\"\n[secrets.A.use]\nhost = \"https://api.example.com/\"\n", `tacit.toml:3: "https://api.example.com/" is no host`},
		{"any host", "[secrets.A.use]\nhost = \"*.example.com\"\n", "is no host"},
		{"header", "[secrets.A.use]\nhost = \"h\"\nheader = \"a: b\"\n", `"a: b" is no header`},
		{"method", "[secrets.A.use]\nhost = \"h\"\nmethods = [\"GET\", \"P OST\"]\n", `"P OST" is no method`},
		{"path", "[secrets.A.use]\nhost = \"h\"\npaths = [\"v1/**\"]\n", `path "v1/**" does not begin with /`},
		{"star", "[env.dev.secrets.A.use]\nhost = \"h\"\npaths = [\"/v1/*\"]\n", "a single * for nothing"},
		{"backend", "[env.dev]\nbackend = \"etcd\"\n", `tacit.toml:2: "etcd" is none of local`},
		{"two problems", "[secrets.A]\nas = \"disk\"\nref = \"..\"\n", "tacit.toml:2: \"disk\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseFile(FileName, []byte(tt.text))
			if secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestNewProjectRefusals(t *testing.T) {
	tests := []struct{ name, text, local, want string }{
		{"no environment", "", "", "no environment"},
		{"default", "default_env = \"x\"\n[env.dev]\n", "", "default_env"},
		{"two without default", "[env.a]\n[env.b]\n", "", "default_env"},
		{"settings of another store by the two files", "[env.dev]\n", "[env.dev]\nregion = \"eu-west-1\"\n", "env.dev.region: region belongs to awssm"},
		{"no vault", "[env.dev]\nbackend = \"azurekv\"\n", "", "env.dev names no vault"},
		{"circle", "[env.dev]\n[secrets.A]\ncompose = \"${:B}\"\n[secrets.B]\ncompose = \"${:A}\"\n", "", "A → B → A"},
		{"undeclared", "[env.dev]\n[secrets.A]\ncompose = \"${:B}\"\n", "", "not declared"},
		{"nothing", "[env.dev]\n[secrets.A]\ndescription = \"x\"\n", "", "neither ref nor compose nor lease"},
		{"other environment", "[env.dev]\n[secrets.A]\nref = \"prod:a\"\n", "", "no declared environment"},
		{"local-toml-weakens-refused", "[env.dev]\nprotected = true\n", "[env.dev]\nprotected = false\n", "env.dev.protected may not be changed here"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			main, err := ParseFile(FileName, []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			local, err := ParseFile(LocalName, []byte(tt.local))
			if err != nil {
				t.Fatal(err)
			}
			_, err = NewProject("folder", main, &local)
			if secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestLocalFileOverrides(t *testing.T) {
	main, err := ParseFile(FileName, []byte("[env.dev]\n[secrets.A]\nref = \"a\"\ndescription = \"kept\"\n[secrets.A.use]\nhost = \"h\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	local, err := ParseFile(LocalName, []byte("[env.mine]\n[secrets.A]\ncompose = \"x${b}\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	main.DefaultEnv = "dev"
	p, err := NewProject("folder", main, &local)
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.Declarations("mine")
	if err != nil || len(d) != 1 || d[0].Compose == nil || d[0].Description != "kept" || d[0].Use == nil {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestTemplateFill(t *testing.T) {
	tests := []struct{ text, value, want string }{
		{"plain $$ text", "", "plain $ text"},
		{"${a}", "x", "x"},
		{"a${a|url}b", "p@ss/ü", "ap%40ss%2F%C3%BCb"},
		{"${a|json}", "a\"\n<", `a\"\n<`},
		{"${a|shell}", "it's", `'it'\''s'`},
		{"${a|base64}", "\xff\x00", "/wA="},
		{"${a|base64|url}", "\xff\x00", "%2FwA%3D"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			tpl, err := ParseTemplate(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			var refs []secret.Value
			for range tpl.Refs() {
				refs = append(refs, secret.Text(tt.value))
			}
			got, err := tpl.Fill(refs, nil)
			if err != nil || string(got.Reveal()) != tt.want {
				t.Errorf("got %q, %v", got.Reveal(), err)
			}
		})
	}
	tpl, err := ParseTemplate("${a}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tpl.Fill([]secret.Value{secret.Binary([]byte{0xff})}, nil); secret.KindOf(err) != secret.Invalid {
		t.Errorf("binary in a text: %v", err)
	}
}

func TestParseSpan(t *testing.T) {
	for in, want := range map[string]time.Duration{"90d": 90 * 24 * time.Hour, "2w": 14 * 24 * time.Hour, "1y": 365 * 24 * time.Hour, "8h": 8 * time.Hour, "1h30m": 90 * time.Minute, "0s": 0} {
		if got, err := ParseSpan(in); err != nil || got != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "d", "-1d", "1.5d", "-3h", "101y", "1e9d", "90 d", "9999999h"} {
		if got, err := ParseSpan(in); secret.KindOf(err) != secret.Invalid {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}

func TestDistanceIsAMetric(t *testing.T) {
	word := rapid.StringOfN(rapid.SampledFrom([]rune("abc")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := Distance(a, b)
		if d != Distance(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) || d < max(len(a), len(b))-min(len(a), len(b)) {
			t.Fatalf("distance %d", d)
		}
	})
	if Distance("protekted", "protected") != 1 || Distance("ab", "ba") != 1 || Distance("", "abc") != 3 {
		t.Error("wrong distance")
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte("[secrets]\nA = {ref = 'x'}\n"))
	f.Add([]byte("env.\"a b\".secrets.X.default=''\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := ParseFile(FileName, text)
		if err != nil {
			if secret.KindOf(err) != secret.Invalid {
				t.Fatalf("an error without a kind: %v", err)
			}
			return
		}
		if p, err := NewProject("x", file, nil); err == nil {
			for _, env := range p.EnvNames() {
				if _, err := p.Declarations(env); err != nil {
					t.Fatalf("accepted, and then not: %v", err)
				}
			}
		}
	})
}

func FuzzParseTemplate(f *testing.F) {
	f.Add("postgres://${app/db#user}:${app/db#password|url}@db/app")
	f.Add("$$${:A|json|base64}")
	f.Fuzz(func(t *testing.T, s string) {
		tpl, err := ParseTemplate(s)
		if err != nil {
			if secret.KindOf(err) != secret.Invalid {
				t.Fatalf("an error without a kind: %v", err)
			}
			return
		}
		if len(tpl.Refs()) == 0 && len(tpl.Variables()) == 0 {
			if v, err := tpl.Fill(nil, nil); err == nil && strings.ReplaceAll(string(v.Reveal()), "$", "$$") != s {
				t.Fatal("a literal changed")
			}
		}
	})
}

// Two environments in one store are two places, or refused.
func TestEnvironmentsAreApart(t *testing.T) {
	project := func(text string) (*Project, error) {
		f, err := ParseFile(FileName, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return NewProject("folder", f, nil)
	}
	p, err := project("default_env = \"dev\"\n[env.dev]\n[env.prod]\nprotected = true\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"dev", "prod"} {
		if e, err := p.Environment(n); err != nil || e.Prefix != n+"/" {
			t.Errorf("%s has the prefix %q (%v)", n, e.Prefix, err)
		}
	}
	for name, bad := range map[string]string{
		"environment-alias-evades-forbid":     "default_env = \"dev\"\n[env.dev]\nprefix = \"prod/\"\n[env.prod]\n",
		"environment-enclosing-evades-forbid": "default_env = \"dev\"\n[env.dev]\nprefix = \"\"\n[env.prod]\n",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := project(bad); secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), "env.dev and env.prod share secrets") {
				t.Errorf("err = %v", err)
			}
		})
	}
}
