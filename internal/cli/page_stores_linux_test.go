package cli

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pageStore makes ready the store that a page talks to, and returns the
// variables by which its programs find it. Without the store the page is
// skipped, and that is said.
func pageStore(t *testing.T, p page) []string {
	t.Helper()
	switch p.store {
	case "":
		return nil
	case "vault":
		return vaultForPage(t, p)
	default:
		t.Fatalf("%s talks to %q, which no test starts", p.file, p.store)
		return nil
	}
}

// vaultForPage is a namespace of the page's own in the OpenBao of the tests,
// with an engine at secret/, and the program vault, which bao is for a page.
func vaultForPage(t *testing.T, p page) []string {
	t.Helper()
	addr, token, bao := os.Getenv("TACIT_TEST_VAULT_ADDR"), os.Getenv("TACIT_TEST_VAULT_TOKEN"), os.Getenv("TACIT_TEST_BAO")
	if addr == "" || token == "" || bao == "" {
		why := p.file + " was not run: TACIT_TEST_VAULT_ADDR is not set; make test-stores starts an OpenBao"
		if os.Getenv("TACIT_TEST_STORES") == "required" {
			t.Fatal(why)
		}
		t.Skip("SKIPPED: " + why)
	}
	space := "page-" + strings.ToLower(rand.Text())
	call := func(method, namespace, path, body string) error {
		r, err := http.NewRequest(method, addr+"/v1/"+path, strings.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("X-Vault-Token", token)
		r.Header.Set("X-Vault-Namespace", namespace)
		answer, err := (&http.Client{Timeout: time.Minute}).Do(r)
		if err != nil {
			return err
		}
		if err = answer.Body.Close(); err == nil && answer.StatusCode/100 != 2 {
			err = fmt.Errorf("%s %s: %s", method, path, answer.Status)
		}
		return err
	}
	for _, step := range [][3]string{{"", "sys/namespaces/" + space, ""}, {space, "sys/mounts/secret", `{"type":"kv-v2"}`}} {
		if err := call("POST", step[0], step[1], step[2]); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = call("DELETE", "", "sys/namespaces/"+space, "") })
	programs := t.TempDir()
	if err := os.Symlink(bao, filepath.Join(programs, "vault")); err != nil {
		t.Fatal(err)
	}
	return []string{"VAULT_ADDR=" + addr, "VAULT_TOKEN=" + token, "VAULT_NAMESPACE=" + space, "PATH=" + programs + ":" + os.Getenv("PATH")}
}
