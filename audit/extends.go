package audit

import (
	"bytes"
	"context"
	"io"
	"os"
	"strconv"
)

// extends reports whether the log, whose newest checkpoint has the edge now,
// is a continuation of what head remembers.
func (l *Log) extends(ctx context.Context, head Head) (bool, error) {
	e, ok := edgeOf(head)
	now := &l.w.good
	if !ok || e.size > now.size {
		return false, nil
	}
	if e.size >= l.w.header.N {
		if near, err := l.near(e.clone()); near || err != nil {
			return near, err
		}
	}
	err := leaves(ctx, l.cfg.Dir, head.Size, func(n uint64, b []byte) {
		if n == e.size && e.size < now.size {
			e.add(b)
		}
	})
	return e.size == now.size && e.root() == now.root(), err
}

// nearBytes is how much of the open segment's end is looked at first: a store
// seldom remembers less.
const nearBytes = 256 << 10

// near is extends for a head that a checkpoint close to the end names, so that
// opening need not read a whole segment. What the checkpoint says is only a
// hint where to begin: the hashes prove.
func (l *Log) near(e edge) (bool, error) {
	in, err := os.Open(l.path())
	if err != nil {
		return false, unreadable(err)
	}
	defer func() { _ = in.Close() }()
	start := max(0, l.offset-nearBytes)
	hint := []byte(`\nsize ` + strconv.FormatUint(e.size, 10) + `\n`)
	found := false
	err = anyLines(io.NewSectionReader(in, start, l.offset-start), func(b []byte) error {
		switch {
		case bytes.HasPrefix(b, []byte(checkpointPrefix)):
			found = found || bytes.Contains(b, hint)
		case found && e.size < l.w.good.size:
			e.add(b)
		}
		return nil
	})
	return found && e.size == l.w.good.size && e.root() == l.w.good.root(), err
}
