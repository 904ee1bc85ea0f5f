package audit

import (
	"encoding/json"
	"os"
	"path/filepath"
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
	b, err := json.Marshal(cached{l.number, l.lineAt, l.offset, l.w.good.size, l.w.good.text()})
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
func (l *Log) fromCache(in *os.File) bool {
	b, err := os.ReadFile(l.cachePath())
	var c cached
	if err != nil || json.Unmarshal(b, &c) != nil || c.Segment != l.number || c.LineAt < l.offset || c.Offset-c.LineAt > MaxLine || c.Offset <= c.LineAt {
		return false
	}
	info, err := in.Stat()
	e, ok := parseEdge(c.Size, c.Edge)
	if err != nil || info.Size() < c.Offset || !ok {
		return false
	}
	text := make([]byte, c.Offset-c.LineAt)
	if _, err := in.ReadAt(text, c.LineAt); err != nil || text[len(text)-1] != '\n' {
		return false
	}
	check, ok := openLine(text[:len(text)-1], l.w.verifier)
	if !ok || check.log != l.w.header.Log || check.segment != l.number || check.size != e.size || check.root != e.root() {
		return false
	}
	l.w.edge, l.w.good, l.w.before, l.w.last, l.w.closed = e, e.clone(), e.clone(), check, check.next != ""
	l.w.signed = true
	l.lineAt, l.offset = c.LineAt, c.Offset
	return true
}
