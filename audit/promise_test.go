package audit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tacit-secrets/tacit/audit/internal/segment"
	"github.com/tacit-secrets/tacit/secret"
)

// countingFile counts what is written and synced.
type countingFile struct {
	File
	writes, syncs *atomic.Int64
}

func (f countingFile) Write(b []byte) (int, error) {
	f.writes.Add(1)
	return f.File.Write(b)
}

func (f countingFile) Sync() error {
	f.syncs.Add(1)
	return f.File.Sync()
}

// TestAGroupIsOneWriteAndOneSync: of one caller, and of many who wait.
func TestAGroupIsOneWriteAndOneSync(t *testing.T) {
	cfg := config(t)
	var writes, syncs atomic.Int64
	cfg.OpenFile = func(path string, flag int) (File, error) {
		f, err := OpenFile(path, flag)
		return countingFile{f, &writes, &syncs}, err
	}
	l, _ := create2(t, cfg)
	writes.Store(0)
	syncs.Store(0)
	if _, err := l.Append(t.Context(), record("a"), record("b"), record("c")); err != nil {
		t.Fatal(err)
	}
	if writes.Load() != 1 || syncs.Load() != 1 {
		t.Errorf("one group: %d writes, %d syncs", writes.Load(), syncs.Load())
	}
	other := reopen(t, cfg)
	if err := l.lock.Take(t.Context(), time.Second); err != nil { // the first waits for it, the others for the first
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	begin := func(n int) {
		for range n {
			wg.Go(func() {
				if _, err := other.Append(t.Context(), record("x")); err != nil {
					t.Error(err)
				}
			})
		}
	}
	begin(1)
	until(other, func() bool { return other.leading && len(other.waiting) == 0 })
	begin(49)
	until(other, func() bool { return len(other.waiting) == 49 })
	l.lock.Give()
	wg.Wait()
	if writes.Load() != 3 || syncs.Load() != 3 {
		t.Errorf("50 callers: %d writes, %d syncs", writes.Load()-1, syncs.Load()-1)
	}
}

// until waits for what another goroutine does.
func until(l *Log, is func() bool) {
	for done := false; !done; runtime.Gosched() {
		l.mu.Lock()
		done = is()
		l.mu.Unlock()
	}
}

// TestByHand verifies a log with nothing of this package: lines, their hashes,
// a tree, a signed note. docs/audit.md tells how.
func TestByHand(t *testing.T) {
	cfg := config(t)
	l, key := create2(t, cfg)
	add(t, l, "a", "b")
	if _, err := l.Append(t.Context(), record("<c>&"), record("d")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(segment.Path(cfg.Dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) (out []tlog.Hash, err error) {
		for _, i := range at {
			out = append(out, hashes[i])
		}
		return out, nil
	})
	n, checkpoints := int64(0), 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		signed, ok := strings.CutPrefix(line, `{"checkpoint":"`)
		if !ok {
			stored, err := tlog.StoredHashes(n, []byte(line), reader)
			if err != nil {
				t.Fatal(err)
			}
			hashes = append(hashes, stored...)
			if n++; !strings.Contains(line, fmt.Sprintf(`"n":%d,`, n-1)) {
				t.Errorf("leaf %d is %s", n-1, line)
			}
			continue
		}
		checkpoints++
		msg := strings.ReplaceAll(strings.TrimSuffix(signed, `"}`), `\n`, "\n")
		opened, err := note.Open([]byte(msg), note.VerifierList(verifier))
		if err != nil {
			t.Fatal(err)
		}
		root, err := tlog.TreeHash(n, reader)
		if err != nil {
			t.Fatal(err)
		}
		want := regexp.MustCompile(fmt.Sprintf(`^tacit\.audit/v1\n[0-9a-f]{32}\nsegment 1\nsize %d\nroot %s\nprevious \d+\ngeneration 0\ntime 20\S+Z\n$`, n, regexp.QuoteMeta(root.String())))
		if !want.MatchString(opened.Text) {
			t.Errorf("checkpoint %d says %q", checkpoints, opened.Text)
		}
	}
	if n != 5 || checkpoints != 4 {
		t.Errorf("%d leaves, %d checkpoints", n, checkpoints)
	}
}

// TestCacheIsOnlyBelievedIfItFits: whatever stands in the cache, the log opens
// and goes on.
func TestCacheIsOnlyBelievedIfItFits(t *testing.T) {
	cfg := config(t)
	l, key := create2(t, cfg)
	add(t, l, "a", "b")
	_ = l.Close()
	good, err := os.ReadFile(l.cachePath())
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(segment.Path(cfg.Dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(good)*8; i += 11 {
		b := bytes.Clone(good)
		b[i/8] ^= 1 << (i % 8)
		for _, path := range []string{l.cachePath(), segment.Path(cfg.Dir, 1)} {
			text := b
			if path != l.cachePath() {
				text = log
			}
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		again, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatalf("bit %d of the cache: %v", i, err)
		}
		add(t, again, "c")
		_ = again.Close()
		if r := sound(t, cfg, VerifyOptions{FirstKey: key}); r.Records != 3 || len(r.Recovered) != 0 {
			t.Fatalf("bit %d of the cache: %+v", i, r)
		}
	}
}

// TestOpeningReadsNoClosedSegment: that would take the longer the older a log
// is. Verify finds the damage.
func TestOpeningReadsNoClosedSegment(t *testing.T) {
	cfg, key, paths := threeSegments(t)
	edit(t, paths[0], func(b []byte) []byte { return bytes.Repeat([]byte{'x'}, len(b)) })
	cfg.MaxBytes = 1 << 20
	add(t, reopen(t, cfg), "d")
	damaged(t, cfg, VerifyOptions{FirstKey: key}, "a closed segment")
}

// TestOnlySegmentsLieInTheFolder: so that all in it is proved, and can be
// copied. What a crash left of a segment that was being made goes away.
func TestOnlySegmentsLieInTheFolder(t *testing.T) {
	cfg, key, _ := threeSegments(t)
	torn := segment.Path(cfg.Dir, 4) + ".new"
	if err := os.WriteFile(torn, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := reopen(t, cfg)
	add(t, l, "d")
	_ = l.Close()
	all, err := os.ReadDir(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range all {
		if e.Name() != segment.Name(uint64(i)+1) {
			t.Errorf("%s lies there", e.Name())
		}
	}
	if lock, err := os.Stat(filepath.Join(cfg.KeyDir, lockName)); err != nil || lock.Size() != 0 {
		t.Errorf("the lock file is not empty: %v", err)
	}
	sound(t, cfg, VerifyOptions{FirstKey: key})
}

// TestOldKeyIsOverwritten: another name of its file shows what is left.
func TestOldKeyIsOverwritten(t *testing.T) {
	cfg := config(t)
	cfg.MaxBytes = 1
	l, _ := create2(t, cfg)
	add(t, l, "a")
	other := filepath.Join(t.TempDir(), "key")
	if err := os.Link(l.keyPath(1), other); err != nil {
		t.Skipf("no links here: %v", err)
	}
	add(t, l, "b")
	left, err := os.ReadFile(other)
	if err != nil || len(left) == 0 || len(bytes.Trim(left, "\x00")) != 0 {
		t.Errorf("of the old key %d bytes are left, %v", len(bytes.Trim(left, "\x00")), err)
	}
}

// TestDefaults are those that the documents name.
func TestDefaults(t *testing.T) {
	c := Config{}.withDefaults()
	if c.MaxBytes != 16<<20 || c.MaxAge != 24*time.Hour || c.MinFree != 64<<20 || c.LockWait != 5*time.Second {
		t.Errorf("%+v", c)
	}
}

// TestSegmentsCloseByAge: not a moment before, and never an empty one.
func TestSegmentsCloseByAge(t *testing.T) {
	cfg := config(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cfg.Now = func() time.Time { return now }
	l, key := create2(t, cfg)
	for _, c := range []struct {
		later time.Duration
		in    uint64
	}{{48 * time.Hour, 1}, {0, 2}, {24*time.Hour - 1, 2}, {1, 3}} {
		now = now.Add(c.later)
		add(t, l, "a")
		if l.number != c.in {
			t.Errorf("at %s the segment is %d, want %d", now, l.number, c.in)
		}
	}
	sound(t, cfg, VerifyOptions{FirstKey: key})
}

// stuckFile fails to write, and cannot be truncated.
type stuckFile struct {
	File
	stuck *bool
}

func (f stuckFile) Write(b []byte) (int, error) {
	if *f.stuck {
		n, _ := f.File.Write(b[:len(b)/2])
		return n, syscall.EIO
	}
	return f.File.Write(b)
}

func (f stuckFile) Truncate(size int64) error {
	if *f.stuck {
		return syscall.EIO
	}
	return f.File.Truncate(size)
}

// TestWriteErrorThatCannotBeTruncated: the file is left as after a failed
// fsync.
func TestWriteErrorThatCannotBeTruncated(t *testing.T) {
	cfg := config(t)
	stuck := false
	cfg.OpenFile = func(path string, flag int) (File, error) {
		f, err := OpenFile(path, flag)
		return stuckFile{f, &stuck}, err
	}
	l, key := create2(t, cfg)
	add(t, l, "a")
	stuck = true
	if _, err := l.Append(t.Context(), record("lost")); secret.KindOf(err) != secret.Unavailable {
		t.Errorf("%v", err)
	}
	stuck = false
	add(t, l, "b")
	add(t, reopen(t, cfg), "c")
	if r := sound(t, cfg, VerifyOptions{FirstKey: key}); r.Segments != 2 || len(r.Recovered) != 1 || names(t, cfg.Dir) != "a b c" {
		t.Errorf("%+v", r)
	}
}

// TestTextsAreBounded: 1 KiB each, cut between characters, and valid.
func TestTextsAreBounded(t *testing.T) {
	cfg := config(t)
	l, key := create2(t, cfg)
	r := record("n")
	long := strings.Repeat("ü", MaxField)
	r.Note, r.Reason, r.Session, r.For = long, long+"\xff", "\xff", "x"+long
	if _, err := l.Append(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for r, err := range Read(t.Context(), cfg.Dir, Filter{}) {
		if err != nil || r.Note != long[:MaxField] || r.Session != "\ufffd" || r.For != "x"+long[:MaxField-2] {
			t.Errorf("%d, %d, %v", len(r.Note), len(r.For), err)
		}
	}
	sound(t, cfg, VerifyOptions{FirstKey: key})
}
