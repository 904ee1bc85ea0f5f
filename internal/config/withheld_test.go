package config

import (
	"slices"
	"strings"
	"testing"
)

// What an agent's command is not given is what its project's own stores take,
// and nothing that is for others.
func TestWithhold(t *testing.T) {
	const vault, other = "https://vault.example.com:8200", "https://other.example.com:8200"
	all := []string{
		"PATH=/bin", "VAULT_ADDR=" + vault, "VAULT_TOKEN=t", "BAO_SECRET_ID=s", "CI_TOKEN=j", "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=a",
		"AWS_SECRET_ACCESS_KEY=b", "AWS_SESSION_TOKEN=c", "AZURE_CLIENT_ID=d", "AZURE_CLIENT_SECRET=e", "IDENTITY_HEADER=f",
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN=g", "VAULT_SECRET_ID=", "no variable",
	}
	for _, tt := range []struct {
		name, toml string
		keep       []string
		want       string
	}{
		{"embedded", "[env.prod]\nbackend = \"local\"\n", nil, ""},
		{"vault", "[env.prod]\nbackend = \"vault\"\n", nil, "VAULT_TOKEN BAO_SECRET_ID ACTIONS_ID_TOKEN_REQUEST_TOKEN"},
		{"vault-of-the-variables", "[env.prod]\nbackend = \"vault\"\naddress = \"" + vault + "\"\n", nil, "VAULT_TOKEN BAO_SECRET_ID ACTIONS_ID_TOKEN_REQUEST_TOKEN"},
		{"vault-of-others", "[env.prod]\nbackend = \"vault\"\naddress = \"" + other + "\"\n", nil, "ACTIONS_ID_TOKEN_REQUEST_TOKEN"},
		{
			"vault-by-a-variable-of-one's-own", "[env.prod]\nbackend = \"vault\"\naddress = \"" + other + "\"\n[env.prod.auth]\nmethod = \"jwt\"\nrole = \"r\"\njwt_variable = \"CI_TOKEN\"\n", nil,
			"CI_TOKEN ACTIONS_ID_TOKEN_REQUEST_TOKEN",
		},
		{"aws", "[env.prod]\nbackend = \"awssm\"\n", nil, "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN ACTIONS_ID_TOKEN_REQUEST_TOKEN"},
		{"azure", "[env.prod]\nbackend = \"azurekv\"\nvault = \"my-vault\"\n", nil, "AZURE_CLIENT_SECRET IDENTITY_HEADER ACTIONS_ID_TOKEN_REQUEST_TOKEN"},
		{"two-of-one-kind", "default_env = \"prod\"\n[env.dev]\nbackend = \"awssm\"\nprefix = \"dev/\"\n[env.prod]\nbackend = \"awssm\"\nprefix = \"prod/\"\n", []string{"AWS_SESSION_TOKEN"}, "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY ACTIONS_ID_TOKEN_REQUEST_TOKEN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x, _ := asking(t, tt.toml, map[string]string{"VAULT_ADDR": vault})
			x.user.Run.Keep = tt.keep
			rest, names := x.Withhold(all)
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("withheld %q, want %q", got, tt.want)
			}
			if len(rest)+len(names) != len(all) || !slices.Contains(rest, "PATH=/bin") || !slices.Contains(rest, "no variable") {
				t.Errorf("left %q", rest)
			}
			for _, v := range rest {
				if name, _, _ := strings.Cut(v, "="); slices.Contains(names, name) {
					t.Errorf("%s is withheld, and left", name)
				}
			}
		})
	}
}
