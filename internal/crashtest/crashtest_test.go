package crashtest_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/tacit-secrets/tacit/internal/crashtest"
)

// TestMain counts without end where a test starts it to be killed.
func TestMain(m *testing.M) {
	if os.Getenv("CRASH_TEST_JOB") == "count" {
		for i := 0; ; i++ {
			fmt.Println(i)
		}
	}
	m.Run()
}

func TestKill(t *testing.T) {
	for range 5 {
		p := crashtest.Start(t, []string{"CRASH_TEST_JOB=count"})
		lines := p.Lines(10)
		lines = append(lines, p.Kill(100)...)
		for i, l := range lines {
			if l != strconv.Itoa(i) {
				t.Fatalf("line %d is %q", i, l)
			}
		}
		if p.ProcessState == nil || p.ProcessState.ExitCode() != -1 {
			t.Fatalf("it was not killed: %v", p.ProcessState)
		}
	}
}

func TestLinesEnd(t *testing.T) {
	p := crashtest.Start(t, nil, "-test.run=^TestSays$", "-test.v")
	if lines := p.Lines(1000); !slices.Contains(lines, "--- SKIP: TestSays (0.00s)") || len(lines) == 1000 {
		t.Errorf("%q", lines)
	}
}

func TestSays(t *testing.T) { t.Skip("it is run by TestLinesEnd") }

func TestTimes(t *testing.T) {
	if crashtest.Times("", 20) != 20 || crashtest.Times("100", 20) != 100 {
		t.Error("not the number given, or else the usual")
	}
}
