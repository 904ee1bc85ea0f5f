package audit

import (
	"bytes"
	"context"
	"io"
	"os"
	"strconv"

	"github.com/tacit-secrets/tacit/audit/internal/segment"
)

// extends reports whether the log, whose newest checkpoint has the edge now,
// is a continuation of what head remembers.
func (l *Log) extends(ctx context.Context, head Head) (bool, error) {
	e, ok := edgeOf(head)
	now := &l.w.good
	if !ok || e.Size > now.Size {
		return false, nil
	}
	if e.Size >= l.w.header.N {
		if near, err := l.near(e.Clone()); near || err != nil {
			return near, err
		}
	}
	err := segment.LeavesFrom(ctx, l.cfg.Dir, head.Size, func(n uint64, b []byte) {
		if n == e.Size && e.Size < now.Size {
			e.Add(b)
		}
	})
	return e.Size == now.Size && e.Root() == now.Root(), err
}

// nearBytes is how much of the open segment's end is looked at first: a store
// seldom remembers less.
const nearBytes = 256 << 10

// near is extends for a head that a checkpoint close to the end names, so that
// opening need not read a whole segment. What the checkpoint says is only a
// hint where to begin: the hashes prove.
func (l *Log) near(e segment.Edge) (bool, error) {
	in, err := os.Open(l.path())
	if err != nil {
		return false, segment.Unreadable(err)
	}
	defer func() { _ = in.Close() }()
	start := max(0, l.offset-nearBytes)
	hint := []byte(`\nsize ` + strconv.FormatUint(e.Size, 10) + `\n`)
	found := false
	err = segment.AnyLines(io.NewSectionReader(in, start, l.offset-start), func(b []byte) error {
		switch {
		case bytes.HasPrefix(b, []byte(segment.CheckpointPrefix)):
			found = found || bytes.Contains(b, hint)
		case found && e.Size < l.w.good.Size:
			e.Add(b)
		}
		return nil
	})
	return found && e.Size == l.w.good.Size && e.Root() == l.w.good.Root(), err
}
