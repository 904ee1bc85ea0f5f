package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tacit-secrets/tacit/secret"
)

// tail is what a crash left behind: bytes that were never acknowledged. They
// are cut off, and a record says so.
type tail struct {
	bytes int64
	sum   string
	why   string
}

func (t *tail) record() Record {
	reason := t.why
	if reason == "" {
		reason = fmt.Sprintf("%d bytes behind the last checkpoint were never acknowledged: sha256 %s", t.bytes, t.sum)
	}
	return Record{Principal: "app:tacit", Verb: Recover, Outcome: OK, Reason: reason}
}

// load finds the last segment and goes on where its last checkpoint stands.
func (l *Log) load() error {
	all, err := segments(l.cfg.Dir)
	if err != nil {
		return err
	}
	for len(all) > 0 {
		last := all[len(all)-1]
		err := l.resume(last)
		if err == nil && l.w.closed {
			return secret.Errorf(secret.Corrupt, "", "%s: the segment after this one is missing\n  tacit audit verify", segmentName(last))
		}
		if !errors.Is(err, errUnendorsed) {
			l.head = l.w.good.head()
			return err
		}
		// The next segment was prepared, and a crash came before the
		// endorsement: it counts for nothing.
		if err := errors.Join(os.Remove(segmentPath(l.cfg.Dir, last)), destroy(l.keyPath(last))); err != nil {
			return unavailable(l.cfg.Dir, err)
		}
		l.w = walker{}
		all = all[:len(all)-1]
	}
	return secret.Errorf(secret.Corrupt, "", "%s: the audit log is missing\n  if you know why:  tacit audit adopt", l.cfg.Dir)
}

var errUnendorsed = errors.New("segment without endorsement")

// resume goes on in a segment that exists: it finds the last checkpoint, cuts
// off what stands behind it, and takes up the signing key.
func (l *Log) resume(number uint64) error {
	path := segmentPath(l.cfg.Dir, number)
	in, err := os.Open(path) //nolint:gosec // the log's own folder
	if err != nil {
		return unavailable(path, err)
	}
	defer func() { _ = in.Close() }()
	first, err := firstLine(in)
	if err != nil {
		return err
	}
	var h header
	if first == nil || !parseLine(first, &h) {
		if number > 1 {
			return errUnendorsed
		}
		return secret.Errorf(secret.Corrupt, "", "%s:1: is no header of a segment\n  tacit audit verify", segmentName(number))
	}
	if err := l.endorsed(h, first, in); err != nil {
		return err
	}
	private, err := l.unseal(h)
	if err != nil {
		return err
	}
	if err := l.enter(number, private, first); err != nil {
		return err
	}
	if l.fromCache(in) {
		return nil
	}
	if _, err := in.Seek(l.offset, io.SeekStart); err != nil {
		return unavailable(path, err)
	}
	return l.catchUp(in)
}

// endorsed refuses a segment that has only a header and that the one before
// does not endorse: a crash came in between. One with a checkpoint was.
func (l *Log) endorsed(h header, first []byte, in *os.File) error {
	info, err := in.Stat()
	if err != nil {
		return unavailable(in.Name(), err)
	}
	if h.Why != whyNext || info.Size() > int64(len(first))+1 || l.w.closed && l.w.last.next == h.Key {
		return nil
	}
	before, err := os.Open(segmentPath(l.cfg.Dir, h.Segment-1))
	if err != nil {
		return secret.Errorf(secret.Corrupt, "", "%s: the segment before is missing\n  tacit audit verify", segmentName(h.Segment))
	}
	defer func() { _ = before.Close() }()
	w := &walker{}
	if err := w.read(before, h.Segment-1, nil); err != nil && !errors.As(err, &fault{}) && !errors.Is(err, errTorn) {
		return err
	}
	if !w.closed || w.last.next != h.Key {
		return errUnendorsed
	}
	return nil
}

// read walks a whole segment. each is called with every record.
func (w *walker) read(in io.Reader, number uint64, each func(*Record) error) error {
	first := true
	return lines(in, func(b []byte, _ int64) error {
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

func firstLine(in io.Reader) ([]byte, error) {
	b := make([]byte, MaxLine)
	n, err := io.ReadFull(in, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, secret.Errorf(secret.Unavailable, "", "the audit log cannot be read: %s", cause(err))
	}
	i := bytes.IndexByte(b[:n], '\n')
	if i < 0 {
		return nil, nil
	}
	return b[:i:i], nil
}

// catchUp reads what stands behind l.offset: groups of other processes, and
// perhaps, at the end, what a crash left.
func (l *Log) catchUp(in *os.File) error {
	start := l.offset
	var broken error
	at := start
	err := lines(in, func(b []byte, next int64) error {
		if broken != nil {
			// A later checkpoint of this segment's key shows that this was
			// acknowledged once, and is damaged now.
			if c, ok := openLine(b, l.w.verifier); ok && c.segment == l.number {
				return broken
			}
			return nil
		}
		if _, err := l.w.step(b); err != nil {
			if c, ok := openLine(b, l.w.verifier); ok && c.log == l.w.header.Log {
				return l.corrupt(at, err)
			}
			broken = l.corrupt(at, err)
			return nil
		}
		if l.w.edge.size == l.w.good.size && bytes.HasPrefix(b, []byte(checkpointPrefix)) {
			l.lineAt, l.offset = at, start+next
		}
		at = start + next
		return nil
	})
	if err != nil && !errors.Is(err, errTorn) {
		return err
	}
	return l.cutTail(in)
}

func (l *Log) corrupt(at int64, err error) error {
	return secret.Errorf(secret.Corrupt, "", "%s: the line at byte %d %s\n  tacit audit verify", segmentName(l.number), at, err)
}

// cutTail removes what stands behind the last checkpoint.
func (l *Log) cutTail(in *os.File) error {
	info, err := in.Stat()
	if err != nil {
		return unavailable(l.path(), err)
	}
	l.w.edge = l.w.good.clone()
	n := info.Size() - l.offset
	if n <= 0 {
		return nil
	}
	if _, err := in.Seek(l.offset, io.SeekStart); err != nil {
		return unavailable(l.path(), err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, in); err != nil {
		return unavailable(l.path(), err)
	}
	if err := l.f.Truncate(l.offset); err != nil {
		return unavailable(l.path(), err)
	}
	l.tail = &tail{bytes: n, sum: hex.EncodeToString(sum.Sum(nil))}
	return nil
}

// follow takes in what other processes appended since. The lock is held.
func (l *Log) follow() error {
	for {
		if l.failed {
			return nil
		}
		info, err := os.Stat(l.path())
		switch {
		case os.IsNotExist(err):
			return secret.Errorf(secret.Corrupt, "", "%s: this segment of the audit log is gone\n  tacit audit verify", l.path())
		case err != nil:
			return unavailable(l.path(), err)
		case info.Size() < l.offset:
			return secret.Errorf(secret.Corrupt, "", "%s: this segment of the audit log was cut\n  tacit audit verify", l.path())
		case info.Size() > l.offset:
			if err := l.readNew(); err != nil {
				return err
			}
		}
		next := segmentPath(l.cfg.Dir, l.number+1)
		if _, err := os.Stat(next); err != nil {
			return nil
		}
		err = l.resume(l.number + 1)
		if errors.Is(err, errUnendorsed) {
			return errors.Join(os.Remove(next), destroy(l.keyPath(l.number+1)))
		}
		if err != nil {
			return err
		}
		if err := destroy(l.keyPath(l.number - 1)); err != nil {
			return err
		}
	}
}

func (l *Log) readNew() error {
	in, err := os.Open(l.path())
	if err != nil {
		return unavailable(l.path(), err)
	}
	defer func() { _ = in.Close() }()
	if _, err := in.Seek(l.offset, io.SeekStart); err != nil {
		return unavailable(l.path(), err)
	}
	return l.catchUp(in)
}
