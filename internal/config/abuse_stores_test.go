package config

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// trap is an address of a stranger, and how often it was connected to.
func trap(t *testing.T) (address string, heard func() int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return "http://" + l.Addr().String(), n.Load
}

// Files that nobody trusted reach no store: neither one that they name, nor one
// that the user's own variables name. Not one connection is made, and no file
// is read.
func TestAbuseUntrustedStores(t *testing.T) {
	address, heard := trap(t)
	bait := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(bait, []byte("canary-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{
		"VAULT_ADDR": address, "BAO_ADDR": address, "VAULT_TOKEN": "canary-token", "AWS_ENDPOINT_URL": address,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": address, "AWS_ACCESS_KEY_ID": "canary", "AWS_SECRET_ACCESS_KEY": "canary", "AWS_REGION": "eu-west-1",
	}
	prod := "[env.prod]\nbackend = \"vault\"\n"
	for name, text := range map[string]string{
		"untrusted-vault-env-with-VAULT_ADDR-refused": prod,
		"untrusted-address-refused":                   prod + "address = \"" + address + "\"\n",
		"untrusted-token-file-refused":                prod + "address = \"" + address + "\"\nauth = {token_file = \"" + bait + "\"}\n",
		"untrusted-ca-cert-refused":                   prod + "ca_cert = \"" + bait + "\"\n",
		"untrusted-auth-mount-refused":                prod + "auth = {method = \"jwt\", mount = \"evil\", jwt_variable = \"VAULT_TOKEN\"}\n",
		"untrusted-aws-endpoint-refused":              "[env.prod]\nbackend = \"awssm\"\naddress = \"" + address + "\"\n",
		"untrusted-azure-authority-refused":           "[env.prod]\nbackend = \"azurekv\"\naddress = \"" + address + "\"\nauthority = \"" + address + "\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := victim(t, trustedDev)
			s.write(t, FileName, trustedDev+text)
			sys := NewSystem(s.dir, filepath.Join(filepath.Dir(s.dir), "home"), "mia", vars)
			x, err := Open(t.Context(), sys, stackOptions)
			if err != nil {
				t.Fatal(err)
			}
			defer closeIt(t, x)
			for _, err := range []error{
				errOf(x.Broker.Get(t.Context(), x.Caller, mustRef(t, "prod:app/db"))),
				errOf(x.Project.Environment("prod")),
			} {
				if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), address) {
					t.Errorf("err = %v", err)
				}
			}
			if _, err := x.Declarations(); secret.KindOf(err) != secret.Denied || strings.Contains(err.Error(), "canary") {
				t.Errorf("declarations: %v", err)
			}
		})
	}
	t.Run("trusted-then-edited-refused", func(t *testing.T) {
		// Also the store that was trusted before waits until the edit was read.
		s := victimTrusting(t, trustedDev+prod+"address = \""+address+"\"\n")
		s.write(t, FileName, trustedDev+prod+"address = \"https://vault.example\"\n")
		sys := NewSystem(s.dir, filepath.Join(filepath.Dir(s.dir), "home"), "mia", vars)
		x, err := Open(t.Context(), sys, stackOptions)
		if err != nil {
			t.Fatal(err)
		}
		defer closeIt(t, x)
		if _, err := x.Project.Environment("prod"); secret.KindOf(err) != secret.Denied {
			t.Errorf("a store elsewhere is there under an edit that nobody read: %v", err)
		}
		if _, err := x.Broker.Get(t.Context(), x.Caller, mustRef(t, "prod:app/db")); err == nil || secret.KindOf(err) == secret.Unavailable {
			t.Errorf("it was asked: %v", err)
		}
	})
	if n := heard(); n != 0 {
		t.Errorf("a stranger was connected to %d times", n)
	}
}

func errOf[T any](_ T, err error) error { return err }

// Two environments that only the variables lead to one place share secrets as
// well: what one forbids could be had through the other.
func TestAbuseVariablesLeadToOnePlace(t *testing.T) {
	s := victimTrusting(t, trustedDev+"[env.a]\nbackend = \"vault\"\n[env.b]\nbackend = \"vault\"\naddress = \"https://vault.example:8200\"\n")
	home := filepath.Join(filepath.Dir(s.dir), "home")
	for addr, same := range map[string]bool{"https://VAULT.example:8200/": true, "https://other.example": false} {
		x, err := Open(t.Context(), NewSystem(s.dir, home, "mia", map[string]string{"VAULT_ADDR": addr}), stackOptions)
		if err == nil {
			closeIt(t, x)
		}
		if got := secret.KindOf(err) == secret.Invalid && strings.Contains(err.Error(), "env.a and env.b share secrets"); got != same {
			t.Errorf("VAULT_ADDR=%s: %v", addr, err)
		}
	}
}

// What trust shows names every address, way to sign in and file.
func TestAbuseTrustShowsStores(t *testing.T) {
	s := victim(t, trustedDev+"[env.prod]\nbackend = \"local\"\nprotected = true\n")
	s.write(t, FileName, trustedDev+`[env.prod]
backend = "vault"
address = "https://vault.evil.example"
ca_cert = "/tmp/evil.pem"
protected = true
[env.prod.auth]
method = "jwt"
mount = "evil"
role = "r"
jwt_file = "/home/mia/.ssh/id_ed25519"
[env.open]
backend = "vault"
[env.aws]
backend = "awssm"
profile = "p"
[env.azure]
backend = "azurekv"
vault = "abc"
authority = "https://login.evil.example"
`)
	r, err := ReviewTrust(t.Context(), stackSystem(s.dir), stackOptions, "")
	if err != nil {
		t.Fatal(err)
	}
	defer closeReview(t, r)
	shown := strings.Join(append(append(append([]string{}, r.Addresses...), r.SignsIn...), r.Files...), "\n")
	want := `env.aws, AWS, region of AWS_REGION or the profile, profile p
env.azure, https://abc.vault.azure.net
env.azure.authority, https://login.evil.example
env.open, the address in VAULT_ADDR
env.prod, https://vault.evil.example
env.prod, method jwt, mount evil, role r
env.prod.ca_cert, /tmp/evil.pem
env.prod.auth.jwt_file, /home/mia/.ssh/id_ed25519`
	if shown != want {
		t.Errorf("shown:\n%s\nwant:\n%s", shown, want)
	}
	if got := r.files.asks(r.Root); got != "5 network addresses (env.aws, AWS, region of AWS_REGION or the profile, profile p, …) and 2 files (env.prod.ca_cert, /tmp/evil.pem, …)" {
		t.Error(got)
	}
	if err := r.files.refuseUnread(r.Root); secret.KindOf(err) != secret.Denied {
		t.Errorf("a new store would trust it unread: %v", err)
	}
}

// One's own file may say who signs in, and nothing about where a protected
// environment lies or which authority is believed.
func TestAbuseLocalMovesProtected(t *testing.T) {
	main := mustFile(t, FileName, vaultEnv+"protected = true\n")
	for text, setting := range map[string]string{
		"ca_cert = \"/evil.pem\"\n":                           "ca_cert",
		"server_name = \"evil\"\n":                            "server_name",
		"namespace = \"evil\"\n":                              "namespace",
		"kv_version = 1\n":                                    "kv_version",
		"mount = \"evil\"\n":                                  "mount",
		"prefix = \"evil/\"\n":                                "prefix",
		"backend = \"local\"\n":                               "backend",
		"protected = false\n":                                 "protected",
		"protected = true\n":                                  "",
		"auth = {method = \"approle\", role_id = \"mine\"}\n": "",
		"client_cert = \"/mine\"\nclient_key = \"/mine\"\n":   "",
	} {
		local := mustFile(t, LocalName, "[env.prod]\n"+text)
		_, err := NewProject("x", main, &local)
		if setting == "" && err != nil || setting != "" && (err == nil || !strings.Contains(err.Error(), "env.prod."+setting+" may not be changed here")) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Trusted files that name a store elsewhere make no command contact it that
// needs nothing of it.
func TestStoresAreContactedWhenUsed(t *testing.T) {
	address, heard := trap(t)
	s := victimTrusting(t, trustedDev+"[env.prod]\nbackend = \"vault\"\naddress = \""+address+"\"\n[env.aws]\nbackend = \"awssm\"\nregion = \"eu-west-1\"\naddress = \""+address+
		"\"\n[env.azure]\nbackend = \"azurekv\"\nvault = \"abc\"\n[secrets.DB]\nref = \"app/db\"\n[env.prod.secrets.DB]\nref = \"app/prod\"\n")
	sys := NewSystem(s.dir, filepath.Join(filepath.Dir(s.dir), "home"), "mia", map[string]string{"VAULT_TOKEN": "canary", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"})
	o := stackOptions
	o.wait = time.Second // the last one below is to fail soon
	x, err := Open(t.Context(), sys, o)
	if err != nil {
		t.Fatal(err)
	}
	defer closeIt(t, x)
	all, err := x.Declarations()
	if err != nil {
		t.Fatal(err)
	}
	got, missing, err := Resolve(t.Context(), x.Broker, x.Caller, all, all)
	if err != nil || len(got) != 1 || len(missing) != 0 || string(got[0].Value.Reveal()) != abuseValue {
		t.Errorf("%v, %v, %v", got, missing, err)
	}
	for _, env := range []string{"prod", "aws", "azure"} {
		if _, err := x.Broker.Rules(t.Context(), x.Caller, env, []secret.Name{"app/db"}, secret.Get); err != nil {
			t.Errorf("%s: %v", env, err)
		}
		if _, err := x.Login(env, LoginOptions{}); err != nil {
			t.Errorf("%s: %v", env, err)
		}
	}
	if n := heard(); n != 0 {
		t.Errorf("the store was connected to %d times", n)
	}
	if _, err := x.Broker.Get(t.Context(), x.Caller, mustRef(t, "prod:app/prod")); secret.KindOf(err) != secret.Unavailable || heard() == 0 {
		t.Errorf("%v, %d connections", err, heard())
	}
}
