package cli

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/match"
	"github.com/tacit-secrets/tacit/secret"
)

// FuzzEnvFile: whatever a template says and whatever the secrets in it are, it
// sets the variables that it names and no others, none of them dangerous, and
// an error tells nothing of a value.
func FuzzEnvFile(f *testing.F) {
	for _, s := range []string{"A=tacit://a/b#c", "A='{{ secret \"a\" | quote }}'\nB={{ .KNOWN }}", "LD_PRELOAD=x", "A=\"{{ if .KNOWN }}x{{ end }}\"", "A={{", "export A=1 # x\n"} {
		f.Add([]byte(s), "va\"lue\nLD_PRELOAD=/evil")
	}
	all := []config.Declaration{{Var: "KNOWN", Ref: secret.Ref{Env: "dev", Name: "known"}, Required: true}}
	f.Fuzz(func(t *testing.T, text []byte, value string) {
		value = "canary" + value + "canary"
		file, err := parseEnvFile("dev", all, "x.tpl", text)
		if err != nil {
			if secret.KindOf(err) == 0 {
				t.Errorf("no kind: %v", err)
			}
			return
		}
		var got []config.Resolved
		for _, d := range file.needs {
			got = append(got, config.Resolved{Declaration: d, Value: secret.Text(value)})
		}
		out, err := file.fill(got)
		if err != nil {
			if strings.Contains(err.Error(), value) || secret.KindOf(err) == 0 {
				t.Errorf("%v", err)
			}
			return
		}
		if len(out) != len(file.entries) {
			t.Fatalf("%d entries made %d variables", len(file.entries), len(out))
		}
		var vars []child.Var
		for _, g := range out {
			if child.Dangerous(g.Var) {
				t.Errorf("%s is set", g.Var)
			}
			if strings.Contains(string(g.Value.Reveal()), value) && !slices.ContainsFunc(patterns([]config.Resolved{g}), func(p match.Pattern) bool { return string(p.Value.Reveal()) == value }) {
				t.Errorf("%s holds a secret that is not looked for", g.Var)
			}
			vars = append(vars, child.Var{Name: g.Var, Value: g.Value})
		}
		if env, err := child.Build(nil, vars, true); err == nil && len(env) != len(vars) || err != nil && !errors.Is(err, secret.Invalid) {
			t.Errorf("%d variables of %d, %v", len(env), len(vars), err)
		}
	})
}
