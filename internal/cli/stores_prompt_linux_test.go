package cli

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asRoot asks the server of the tests itself.
func asRoot(t *testing.T, method, path, body string) {
	t.Helper()
	address, root := vaultOfTests(t)
	req, err := http.NewRequestWithContext(t.Context(), method, address+"/v1/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Vault-Token", root)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s", method, path, answer.Status)
	}
}

// addsVault are the questions of env add about an environment in Vault, and a
// person's answers.
func addsVault(address, prefix string) [][2]string {
	return [][2]string{
		{"kind of store: local, vault, awssm, azurekv [local]: ", "vault"},
		{"address of the store, like https://vault.example.com:8200 [" + address + "]: ", ""},
		{"mount of the KV engine [secret]: ", ""},
		{"sign in by: token, approle, kubernetes, jwt, userpass, cert, aws [token]: ", ""},
		{"prefix of its names in the store, like prod/: ", prefix},
		{"protect it: writes ask first, and agents are refused? [y/N] ", "n"},
	}
}

func answer(t *testing.T, p *pty, all [][2]string) {
	t.Helper()
	for _, q := range all {
		p.expect(t, q[0])
		p.press(t, q[1]+"\r")
	}
}

// TestStoresPromptsNarrow: a person whose credentials may not list is asked for
// a secret to try the connection with.
func TestStoresPromptsNarrow(t *testing.T) {
	t.Parallel()
	address, _ := vaultOfTests(t)
	u := unique(t)
	asRoot(t, http.MethodPut, "sys/policies/acl/"+u, `{"policy":"path \"secret/metadata/`+u+`/a\" { capabilities = [\"read\"] }"}`)
	asRoot(t, http.MethodPost, "auth/token/create", `{"id":"narrow-`+u+`","policies":["`+u+`"],"no_default_policy":true}`)
	asRoot(t, http.MethodPost, "secret/data/"+u+"/a", `{"data":{"k":"v"}}`)
	d := newDesk(t)
	d.env = append(d.env, "VAULT_ADDR="+address, "VAULT_TOKEN=narrow-"+u)
	const asked = "names may not be listed; a secret that may be read, to try with: "
	p := d.at("env", "add", "prod")
	answer(t, p, append(addsVault(address, u+"/"), [2]string{asked, ""}))
	if code := p.exit(t); code != exitDenied || !strings.Contains(p.seen(), "nothing was changed") {
		t.Errorf("no name: exit code %d\n%s", code, p.seen())
	}
	p = d.at("env", "add", "prod")
	answer(t, p, append(addsVault(address, u+"/"), [2]string{asked, "a"}))
	d.ended(p, exitOK, "added     prod                  in tacit.toml")
}

// TestStoresPrompts: a person adds an environment by answering questions, and
// signs in with a password that nobody sees.
func TestStoresPrompts(t *testing.T) {
	t.Parallel()
	address, root := vaultOfTests(t)
	mount, password := unique(t), "pw-canary-"+unique(t)
	asRoot(t, http.MethodPost, "sys/auth/"+mount, `{"type":"userpass"}`)
	asRoot(t, http.MethodPut, "sys/policies/acl/"+mount, `{"policy":"path \"secret/*\" { capabilities = [\"create\",\"read\",\"update\",\"list\"] }"}`)
	asRoot(t, http.MethodPost, "auth/"+mount+"/users/mia", `{"password":"`+password+`","token_policies":["`+mount+`"]}`)
	d := newDesk(t)
	tokenFile := filepath.Join(filepath.Dir(d.dir), ".vault-token")

	// An answer in brackets is taken by Enter; the address is written down, since
	// the variable is this machine's alone.
	d.env = append(d.env, "VAULT_ADDR="+address, "VAULT_TOKEN="+root)
	p := d.at("env", "add", "prod")
	answer(t, p, addsVault(address, mount+"/"))
	d.ended(p, exitOK, "added     prod                  in tacit.toml")
	if got := d.read("tacit.toml"); !strings.HasSuffix(got, "\n[env.prod]\nbackend = \"vault\"\naddress = \""+address+"\"\nprefix = \""+mount+"/\"\n") {
		t.Errorf("tacit.toml is\n%s", got)
	}

	d.env = append(d.env, "VAULT_ADDR=", "VAULT_TOKEN=")
	d.must("env", "add", "by-name", "--backend", "vault", "--address", address, "--prefix", "x"+mount+"/", "--auth-method", "userpass", "--auth-mount", mount, "--auth-username", "mia", "--no-test")
	p = d.at("env", "login", "by-name")
	p.expect(t, "password of mia for by-name (hidden): ")
	p.press(t, "wrong\r")
	if code := p.exit(t); code != exitDenied {
		t.Errorf("a wrong password: exit code %d\n%s", code, p.seen())
	}
	if _, err := os.Stat(tokenFile); err == nil {
		t.Error("a token of nobody was written")
	}
	p = d.at("env", "login", "by-name")
	p.expect(t, "(hidden): ")
	p.press(t, password+"\r")
	d.ended(p, exitOK, "the token is in "+tokenFile)
	if strings.Contains(p.seen(), "canary") {
		t.Errorf("the password is shown:\n%s", p.seen())
	}
	info, err := os.Stat(tokenFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	// The token is still good after tacit ended, and is what the other
	// environment signs in with.
	d.must("put", "prod:a", "--generate", "hex")
	if got := d.must("get", "prod:a"); len(got) != 64 {
		t.Errorf("got %d bytes", len(got))
	}
}
