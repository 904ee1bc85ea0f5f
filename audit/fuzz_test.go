package audit

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/tacit-secrets/tacit/audit/internal/segment"
)

// golden is a log that an earlier tacit wrote, and its first key. It never
// changes: a log is kept for years.
func golden(t testing.TB) (text []byte, key string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "00000001.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := os.ReadFile(filepath.Join("testdata", "first-key"))
	if err != nil {
		t.Fatal(err)
	}
	return text, strings.TrimSpace(string(k))
}

func TestGoldenLog(t *testing.T) {
	_, key := golden(t)
	r, err := Verify(t.Context(), "testdata", VerifyOptions{FirstKey: key})
	if err != nil || !r.Sound() || r.Records != 2 || r.Size != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	if got := names(t, "testdata"); got != "" { // no gets
		t.Errorf("%q", got)
	}
}

// FuzzSegment reads anything as a segment. Nothing but what tacit wrote, up to
// the end of a line, is read without a fault.
func FuzzSegment(f *testing.F) {
	good, key := golden(f)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(bytes.SplitAfter(good, []byte("\n"))[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		w := walker{known: true}
		err := w.read(bytes.NewReader(b), 1, nil)
		if w.begun && w.header.Key == key && w.signed && !bytes.HasPrefix(good, b[:bytes.LastIndex(b, []byte("\n"))+1]) && err == nil && w.edge.Size == w.good.Size {
			t.Fatal("what tacit did not write verifies")
		}
		if w.edge.Size < w.good.Size || w.good.Size < w.before.Size {
			t.Fatalf("the tree shrinks: %d, %d, %d", w.before.Size, w.good.Size, w.edge.Size)
		}
	})
}

// FuzzCheckpoint reads anything as a signed checkpoint.
func FuzzCheckpoint(f *testing.F) {
	good, key := golden(f)
	known := map[string]bool{}
	for line := range bytes.Lines(good) {
		if signed := segment.NoteOf(line); signed != "" {
			known[signed] = true
			f.Add(signed)
		}
	}
	v, err := note.NewVerifier(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, signed string) {
		if _, ok := segment.OpenNote(signed, v); ok && !known[signed] {
			t.Fatal("what tacit did not sign opens")
		}
		if c, ok := segment.Unverified(signed); ok {
			text := c.Text()
			if again, ok := segment.Unverified(text + "\n"); !ok || again.Text() != text {
				t.Fatalf("%q becomes %q", text, again.Text())
			}
		}
	})
}

// FuzzProof checks anything as a proof.
func FuzzProof(f *testing.F) {
	_, key := golden(f)
	for n := range uint64(3) {
		p, err := ProveRecord(f.Context(), "testdata", n, "")
		if err != nil || p.Check(key) != nil {
			f.Fatal(err, p.Check(key))
		}
		b, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	good, _ := golden(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Proof
		if json.Unmarshal(b, &p) != nil {
			return
		}
		if p.Check(key) == nil && !bytes.Contains(good, []byte(p.Record+"\n")) {
			t.Fatalf("%q is proved", p.Record)
		}
		_ = p.self() // signatures keep the fuzzer out of what comes behind them
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
