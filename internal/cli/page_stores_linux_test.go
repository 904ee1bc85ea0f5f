package cli

import (
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
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
	case "azure":
		return azureForPage(t, p)
	case "vault postgres":
		return append(vaultForPage(t, p), postgresForPage(t, p)...)
	case "aws":
		return awsForPage(t, p)
	default:
		t.Fatalf("%s talks to %q, which no test starts", p.file, p.store)
		return nil
	}
}

// postgresForPage says where the PostgreSQL of the tests is, and as whom Vault
// makes users in it.
func postgresForPage(t *testing.T, p page) []string {
	t.Helper()
	u, err := url.Parse(os.Getenv("TACIT_TEST_POSTGRES"))
	if err != nil || u.Host == "" {
		why := p.file + " was not run: TACIT_TEST_POSTGRES is not set; make test-stores starts a PostgreSQL"
		if os.Getenv("TACIT_TEST_STORES") == "required" {
			t.Fatal(why)
		}
		t.Skip("SKIPPED: " + why)
	}
	password, _ := u.User.Password()
	return []string{"DB_HOST=" + u.Host, "DB_ADMIN=" + u.User.Username(), "DB_ADMIN_PASSWORD=" + password, "PGSSLMODE=disable"}
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

// awsForPage is an account of the page's own in moto, and the program aws. In the
// page's tacit.toml the region gets an address.
func awsForPage(t *testing.T, p page) []string {
	t.Helper()
	addr, aws := os.Getenv("TACIT_TEST_AWS_ENDPOINT"), os.Getenv("TACIT_TEST_AWS_CLI")
	if addr == "" || aws == "" {
		why := p.file + " was not run: TACIT_TEST_AWS_ENDPOINT is not set; make test-stores starts moto"
		if os.Getenv("TACIT_TEST_STORES") == "required" {
			t.Fatal(why)
		}
		t.Skip("SKIPPED: " + why)
	}
	account := fmt.Sprintf("%012d", time.Now().UnixNano()%1e12)
	form := "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::" + account + ":role/page&RoleSessionName=page"
	r, err := http.NewRequest(http.MethodPost, addr, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// moto finds the service by this, and checks nothing of it.
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=page/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0")
	answer, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var key struct {
		ID      string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		Secret  string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		Session string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	if err := xml.NewDecoder(answer.Body).Decode(&key); err != nil || key.ID == "" {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	for i := range p.steps {
		p.steps[i].text = strings.Replace(p.steps[i].text, `region = "eu-west-1"`, "region = \"eu-west-1\"\naddress = \""+addr+"\"", 1)
	}
	programs := t.TempDir()
	if err := os.Symlink(aws, filepath.Join(programs, "aws")); err != nil {
		t.Fatal(err)
	}
	return []string{
		"AWS_ACCESS_KEY_ID=" + key.ID, "AWS_SECRET_ACCESS_KEY=" + key.Secret, "AWS_SESSION_TOKEN=" + key.Session,
		"AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1", "AWS_ENDPOINT_URL=" + addr, // which aws follows, and tacit does not
		"AWS_PAGER=", "PATH=" + programs + ":" + os.Getenv("PATH"),
	}
}

// azureForPage is an empty Key Vault of the page's own, which has the one secret
// that its reader sets with az or Python. In the page's tacit.toml the address
// of that vault takes the place of a name in Azure.
func azureForPage(t *testing.T, p page) []string {
	t.Helper()
	v := newKeyVault(t, nil)
	v.set(t, "claude-api-key", "sk-ant-example-0123")
	for i := range p.steps {
		p.steps[i].text = strings.Replace(p.steps[i].text, `vault = "my-vault"`, v.table()+`credential = "managed"`, 1)
	}
	return []string{"IDENTITY_ENDPOINT=" + v.Endpoint, "IDENTITY_HEADER=" + v.Header}
}
