package audit

import (
	"errors"
	"io"
	"os"

	"github.com/tacit-secrets/tacit/audit/internal/disk"
	"github.com/tacit-secrets/tacit/audit/internal/segment"
	"github.com/tacit-secrets/tacit/secret"
)

// load finds the last segment and goes on where its last checkpoint stands.
func (l *Log) load() error {
	all, err := segment.List(l.cfg.Dir)
	if err != nil {
		return err
	}
	if err := l.rememberTails(); err != nil {
		return err
	}
	for ; len(all) > 0; all = all[:len(all)-1] {
		last := all[len(all)-1]
		err := l.resume(last)
		if errors.Is(err, errUnendorsed) {
			if err := l.discard(last); err != nil {
				return err
			}
			continue
		}
		if err == nil && l.w.closed {
			err = secret.Errorf(secret.Corrupt, "", "%s: the last segment of the audit log is missing\n  tacit audit verify", segment.Path(l.cfg.Dir, last+1))
		}
		if err != nil || last == 1 {
			return err
		}
		// A crash may have come before it was done.
		return disk.Destroy(l.keyPath(last - 1))
	}
	return segment.Missing(l.cfg.Dir, os.ErrNotExist)
}

// discard removes a segment that was prepared, when a crash came before its
// endorsement: it counts for nothing.
func (l *Log) discard(number uint64) error {
	return disk.First(disk.Remove(segment.Path(l.cfg.Dir, number)), disk.Destroy(l.keyPath(number)))
}

var errUnendorsed = errors.New("segment without endorsement")

// resume goes on in a segment that exists: it finds the last checkpoint and
// takes up the signing key.
func (l *Log) resume(number uint64) error {
	path := segment.Path(l.cfg.Dir, number)
	in, err := os.Open(path) //nolint:gosec // the log's own folder
	if err != nil {
		return disk.Unavailable(path, err)
	}
	defer func() { _ = in.Close() }()
	first, err := segment.FirstLine(in)
	if err != nil {
		return err
	}
	h, err := l.endorsed(number, first, in)
	if err != nil {
		return err
	}
	private, err := l.unseal(h)
	if err != nil && !l.keyless && !disk.Exists(segment.Path(l.cfg.Dir, number+1)) {
		return err
	}
	// A segment that others left already has no key any more, and needs none.
	if err := l.enter(number, private, first); err != nil {
		return err
	}
	l.fromCache(in)
	if _, err := in.Seek(l.offset, io.SeekStart); err != nil {
		return segment.Unreadable(err)
	}
	return l.catchUp(in)
}

// endorsed returns the header of a segment, or errUnendorsed if a crash came
// between making the segment and its endorsement by the one before.
func (l *Log) endorsed(number uint64, first []byte, in *os.File) (segment.Header, error) {
	var h segment.Header
	whole := first != nil && segment.Decode(first, &h) && h.Check() && h.Segment == number
	bad := secret.Errorf(secret.Corrupt, "", "%s:1: is not the header that belongs there\n  tacit audit verify", segment.Name(number))
	info, err := in.Stat()
	if err != nil {
		return h, segment.Unreadable(err)
	}
	entered := info.Size() > int64(len(first))+1
	switch {
	case whole && (h.Why != segment.WhyNext || entered):
		return h, nil
	case number == 1:
		return h, bad
	}
	return h, l.afterBefore(number, h.Key, whole, bad)
}

// afterBefore asks the segment before about one without a group: nil if it
// endorses its key, errUnendorsed if it endorses nothing, bad if another.
func (l *Log) afterBefore(number uint64, key string, whole bool, bad error) error {
	before := walker{}
	if l.number == number-1 {
		before = l.w
	} else if err := before.readFile(l.cfg.Dir, number-1); err != nil {
		return err
	}
	if before.closed && whole && before.last.Next == key {
		return nil
	}
	used, err := segment.HasCheckpoint(segment.Path(l.cfg.Dir, number))
	if err == nil && (before.closed || used) {
		return bad
	}
	return disk.First(err, errUnendorsed)
}

// readFile walks a whole segment, up to a line that a crash tore.
func (w *walker) readFile(dir string, number uint64) error {
	in, err := os.Open(segment.Path(dir, number))
	if err != nil {
		return secret.Errorf(secret.Corrupt, "", "%s: this segment of the audit log is missing\n  tacit audit verify", segment.Path(dir, number))
	}
	defer func() { _ = in.Close() }()
	err = w.read(in, number, nil)
	switch {
	case errors.As(err, &fault{}):
		return secret.Errorf(secret.Corrupt, "", "%s: a line %s\n  tacit audit verify", segment.Name(number), err)
	case errors.Is(err, segment.ErrTorn):
		return nil
	}
	return err
}

// read walks a whole segment. each is called with every record.
func (w *walker) read(in io.Reader, number uint64, each func(*Record) error) error {
	first := true
	return segment.Lines(in, func(b []byte, _ int64) error {
		if first {
			first = false
			return w.open(b, number)
		}
		r, err := w.step(b)
		if err == nil && r != nil && each != nil {
			err = each(r)
		}
		return err
	})
}

// catchUp reads what stands behind l.offset: groups of other processes, and
// perhaps, at the end, what a crash left.
func (l *Log) catchUp(in *os.File) error {
	start, at := l.offset, l.offset
	err := segment.Lines(in, func(b []byte, next int64) error {
		before := l.w.last
		if _, err := l.w.step(b); err != nil {
			return err
		}
		if l.w.last != before {
			l.lineAt, l.offset = at, start+next
		}
		at = start + next
		return nil
	})
	if err != nil && !errors.Is(err, segment.ErrTorn) && !errors.As(err, &fault{}) {
		return err
	}
	if err != nil {
		if err := l.acknowledged(in, at, err); err != nil {
			return err
		}
	}
	return l.findTail(in)
}

// acknowledged looks whether a checkpoint stands behind a line that is not as
// it should be. Then it was acknowledged once, and is damaged now: nothing may
// be cut off.
func (l *Log) acknowledged(in *os.File, at int64, why error) error {
	if _, err := in.Seek(at, io.SeekStart); err != nil {
		return segment.Unreadable(err)
	}
	return segment.AnyLines(in, func(b []byte) error {
		if c, ok := segment.OpenLine(b, l.w.verifier); ok && c.Log == l.w.header.Log {
			return l.corrupt(at, why)
		}
		return nil
	})
}

func (l *Log) corrupt(at int64, err error) error {
	return secret.Errorf(secret.Corrupt, "", "%s: the line at byte %d %s\n  tacit audit verify", segment.Name(l.number), at, err)
}

// follow takes in what other processes appended since. The lock is held.
func (l *Log) follow() error {
	for {
		if err := l.same(); err != nil {
			return err
		}
		next := segment.Path(l.cfg.Dir, l.number+1)
		if !disk.Exists(next) {
			if l.w.closed || l.signer == nil {
				return secret.Errorf(secret.Corrupt, "", "%s: this segment of the audit log is gone\n  tacit audit verify", next)
			}
			return nil
		}
		err := l.resume(l.number + 1)
		if errors.Is(err, errUnendorsed) {
			return l.discard(l.number + 1)
		}
		if err != nil {
			return err
		}
		if err := disk.Destroy(l.keyPath(l.number - 1)); err != nil {
			return err
		}
	}
}

// same looks at the open segment: it must be the file it was, and may have
// grown.
func (l *Log) same() error {
	info, err := os.Stat(l.path())
	switch {
	case os.IsNotExist(err):
		return secret.Errorf(secret.Corrupt, "", "%s: this segment of the audit log is gone\n  tacit audit verify", l.path())
	case err != nil:
		return segment.Unreadable(err)
	case !os.SameFile(info, l.stat):
		return secret.Errorf(secret.Corrupt, "", "%s: this segment of the audit log was replaced\n  tacit audit verify", l.path())
	case info.Size() < l.offset:
		return secret.Errorf(secret.Corrupt, "", "%s: this segment of the audit log was cut\n  tacit audit verify", l.path())
	case info.Size() > l.offset:
		return l.readNew()
	}
	return nil
}

func (l *Log) readNew() error {
	in, err := os.Open(l.path())
	if err != nil {
		return segment.Unreadable(err)
	}
	defer func() { _ = in.Close() }()
	if _, err := in.Seek(l.offset, io.SeekStart); err != nil {
		return segment.Unreadable(err)
	}
	return l.catchUp(in)
}
