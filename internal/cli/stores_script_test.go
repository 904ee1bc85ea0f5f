package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestStoresScripts runs the stories in testdata/stores, each at a store that
// make test-stores starts: what a person types, and what tacit answers.
func TestStoresScripts(t *testing.T) {
	for pattern, s := range map[string]store{"openbao": vaultStore(), "aws": awsStore(), "azure": azureStore()} {
		t.Run(pattern, func(t *testing.T) {
			if s.address == "" {
				why := s.label + " was not started: make test-stores starts it"
				if os.Getenv("TACIT_TEST_STORES") == "required" {
					t.Fatal(why)
				}
				t.Skip(why)
			}
			files, err := filepath.Glob("testdata/stores/" + pattern + "*.txtar")
			if err != nil || len(files) == 0 {
				t.Fatal("no scripts: ", err)
			}
			testscript.Run(t, testscript.Params{
				Files: files, RequireUniqueNames: true, Condition: condition,
				Setup: func(e *testscript.Env) error { return setupStore(t, e, s) },
				Cmds:  map[string]func(*testscript.TestScript, bool, []string){"code": code, "bao": bao},
			})
		})
	}
}

// setupStore tells a script where the store is, and a prefix that nobody else
// has. How to sign in to OpenBao is the script's own business.
func setupStore(t *testing.T, e *testscript.Env, s store) error {
	if err := setup(e); err != nil {
		return err
	}
	e.Setenv("STORE", s.address)
	e.Setenv("UNIQUE", unique(t))
	e.Setenv("TLS", os.Getenv("TACIT_TEST_VAULT_TLS_ADDR"))
	e.Setenv("ROOT", os.Getenv("TACIT_TEST_VAULT_TOKEN"))
	e.Setenv("CA", s.caCert)
	if s.backend != "vault" {
		e.Vars = append(e.Vars, s.env...)
	}
	if ca := os.Getenv("TACIT_TEST_VAULT_CACERT"); ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(e.WorkDir, "ca.pem"), pem, 0o600)
	}
	return nil
}

// bao asks the server itself, as root: bao METHOD PATH [JSON [VAR KEY.KEY…]].
// JSON may be the name of a file whose text is the field "policy". VAR is set
// to what the answer holds there.
func bao(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: bao METHOD PATH [JSON [VAR KEY]]")
	}
	body := ""
	if len(args) > 2 {
		body = args[2]
	}
	if body != "" && !strings.HasPrefix(body, "{") {
		text, err := json.Marshal(map[string]string{"policy": ts.ReadFile(body)})
		ts.Check(err)
		body = string(text)
	}
	req, err := http.NewRequest(args[0], ts.Getenv("STORE")+"/v1/"+args[1], strings.NewReader(body))
	ts.Check(err)
	req.Header.Set("X-Vault-Token", ts.Getenv("ROOT"))
	answer, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	ts.Check(err)
	if answer.StatusCode/100 != 2 {
		ts.Fatalf("%s %s: %s: %s", args[0], args[1], answer.Status, text)
	}
	if len(args) < 5 {
		return
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	ts.Check(d.Decode(&v))
	for key := range strings.SplitSeq(args[4], ".") {
		m, ok := v.(map[string]any)
		if !ok {
			ts.Fatalf("%s is not in the answer", args[4])
		}
		v = m[key]
	}
	s, ok := v.(string)
	if !ok {
		ts.Fatalf("%s is not in the answer", args[4])
	}
	ts.Setenv(args[3], s)
}
