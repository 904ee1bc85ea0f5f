package audit

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/tacit-secrets/tacit/audit/internal/segment"
)

// cached is the tree's right edge at the end of the open segment, so that
// opening need not read it. It is believed only if it hashes to the root of the
// signed checkpoint that stands there.
type cached struct {
	Segment uint64   `json:"segment"`
	LineAt  int64    `json:"line_at"` // where the last checkpoint begins
	Offset  int64    `json:"offset"`  // where it ends
	Size    uint64   `json:"size"`
	Edge    []string `json:"edge"`
}

// saveEvery is how many bytes may be written before the cache is, so that no
// command has to read more of a server's segment.
const saveEvery = 1 << 20

func (l *Log) cachePath() string { return filepath.Join(l.cfg.KeyDir, "audit.edge") }

// saveCache is allowed to fail, and to be lost: then the segment is read.
func (l *Log) saveCache() {
	b, err := json.Marshal(cached{l.number, l.lineAt, l.offset, l.w.good.Size, l.w.good.Text()})
	if err != nil {
		return
	}
	tmp := l.cachePath() + ".new"
	if os.WriteFile(tmp, b, 0o600) == nil {
		_ = os.Rename(tmp, l.cachePath())
	}
	l.unsaved = 0
}

// fromCache goes on where the cache was made, without reading what is before,
// if it fits what stands there.
func (l *Log) fromCache(in *os.File) {
	c, ok := l.readCache(in)
	if !ok {
		return
	}
	e, ok := segment.ParseEdge(c.Size, c.Edge)
	text := make([]byte, c.Offset-c.LineAt)
	if _, err := in.ReadAt(text, c.LineAt); err != nil || !ok || text[len(text)-1] != '\n' {
		return
	}
	check, ok := segment.OpenLine(text[:len(text)-1], l.w.verifier)
	if !ok || check.Log != l.w.header.Log || check.Segment != l.number || check.Size != e.Size || check.Root != e.Root() {
		return
	}
	l.w.edge, l.w.good, l.w.before, l.w.last = e, e.Clone(), e.Clone(), check
	l.w.signed, l.w.closed = true, check.Next != ""
	l.lineAt, l.offset = c.LineAt, c.Offset
}

// readCache reads the cache; ok is false if it cannot be one of this segment.
func (l *Log) readCache(in *os.File) (c cached, ok bool) {
	b, err := os.ReadFile(l.cachePath())
	if err != nil || json.Unmarshal(b, &c) != nil || c.Segment != l.number {
		return c, false
	}
	info, err := in.Stat()
	return c, err == nil && c.LineAt >= l.offset && c.LineAt < c.Offset && c.Offset-c.LineAt <= segment.MaxLine && c.Offset <= info.Size()
}
