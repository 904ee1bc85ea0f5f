package audit

import (
	"bytes"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/tacit-secrets/tacit/audit/internal/segment"
)

// A walker goes through the lines of the log in order and checks each against
// all before it. It is how a log is opened, followed and verified.
type walker struct {
	edge     segment.Edge       // after the last line
	known    bool               // edge is known before the first header: false when opening in the middle
	header   segment.Header     // of the segment
	verifier note.Verifier      // of the segment
	last     segment.Checkpoint // the newest
	good     segment.Edge       // at the newest checkpoint, or after a header
	before   segment.Edge       // at the checkpoint before that
	begun    bool               // a header was read
	signed   bool               // the segment has a checkpoint
	closed   bool               // the segment's last checkpoint was read
	count    uint64             // records
}

// a fault is what is wrong with a line.
type fault struct{ text string }

func (f fault) Error() string { return f.text }

func faulty(format string, args ...any) error { return fault{fmt.Sprintf(format, args...)} }

// open reads a segment's first line.
func (w *walker) open(b []byte, number uint64) error {
	var h segment.Header
	if !segment.Decode(b, &h) || !h.Check() {
		return faulty("is no header of a segment")
	}
	e, _ := segment.ParseEdge(h.N, h.Edge)
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
	if h.Why == segment.WhyFsync || !w.known {
		w.edge = e
	}
	// The checkpoint before stood at this size and named this generation.
	w.last.Size = h.N
	if h.Why == segment.WhyEpoch || h.Generation > w.last.Generation {
		w.last.Generation = h.Generation
	}
	w.header, w.verifier, w.begun, w.known = h, v, true, true
	w.signed, w.closed = false, false
	w.edge.Add(b)
	w.before, w.good = w.good, w.edge.Clone()
	return nil
}

// follows checks that a segment may come after what was read so far.
func (w *walker) follows(h segment.Header, e segment.Edge) error {
	if !w.known {
		return nil
	}
	if !w.begun {
		if !h.First() {
			return faulty("is not the first segment: those before are missing")
		}
		return nil
	}
	if h.Why == segment.WhyNext && (!w.closed || h.Key != w.last.Next) {
		return faulty("was not endorsed by the segment before")
	}
	if !w.linked(h, e) {
		return faulty("does not follow the segment before")
	}
	if h.Why != segment.WhyEpoch && h.Generation > w.last.Generation {
		return faulty("names a generation of the store that no checkpoint names")
	}
	return nil
}

// linked reports whether a segment goes on with the same log and tree.
func (w *walker) linked(h segment.Header, e segment.Edge) bool {
	if h.Log != w.header.Log {
		return false
	}
	good := e.Equal(&w.good)
	switch h.Why {
	case segment.WhyNext:
		return good && h.Epoch == w.header.Epoch
	case segment.WhyFsync:
		return (good || e.Equal(&w.before)) && h.Epoch == w.header.Epoch && h.Key == w.header.Key
	case segment.WhyEpoch:
		return good && h.Epoch == w.header.Epoch+1
	}
	return false
}

// step reads a line after the header: a record or a checkpoint. r is set if it
// is a record.
func (w *walker) step(b []byte) (r *Record, err error) {
	if w.closed {
		return nil, faulty("stands behind the segment's last checkpoint")
	}
	if bytes.HasPrefix(b, []byte(segment.CheckpointPrefix)) {
		return nil, w.check(b)
	}
	var rec Record
	if !segment.Decode(b, &rec) {
		return nil, faulty("is no record as tacit writes them")
	}
	if rec.N != w.edge.Size {
		return nil, faulty("has number %d where %d belongs", rec.N, w.edge.Size)
	}
	w.edge.Add(b)
	w.count++
	return &rec, nil
}

func (w *walker) check(b []byte) error {
	c, ok := segment.OpenLine(b, w.verifier)
	switch {
	case !ok:
		return faulty("is no checkpoint signed by this segment's key")
	case c.Log != w.header.Log || c.Segment != w.header.Segment:
		return faulty("is a checkpoint of another segment")
	case c.Size != w.edge.Size || c.Root != w.edge.Root():
		return faulty("is a checkpoint that the lines before do not match")
	case c.Previous != w.last.Size:
		return faulty("follows a checkpoint that is missing")
	case c.Generation < w.last.Generation:
		return faulty("names an older generation of the store than the one before")
	}
	w.last, w.signed, w.closed = c, true, c.Next != ""
	w.before, w.good = w.good, w.edge.Clone()
	return nil
}
