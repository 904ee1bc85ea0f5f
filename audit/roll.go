package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"

	"github.com/tacit-secrets/tacit/audit/internal/disk"
	"github.com/tacit-secrets/tacit/audit/internal/segment"
)

// roll goes on in a new segment where the time has come. Killed at any step,
// the next writer finds either the old segment or the endorsed new one.
func (l *Log) roll() error {
	age := l.cfg.Now().Sub(l.w.header.Time)
	if l.w.edge.Size <= l.w.header.N+1 || l.offset < l.cfg.MaxBytes && age < l.cfg.MaxAge {
		return nil
	}
	private, public, err := segment.NewKey()
	if err != nil {
		return err
	}
	h := l.following(segment.WhyNext, public)
	if l.cfg.Store != nil { // the endorsement will name it
		h.Generation = max(h.Generation, l.cfg.Store.Generation())
	}
	// The new file and its key first, then the endorsement: a file without
	// one counts for nothing.
	old := l.keyPath(l.number)
	if _, err := l.prepare(h, private); err != nil {
		return err
	}
	if err := l.commitEndorsement(public); err != nil {
		return err
	}
	if err := disk.Destroy(old); err != nil {
		return err
	}
	return l.resume(h.Segment)
}

// commitEndorsement closes the segment: its last checkpoint names the next key.
func (l *Log) commitEndorsement(public string) error {
	return l.commit(&bytes.Buffer{}, l.w.edge.Clone(), public)
}

// following is the header of the segment after this one.
func (l *Log) following(why, public string) segment.Header {
	return segment.Header{
		N: l.w.good.Size, Segment: l.number + 1, Log: l.w.header.Log, Key: public, Epoch: l.w.header.Epoch,
		Why: why, Time: l.cfg.Now().UTC(), Edge: l.w.good.Text(), Generation: l.w.last.Generation,
	}
}

// prepare writes the key and the header of the next segment without going on
// in it, and returns the header's line.
func (l *Log) prepare(h segment.Header, private string) ([]byte, error) {
	sealed, err := l.cfg.Key.Wrap(keyRecord(h), []byte(private))
	if err != nil {
		return nil, err
	}
	if err := disk.WriteDurable(l.keyPath(h.Segment), sealed); err != nil {
		return nil, err
	}
	b, err := segment.Encode(h)
	if err != nil {
		return nil, err
	}
	return b, disk.WriteDurable(segment.Path(l.cfg.Dir, h.Segment), append(b, '\n'))
}

// begin makes a segment, its sealed key and then its header, both durable, and
// goes on in it.
func (l *Log) begin(h segment.Header, private string) error {
	b, err := l.prepare(h, private)
	if err != nil {
		return err
	}
	return l.enter(h.Segment, private, b)
}

// leave goes on in a new file after a failed fsync, with the same key: the old
// file can take no endorsement any more. The lock is held.
func (l *Log) leave() error {
	if l.builtUpon() {
		// Leaving failed at first, and others went on meanwhile: what they
		// acknowledged counts.
		failed := l.number
		l.w, l.tails = walker{}, nil
		if err := l.load(); err != nil || l.number != failed {
			return err
		}
		l.failed = true
	}
	private, err := l.unseal(l.w.header)
	if err != nil {
		return err
	}
	l.w.edge = l.w.good.Clone()
	t, err := l.behind()
	if err != nil {
		return err
	}
	h := l.following(segment.WhyFsync, l.w.header.Key)
	h.Left, h.LeftSum = t.Bytes, t.Sum
	t.Why = segment.Name(l.number) + " could not be made durable, and is not written again"
	l.tails = append(l.tails, t)
	if err := l.noteTails(); err != nil {
		return err
	}
	old := l.keyPath(l.number)
	if err := l.begin(h, private); err != nil {
		return err
	}
	return disk.Destroy(old)
}

// builtUpon reports whether others appended behind a group that failed.
func (l *Log) builtUpon() bool {
	info, err := os.Stat(l.path())
	if err == nil && info.Size() > l.offset+l.lost {
		return true
	}
	h, ok := segment.ReadHeader(l.cfg.Dir, l.number+1)
	if !ok {
		return false
	}
	// One that this process prepared, and nobody used, does not count.
	used, err := segment.HasCheckpoint(segment.Path(l.cfg.Dir, l.number+1))
	return h.Why != segment.WhyNext || err != nil || used
}

// behind sums up what stands behind the last checkpoint.
func (l *Log) behind() (tail, error) {
	in, err := os.Open(l.path())
	if err != nil {
		return tail{}, disk.Unavailable(l.path(), err)
	}
	defer func() { _ = in.Close() }()
	return sumBehind(in, l.offset)
}

// sumBehind sums up what stands in a file from an offset on.
func sumBehind(in io.ReadSeeker, offset int64) (tail, error) {
	if _, err := in.Seek(offset, io.SeekStart); err != nil {
		return tail{}, segment.Unreadable(err)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, in)
	if err != nil {
		return tail{}, segment.Unreadable(err)
	}
	return tail{Bytes: n, Sum: hex.EncodeToString(sum.Sum(nil))}, nil
}
