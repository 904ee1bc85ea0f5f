package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/audit"
)

// TestVerdictOnASoundLog: what a crash left behind is told, and is no damage.
func TestVerdictOnASoundLog(t *testing.T) {
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = said.Close() }()
	a := &app{Streams: Streams{Err: said}}
	r := audit.Report{Records: 7, Segments: 1, Open: []uint64{4}, Recovered: []uint64{6}}
	if err := a.verdict(r, audit.VerifyOptions{FirstKey: "k"}); exitCode(err) != exitOK {
		t.Errorf("%v", err)
	}
	text, err := os.ReadFile(said.Name())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1 change began and did not end: the outcome is unknown (record 4)",
		"1 record of bytes cut off after a crash: tacit audit list --verb recover",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("it says\n%s\nwithout: %s", text, want)
		}
	}
	begun := audit.Record{N: 4, Verb: "put", Phase: audit.Begin}
	if got := outcomeOf(begun); got != "outcome unknown" {
		t.Errorf("a change that began alone is shown as %q", got)
	}
	old := audit.Record{Verb: "get", Outcome: "ok", Number: 1, Reason: "last known value, 3h0m0s old: far:app/key: no route to host", For: "run make"}
	if got := outcomeOf(old); got != "ok, version 1, last known value, 3h0m0s old, for run make" {
		t.Errorf("a last known value is shown as %q", got)
	}
}
