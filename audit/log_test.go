package audit

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tacit-secrets/tacit/audit/internal/disk"
	"github.com/tacit-secrets/tacit/audit/internal/segment"
	"github.com/tacit-secrets/tacit/secret"
)

// testKey seals under one random key.
type testKey struct{ aead cipher.AEAD }

func newTestKey(t testing.TB) testKey {
	t.Helper()
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return testKey{aead}
}

func (k testKey) Wrap(record, plain []byte) ([]byte, error) {
	return k.aead.Seal(nil, nil, plain, record), nil
}

func (k testKey) Unwrap(record, wrapped []byte) ([]byte, error) {
	return k.aead.Open(nil, nil, wrapped, record)
}

// testStore is what a store remembers.
type testStore struct {
	generation uint64
	elsewhere  uint64 // what others made durable, and Refresh finds
	head       Head
}

func (s *testStore) Generation() uint64 { return s.generation }
func (s *testStore) LogHead() Head      { return s.head }

func (s *testStore) Refresh(context.Context) error {
	s.generation = max(s.generation, s.elsewhere)
	return nil
}

func config(t testing.TB) Config {
	t.Helper()
	dir := t.TempDir()
	return Config{Dir: filepath.Join(dir, "audit"), KeyDir: dir, Key: newTestKey(t), MinFree: 1}
}

func record(name string) Record {
	return Record{Principal: "user:mia", How: secret.ByUID, Verb: secret.Get, Env: "dev", Name: name, Outcome: OK}
}

func create2(t testing.TB, cfg Config) (*Log, string) {
	t.Helper()
	l, key, err := Create(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, key
}

func add(t testing.TB, l *Log, names ...string) {
	t.Helper()
	for _, n := range names {
		if _, err := l.Append(t.Context(), record(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func reopen(t testing.TB, cfg Config) *Log {
	t.Helper()
	l, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func names(t testing.TB, dir string) string {
	t.Helper()
	var out []string
	for r, err := range Read(t.Context(), dir, Filter{Verb: secret.Get}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r.Name)
	}
	return strings.Join(out, " ")
}

func verified(t testing.TB, cfg Config, o VerifyOptions) Report {
	t.Helper()
	r, err := Verify(t.Context(), cfg.Dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sound(t testing.TB, cfg Config, o VerifyOptions) Report {
	t.Helper()
	r := verified(t, cfg, o)
	if !r.Sound() {
		t.Fatalf("damage: %v", r.Damage)
	}
	return r
}

func TestAppendReadVerify(t *testing.T) {
	cfg := config(t)
	l, key := create2(t, cfg)
	add(t, l, "a", "b")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = reopen(t, cfg)
	add(t, l, "c")
	_ = os.Remove(filepath.Join(cfg.KeyDir, "audit.edge"))
	other := reopen(t, cfg) // without the cache, and while the first is open
	add(t, other, "d")
	add(t, l, "e")
	if got := names(t, cfg.Dir); got != "a b c d e" {
		t.Errorf("read %q", got)
	}
	r := sound(t, cfg, VerifyOptions{FirstKey: key})
	if r.Records != 5 || r.Segments != 1 || r.FirstKey != key || len(r.Recovered) != 0 {
		t.Errorf("%+v", r)
	}
	head := l.Head()
	sound(t, cfg, VerifyOptions{Head: &head, Checkpoint: r.Checkpoint})
}

func TestRollKeepsOneTree(t *testing.T) {
	cfg := config(t)
	cfg.MaxBytes = 1
	l, key := create2(t, cfg)
	second := reopen(t, cfg)
	for i := range 6 {
		add(t, l, fmt.Sprint("a", i))
		add(t, second, fmt.Sprint("b", i))
	}
	if got := names(t, cfg.Dir); got != "a0 b0 a1 b1 a2 b2 a3 b3 a4 b4 a5 b5" {
		t.Errorf("read %q", got)
	}
	r := sound(t, cfg, VerifyOptions{FirstKey: key})
	if r.Segments < 10 {
		t.Errorf("%d segments", r.Segments)
	}
	left, err := filepath.Glob(filepath.Join(cfg.KeyDir, "audit-*.key"))
	if err != nil || len(left) != 1 {
		t.Errorf("keys of closed segments are left: %v", left)
	}
	reopen(t, cfg)
}

func TestGroupsOfManyCallers(t *testing.T) {
	cfg := config(t)
	l, key := create2(t, cfg)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 50 {
				if _, err := l.Append(t.Context(), record(fmt.Sprintf("%d/%d", i, j))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if r := sound(t, cfg, VerifyOptions{FirstKey: key}); r.Records != 800 {
		t.Errorf("%d records", r.Records)
	}
}

// damaged expects Verify to find something wrong.
func damaged(t *testing.T, cfg Config, o VerifyOptions, what string) {
	t.Helper()
	if r, err := Verify(t.Context(), cfg.Dir, o); err == nil && r.Sound() {
		t.Errorf("%s: not found", what)
	}
}

// threeSegments makes a small log over several segments.
func threeSegments(t *testing.T) (Config, string, []string) {
	t.Helper()
	cfg := config(t)
	cfg.MaxBytes = 1
	l, key := create2(t, cfg)
	add(t, l, "a", "b", "c")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(cfg.Dir, "*.jsonl"))
	if err != nil || len(paths) != 3 {
		t.Fatalf("%v, %v", paths, err)
	}
	return cfg, key, paths
}

func edit(t *testing.T, path string, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAbuseAudit(t *testing.T) {
	t.Run("each-bit-of-each-segment-flipped", testEachBit)
	t.Run("checkpoint-signature-malleability", func(t *testing.T) {
		cfg, key, paths := threeSegments(t)
		text, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, extra := range []string{`— other AAAAAAAA\n"}`, `\n"}`, ` "}`} {
			edit(t, paths[0], func(b []byte) []byte { return []byte(strings.Replace(string(b), `\n"}`, `\n`+extra, 1)) })
			damaged(t, cfg, VerifyOptions{FirstKey: key}, "a further signature "+extra)
			edit(t, paths[0], func([]byte) []byte { return text })
		}
		// The same note in other JSON.
		for old, other := range map[string]string{`{"checkpoint":"`: `{"checkpoint": "`, `\n`: `\u000a`, `"}`: `"} `, `tacit.audit`: `\u0074acit.audit`} {
			edit(t, paths[0], func(b []byte) []byte { return []byte(strings.Replace(string(b), old, other, 1)) })
			damaged(t, cfg, VerifyOptions{FirstKey: key}, "a checkpoint written as "+other)
			edit(t, paths[0], func([]byte) []byte { return text })
		}
	})
	t.Run("intermediate-checkpoint-removed", func(t *testing.T) {
		cfg := config(t)
		l, key := create2(t, cfg)
		add(t, l, "a", "b", "c")
		edit(t, segment.Path(cfg.Dir, 1), func(b []byte) []byte {
			lines := strings.SplitAfter(string(b), "\n")
			return []byte(strings.Join(append(lines[:3:3], lines[4:]...), ""))
		})
		damaged(t, cfg, VerifyOptions{FirstKey: key}, "a checkpoint removed")
	})
	t.Run("torn-tail-leaves-recover-record", func(t *testing.T) {
		for _, torn := range []string{"x", `{"n":3,"time"`, "\n", strings.Repeat("y", segment.MaxLine+10)} {
			cfg := config(t)
			l, key := create2(t, cfg)
			add(t, l, "a")
			_ = l.Close()
			edit(t, segment.Path(cfg.Dir, 1), func(b []byte) []byte { return append(b, torn...) })
			damaged(t, cfg, VerifyOptions{FirstKey: key}, "a torn tail")
			l = reopen(t, cfg)
			add(t, l, "b")
			if r := sound(t, cfg, VerifyOptions{FirstKey: key}); len(r.Recovered) != 1 || names(t, cfg.Dir) != "a b" {
				t.Errorf("%+v %s", r, names(t, cfg.Dir))
			}
			want := fmt.Sprintf("%d bytes behind the last checkpoint were never acknowledged: sha256 %x", len(torn), sha256.Sum256([]byte(torn)))
			for r, err := range Read(t.Context(), cfg.Dir, Filter{Verb: Recover}) {
				if err != nil || r.Reason != want || r.How != BySelf {
					t.Errorf("%+v %v, want %s", r, err, want)
				}
			}
		}
	})
	t.Run("last-segment-removed", func(t *testing.T) {
		cfg, key, paths := threeSegments(t)
		if err := os.Remove(paths[2]); err != nil {
			t.Fatal(err)
		}
		damaged(t, cfg, VerifyOptions{FirstKey: key}, "the last segment removed")
		if _, err := Open(t.Context(), cfg); secret.KindOf(err) != secret.Corrupt {
			t.Errorf("it opens: %v", err)
		}
	})
	t.Run("log-regenerated-with-new-first-key", func(t *testing.T) {
		cfg, key, _ := threeSegments(t)
		if err := os.RemoveAll(cfg.Dir); err != nil {
			t.Fatal(err)
		}
		_, other := create2(t, cfg)
		damaged(t, cfg, VerifyOptions{FirstKey: key}, "another log")
		sound(t, cfg, VerifyOptions{FirstKey: other})
	})
	t.Run("fsync-error-is-final", testFsyncErrorIsFinal)
	t.Run("short-write-on-full-disk", testShortWrite)
	t.Run("store-rolled-back-log-kept", func(t *testing.T) {
		cfg := config(t)
		store := &testStore{generation: 7}
		cfg.Store = store
		l, _ := create2(t, cfg)
		add(t, l, "a")
		_ = l.Close()
		store.generation = 6
		if _, err := Open(t.Context(), cfg); secret.KindOf(err) != secret.Corrupt || !strings.Contains(err.Error(), "rolled back") {
			t.Errorf("%v", err)
		}
	})
	t.Run("log-rolled-back-store-kept", func(t *testing.T) {
		cfg := config(t)
		store := &testStore{}
		cfg.Store = store
		l, _ := create2(t, cfg)
		add(t, l, "a")
		before, err := os.ReadFile(segment.Path(cfg.Dir, 1))
		if err != nil {
			t.Fatal(err)
		}
		add(t, l, "b")
		store.head = l.Head()
		add(t, l, "c")
		_ = l.Close()
		reopen(t, cfg)
		edit(t, segment.Path(cfg.Dir, 1), func([]byte) []byte { return before })
		if _, err := Open(t.Context(), cfg); secret.KindOf(err) != secret.Corrupt {
			t.Errorf("a cut at a group's border opens: %v", err)
		}
	})
	t.Run("segment-roll-killed-at-each-step", testRollKilled)
	t.Run("ansi-in-reason-escaped", func(t *testing.T) {
		if got := Printable("a\x1b[2J\u202eb\n\U000e0001ü"); got != `a\u001b[2J\u202eb\u000a\Ue0001ü` {
			t.Errorf("got %s", got)
		}
	})
}

// testEachBit flips each bit. What stands before the segment is verified only
// once; every 61st bit is also looked for in the usual way.
func testEachBit(t *testing.T) {
	cfg, key, paths := threeSegments(t)
	for i, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		before := newVerification(t.Context(), cfg.Dir, VerifyOptions{FirstKey: key})
		if err := before.segments([]uint64{1, 2, 3}, 0, i); err != nil {
			t.Fatal(err)
		}
		for bit := range len(b) * 8 {
			b[bit/8] ^= 1 << (bit % 8)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			v := *before
			v.begun, v.r.Damage = map[uint64]bool{}, nil
			v.w.edge, v.w.good, v.w.before = v.w.edge.Clone(), v.w.good.Clone(), v.w.before.Clone()
			err := v.segments([]uint64{1, 2, 3}, i, 3)
			v.finish()
			if err == nil && v.r.Sound() {
				t.Errorf("%s bit %d: not found", filepath.Base(path), bit)
			}
			if bit%61 == 0 {
				damaged(t, cfg, VerifyOptions{FirstKey: key}, fmt.Sprintf("%s bit %d", filepath.Base(path), bit))
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sound(t, cfg, VerifyOptions{FirstKey: key})
}

// brokenFile fails as a disk does.
type brokenFile struct {
	disk.File
	short, sync *bool
}

func (f brokenFile) Write(b []byte) (int, error) {
	if *f.short {
		n, _ := f.File.Write(b[:len(b)/2])
		return n, nil // some kernels shorten a write without an error
	}
	return f.File.Write(b)
}

func (f brokenFile) Sync() error {
	if *f.sync {
		return syscall.EIO
	}
	return f.File.Sync()
}

func breaking(cfg *Config) (short, sync *bool) {
	short, sync = new(bool), new(bool)
	cfg.OpenFile = func(path string, flag int) (disk.File, error) {
		f, err := disk.OpenAppend(path, flag)
		return brokenFile{f, short, sync}, err
	}
	return short, sync
}

func testShortWrite(t *testing.T) {
	cfg := config(t)
	short, _ := breaking(&cfg)
	l, key := create2(t, cfg)
	add(t, l, "a")
	*short = true
	if _, err := l.Append(t.Context(), record("lost")); secret.KindOf(err) != secret.Unavailable {
		t.Fatalf("%v", err)
	}
	*short = false
	add(t, l, "b")
	if got := names(t, cfg.Dir); got != "a b" {
		t.Errorf("read %q", got)
	}
	sound(t, cfg, VerifyOptions{FirstKey: key})
}

func testFsyncErrorIsFinal(t *testing.T) {
	cfg := config(t)
	_, sync := breaking(&cfg)
	l, key := create2(t, cfg)
	add(t, l, "a")
	*sync = true
	if _, err := l.Append(t.Context(), record("lost")); !errors.Is(err, syscall.EIO) || secret.KindOf(err) != secret.Unavailable {
		t.Fatalf("%v", err)
	}
	*sync = false
	before, err := os.ReadFile(segment.Path(cfg.Dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	add(t, l, "b")
	after, err := os.ReadFile(segment.Path(cfg.Dir, 1))
	if err != nil || string(before) != string(after) {
		t.Error("the file was written after a failed fsync")
	}
	if r := sound(t, cfg, VerifyOptions{FirstKey: key}); r.Segments != 2 || len(r.Recovered) != 1 {
		t.Errorf("%+v", r)
	}
	_ = l.Close()
	add(t, reopen(t, cfg), "c")
	sound(t, cfg, VerifyOptions{FirstKey: key})
}

// testRollKilled stops a roll behind each of its durable steps by copying the
// folders there, and opens each copy.
func testRollKilled(t *testing.T) {
	cfg := config(t)
	l, key := create2(t, cfg)
	add(t, l, "a")
	private, public, err := segment.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	h := l.following(segment.WhyNext, public)
	steps := map[string]func() error{
		"1 key": func() error {
			sealed, err := cfg.Key.Wrap(keyRecord(h), []byte(private))
			return errors.Join(err, disk.WriteDurable(l.keyPath(2), sealed))
		},
		"2 torn header":  func() error { return disk.WriteDurable(segment.Path(cfg.Dir, 2), []byte(`{"n":`)) },
		"3 header":       func() error { _, err := l.prepare(h, private); return err },
		"4 endorsement":  func() error { return l.commitEndorsement(public) },
		"5 old key gone": func() error { return disk.Destroy(l.keyPath(1)) },
	}
	for _, name := range []string{"1 key", "2 torn header", "3 header", "4 endorsement", "5 old key gone"} {
		if err := steps[name](); err != nil {
			t.Fatal(err)
		}
		copied := cfg
		copied.KeyDir = t.TempDir()
		if err := os.CopyFS(copied.KeyDir, os.DirFS(cfg.KeyDir)); err != nil {
			t.Fatal(err)
		}
		copied.Dir = filepath.Join(copied.KeyDir, "audit")
		again := reopen(t, copied)
		add(t, again, "b")
		if got := names(t, copied.Dir); got != "a b" {
			t.Errorf("%s: read %q", name, got)
		}
		sound(t, copied, VerifyOptions{FirstKey: key})
	}
}

// TestStoreOpenedBeforeTheLog: between the two, others wrote both.
func TestStoreOpenedBeforeTheLog(t *testing.T) {
	cfg := config(t)
	store := &testStore{generation: 7}
	cfg.Store = store
	l, _ := create2(t, cfg)
	add(t, l, "a")
	_ = l.Close()
	store.generation, store.elsewhere = 5, 7
	add(t, reopen(t, cfg), "b")
}

func TestNewEpochIsReported(t *testing.T) {
	cfg := config(t)
	store := &testStore{generation: 9}
	cfg.Store = store
	l, key := create2(t, cfg)
	add(t, l, "a")
	_ = l.Close()
	store.generation = 3
	l, second, err := NewEpoch(t.Context(), cfg, Record{Principal: "user:mia", Verb: Epoch, Outcome: OK})
	if err != nil {
		t.Fatal(err)
	}
	add(t, l, "b")
	_ = l.Close()
	add(t, reopen(t, cfg), "c")
	r := sound(t, cfg, VerifyOptions{FirstKey: key})
	if len(r.Epochs) != 1 || !strings.Contains(r.Epochs[0], second) || names(t, cfg.Dir) != "a b c" {
		t.Errorf("%+v", r)
	}
}

func TestRefusesANearlyFullDisk(t *testing.T) {
	cfg := config(t)
	l, _ := create2(t, cfg)
	l.cfg.MinFree = 1 << 62
	if _, err := l.Append(t.Context(), record("a")); secret.KindOf(err) != secret.Unavailable || !strings.Contains(err.Error(), "audit.dir") {
		t.Errorf("%v", err)
	}
}

func TestMissingLogNamesAdopt(t *testing.T) {
	cfg := config(t)
	l, _ := create2(t, cfg)
	_ = l.Close()
	if err := os.RemoveAll(cfg.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), cfg); secret.KindOf(err) != secret.Corrupt || !strings.Contains(err.Error(), "tacit audit adopt") {
		t.Errorf("%v", err)
	}
}
