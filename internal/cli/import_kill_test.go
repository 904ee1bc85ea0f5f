package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An import that is killed anywhere and run again ends the same, wrote nothing
// twice, and declared each variable once.
func TestImportKilledAndRunAgain(t *testing.T) {
	const secrets, rounds = 100, 20
	w := newWorld(t)
	began := time.Now()
	w.importRound(t, 0, secrets)
	whole := time.Since(began)
	killed := 0
	for round := 1; round < rounds; round++ {
		cmd := w.command(t, w.importArgs(t, round, secrets)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(rand.Int64N(int64(whole))), func() { _ = cmd.Process.Kill() }) // anywhere
		if cmd.Wait() != nil {
			killed++
		}
		timer.Stop()
		w.importRound(t, round, secrets)
	}
	if killed == 0 {
		t.Error("no import was killed: the test does not test")
	}
	w.wroteOnce(t, secrets*rounds)
	toml, err := os.ReadFile(filepath.Join(w.project, "tacit.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(toml, []byte("[secrets.")); n != secrets*rounds {
		t.Errorf("%d variables are declared, not %d", n, secrets*rounds)
	}
	left, err := filepath.Glob(filepath.Join(w.project, ".tacit-*"))
	if err != nil || len(left) > killed {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// importArgs writes the file of a round, and returns the command.
func (w *world) importArgs(t *testing.T, round, secrets int) []string {
	t.Helper()
	var b strings.Builder
	for i := range secrets {
		fmt.Fprintf(&b, "R%02d_N%04d=value-%d\n", round, i, i)
	}
	name := fmt.Sprintf("r%02d.env", round)
	if err := os.WriteFile(filepath.Join(w.project, name), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"import", name, "--to", fmt.Sprintf("staging:r%02d/", round), "--yes"}
}

// importRound imports to the end, and compares all of it.
func (w *world) importRound(t *testing.T, round, secrets int) {
	t.Helper()
	cmd := w.command(t, w.importArgs(t, round, secrets)...)
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "tacit trust") {
		// Killed between what the store trusts and the rename of the file: its
		// owner is asked to look.
		w.tacit(t, nil, "trust", "--yes")
		cmd = w.command(t, w.importArgs(t, round, secrets)...)
		out, err = cmd.CombinedOutput()
	}
	if err != nil {
		t.Fatalf("round %d: %v\n%s", round, err, out)
	}
	var got map[string]string
	if err := json.Unmarshal(w.tacit(t, nil, "export", fmt.Sprintf("staging:r%02d/", round), "--format", "json"), &got); err != nil {
		t.Fatal(err)
	}
	for i := range secrets {
		if name := fmt.Sprintf("r%02d-n%04d", round, i); got[name] != fmt.Sprintf("value-%d", i) {
			t.Errorf("%s is %q", name, got[name])
		}
	}
	if len(got) != secrets {
		t.Errorf("round %d: %d secrets, not %d", round, len(got), secrets)
	}
}
