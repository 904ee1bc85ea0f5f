package envfmt

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Other people's parsers, which are the truth about their formats.

// missing skips a test whose parser is not there, or fails where all parsers
// have to be.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("TACIT_TEST_PARSERS") == "required" {
		t.Fatalf("%s is missing: run test/parsers.sh", what)
	}
	t.Skipf("NOT TESTED: %s is missing (test/parsers.sh installs what can be)", what)
}

func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name)
	}
	return path
}

// cache is where test/parsers.sh puts things.
func cache(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("XDG_CACHE_HOME")
	if dir == "" {
		dir = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	dir = filepath.Join(dir, "tacit-test", "parsers-1")
	if _, err := os.Stat(filepath.Join(dir, "done")); err != nil {
		missing(t, "python-dotenv and PyYAML")
	}
	return dir
}

// A worker is a process that answers lines, so that a property does not start
// one for each case.
type worker struct {
	in  io.Writer
	out *bufio.Reader
}

func startWorker(t testing.TB, env []string, name string, args ...string) *worker {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(env, "PATH="+os.Getenv("PATH"), "LC_ALL=C.UTF-8", "PYTHONIOENCODING=utf-8")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &worker{in, bufio.NewReader(out)}
}

// ask returns what the process answers. A value of null, which python-dotenv
// gives to a name without a value, is left out.
func (w *worker) ask(line string) (map[string]string, error) {
	if _, err := fmt.Fprintln(w.in, line); err != nil {
		return nil, err
	}
	answer, err := w.out.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	var got map[string]*string
	if err := json.Unmarshal(answer, &got); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for k, v := range got {
		if k == "" && v != nil {
			return nil, fmt.Errorf("refused: %s", *v)
		}
		if v != nil {
			out[k] = *v
		}
	}
	return out, nil
}

// A parser reads a file of a format; an error if it refuses.
type parser func(path string) (map[string]string, error)

// python returns a parser of testdata/readers.py.
func python(t testing.TB, format string, old bool) parser {
	t.Helper()
	dir := cache(t)
	var env []string
	if old {
		env = append(env, "PYTHONPATH="+filepath.Join(dir, "old"))
	}
	w := startWorker(t, env, filepath.Join(dir, "venv", "bin", "python"), "testdata/readers.py")
	return func(path string) (map[string]string, error) { return w.ask(format + "\t" + path) }
}

func systemd(t testing.TB) parser {
	t.Helper()
	if found, _ := filepath.Glob("/usr/lib/*/systemd/libsystemd-shared-*.so"); len(found) == 0 {
		missing(t, "systemd")
	}
	return python(t, "systemd", false)
}

func node(t testing.TB) parser {
	t.Helper()
	path := program(t, "node")
	if err := exec.Command(path, "-e", "require('util').parseEnv('')").Run(); err != nil {
		missing(t, "a node that reads .env files (20.12 or newer)")
	}
	w := startWorker(t, nil, path, "testdata/node.js")
	return w.ask
}

func jq(t testing.TB) parser {
	t.Helper()
	w := startWorker(t, nil, program(t, "jq"), "-c", "--unbuffered", ".")
	return func(path string) (map[string]string, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		return w.ask(string(b))
	}
}

// shell sources a file and returns the variables of those names. It has no
// programs to run.
func shell(t testing.TB, name, locale string) func(path string, names []string) (map[string]string, error) {
	t.Helper()
	path := program(t, name)
	dir := t.TempDir()
	return func(file string, names []string) (map[string]string, error) {
		var script strings.Builder
		script.WriteString(`. "$1" || exit 1` + "\n")
		for _, n := range names {
			script.WriteString(`printf '%s\0' "$` + n + "\"\n")
		}
		if err := os.WriteFile(filepath.Join(dir, "script"), []byte(script.String()), 0o600); err != nil {
			return nil, err
		}
		cmd := exec.Command(path, filepath.Join(dir, "script"), file)
		cmd.Env = []string{"PATH=/nonexistent", "LC_ALL=" + locale}
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("%w: %d bytes of output", err, len(out))
		}
		values := strings.Split(string(out), "\x00")
		if len(values) != len(names)+1 || values[len(names)] != "" {
			return nil, fmt.Errorf("%d values of %d", len(values), len(names))
		}
		got := map[string]string{}
		for i, n := range names {
			got[n] = values[i]
		}
		return got, nil
	}
}

// docker is the docker command before an engine that only takes note of the
// variables of a container to be created.
func docker(t testing.TB) parser {
	t.Helper()
	path, err := exec.LookPath("docker")
	if err != nil {
		t.Skip("NOT TESTED: the docker command is missing")
	}
	dir, err := os.MkdirTemp("", "tacit") // a short path: sockets have no room for long ones
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan []string, 1)
	engine := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.45")
		if !strings.HasSuffix(r.URL.Path, "/containers/create") {
			return
		}
		var body struct{ Env []string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		seen <- body.Env
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"Id":"0123456789ab"}`)
	})}
	go func() { _ = engine.Serve(l) }()
	t.Cleanup(func() { _ = engine.Close() })
	return func(file string) (map[string]string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, path, "create", "--env-file", file, "image")
		cmd.Env = []string{"DOCKER_HOST=unix://" + socket, "DOCKER_CONFIG=" + dir, "HOME=" + dir}
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %d bytes of output", err, len(out))
		}
		got := map[string]string{}
		for _, e := range <-seen {
			k, v, _ := strings.Cut(e, "=")
			got[k] = v
		}
		return got, nil
	}
}

// differences tells which values are not as they should be.
func differences(want, got map[string]string) string {
	var out []string
	for k, v := range want {
		if g, ok := got[k]; !ok {
			out = append(out, fmt.Sprintf("%s is missing (want %q)", k, v))
		} else if g != v {
			out = append(out, fmt.Sprintf("%s is %q, want %q", k, g, v))
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			out = append(out, k+" is there too")
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}
