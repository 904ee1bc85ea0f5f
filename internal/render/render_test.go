package render_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/internal/render"
	"github.com/tacit-secrets/tacit/secret"
)

const canary = "canary-90ad"

// fill executes a template with a value for everything that it asks for.
func fill(t testing.TB, text string, value string) (string, error) {
	t.Helper()
	x, err := render.Parse("app.conf", []byte(text))
	if err != nil {
		return "", err
	}
	v := render.Values{Refs: map[secret.Ref]secret.Value{}, Variables: map[string]secret.Value{}}
	for _, r := range x.Refs() {
		v.Refs[r] = secret.Text(value)
	}
	for _, n := range x.Variables() {
		v.Variables[n] = secret.Text(value)
	}
	out, err := x.Execute(v)
	return string(out), err
}

func TestExecute(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"plain { } }} text\n", "plain { } }} text\n"},
		{`{{ secret "app/db#password" }}`, `a b'"`},
		{`x={{secret "a"}};`, `x=a b'";`},
		{`{{ tacit://prod:app/db#password@3 }}`, `a b'"`},
		{`{{tacit://a | url}}`, `a%20b%27%22`},
		{"before\n  {{- tacit://a }}", `beforea b'"`},
		{`url=tacit://app/db#x; next`, `url=a b'"; next`},
		{`"tacit://a"`, `"a b'""`},
		{`{{ .DATABASE_URL | quote }}`, `"a b'\""`},
		{`{{ secret "a" | shell }}`, `'a b'\''"'`},
		{`{{ secret "a" | base64 }}`, `YSBiJyI=`},
		{`"{{ secret "a" | json }}"`, `"a b'\""`},
		{`{{ $x := secret "a" }}{{ if eq $x "no" }}1{{ else if hasPrefix "a" $x }}2{{ end }}`, "2"},
		{`{{ secret "a" | replace " " "_" | upper }}`, `A_B'"`},
		{`{{/* }} tacit://no */}}{{ "{{" }}{{ "tacit://no}}" }}`, "{{tacit://no}}"},
		{`{{ if and .A (not (contains "z" .A)) }}yes{{ end }}`, "yes"},
	} {
		got, err := fill(t, tt.text, `a b'"`)
		if err != nil || got != tt.want {
			t.Errorf("%q gives %q, %v; want %q", tt.text, got, err, tt.want)
		}
	}
	if got, err := fill(t, "  key: |\n    {{ secret \"tls/key\" | indent 4 }}\n", "one\ntwo"); err != nil || got != "  key: |\n    one\n    two\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestNeeds(t *testing.T) {
	x, err := render.Parse("t", []byte(`{{ secret "a" }} tacit://b {{ tacit://a }} {{ .X }} {{ if .Y }}{{ secret "prod:c#f" }}{{ else }}{{ .X }}{{ end }}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(x.Refs(), x.Variables()); got != "[a b prod:c#f] [X Y]" {
		t.Errorf("it needs %s", got)
	}
}

func TestRefusals(t *testing.T) {
	for name, text := range map[string]string{
		"unknown function": "ok\n{{ frobnicate }}",
		"method":           `{{ .X.String }}`,
		"root":             `{{ $ }}`,
		"dot":              `{{ . }}`,
		"dynamic name":     `{{ secret .X }}`,
		"piped name":       `{{ "a" | secret }}`,
		"bad reference":    "\n\n{{ secret \"a//b\" }}",
		"empty reference":  `tacit://`,
		"open":             `{{ secret "a"`,
		"open comment":     `{{/* `,
		"no UTF-8":         "\xff",
		"too long":         strings.Repeat("x", render.MaxBytes+1),

		"template-reads-no-file":          `{{ readFile "/etc/passwd" }}`,
		"template-reads-no-environment":   `{{ env "HOME" }}`,
		"template-calls-nothing":          `{{ call .X }}`,
		"template-formats-nothing":        `{{ printf "%1000000d" 1 }}`,
		"template-loop":                   `{{ range 1000000000 }}{{ end }}`,
		"template-cycle":                  `{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`,
		"template-block":                  `{{ block "a" . }}{{ end }}`,
		"template-calls-itself":           `{{ template "text" }}`,
		"template-with-changes-dot":       `{{ with .X }}{{ . }}{{ end }}`,
		"template-html-of-go":             `{{ html "a" }}`,
		"template-indent-bomb":            `{{ indent 1000000 "a\nb" }}`,
		"template-replace-bomb":           `{{ $x := "` + strings.Repeat("a", 1<<16) + `" }}{{ replace "a" $x $x }}`,
		"template-replace-without-needle": `{{ replace "" "x" "y" }}`,
	} {
		t.Run(name, func(t *testing.T) {
			out, err := fill(t, text, canary)
			if secret.KindOf(err) != secret.Invalid || out != "" {
				t.Fatalf("%q, %v", out, err)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error tells a value: %v", err)
			}
		})
	}
	_, err := fill(t, "one\ntwo {{ nope }}", "")
	if err == nil || !strings.HasPrefix(err.Error(), "app.conf: 2:") {
		t.Errorf("the error does not name the line: %v", err)
	}
}

func TestErrorsTellNoValue(t *testing.T) {
	for _, text := range []string{
		`{{ indent .X "a" }}`, `{{ eq .X 1 }}`, `{{ indent 101 .X }}`, `{{ replace "" .X .X }}`, `{{ .X | json | quote | url | upper | indent -1 }}`, `{{ and }}`,
	} {
		if _, err := fill(t, text, canary); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", text, err)
		}
	}
	x, err := render.Parse("t", []byte(`{{ secret "a" }}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Execute(render.Values{}); secret.KindOf(err) != secret.NotFound {
		t.Errorf("err = %v", err)
	}
}

// What an escape makes is read back by the parser it is made for.
func TestEscapesProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := rapid.String().Draw(r, "s")
		out, err := fill(t, `{{ .X | quote }}`, s)
		if err != nil {
			r.Fatal(err)
		}
		var back string
		if err := json.Unmarshal([]byte(out), &back); err != nil || back != s {
			r.Fatalf("JSON reads %q as %q: %v", out, back, err)
		}
		var doc struct{ X string }
		if _, err := toml.Decode("X = "+out, &doc); err != nil || doc.X != s {
			r.Fatalf("TOML reads %q as %q: %v", out, doc.X, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{{ secret "a" }}`, "tacit://a/b#c@1", `{{- tacit://a | url -}}`, `{{/* x */}}`, `{{ if .X }}{{ else }}{{ end }}`, `{{ "}}" }}`, "{{ `}}` }}", `{{ '"' }}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := fill(t, text, canary)
		if err != nil && secret.KindOf(err) != secret.Invalid {
			t.Errorf("%q: an error of kind %v", text, secret.KindOf(err))
		}
		if err == nil && !strings.Contains(text, "{{") && !strings.Contains(text, "tacit://") && out != text {
			t.Errorf("a plain text was altered: %q, %q", text, out)
		}
	})
}
