package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// A setting of another kind of store, or of another way to sign in, would have
// no effect: it is refused by the line it stands on.
func TestSettingsBelongToTheirStore(t *testing.T) {
	vault := "[env.prod]\nbackend = \"vault\"\n"
	for name, tt := range map[string]struct{ text, want string }{
		"vault's in local":   {"[env.prod]\nmount = \"x\"\n", "tacit.toml:2: mount belongs to vault, and this environment is local"},
		"aws's in vault":     {vault + "region = \"eu-west-1\"\n", "tacit.toml:3: region belongs to awssm, and this environment is vault"},
		"azure's in aws":     {"[env.prod]\nbackend = \"awssm\"\ntenant_id = \"x\"\n", "tacit.toml:3: tenant_id belongs to azurekv"},
		"vault's in azure":   {"[env.prod]\nbackend = \"azurekv\"\nvault = \"abc\"\nkv_version = 2\n", "tacit.toml:4: kv_version belongs to vault"},
		"auth in aws":        {"[env.prod]\nbackend = \"awssm\"\n[env.prod.auth]\nmethod = \"jwt\"\n", "tacit.toml:4: auth.method belongs to vault"},
		"another method's":   {vault + "auth = {method = \"jwt\", role_id = \"x\"}\n", "tacit.toml:3: auth.role_id belongs to the method approle, and this one is jwt"},
		"no method":          {vault + "[env.prod.auth]\nrole = \"x\"\n", "belongs to the method kubernetes, jwt, cert, aws, and this one is token"},
		"unknown method":     {vault + "auth = {method = \"ldap\"}\n", `tacit.toml:3: "ldap" is none of token, approle`},
		"kv_version":         {vault + "kv_version = 3\n", "is none of 1, 2"},
		"password in a URL":  {vault + "address = \"https://mia:canary@vault\"\n", "holds no name and no password"},
		"query in a URL":     {vault + "address = \"https://vault/?x=canary\"\n", "holds no ?"},
		"no URL":             {vault + "address = \"vault:8200\"\n", "tacit.toml:3: "},
		"a socket":           {vault + "address = \"unix:///run/vault\"\n", "this is no address"},
		"empty":              {vault + "address = \"\"\n", "is empty: leave it out"},
		"dots in a mount":    {vault + "mount = \"../sys\"\n", "tacit.toml:3: "},
		"dots in auth.mount": {vault + "auth = {method = \"jwt\", mount = \"jwt/../../sys\"}\n", "tacit.toml:3: "},
		"relative file":      {vault + "ca_cert = \"ca.pem\"\n", "an absolute path"},
		"no certificate":     {vault + "ca_cert = \"-----BEGIN CERTIFICATE-----\\nx\\n-----END CERTIFICATE-----\"\n", "no certificate in PEM form"},
		"variable":           {vault + "auth = {method = \"jwt\", jwt_variable = \"A-B\"}\n", "no name of a variable"},
		"window":             {"[env.prod]\nbackend = \"awssm\"\nrecovery_window = \"5d\"\n", "is not 7d to 30d"},
		"role":               {"[env.prod]\nbackend = \"awssm\"\nrole_arn = \"admin\"\n", "this is no role"},
		"two vaults":         {"[env.prod]\nbackend = \"azurekv\"\nvault = \"abc\"\naddress = \"https://abc.vault.azure.net\"\n", "not both"},
		"vault's name":       {"[env.prod]\nbackend = \"azurekv\"\nvault = \"a.evil.example/\"\n", "is no name of a vault"},
		"cloud":              {"[env.prod]\nbackend = \"azurekv\"\nvault = \"abc\"\ncloud = \"mars\"\n", "is none of public, usgov, china"},
		"credential":         {"[env.prod]\nbackend = \"azurekv\"\nvault = \"abc\"\ncredential = \"secret\"\n", "is none of default, env"},
		"a token":            {vault + "token = \"canary\"\n", "tacit.toml holds no credentials"},
		"a password":         {vault + "[env.prod.auth]\npassword = \"canary\"\n", "tacit.toml holds no credentials"},
		"a key":              {"[env.prod]\nbackend = \"awssm\"\nsecret_access_key = \"canary\"\n", "tacit.toml holds no credentials"},
		"terminal escapes":   {vault + "address = \"https://vault.example\\u001b]0;x\"\n", "holds control characters"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseFile(FileName, []byte(tt.text))
			if secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error repeats a credential: %v", err)
			}
		})
	}
}

// A file of one's own need not say which kind of store tacit.toml says.
func TestLocalSettingsNeedNoBackend(t *testing.T) {
	main := mustFile(t, FileName, "[env.prod]\nbackend = \"vault\"\naddress = \"https://v.example\"\nmount = \"kv\"\n[env.prod.auth]\nmethod = \"jwt\"\nrole = \"ci\"\n")
	local := mustFile(t, LocalName, "[env.prod]\nserver_name = \"v\"\n[env.prod.auth]\nmethod = \"approle\"\nrole_id = \"x\"\n")
	p, err := NewProject("x", main, &local)
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Environment("prod")
	if err != nil || e.Mount != "kv" {
		t.Fatalf("%+v, %v", e, err)
	}
	if got := fmt.Sprint(e.Settings()); got != "[{server_name v} {auth.method approle} {auth.role_id x}]" {
		t.Errorf("laid over each other: %s", got)
	}
	if *main.Env["prod"].Auth.Method != "jwt" {
		t.Error("what was given is changed")
	}

	other := mustFile(t, LocalName, "[env.prod]\nbackend = \"local\"\n")
	if p, err = NewProject("x", main, &other); err != nil {
		t.Fatal(err)
	}
	if e, _ = p.Environment("prod"); e.Address != "" || e.Prefix != "prod/" || len(e.Settings()) != 0 {
		t.Errorf("of the other store remains %+v", e)
	}
}

// laidOver knows every setting: what a new one is told by is its tags alone.
func TestEverySettingIsLaidOver(t *testing.T) {
	var full Env
	fill(reflect.ValueOf(&full).Elem())
	got := Env{}.laidOver(full)
	if want := full.said(); len(want) < 30 || !reflect.DeepEqual(got.said(), want) {
		t.Errorf("%d settings, laid over %d", len(want), len(got.said()))
	}
	for _, s := range full.said() {
		for _, b := range s.stores {
			if !slices.Contains(Backends(), b) {
				t.Errorf("%s belongs to %q", s.Name, b)
			}
		}
		for _, m := range s.methods {
			if !slices.Contains(authMethods(), m) {
				t.Errorf("%s belongs to the method %q", s.Name, m)
			}
		}
	}
}

func fill(v reflect.Value) {
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Pointer {
			f.Set(reflect.New(f.Type().Elem()))
			if f.Elem().Kind() == reflect.Struct {
				fill(f.Elem())
			}
		}
	}
}

func mustFile(t *testing.T, name, text string) File {
	t.Helper()
	f, err := ParseFile(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Two environments of one store elsewhere are two places, or refused (ADR 6):
// a policy could be evaded by the other name.
func TestStoresElsewhereAreApart(t *testing.T) {
	vault := "backend = \"vault\"\naddress = \"https://v.example:8200\"\n"
	aws, azure := "backend = \"awssm\"\n", "backend = \"azurekv\"\n"
	role := "role_arn = \"arn:aws:iam::%s:role/%s\"\n"
	for name, tt := range map[string]struct {
		a, b string
		same bool
	}{
		"vault":                   {vault, vault, true},
		"vault's prefixes":        {vault + "prefix = \"a/\"\n", vault + "prefix = \"b/\"\n", false},
		"within a prefix":         {vault + "prefix = \"a/\"\n", vault + "prefix = \"a/b/\"\n", true},
		"another port":            {vault, "backend = \"vault\"\naddress = \"https://v.example\"\n", false},
		"the port that is meant":  {"backend = \"vault\"\naddress = \"https://V.example.\"\n", "backend = \"vault\"\naddress = \"https://v.example:443/\"\n", true},
		"a way there and back":    {vault, "backend = \"vault\"\naddress = \"https://v.example:8200/x/../\"\n", true},
		"another mount":           {vault + "mount = \"a\"\n", vault + "mount = \"b\"\n", false},
		"the mount that is meant": {vault, vault + "mount = \"secret/\"\n", true},
		"the engine by its path":  {vault, vault + "mount = \"secret/data\"\nkv_version = 1\n", true},
		"another namespace":       {vault + "namespace = \"a\"\n", vault + "namespace = \"b\"\n", false},
		"a namespace in the path": {vault + "namespace = \"a/b\"\nmount = \"kv\"\n", vault + "namespace = \"a\"\nmount = \"b/kv\"\n", true},
		"both by VAULT_ADDR":      {"backend = \"vault\"\n", "backend = \"vault\"\n", true},
		"aws":                     {aws, aws, true},
		"another region":          {aws + "region = \"eu-west-1\"\n", aws + "region = \"eu-west-2\"\n", false},
		"a region left open":      {aws + "region = \"eu-west-1\"\n", aws, true},
		"another profile":         {aws + "profile = \"a\"\n", aws + "profile = \"b\"\n", false},
		"two roles, one account":  {aws + fmt.Sprintf(role, "123456789012", "a"), aws + fmt.Sprintf(role, "123456789012", "b"), true},
		"two accounts":            {aws + fmt.Sprintf(role, "123456789012", "a"), aws + fmt.Sprintf(role, "210987654321", "a"), false},
		"azure":                   {azure + "vault = \"One\"\n", azure + "address = \"https://one.vault.azure.net/\"\n", true},
		"another vault":           {azure + "vault = \"one\"\n", azure + "vault = \"two\"\n", false},
		"another cloud":           {azure + "vault = \"one\"\n", azure + "vault = \"one\"\ncloud = \"china\"\n", false},
		"another kind of store":   {vault, aws, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := mustFile(t, FileName, "default_env = \"a\"\n[env.a]\n"+tt.a+"[env.b]\n"+tt.b)
			_, err := NewProject("x", f, nil)
			if same := secret.KindOf(err) == secret.Invalid && strings.Contains(err.Error(), "share secrets"); same != tt.same || err != nil && !same {
				t.Errorf("err = %v", err)
			}
		})
	}
}
