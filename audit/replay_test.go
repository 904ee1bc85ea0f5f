package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tacit-secrets/tacit/audit/internal/disk"
	"github.com/tacit-secrets/tacit/audit/internal/segment"
)

// crashFile calls back before each write, with what is about to be written,
// and after each sync.
type crashFile struct {
	disk.File
	path    string
	written func(path string, b []byte)
	synced  func()
}

func (f crashFile) Write(b []byte) (int, error) {
	f.written(f.path, b)
	return f.File.Write(b)
}

func (f crashFile) Sync() error {
	err := f.File.Sync()
	f.synced()
	return err
}

// crashes opens copies of a log as crashes leave them.
type crashes struct {
	t     *testing.T
	cfg   Config // of the log that is written
	key   string
	acked []string
	count int
}

// crash makes a copy to which of the unsynced bytes only some came, and
// expects it to open with all that was acknowledged.
func (c *crashes) crash(path string, unsynced []byte) {
	c.t.Helper()
	c.count++
	dir := filepath.Join(c.t.TempDir(), "x")
	if err := os.CopyFS(dir, os.DirFS(c.cfg.KeyDir)); err != nil {
		c.t.Fatal(err)
	}
	cfg := c.cfg
	cfg.OpenFile, cfg.KeyDir, cfg.Dir = nil, dir, filepath.Join(dir, "audit")
	if path != "" {
		edit(c.t, filepath.Join(cfg.Dir, filepath.Base(path)), func(b []byte) []byte { return append(b, unsynced...) })
	}
	l, err := Open(c.t.Context(), cfg)
	if err != nil {
		c.t.Fatalf("crash %d, %d bytes: %v", c.count, len(unsynced), err)
	}
	add(c.t, l, "after")
	has(c.t, cfg.Dir, append(c.acked, "after"))
	r := sound(c.t, cfg, VerifyOptions{FirstKey: c.key})
	if err := l.Close(); err != nil {
		c.t.Fatal(err)
	}
	if torn := len(unsynced) > 0 && unsynced[len(unsynced)-1] != '\n'; torn != (len(r.Recovered) > 0) {
		c.t.Errorf("crash %d, %d bytes: recovered %v", c.count, len(unsynced), r.Recovered)
	}
}

// TestCrashAtEachWrite records all writes and syncs, and opens what a crash
// leaves at each of them when any part of what was not synced is lost.
func TestCrashAtEachWrite(t *testing.T) {
	cfg := config(t)
	cfg.MaxBytes = 1500
	c := &crashes{t: t}
	cfg.OpenFile = func(path string, flag int) (disk.File, error) {
		f, err := disk.OpenAppend(path, flag)
		return crashFile{f, path, func(path string, b []byte) {
			if c.key == "" {
				return // the log is being made
			}
			for _, n := range []int{0, 1, len(b) / 3, len(b) - 1, len(b)} {
				c.crash(path, b[:n])
			}
		}, func() {
			if c.key != "" {
				c.crash("", nil)
			}
		}}, err
	}
	c.cfg = cfg
	l, key := create2(t, cfg)
	c.key = key
	for i := range 12 {
		name := fmt.Sprint("n", i)
		add(t, l, name)
		c.acked = append(c.acked, name)
	}
	if c.count < 12*6 || l.number < 3 {
		t.Errorf("%d crashes, %d segments", c.count, l.number)
	}
}

// TestTailIsNotedBeforeItIsCut crashes between the cut and its record.
func TestTailIsNotedBeforeItIsCut(t *testing.T) {
	cfg := config(t)
	l, key := create2(t, cfg)
	add(t, l, "a")
	_ = l.Close()
	edit(t, segment.Path(cfg.Dir, 1), func(b []byte) []byte { return append(b, "torn"...) })
	l = reopen(t, cfg)
	before, err := os.ReadFile(segment.Path(cfg.Dir, 1))
	if err != nil || string(before[len(before)-4:]) != "torn" {
		t.Errorf("opening alone changed the log: %v", err)
	}
	if err := l.cut(); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	add(t, reopen(t, cfg), "b")
	if r := sound(t, cfg, VerifyOptions{FirstKey: key}); len(r.Recovered) != 1 {
		t.Errorf("recovered %v", r.Recovered)
	}
	if disk.Exists(l.tailPath()) {
		t.Error("the note is still there")
	}
}
