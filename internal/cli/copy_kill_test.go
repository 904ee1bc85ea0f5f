package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/internal/config"
)

// world is a home with a project in it, apart from the one who runs the tests.
type world struct {
	project string
	env     []string
}

// newWorld makes a project with the environments dev and staging.
func newWorld(t testing.TB) *world {
	t.Helper()
	home := t.TempDir()
	w := &world{project: filepath.Join(home, "project")}
	for _, dir := range []string{w.project, filepath.Join(home, "run")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.env = []string{
		"HOME=" + home, "XDG_RUNTIME_DIR=" + filepath.Join(home, "run"), "DBUS_SESSION_BUS_ADDRESS=disabled:", "GORACE=atexit_sleep_ms=10",
		"PATH=" + os.Getenv("PATH"), "NO_COLOR=1",
	}
	files := "default_env = \"dev\"\n[env.dev]\n[env.staging]\n"
	if err := os.WriteFile(filepath.Join(w.project, config.FileName), []byte(files), 0o600); err != nil {
		t.Fatal(err)
	}
	w.tacit(t, nil, "init")
	return w
}

func (w *world) command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "tacit", args...)
	cmd.Dir, cmd.Env = w.project, w.env
	return cmd
}

// tacit runs a command that must succeed, and returns what it printed.
func (w *world) tacit(t testing.TB, in io.Reader, args ...string) []byte {
	t.Helper()
	cmd := w.command(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("tacit %s: %v\n%s", strings.Join(args, " "), err, &errs)
	}
	return out.Bytes()
}

// fill puts n secrets below a prefix of dev.
func (w *world) fill(t testing.TB, prefix string, n int) {
	t.Helper()
	var in bytes.Buffer
	for i := range n {
		fmt.Fprintf(&in, "{\"name\":%q,\"value\":%q}\n", fmt.Sprintf("%sn%05d", prefix, i), fmt.Sprintf("value-%d", i))
	}
	w.tacit(t, &in, "put", "--batch")
}

// A copy that is killed anywhere and run again ends equal, and wrote nothing
// twice.
func TestCopyKilledAndRunAgain(t *testing.T) {
	const secrets, rounds = 600, 20
	w := newWorld(t)
	w.fill(t, "", secrets)
	killed := 0
	for round := range rounds {
		target := fmt.Sprintf("staging:r%02d/", round)
		cmd := w.command(t, "copy", "-r", "dev:", target, "--json")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		for range rand.IntN(secrets) { // when to kill
			if _, err := lines.ReadString('\n'); err != nil {
				break
			}
		}
		_ = cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, lines)
		if cmd.Wait() != nil {
			killed++
		}
		w.tacit(t, nil, "copy", "-r", "dev:", target)
		if out := w.tacit(t, nil, "diff", "dev:", target); len(out) > 0 {
			t.Fatalf("round %d: they differ:\n%s", round, out)
		}
	}
	if killed == 0 {
		t.Error("no copy was killed: the test does not test")
	}
	w.wroteOnce(t, secrets*rounds)
}

// wroteOnce reads the log: each secret of staging was written once.
func (w *world) wroteOnce(t *testing.T, want int) {
	t.Helper()
	wrote := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(w.tacit(t, nil, "audit", "list", "--json", "--limit", "0")))
	for lines.Scan() {
		var r struct {
			Verb, Env, Name, Phase, Outcome string
			Version                         uint64 // 0: it was only declared
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Env == "staging" && r.Verb == "put" && r.Phase == "end" && r.Outcome == "ok" && r.Version > 0 {
			wrote[r.Name]++
		}
	}
	// A kill between a write and its record leaves a beginning without an end.
	if len(wrote) > want || len(wrote) < want/2 {
		t.Errorf("%d secrets were written on record, of %d", len(wrote), want)
	}
	for n, times := range wrote {
		if times != 1 {
			t.Errorf("%s was written %d times", n, times)
		}
	}
	w.tacit(t, nil, "audit", "verify")
}
