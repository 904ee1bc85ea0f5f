package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tacit-secrets/tacit/audit/internal/disk"
	"github.com/tacit-secrets/tacit/audit/internal/segment"
	"github.com/tacit-secrets/tacit/secret"
)

func TestBytesBehindAClosedSegment(t *testing.T) {
	for _, more := range []string{"x", "x\n", "\n", `{"checkpoint":"`, strings.Repeat("y", segment.MaxLine+10)} {
		cfg, key, paths := threeSegments(t)
		edit(t, paths[0], func(b []byte) []byte { return append(b, more...) })
		damaged(t, cfg, VerifyOptions{FirstKey: key}, "behind a closed segment")
	}
}

// TestDamagedHeaderIsNotDiscarded: a last segment that was used is never taken
// for one that a crash left unendorsed.
func TestDamagedHeaderIsNotDiscarded(t *testing.T) {
	for _, what := range []string{"endorsed", "fsync"} {
		cfg, _, paths := threeSegments(t)
		if what == "fsync" {
			_, sync := breaking(&cfg)
			l := reopen(t, cfg)
			*sync = true
			_, _ = l.Append(t.Context(), record("lost"))
			*sync = false
			l.cfg.MaxBytes = 1 << 20
			add(t, l, "d")
			paths = append(paths, segment.Path(cfg.Dir, l.number))
			_ = l.Close()
		}
		path := paths[len(paths)-1]
		edit(t, path, func(b []byte) []byte {
			b[2] ^= 1
			return b
		})
		before, _ := os.ReadFile(path)
		if _, err := Open(t.Context(), cfg); secret.KindOf(err) != secret.Corrupt {
			t.Errorf("%s: it opens: %v", what, err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the segment was changed: %v", what, err)
		}
	}
}

// TestDamagedGroupIsNotCutOff: a line that a checkpoint follows was
// acknowledged.
func TestDamagedGroupIsNotCutOff(t *testing.T) {
	for _, f := range []func([]byte) []byte{
		func(b []byte) []byte { return bytes.Replace(b, []byte(`"name":"b"`), []byte(`"name":"x"`), 1) },
		func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"name":"b"`), bytes.Repeat([]byte{'z'}, 3*segment.MaxLine), 1)
		},
		func(b []byte) []byte {
			i := bytes.Index(b, []byte(`"name":"b"`))
			return append(b[:i:i], b[i+200:]...)
		},
	} {
		cfg := config(t)
		l, key := create2(t, cfg)
		add(t, l, "a", "b", "c")
		_ = l.Close()
		_ = os.Remove(l.cachePath())
		edit(t, segment.Path(cfg.Dir, 1), f)
		damaged(t, cfg, VerifyOptions{FirstKey: key}, "a changed record")
		if _, err := Open(t.Context(), cfg); secret.KindOf(err) != secret.Corrupt {
			t.Errorf("it opens: %v", err)
		}
	}
}

// TestUnsignedHeader: a segment that a crash left without a group is not sound
// before it is signed: nothing would find a bit flipped in its header.
func TestUnsignedHeader(t *testing.T) {
	cfg := config(t)
	l, key := create2(t, cfg)
	add(t, l, "a")
	l.cfg.MaxBytes = 1
	if err := l.roll(); err != nil {
		t.Fatal(err)
	}
	damaged(t, cfg, VerifyOptions{FirstKey: key}, "an unsigned header")
	_ = l.Close()
	add(t, reopen(t, cfg), "b")
	sound(t, cfg, VerifyOptions{FirstKey: key})
}

// afterFsync makes a log whose first file could not be made durable.
func afterFsync(t *testing.T) (Config, *Log, string) {
	t.Helper()
	cfg := config(t)
	_, sync := breaking(&cfg)
	store := &testStore{}
	cfg.Store = store
	l, key := create2(t, cfg)
	add(t, l, "a")
	store.head = l.Head()
	*sync = true
	if _, err := l.Append(t.Context(), record("lost")); !errors.Is(err, syscall.EIO) {
		t.Fatalf("%v", err)
	}
	*sync = false
	return cfg, l, key
}

func TestFailedFsync(t *testing.T) {
	cfg, l, key := afterFsync(t)
	if l.number != 2 || l.failed {
		t.Fatal("it did not go on in a new file at once")
	}
	add(t, reopen(t, cfg), "b") // another process, before the first writes again
	add(t, l, "c")
	if got := names(t, cfg.Dir); got != "a b c" {
		t.Errorf("read %q", got)
	}
	p, err := ProveRecord(t.Context(), cfg.Dir, 2, "")
	if err != nil || p.Check(key) != nil {
		t.Errorf("%v", err)
	}
	sound(t, cfg, VerifyOptions{FirstKey: key})
	whole, err := os.ReadFile(segment.Path(cfg.Dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	lost := bytes.Index(whole, []byte(`"name":"lost"`))
	for i, f := range []func() []byte{
		func() []byte { return whole[:lost] }, // the disk kept less
		func() []byte { return append(bytes.Clone(whole), 'x') },
		func() []byte { b := bytes.Clone(whole); b[lost] ^= 1; return b },
	} {
		edit(t, segment.Path(cfg.Dir, 1), func([]byte) []byte { return f() })
		if i == 0 {
			sound(t, cfg, VerifyOptions{FirstKey: key})
		} else {
			damaged(t, cfg, VerifyOptions{FirstKey: key}, "what a failed disk left")
		}
	}
}

// TestFailedFsyncAndNoNewFile: the disk takes no new file either, at first.
func TestFailedFsyncAndNoNewFile(t *testing.T) {
	for _, others := range []bool{false, true} {
		cfg := config(t)
		_, sync := breaking(&cfg)
		l, key := create2(t, cfg)
		add(t, l, "a")
		other := reopen(t, cfg)
		works := l.cfg.OpenFile
		l.cfg.OpenFile = func(string, int) (disk.File, error) { return nil, syscall.EIO }
		*sync = true
		if _, err := l.Append(t.Context(), record("lost")); secret.KindOf(err) != secret.Unavailable {
			t.Fatalf("%v", err)
		}
		*sync = false
		want := "a c"
		if others {
			add(t, other, "b")
			want = "a b c"
		}
		l.cfg.OpenFile = works
		add(t, l, "c")
		if got := names(t, cfg.Dir); got != want {
			t.Errorf("read %q", got)
		}
		sound(t, cfg, VerifyOptions{FirstKey: key})
		add(t, other, "d")
		add(t, reopen(t, cfg), "e")
		sound(t, cfg, VerifyOptions{FirstKey: key})
	}
}

// TestFailedFsyncOfAnEndorsement: a roll fails in the middle.
func TestFailedFsyncOfAnEndorsement(t *testing.T) {
	cfg := config(t)
	_, sync := breaking(&cfg)
	l, key := create2(t, cfg)
	add(t, l, "a")
	l.cfg.MaxBytes = 1
	*sync = true
	if _, err := l.Append(t.Context(), record("lost")); !errors.Is(err, syscall.EIO) {
		t.Fatalf("%v", err)
	}
	*sync = false
	l.cfg.MaxBytes = 1 << 20
	add(t, l, "b")
	sound(t, cfg, VerifyOptions{FirstKey: key})
	add(t, reopen(t, cfg), "c")
	if got := names(t, cfg.Dir); got != "a b c" {
		t.Errorf("read %q", got)
	}
	sound(t, cfg, VerifyOptions{FirstKey: key})
}

func TestReplacedFile(t *testing.T) {
	cfg := config(t)
	l, _ := create2(t, cfg)
	add(t, l, "a")
	path := segment.Path(cfg.Dir, 1)
	b, err := os.ReadFile(path)
	if err == nil {
		err = disk.WriteDurable(path, b)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), record("b")); secret.KindOf(err) != secret.Corrupt {
		t.Errorf("it writes to a file that is not there: %v", err)
	}
}

func TestAbuseAuditMore(t *testing.T) {
	t.Run("checkpoint-signature-malleability", func(t *testing.T) {
		cfg := config(t)
		l, key := create2(t, cfg)
		add(t, l, "a")
		edit(t, segment.Path(cfg.Dir, 1), func(b []byte) []byte {
			i := bytes.LastIndex(b, []byte(`\n"}`))
			sig := b[i-4 : i]
			if sig[3] != '=' {
				t.Skip("no padding to flip")
			}
			alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
			at := 2 - strings.Count(string(sig), "=") + 1
			old, _ := base64.StdEncoding.DecodeString(string(sig))
			sig[at] = alphabet[strings.IndexByte(alphabet, sig[at])^1]
			now, err := base64.StdEncoding.DecodeString(string(sig))
			if err != nil || !bytes.Equal(old, now) {
				t.Fatalf("that is no padding: %v", err)
			}
			return b
		})
		damaged(t, cfg, VerifyOptions{FirstKey: key}, "flipped padding bits")
	})
	t.Run("kill-between-begin-and-commit", func(t *testing.T) {
		cfg := config(t)
		l, key := create2(t, cfg)
		begin := record("a")
		begin.Verb, begin.Phase = secret.Put, Begin
		n, err := l.Append(t.Context(), begin, begin)
		if err != nil {
			t.Fatal(err)
		}
		end := begin
		end.Phase, end.Begun = End, &n
		if _, err := l.Append(t.Context(), end); err != nil {
			t.Fatal(err)
		}
		if r := sound(t, cfg, VerifyOptions{FirstKey: key}); len(r.Open) != 1 || r.Open[0] != n+1 {
			t.Errorf("open: %v", r.Open)
		}
	})
	t.Run("log-rolled-back-to-an-older-segment", func(t *testing.T) {
		cfg, _, _ := threeSegments(t)
		l := reopen(t, cfg)
		head := l.Head()
		_ = l.Close()
		for cut := range 3 {
			other := cfg
			other.KeyDir = t.TempDir()
			if err := os.CopyFS(other.KeyDir, os.DirFS(cfg.KeyDir)); err != nil {
				t.Fatal(err)
			}
			other.Dir = filepath.Join(other.KeyDir, "audit")
			other.Store = &testStore{head: head}
			l := reopen(t, other) // as it is
			_ = l.Close()
			for i := range cut {
				if err := os.Remove(segment.Path(other.Dir, uint64(3-i))); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Open(t.Context(), other); (secret.KindOf(err) == secret.Corrupt) != (cut > 0) {
				t.Errorf("%d segments less: %v", cut, err)
			}
		}
	})
}

// TestAnchorInClosedSegment: the store may remember little of a log.
func TestAnchorInClosedSegment(t *testing.T) {
	cfg := config(t)
	cfg.MaxBytes = 1500
	store := &testStore{}
	cfg.Store = store
	l, _ := create2(t, cfg)
	var heads []Head
	for range 12 {
		heads = append(heads, l.Head())
		add(t, l, "a")
	}
	for i, h := range heads {
		store.head = h
		_ = reopen(t, cfg).Close()
		h.Root[3] ^= 1
		store.head = h
		if _, err := Open(t.Context(), cfg); secret.KindOf(err) != secret.Corrupt {
			t.Errorf("%d: a head that is not the log's: %v", i, err)
		}
		h.Root[3] ^= 1
		h.Edge = append([][32]byte{}, h.Edge...)
		h.Edge[0][0] ^= 1
		e := segment.Edge{Size: h.Size}
		for _, x := range h.Edge {
			e.Hashes = append(e.Hashes, x)
		}
		h.Root = e.Root() // another tree, and consistent
		store.head = h
		if _, err := Open(t.Context(), cfg); secret.KindOf(err) != secret.Corrupt {
			t.Errorf("%d: a head of another log: %v", i, err)
		}
	}
}
