package cli

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/internal/config"
)

// A database is PostgreSQL behind OpenBao, which makes its users, with a
// project that declares one as a lease.
type database struct {
	*world
	t           *testing.T
	vault, root string
	pg          *url.URL
	mount       string
}

// newDatabase needs both servers of make test-stores. ttl and most are of the
// leases: what they begin with, and how old they grow.
func newDatabase(t *testing.T, ttl, most string) *database {
	t.Helper()
	d := &database{t: t, vault: os.Getenv("TACIT_TEST_VAULT_ADDR"), root: os.Getenv("TACIT_TEST_VAULT_TOKEN")}
	pg := os.Getenv("TACIT_TEST_POSTGRES")
	if d.vault == "" || pg == "" {
		const why = "TACIT_TEST_VAULT_ADDR or TACIT_TEST_POSTGRES is not set: make test-stores starts an OpenBao and a PostgreSQL"
		if os.Getenv("TACIT_TEST_STORES") == "required" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	var err error
	if d.pg, err = url.Parse(pg); err != nil {
		t.Fatal(err)
	}
	d.world = newWorld(t)
	d.prepare(ttl, most)
	text := fmt.Sprintf(`default_env = "dev"
[env.dev]
[env.prod]
backend = "vault"
address = %q

[secrets]
DB_USER = {lease = "prod:%s/creds/app#username"}
DB_PASSWORD = {lease = "prod:%[2]s/creds/app#password"}
DB_URL = {compose = "postgres://${:DB_USER}:${:DB_PASSWORD|url}@%s/postgres?sslmode=disable"}
`, d.vault, d.mount, d.pg.Host)
	if err := os.WriteFile(filepath.Join(d.project, config.FileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d.env = append(d.env, "VAULT_TOKEN="+d.root)
	d.tacit(t, nil, "trust", "--yes")
	return d
}

// prepare mounts the engine.
func (d *database) prepare(ttl, most string) {
	d.t.Helper()
	var b [6]byte
	_, _ = rand.Read(b[:])
	d.mount = "t" + hex.EncodeToString(b[:])
	password, _ := d.pg.User.Password()
	d.ask(http.MethodPost, "sys/mounts/"+d.mount, map[string]any{"type": "database"})
	d.t.Cleanup(func() { d.ask(http.MethodDelete, "sys/mounts/"+d.mount, nil) })
	d.ask(http.MethodPost, d.mount+"/config/pg", map[string]any{
		"plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "username": d.pg.User.Username(), "password": password,
		"connection_url": "postgresql://{{username}}:{{password}}@" + d.pg.Host + d.pg.Path + "?sslmode=disable", "password_authentication": "scram-sha-256",
	})
	d.ask(http.MethodPost, d.mount+"/roles/app", map[string]any{
		"db_name": "pg", "default_ttl": ttl, "max_ttl": most,
		"creation_statements": []string{`CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'`},
	})
}

// ask is a request of the store's administrator.
func (d *database) ask(method, path string, body any) {
	d.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		d.t.Fatal(err)
	}
	r, err := http.NewRequest(method, d.vault+"/v1/"+path, bytes.NewReader(text))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", d.root)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if said, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 2 {
		d.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, said)
	}
}

// credential is what a command was given.
type credential struct{ user, password string }

// works connects to the database.
func (d *database) works(c credential) bool {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), "psql", "-h", d.pg.Hostname(), "-p", d.pg.Port(), "-U", c.user, "-d", "postgres", "-Atc", "select 6 * 7")
	cmd.Env = append(os.Environ(), "PGPASSWORD="+c.password, "PGCONNECT_TIMEOUT=10")
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(string(out), "password authentication failed") {
		d.t.Fatalf("psql: %s", out)
	}
	return err == nil
}

// A leasedRun is a tacit run that goes on.
type leasedRun struct {
	*exec.Cmd
	out  *bufio.Scanner
	errs bytes.Buffer
}

// tell is a command that tells what it was given, and goes on.
const tell = `echo "$DB_USER $DB_PASSWORD"; exec sleep 300`

func (d *database) start(args ...string) *leasedRun {
	d.t.Helper()
	r := &leasedRun{Cmd: d.command(d.t, append([]string{"run", "--no-redact"}, args...)...)}
	r.Stderr = &r.errs
	out, err := r.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	r.out = bufio.NewScanner(out)
	if err := r.Start(); err != nil {
		d.t.Fatal(err)
	}
	return r
}

// told reads what the command tells.
func (d *database) told(r *leasedRun) credential {
	d.t.Helper()
	if !r.out.Scan() {
		_ = r.Wait()
		d.t.Fatalf("the command told nothing: %s", &r.errs)
	}
	user, password, _ := strings.Cut(r.out.Text(), " ")
	if user == "" || password == "" {
		d.t.Fatalf("the command tells %q", r.out.Text())
	}
	return credential{user, password}
}

// end ends a run by a signal.
func (d *database) end(r *leasedRun, s syscall.Signal) {
	d.t.Helper()
	if err := r.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
	_ = r.Wait()
}

func (d *database) notes() string { return string(d.tacit(d.t, nil, "lease", "list", "--json")) }

// One lease for all that is made of it; it ends with the command.
func TestStoresRunLease(t *testing.T) {
	d := newDatabase(t, "10m", "1h")
	const script = `echo "$DB_USER $DB_PASSWORD"; psql "$DB_URL" -Atc 'select current_user'`
	out := strings.Fields(string(d.tacit(t, nil, "run", "--no-redact", "--", "sh", "-c", script)))
	if len(out) != 3 || out[0] != out[2] {
		t.Fatalf("the command tells %q", out)
	}
	if d.works(credential{out[0], out[1]}) {
		t.Error("the credential works when its command has ended")
	}
	redacted := string(d.tacit(t, nil, "run", "--", "sh", "-c", `echo "$DB_PASSWORD"`))
	if strings.TrimSpace(redacted) != "‹DB_PASSWORD›" {
		t.Errorf("the output is %q", redacted)
	}
	if n := d.notes(); n != "" {
		t.Errorf("noted %s", n)
	}
	for verb, want := range map[string]string{"issue": `"for":"run sh"`, "revoke": `"principal":"app:tacit"`} {
		all := string(d.tacit(t, nil, "audit", "export", "--verb", verb))
		if !strings.Contains(all, want) || !strings.Contains(all, `"lease":"`) || strings.Contains(all, out[1]) {
			t.Errorf("%s is recorded as %s", verb, all)
		}
	}
}

// Whatever signal ends the run, the lease ends with it.
func TestStoresRunLeaseEndsWithSignals(t *testing.T) {
	d := newDatabase(t, "10m", "1h")
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		r := d.start("--", "sh", "-c", tell)
		c := d.told(r)
		if !d.works(c) {
			t.Fatal("the credential does not work")
		}
		if d.end(r, s); d.works(c) {
			t.Errorf("%s: the credential still works; %s", s, &r.errs)
		}
	}
}

// A tacit that is killed revokes nothing; the next one does, whatever it was
// started for.
func TestStoresRunLeaseKilled(t *testing.T) {
	d := newDatabase(t, "10m", "1h")
	r := d.start("--", "sh", "-c", tell)
	c := d.told(r)
	if n := d.notes(); !strings.Contains(n, `"state":"in use"`) {
		t.Errorf("noted %s", n)
	}
	d.end(r, syscall.SIGKILL)
	if !d.works(c) {
		t.Fatal("the credential does not work")
	}
	next := d.command(t, "list")
	said, err := next.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "revoked   prod:"+d.mount+"/creds/app") || !strings.Contains(string(said), "left behind") {
		t.Errorf("%v: %s", err, said)
	}
	if d.works(c) {
		t.Error("the credential still works")
	}
	if n := d.notes(); n != "" {
		t.Errorf("noted %s", n)
	}
}

// A lease that is shorter than its command is renewed.
func TestStoresRunLeaseRenewed(t *testing.T) {
	d := newDatabase(t, "3s", "5m")
	const script = `sleep 7; psql "$DB_URL" -Atc 'select 6 * 7'`
	if out := string(d.tacit(t, nil, "run", "--", "sh", "-c", script)); strings.TrimSpace(out) != "42" {
		t.Errorf("after its first end: %q", out)
	}
}

// Where a lease grows no older, a person is told before it ends; with --watch
// the command gets another one.
func TestStoresRunLeaseGrowsNoOlder(t *testing.T) {
	d := newDatabase(t, "4s", "5s")
	cmd := d.command(t, "run", "--", "sleep", "5")
	said, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "is not renewed: its store lets it last no longer\n  start the command again before that") {
		t.Errorf("%v: %s", err, said)
	}
	r := d.start("--watch", "--", "sh", "-c", tell)
	first := d.told(r)
	second := d.told(r)
	if first == second || !d.works(second) {
		t.Errorf("given %v and then %v", first, second)
	}
	third := d.told(r)
	if d.works(first) {
		t.Error("the first one still works")
	}
	if d.end(r, syscall.SIGINT); d.works(third) {
		t.Error("the last one still works")
	}
}

// By hand, a lease is kept until somebody revokes it.
func TestStoresLeaseByHand(t *testing.T) {
	d := newDatabase(t, "10m", "1h")
	ref := "prod:" + d.mount + "/creds/app"
	var made struct {
		Lease, Env, Name, Value string
		Expires                 time.Time
		Renewable               bool
	}
	if err := json.Unmarshal(d.tacit(t, nil, "lease", "issue", ref, "--json"), &made); err != nil || made.Lease == "" || made.Env != "prod" || !made.Renewable {
		t.Fatalf("issued %+v, %v", made, err)
	}
	var c struct{ Username, Password string }
	if err := json.Unmarshal([]byte(made.Value), &c); err != nil || !d.works(credential{c.Username, c.Password}) {
		t.Fatalf("issued %v, %v", c.Username, err)
	}
	if n := d.notes(); !strings.Contains(n, `"state":"kept"`) || strings.Contains(n, c.Password) {
		t.Errorf("noted %s", n)
	}
	cmd := d.command(t, "lease", "issue", ref+"#password")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	password, err := cmd.Output()
	if err != nil || len(password) < 10 || bytes.ContainsAny(password, "\n{") || !strings.Contains(errs.String(), "revoke it:  tacit lease revoke ") {
		t.Errorf("issued %q, %v: %s", password, err, &errs)
	}
	d.tacit(t, nil, "lease", "renew", made.Lease[:6], "--ttl", "30m")
	if n := d.notes(); strings.Count(n, "\n") != 2 {
		t.Errorf("noted %s", n)
	}
	d.tacit(t, nil, "lease", "revoke", made.Lease)
	if d.works(credential{c.Username, c.Password}) {
		t.Error("it works after it was revoked")
	}
	if d.tacit(t, nil, "lease", "revoke", "--all", "--yes"); d.notes() != "" {
		t.Errorf("noted %s", d.notes())
	}
	// A field that there is not leaves no lease behind.
	bad := d.command(t, "lease", "issue", ref+"#pasword")
	if said, err := bad.CombinedOutput(); err == nil || !strings.Contains(string(said), "it has: password, username") || d.notes() != "" {
		t.Errorf("%v: %s; noted %s", err, said, d.notes())
	}
}

// An agent is given a lease if a grant says so, and its run gives it back
// without another one.
func TestStoresLeaseOfAnAgent(t *testing.T) {
	d := newDatabase(t, "10m", "1h")
	refused := d.command(t, append([]string{"run", "--as", "agent:reviewer"}, "--", "true")...)
	if said, err := refused.CombinedOutput(); err == nil || !strings.Contains(string(said), "agent:reviewer may not issue prod:"+d.mount) {
		t.Errorf("%v: %s", err, said)
	}
	d.tacit(t, nil, "grant", "agent:reviewer", "issue", "prod:"+d.mount+"/*")
	d.tacit(t, nil, "run", "--as", "agent:reviewer", "--", "sh", "-c", `test -n "$DB_URL"`)
	if n := d.notes(); n != "" {
		t.Errorf("noted %s", n)
	}
}

// What is declared is what the store is to allow: with that and no more, a run
// has its leases.
func TestStoresLeaseWithExportedPolicy(t *testing.T) {
	d := newDatabase(t, "10m", "1h")
	rules := string(d.tacit(t, nil, "policy", "export", "--env", "prod"))
	name := d.mount + "-run"
	d.ask(http.MethodPut, "sys/policies/acl/"+name, map[string]any{"policy": rules})
	d.ask(http.MethodPost, "auth/token/create-orphan", map[string]any{"id": "token-" + name, "policies": []string{name}, "ttl": "1h"})
	d.env = append(d.env, "VAULT_TOKEN=token-"+name)
	out := strings.Fields(string(d.tacit(t, nil, "run", "--no-redact", "--", "sh", "-c", `echo "$DB_USER $DB_PASSWORD"`)))
	if len(out) != 2 || d.works(credential{out[0], out[1]}) || d.notes() != "" {
		t.Errorf("told %d words with\n%s\nnoted %s", len(out), rules, d.notes())
	}
}

// A lease that the token may not revoke is told of and stays noted: whoever may
// can end it.
func TestStoresLeaseThatCannotBeRevoked(t *testing.T) {
	d := newDatabase(t, "10m", "1h")
	name := d.mount + "-issue"
	d.ask(http.MethodPut, "sys/policies/acl/"+name, map[string]any{"policy": "path \"" + d.mount + "/creds/app\" { capabilities = [\"read\"] }"})
	d.ask(http.MethodPost, "auth/token/create-orphan", map[string]any{"id": "token-" + name, "policies": []string{name}, "ttl": "1h"})
	admin := d.env
	d.env = append(slices.Clone(d.env), "VAULT_TOKEN=token-"+name)
	cmd := d.command(t, "run", "--no-redact", "--", "sh", "-c", `echo "$DB_USER $DB_PASSWORD"; exit 7`)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	user, password, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 7 || !strings.Contains(errs.String(), "could not be revoked") || !strings.Contains(errs.String(), "tried again when tacit starts next") {
		t.Errorf("%v: %s", err, &errs)
	}
	if strings.Contains(errs.String(), password) || !d.works(credential{user, password}) {
		t.Errorf("it works: %v; %s", d.works(credential{user, password}), &errs)
	}
	var n struct{ Lease, State string }
	if err := json.Unmarshal([]byte(d.notes()), &n); err != nil || n.State != "due" {
		t.Fatalf("noted %+v, %v", n, err)
	}
	d.env = admin
	d.tacit(t, nil, "lease", "revoke", n.Lease)
	if d.works(credential{user, password}) || d.notes() != "" {
		t.Errorf("it still works, or is noted: %s", d.notes())
	}
}
