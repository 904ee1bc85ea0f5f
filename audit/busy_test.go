package audit

import (
	"testing"
)

// TestVerifyWhileOthersWrite: a log that grows, and goes on in new segments,
// while it is read is no damaged one.
func TestVerifyWhileOthersWrite(t *testing.T) {
	dir := t.TempDir()
	cfg := childConfig(t, dir)
	l, key := create2(t, cfg)
	_ = l.Close()
	c := child(t, "append", dir, "w", "1000000")
	c.Lines(1)
	go c.Lines(1_000_000)
	for segments := 0; segments < 6; {
		r, err := Verify(t.Context(), cfg.Dir, VerifyOptions{FirstKey: key, KeyDir: cfg.KeyDir})
		if err != nil || !r.Sound() {
			t.Fatalf("%v %v", r.Damage, err)
		}
		segments = r.Segments
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
}
