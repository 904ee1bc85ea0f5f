package config

import (
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// What a person is told to run is exact, and survives a shell.
func TestLogin(t *testing.T) {
	az := "[env.prod]\nbackend = \"azurekv\"\nvault = \"my-vault\"\n"
	for name, tt := range map[string]struct {
		toml string
		opts LoginOptions
		vars map[string]string
		want string // command, or username
		note string
	}{
		"vault":        {vaultEnv, LoginOptions{}, nil, "vault login -address=https://v.example:8200 -method=oidc", "leaves the token in HOME/.vault-token"},
		"openbao":      {"[env.prod]\nbackend = \"vault\"\n", LoginOptions{}, map[string]string{"BAO_ADDR": "https://b"}, "bao login -address=https://b -method=oidc", "leaves the token in HOME/.vault-token"},
		"namespace":    {vaultEnv + "namespace = \"team a\"\nca_cert = \"~/it's.pem\"\nserver_name = \"v\"\n", LoginOptions{Method: "ldap"}, nil, `vault login -address=https://v.example:8200 '-namespace=team a' '-ca-cert=HOME/it'\''s.pem' -tls-server-name=v -method=ldap`, "leaves the token in HOME/.vault-token"},
		"another file": {vaultEnv + "[env.prod.auth]\ntoken_file = \"/run/my token\"\n", LoginOptions{}, nil, "(umask 077; vault login -address=https://v.example:8200 -method=oidc -no-store -token-only > '/run/my token')", "leaves the token in /run/my token"},
		"approle":      {vaultEnv + "[env.prod.auth]\nmethod = \"approle\"\n", LoginOptions{}, nil, "", "signs in by itself, by approle: there is nothing to do"},
		"ldap":         {vaultEnv, LoginOptions{Method: "ldap", Username: "mia"}, nil, "vault login -address=https://v.example:8200 -method=ldap username=mia", "leaves the token in HOME/.vault-token"},
		"userpass":     {vaultEnv + "[env.prod.auth]\nmethod = \"userpass\"\nusername = \"mia\"\n", LoginOptions{}, nil, "mia", ""},
		"by flags":     {vaultEnv, LoginOptions{Method: "userpass", Username: "max"}, nil, "max", ""},
		"aws":          {"[env.prod]\nbackend = \"awssm\"\nprofile = \"prod\"\n", LoginOptions{}, nil, "aws sso login --profile prod", "for a profile with SSO: others bring their credentials along"},
		"aws variable": {"[env.prod]\nbackend = \"awssm\"\n", LoginOptions{}, map[string]string{"AWS_PROFILE": "p"}, "aws sso login --profile p", "for a profile with SSO: others bring their credentials along"},
		"azure":        {az + "tenant_id = \"t-1\"\n", LoginOptions{}, nil, "az login --tenant t-1", ""},
		"azure cloud":  {az + "cloud = \"usgov\"\n", LoginOptions{}, nil, "az cloud set --name AzureUSGovernment && az login", ""},
		"azd":          {az + "credential = \"azd\"\ntenant_id = \"t\"\n", LoginOptions{}, nil, "azd auth login --tenant-id t", ""},
		"managed":      {az + "credential = \"managed\"\n", LoginOptions{}, nil, "", "signs in by itself, by managed: there is nothing to do"},
		"local":        {"[env.prod]\n", LoginOptions{}, nil, "", "the embedded store needs no login; a passphrase is asked once by:  tacit unlock"},
	} {
		t.Run(name, func(t *testing.T) {
			x, _ := asking(t, tt.toml, tt.vars)
			l, err := x.Login("prod", tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			home := func(s string) string { return strings.ReplaceAll(s, x.sys.Home, "HOME") }
			if got := home(l.Command + l.Username); got != tt.want || home(l.Note) != tt.note {
				t.Errorf("got  %q, %q\nwant %q, %q", got, home(l.Note), tt.want, tt.note)
			}
		})
	}
	for name, tt := range map[string]struct {
		toml string
		opts LoginOptions
		want string
	}{
		"nobody's":         {vaultEnv, LoginOptions{Method: "userpass"}, "who is to sign in to prod"},
		"no address":       {"[env.prod]\nbackend = \"vault\"\n", LoginOptions{}, "names no address"},
		"method elsewhere": {"[env.prod]\nbackend = \"awssm\"\n", LoginOptions{Method: "oidc"}, "are for Vault"},
	} {
		x, _ := asking(t, tt.toml, nil)
		if _, err := x.Login("prod", tt.opts); secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A hostile setting does not become a command.
func TestAbuseLoginCommandQuoted(t *testing.T) {
	for _, word := range []string{"a b", "$(touch x)", "`x`", "a;b", "a'b", "a\"b", "*", "~/x y", "a&b", "a|b", "(a)", "", "#x", "!x", "a\\b", "{a,b}", "-x"} {
		got := shellWords([]string{word})
		want := "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		switch word {
		case "-x":
			want = word
		case "~/x y":
			want = "~/'x y'"
		}
		if got != want {
			t.Errorf("%q is written %s", word, got)
		}
	}
}
