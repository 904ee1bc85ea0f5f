package backendtest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

// lossy is a store that loses all optional promises.
type lossy struct{ secret.Backend }

func config() backendtest.Config {
	return backendtest.Config{
		New:           func(_ backendtest.TB, now func() time.Time) secret.Backend { return lossy{mem.New(now)} },
		MaxValueBytes: mem.MaxValueBytes - 1, // one byte more is kept: a case fails
	}
}

// TestSkippedRun is not a test but what TestSkips runs.
func TestSkippedRun(t *testing.T) {
	cfg := config()
	switch os.Getenv("TACIT_TEST_SKIPS") {
	case "":
		t.Skip("TestSkips runs it")
	case "known":
		cfg.Skips = map[string]string{"largest value fits, a larger one is invalid": "known", "options of missing promises are unsupported": "known", "deleted is for ever without undelete": "known"}
	case "passes":
		cfg.Skips = map[string]string{"get what was put": "it passes"}
	case "unknown":
		cfg.Skips = map[string]string{"no such case": "x"}
	case "budget":
		cfg.Budget = time.Nanosecond
	case "away":
		cfg.Unsupported = []string{"leases"}
	case "hour":
		cfg.Hour = time.Second
	}
	backendtest.Run(t, cfg)
}

// TestSkips: what is skipped is told, and must fail.
func TestSkips(t *testing.T) {
	for _, c := range []struct{ mode, says string }{
		{"known", "\nPASS"},
		{"none", "--- FAIL: TestSkippedRun/largest_value_fits"},
		{"passes", "it passes: take it off the list of deviations (it passes)"},
		{"unknown", `there is no case "no such case"`},
		{"budget", "its budget is 1ns"},
		{"away", `"leases" is unsupported, but no capability`},
		{"hour", "an hour is 1s, but the clock can be set"},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSkippedRun$", "-test.v")
		cmd.Env = append(os.Environ(), "TACIT_TEST_SKIPS="+c.mode)
		out, err := cmd.CombinedOutput()
		if (err == nil) != (c.mode == "known") || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: %v, without %q:\n%s", c.mode, err, c.says, out)
		}
	}
}
