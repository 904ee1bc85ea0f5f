package audit

import (
	"os"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/audit/internal/segment"
)

func FuzzSegment(f *testing.F) {
	cfg := config(f)
	l, _ := create2(f, cfg)
	add(f, l, "a", "b")
	good, err := os.ReadFile(segment.Path(cfg.Dir, 1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(segment.Path(dir, 1), b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Verify(t.Context(), dir, VerifyOptions{FirstKey: l.w.header.Key})
		if err == nil && r.Sound() && !strings.HasPrefix(string(good), string(b)) {
			t.Fatal("what tacit did not write verifies")
		}
	})
}

func FuzzRecord(f *testing.F) {
	r := record("claude/api")
	b, err := segment.Encode(&r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"n":1,"time":"2026-01-02T03:04:05.678Z","principal":"user:mia","verb":"put","phase":"end","begun":0,"reason":"\u001b[2J"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Record
		if !segment.Decode(b, &r) {
			return
		}
		again, err := segment.Encode(&r)
		if err != nil || string(again) != string(b) {
			t.Fatalf("%q becomes %q, %v", b, again, err)
		}
		r.clean()
		cleaned, err := segment.Encode(&r)
		if err != nil {
			t.Fatal(err)
		}
		if len(cleaned) > segment.MaxLine {
			t.Fatalf("a line of %d bytes", len(cleaned))
		}
		var s Record
		if !segment.Decode(cleaned, &s) {
			t.Fatalf("%q does not come back", cleaned)
		}
		if p := Printable(r.Reason + r.Name); strings.ContainsFunc(p, unsafe) {
			t.Fatalf("%q is not printable", p)
		}
	})
}
