package audit

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/tacit-secrets/tacit/audit/internal/segment"
)

// lineChanges are what may be done to the lines of a segment.
func lineChanges(lines []string, i int) map[string][]string {
	forged := strings.Replace(lines[i], `"user:mia"`, `"user:eve"`, 1)
	out := map[string][]string{
		"removed":    slices.Delete(slices.Clone(lines), i, i+1),
		"duplicated": slices.Insert(slices.Clone(lines), i, lines[i]),
	}
	if i+1 < len(lines) {
		swapped := slices.Clone(lines)
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		out["swapped"] = swapped
	}
	if forged != lines[i] {
		edited := slices.Clone(lines)
		edited[i] = forged
		out["edited"] = edited
		out["inserted"] = slices.Insert(slices.Clone(lines), i, forged)
	}
	return out
}

// TestEachLineChanged: any line of any segment that is removed, duplicated,
// swapped with the next, edited, or has a forged one put before it.
func TestEachLineChanged(t *testing.T) {
	cfg := config(t)
	cfg.MaxBytes = 1200
	l, key := create2(t, cfg)
	for i := range 6 {
		if _, err := l.Append(t.Context(), record(fmt.Sprint(i)), record("x")); err != nil {
			t.Fatal(err)
		}
	}
	last := l.number
	_ = l.Close()
	if last < 3 {
		t.Fatalf("%d segments", last)
	}
	tried := 0
	for n := uint64(1); n <= last; n++ {
		path := segment.Path(cfg.Dir, n)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
		lines[len(lines)-1] += "\n"
		for i := range lines {
			for what, changed := range lineChanges(lines, i) {
				tried++
				edit(t, path, func([]byte) []byte { return []byte(strings.Join(changed, "")) })
				damaged(t, cfg, VerifyOptions{FirstKey: key}, fmt.Sprintf("%s:%d %s", segment.Name(n), i+1, what))
			}
		}
		edit(t, path, func([]byte) []byte { return text })
	}
	sound(t, cfg, VerifyOptions{FirstKey: key})
	if tried < 80 {
		t.Errorf("only %d changes", tried)
	}
}

// TestForgedWithTodaysKey: who holds the key of the open segment writes a
// closed one anew, and signs it with all that can be had.
func TestForgedWithTodaysKey(t *testing.T) {
	cfg := config(t)
	cfg.MaxBytes = 1
	l, key := create2(t, cfg)
	add(t, l, "a", "b", "c")
	private, err := l.unseal(l.w.header)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	edge := segment.Edge{}
	for n := uint64(1); n <= 3; n++ {
		edit(t, segment.Path(cfg.Dir, n), func(b []byte) []byte {
			return forge(t, bytes.Replace(b, []byte("user:mia"), []byte("user:eve"), 1), &edge, signer)
		})
	}
	damaged(t, cfg, VerifyOptions{FirstKey: key}, "a log signed with today's key")
	damaged(t, cfg, VerifyOptions{}, "a log signed with today's key, and no first key")
}

// forge makes the tree and the checkpoints of a segment fit what was changed.
func forge(t *testing.T, b []byte, edge *segment.Edge, signer note.Signer) []byte {
	t.Helper()
	var out bytes.Buffer
	for line := range bytes.Lines(b) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		var h segment.Header
		switch {
		case bytes.HasPrefix(line, []byte(segment.CheckpointPrefix)):
			c, ok := segment.Unverified(segment.NoteOf(line))
			if !ok {
				t.Fatal("no checkpoint")
			}
			c.Root = edge.Root()
			signed, err := c.Sign(signer)
			if err != nil {
				t.Fatal(err)
			}
			line = signed
		case segment.Decode(line, &h) && h.Why != "":
			h.Edge = edge.Text()
			text, err := segment.Encode(h)
			if err != nil {
				t.Fatal(err)
			}
			line = text
			edge.Add(line)
		default:
			edge.Add(line)
		}
		out.Write(append(line, '\n'))
	}
	return out.Bytes()
}

// TestCuts: what is found of a cut in the open segment, and by whom. Exactly at
// a group's border the log alone does not find it; the store, and a checkpoint
// kept elsewhere, do.
func TestCuts(t *testing.T) {
	cfg := config(t)
	l, key := create2(t, cfg)
	add(t, l, "a")
	path := segment.Path(cfg.Dir, 1)
	border, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), record("b"), record("c")); err != nil {
		t.Fatal(err)
	}
	newest, head := sound(t, cfg, VerifyOptions{FirstKey: key}).Checkpoint, l.Head()
	_ = l.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := border.Size() + 1; n < int64(len(whole)); n++ {
		edit(t, path, func([]byte) []byte { return whole[:n] })
		damaged(t, cfg, VerifyOptions{FirstKey: key}, fmt.Sprintf("a cut inside a group, at byte %d", n))
	}
	edit(t, path, func([]byte) []byte { return whole[:border.Size()] })
	sound(t, cfg, VerifyOptions{FirstKey: key}) // not found, and the documents say so
	damaged(t, cfg, VerifyOptions{FirstKey: key, Head: &head}, "a cut at a border, with the store")
	damaged(t, cfg, VerifyOptions{FirstKey: key, Checkpoint: newest}, "a cut at a border, with a checkpoint kept elsewhere")
}

// TestGenerationNeverLower: a checkpoint that names an older generation of the
// store than the one before is none, whoever signed it.
func TestGenerationNeverLower(t *testing.T) {
	cfg := config(t)
	store := &testStore{generation: 9}
	cfg.Store = store
	l, key := create2(t, cfg)
	add(t, l, "a")
	store.generation = 3 // as seen by a process that was late
	add(t, l, "b")
	if got := l.Generation(); got != 9 {
		t.Errorf("a checkpoint names generation %d", got)
	}
	sound(t, cfg, VerifyOptions{FirstKey: key})
	l.w.last.Generation = 3
	add(t, l, "c")
	damaged(t, cfg, VerifyOptions{FirstKey: key}, "an older generation")
}
