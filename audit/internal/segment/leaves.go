package segment

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"

	"github.com/tacit-secrets/tacit/secret"
)

// Leaves calls f with the leaves of one segment that count: its header,
// with isHeader, and its records. A line that is no leaf where one belongs is
// an error; what a crash left at the end of the last segment is none.
func Leaves(ctx context.Context, dir string, all []uint64, i int, f func(n uint64, b []byte, isHeader bool) error) error {
	h, ok := ReadHeader(dir, all[i])
	if !ok {
		return secret.Errorf(secret.Corrupt, "", "%s:1: is no header of a segment\n  tacit audit verify", Name(all[i]))
	}
	n := h.N
	return segmentLines(ctx, dir, all, i, func(b []byte) error {
		if bytes.HasPrefix(b, []byte(CheckpointPrefix)) {
			return nil
		}
		n++
		return f(n-1, b, n-1 == h.N)
	})
}

// segmentLines calls f with the lines of one segment that count: all, but for
// what is left of groups that were never acknowledged.
func segmentLines(ctx context.Context, dir string, all []uint64, i int, f func(b []byte) error) error {
	in, err := os.Open(Path(dir, all[i]))
	if err != nil {
		return Missing(dir, err)
	}
	defer func() { _ = in.Close() }()
	end, last := uint64(math.MaxUint64), i == len(all)-1
	if next := Follower(dir, all, i); next != nil && next.Why == WhyFsync {
		end, last = next.N, true
	}
	at, number := uint64(0), uint64(0)
	err = Lines(in, func(b []byte, _ int64) error {
		if ctx.Err() != nil {
			return &secret.Error{Kind: secret.Unavailable, Text: "interrupted", Err: ctx.Err()}
		}
		at++
		if bytes.HasPrefix(b, []byte(CheckpointPrefix)) {
			return f(b)
		}
		if at == 1 {
			var h Header
			if !Decode(b, &h) {
				return secret.Errorf(secret.Corrupt, "", "%s:1: is no header of a segment\n  tacit audit verify", Name(all[i]))
			}
			number = h.N
		}
		if number == end {
			return errEnd
		}
		number++
		return f(b)
	})
	switch {
	case errors.Is(err, errEnd), errors.Is(err, ErrTorn) && last:
		return nil
	case errors.Is(err, ErrTorn):
		return secret.Errorf(secret.Corrupt, "", "%s:%d: the line has no end\n  tacit audit verify", Name(all[i]), at+1)
	}
	return err
}

// LastCheckpoint returns a segment's last checkpoint, a signed note; empty if
// it has none.
func LastCheckpoint(ctx context.Context, dir string, all []uint64, i int) (string, error) {
	var last []byte
	err := segmentLines(ctx, dir, all, i, func(b []byte) error {
		if bytes.HasPrefix(b, []byte(CheckpointPrefix)) {
			last = append(last[:0], b...)
		}
		return nil
	})
	return NoteOf(last), err
}

// errEnd ends a segment before its file does.
var errEnd = errors.New("end of the segment")

// LeavesFrom calls f with every leaf of the log from number from on.
func LeavesFrom(ctx context.Context, dir string, from uint64, f func(n uint64, b []byte)) error {
	all, err := List(dir)
	if err != nil {
		return err
	}
	first := 0
	for i := len(all) - 1; i > 0 && first == 0; i-- {
		if h, ok := ReadHeader(dir, all[i]); ok && h.N <= from {
			first = i
		}
	}
	for i := first; i < len(all); i++ {
		err := Leaves(ctx, dir, all, i, func(n uint64, b []byte, _ bool) error {
			if n >= from {
				f(n, b)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
