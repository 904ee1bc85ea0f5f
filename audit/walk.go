package audit

import (
	"bytes"
	"fmt"

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
	if !w.begun {
		if !h.first() {
			return faulty("is not the first segment: those before are missing")
		}
		return nil
	}
	same := h.Log == w.header.Log && (h.Epoch == w.header.Epoch || h.Why == whyEpoch)
	good := same && e.equal(&w.good)
	ok := false
	switch h.Why {
	case whyNext:
		if good && (!w.closed || h.Key != w.last.next) {
			return faulty("was not endorsed by the segment before")
		}
		ok = good
	case whyFsync:
		ok = (good || same && e.equal(&w.before)) && h.Key == w.header.Key
	case whyEpoch:
		ok = good && h.Epoch == w.header.Epoch+1
	}
	if !ok {
		return faulty("does not follow the segment before")
	}
	if h.Why != whyEpoch && h.Generation > w.last.generation {
		return faulty("names a generation of the store that no checkpoint names")
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
