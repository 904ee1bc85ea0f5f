package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// vaultOfTests returns the address and the root token of the server that make
// test-stores starts.
func vaultOfTests(t *testing.T) (address, token string) {
	t.Helper()
	address, token = os.Getenv("TACIT_TEST_VAULT_ADDR"), os.Getenv("TACIT_TEST_VAULT_TOKEN")
	if address == "" || token == "" {
		const why = "TACIT_TEST_VAULT_ADDR is not set: make test-stores starts an OpenBao"
		if os.Getenv("TACIT_TEST_STORES") == "required" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	return address, token
}

// A road leads to a store, and can be closed.
type road struct {
	*httptest.Server
	closed atomic.Int32 // the status that is answered instead; 1: none at all
	only   string       // to requests whose path ends so
}

func roadTo(t *testing.T, address string) *road {
	t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	r, forward := &road{}, &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) }}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch status := int(r.closed.Load()); {
		case status == 0 || !strings.HasSuffix(q.URL.Path, r.only):
			forward.ServeHTTP(w, q)
		case status == 1:
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"errors":["no"]}`))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// runs runs a command, and returns its output and exit code.
func (w *world) runs(t *testing.T, env []string, args ...string) (out, errs string, code int) {
	t.Helper()
	cmd := w.command(t, args...)
	cmd.Env = append(cmd.Env, env...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return o.String(), e.String(), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return o.String(), e.String(), 0
}

// TestStoresOffline is the story of docs/offline.md with a real server.
func TestStoresOffline(t *testing.T) {
	t.Parallel()
	address, token := vaultOfTests(t)
	store := roadTo(t, address)
	w := newWorld(t)
	w.env = append(w.env, "VAULT_TOKEN="+token)
	toml := "default_env = \"far\"\n[env.far]\nbackend = \"vault\"\naddress = \"" + store.URL + "\"\nprefix = \"" + filepath.Base(t.TempDir()) +
		t.Name() + "/\"\noffline = \"24h\"\n[secrets.KEY]\nref = \"app/key#value\"\n"
	if err := os.WriteFile(filepath.Join(w.project, "tacit.toml"), []byte(toml), 0o600); err != nil {
		t.Fatal(err)
	}
	w.tacit(t, nil, "trust", "--yes")
	w.tacit(t, strings.NewReader(`{"value":"canary-value"}`), "put", "app/key")
	show := []string{"run", "--no-redact", "--", "sh", "-c", "printf %s $KEY"}
	gives := func(how string, old bool) {
		t.Helper()
		out, errs, code := w.runs(t, nil, show...)
		if code != 0 || out != "canary-value" {
			t.Errorf("%s: exit code %d, %q\n%s", how, code, out, errs)
		}
		if told := strings.Contains(errs, "far cannot be reached: 1 last known value is given\n") && strings.Contains(errs, "\n  far:app/key#value  read now\n"); told != old {
			t.Errorf("%s: told on stderr: %s", how, errs)
		}
	}
	gives("the store answers", false)
	for _, status := range []int32{1, http.StatusServiceUnavailable} {
		store.closed.Store(status)
		gives(http.StatusText(int(status)), true)
	}
	var last struct{ Outcome, Reason, Name string }
	w.lastRecord(t, &last)
	if last.Outcome != "ok" || last.Name != "app/key" || !strings.HasPrefix(last.Reason, "last known value, ") {
		t.Errorf("recorded as %+v", last)
	}
	for _, tt := range []struct {
		name string
		code int
		env  []string
		args []string
	}{
		{"get", 5, nil, []string{"get", "app/key"}},
		{"export", 5, nil, []string{"export"}},
		{"agent-without-a-grant", 3, []string{"CLAUDECODE=1"}, []string{"run", "--", "true"}},
		{"agent-that-is-run", 3, nil, []string{"run", "--as", "agent:x", "--", "true"}},
		{"other-reference", 5, nil, []string{"run", "--env", "B=app/key", "--", "true"}},
	} {
		out, errs, code := w.runs(t, tt.env, tt.args...)
		if code != tt.code || strings.Contains(out+errs, "canary") {
			t.Errorf("%s: exit code %d, want %d\n%s%s", tt.name, code, tt.code, out, errs)
		}
	}
	// Who is refused by the store itself is not helped by a copy, nor ever after.
	store.closed.Store(http.StatusForbidden)
	if _, errs, code := w.runs(t, nil, show...); code != 3 {
		t.Errorf("refused by the store: exit code %d\n%s", code, errs)
	}
	store.closed.Store(1)
	if _, errs, code := w.runs(t, nil, show...); code != 5 || !strings.Contains(errs, "no last known value is kept") {
		t.Errorf("after it was refused: exit code %d\n%s", code, errs)
	}
	// Nor by one of what was changed through tacit.
	store.closed.Store(0)
	gives("the store answers again", false)
	w.tacit(t, strings.NewReader(`{"value":"another-value"}`), "put", "app/key")
	store.closed.Store(1)
	if _, errs, code := w.runs(t, nil, show...); code != 5 {
		t.Errorf("after a change: exit code %d\n%s", code, errs)
	}
}

// lastRecord decodes the newest record of the log.
func (w *world) lastRecord(t *testing.T, into any) {
	t.Helper()
	lines := bytes.Split(bytes.TrimSpace(w.tacit(t, nil, "audit", "list", "--json", "--limit", "1")), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], into); err != nil {
		t.Fatal(err)
	}
}
