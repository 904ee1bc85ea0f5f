package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/note"
)

// A walker goes through the lines of the log in order and checks each against
// all before it. It is how a log is opened, followed and verified.
type walker struct {
	edge     edge          // after the last line
	known    bool          // edge is known before the first header: false when opening in the middle
	header   header        // of the segment
	verifier note.Verifier // of the segment
	last     checkpoint    // the newest
	good     edge          // at the newest checkpoint, or after a header
	before   edge          // at the checkpoint before that
	begun    bool          // a header was read
	signed   bool          // the segment has a checkpoint
	closed   bool          // the segment's last checkpoint was read
	count    uint64        // records
}

// a fault is what is wrong with a line.
type fault struct{ text string }

func (f fault) Error() string { return f.text }

func faulty(format string, args ...any) error { return fault{fmt.Sprintf(format, args...)} }

// open reads a segment's first line.
func (w *walker) open(b []byte, number uint64) error {
	var h header
	if !parseLine(b, &h) || !h.check() {
		return faulty("is no header of a segment")
	}
	e, _ := parseEdge(h.N, h.Edge)
	if h.Segment != number {
		return faulty("is the header of segment %d", h.Segment)
	}
	if err := w.follows(h, e); err != nil {
		return err
	}
	v, err := note.NewVerifier(h.Key)
	if err != nil {
		return faulty("has a key that cannot be read")
	}
	if h.Why == whyFsync || !w.known {
		w.edge = e
	}
	// The checkpoint before stood at this size and named this generation.
	w.last.size = h.N
	if h.Why == whyEpoch || h.Generation > w.last.generation {
		w.last.generation = h.Generation
	}
	w.header, w.verifier, w.begun, w.known = h, v, true, true
	w.signed, w.closed = false, false
	w.edge.add(b)
	w.before, w.good = w.good, w.edge.clone()
	return nil
}

// follows checks that a segment may come after what was read so far.
func (w *walker) follows(h header, e edge) error {
	if !w.known {
		return nil
	}
	same := func(x edge) bool { return x.size == e.size && x.root() == e.root() }
	switch {
	case !w.begun:
		if h.Why != whyFirst || h.N != 0 || h.Segment != 1 || h.Epoch != 1 {
			return faulty("is not the first segment: those before are missing")
		}
		return nil
	case h.Log != w.header.Log:
		return faulty("belongs to another log")
	case h.Why != whyEpoch && h.Generation > w.last.generation:
		return faulty("names a generation of the store that no checkpoint names")
	case h.Why == whyFsync:
		if h.Key != w.header.Key || !same(w.good) && !same(w.before) {
			return faulty("does not follow the segment before")
		}
		return nil
	case !same(w.good):
		return faulty("does not follow the segment before")
	case h.Why == whyNext && (!w.closed || h.Key != w.last.next || h.Epoch != w.header.Epoch):
		return faulty("was not endorsed by the segment before")
	case h.Why == whyEpoch && h.Epoch != w.header.Epoch+1, h.Why == whyFirst:
		return faulty("does not follow the segment before")
	}
	return nil
}

// step reads a line after the header: a record or a checkpoint. r is set if it
// is a record.
func (w *walker) step(b []byte) (r *Record, err error) {
	if w.closed {
		return nil, faulty("stands behind the segment's last checkpoint")
	}
	if bytes.HasPrefix(b, []byte(checkpointPrefix)) {
		return nil, w.check(b)
	}
	var rec Record
	if !parseLine(b, &rec) {
		return nil, faulty("is no record as tacit writes them")
	}
	if rec.N != w.edge.size {
		return nil, faulty("has number %d where %d belongs", rec.N, w.edge.size)
	}
	w.edge.add(b)
	w.count++
	return &rec, nil
}

func (w *walker) check(b []byte) error {
	c, ok := openLine(b, w.verifier)
	switch {
	case !ok:
		return faulty("is no checkpoint signed by this segment's key")
	case c.log != w.header.Log || c.segment != w.header.Segment:
		return faulty("is a checkpoint of another segment")
	case c.size != w.edge.size || c.root != w.edge.root():
		return faulty("is a checkpoint that the lines before do not match")
	case c.previous != w.last.size:
		return faulty("follows a checkpoint that is missing")
	case c.generation < w.last.generation:
		return faulty("names an older generation of the store than the one before")
	}
	w.last, w.signed, w.closed = c, true, c.next != ""
	w.before, w.good = w.good, w.edge.clone()
	return nil
}

// errTorn says that a segment ends in the middle of a line.
var errTorn = errors.New("torn line")

// lines calls f with each line of r, without its newline, and where the next
// one begins. A last line without newline is errTorn; so is one too long.
func lines(r io.Reader, f func(b []byte, next int64) error) error {
	in := bufio.NewReaderSize(r, MaxLine)
	var at int64
	for {
		b, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(b) == 0:
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, bufio.ErrBufferFull):
			return errTorn
		case err != nil:
			return unreadable(err)
		}
		at += int64(len(b))
		if err := f(b[:len(b)-1], at); err != nil {
			return err
		}
	}
}

// anyLines is lines for what may be anything: it passes over what is too long,
// or has no end.
func anyLines(r io.Reader, f func(b []byte) error) error {
	in := bufio.NewReaderSize(r, MaxLine)
	long := false
	for {
		b, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			long = true
			continue
		case err != nil:
			return unreadable(err)
		}
		if !long {
			if err := f(b[:len(b)-1]); err != nil {
				return err
			}
		}
		long = false
	}
}
