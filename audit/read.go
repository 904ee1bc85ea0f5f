package audit

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"os"
	"path"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// A Filter selects records; what is zero selects all.
type Filter struct {
	Since, Until time.Time // from Since, before Until
	Principal    secret.Principal
	Verb         secret.Verb
	Env          string
	Name         string // a pattern: * stands for anything but "/", as in path.Match
	Outcome      string
	Session      string
}

func (f *Filter) passes(r *Record) bool {
	if !f.Since.IsZero() && r.Time.Before(f.Since) || !f.Until.IsZero() && !r.Time.Before(f.Until) {
		return false
	}
	if f.Principal != "" && f.Principal != r.Principal || f.Verb != "" && f.Verb != r.Verb ||
		f.Env != "" && f.Env != r.Env || f.Outcome != "" && f.Outcome != r.Outcome || f.Session != "" && f.Session != r.Session {
		return false
	}
	if f.Name == "" || f.Name == r.Name {
		return true
	}
	ok, err := path.Match(f.Name, r.Name)
	return err == nil && ok
}

// Read yields the records of a log's folder that pass the filter, oldest
// first. It checks nothing but the form of each line: [Verify] proves. Bytes
// behind the last whole line of the last segment are passed over: another
// process may be writing them. A line that is no record is [secret.Corrupt].
func Read(ctx context.Context, dir string, f Filter) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		all, err := segments(dir)
		if err == nil && len(all) == 0 {
			err = missing(dir, os.ErrNotExist)
		}
		for _, n := range all {
			if err == nil {
				err = readSegment(ctx, dir, n, func(r Record) bool { return !f.passes(&r) || yield(r, nil) })
			}
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(Record{}, err)
		}
	}
}

// errStop ends a walk that the caller does not want to go on.
var errStop = errors.New("stop")

func readSegment(ctx context.Context, dir string, n uint64, each func(Record) bool) error {
	in, err := os.Open(segmentPath(dir, n))
	if err != nil {
		return missing(dir, err)
	}
	defer func() { _ = in.Close() }()
	first := true
	err = lines(in, func(b []byte, next int64) error {
		if ctx.Err() != nil {
			return &secret.Error{Kind: secret.Unavailable, Text: "interrupted", Err: ctx.Err()}
		}
		if first || bytes.HasPrefix(b, []byte(checkpointPrefix)) {
			first = false
			return nil
		}
		var r Record
		if !parseLine(b, &r) {
			return secret.Errorf(secret.Corrupt, "", "%s: the line that ends at byte %d is no record\n  tacit audit verify", segmentName(n), next)
		}
		if !each(r) {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errTorn) {
		return nil
	}
	return err
}

// leaves calls f with every leaf of the log from number from on.
func leaves(dir string, from uint64, f func(n uint64, b []byte)) error {
	all, err := segments(dir)
	if err != nil {
		return err
	}
	for _, n := range all {
		in, err := os.Open(segmentPath(dir, n))
		if err != nil {
			return missing(dir, err)
		}
		at := uint64(0)
		first := true
		err = lines(in, func(b []byte, _ int64) error {
			if bytes.HasPrefix(b, []byte(checkpointPrefix)) {
				return nil
			}
			if first {
				first = false
				var h header
				if !parseLine(b, &h) {
					return errTorn
				}
				at = h.N
			}
			if at >= from {
				f(at, b)
			}
			at++
			return nil
		})
		_ = in.Close()
		if err != nil && !errors.Is(err, errTorn) {
			return err
		}
	}
	return nil
}

// extends reports whether the log, whose newest checkpoint has the edge now,
// is a continuation of what head remembers.
func extends(dir string, head Head, now edge) (bool, error) {
	e, ok := edgeOf(head)
	if !ok {
		return false, nil
	}
	err := leaves(dir, head.Size, func(n uint64, b []byte) {
		if n == e.size && e.size < now.size {
			e.add(b)
		}
	})
	return e.size == now.size && e.root() == now.root(), err
}
