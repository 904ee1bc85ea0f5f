package audit

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/tacit-secrets/tacit/audit/internal/disk"
	"github.com/tacit-secrets/tacit/audit/internal/segment"
)

// tail is what a crash or a failed disk left behind: bytes that were never
// acknowledged. They do not count, and a record says so.
type tail struct {
	Bytes int64  `json:"bytes"`
	Sum   string `json:"sha256"`
	Why   string `json:"why,omitempty"`
	stays bool   // still in the file
}

func (t *tail) record() Record {
	what := fmt.Sprintf("%d bytes behind the last checkpoint were never acknowledged: sha256 %s", t.Bytes, t.Sum)
	if t.Why != "" {
		what = t.Why + ": " + what
	}
	return Record{Principal: "app:tacit", How: BySelf, Verb: Recover, Outcome: OK, Reason: what}
}

// findTail sees what stands behind the last checkpoint. It changes nothing:
// who opens a log and never writes leaves it as it is.
func (l *Log) findTail(in *os.File) error {
	info, err := in.Stat()
	if err != nil {
		return segment.Unreadable(err)
	}
	l.w.edge = l.w.good.Clone()
	l.tails = slices.DeleteFunc(l.tails, func(t tail) bool { return t.stays })
	if info.Size() <= l.offset {
		return nil
	}
	if l.w.closed {
		return l.corrupt(l.offset, faulty("stands behind the segment's last checkpoint"))
	}
	t, err := sumBehind(in, l.offset)
	if err != nil {
		return err
	}
	t.stays = true
	// It may have been noted already, and a crash came before it was cut off.
	same := func(u tail) bool { return u.Sum == t.Sum && u.Bytes == t.Bytes }
	l.tails = append(slices.DeleteFunc(l.tails, same), t)
	return nil
}

// cut removes a tail from the file. It is noted before, so that a crash before
// its record was written does not hide it.
func (l *Log) cut() error {
	i := slices.IndexFunc(l.tails, func(t tail) bool { return t.stays })
	if i < 0 {
		return nil
	}
	if err := l.noteTails(); err != nil {
		return err
	}
	if err := l.f.Truncate(l.offset); err != nil {
		return disk.Unavailable(l.path(), err)
	}
	l.tails[i].stays = false
	return nil
}

func (l *Log) tailPath() string { return filepath.Join(l.cfg.KeyDir, "audit.tails") }

func (l *Log) noteTails() error {
	b, err := json.Marshal(l.tails)
	if err != nil {
		return disk.Unavailable(l.tailPath(), err)
	}
	return disk.WriteDurable(l.tailPath(), b)
}

// rememberTails takes up the tails that a crash kept from being recorded.
func (l *Log) rememberTails() error {
	f, err := os.Open(l.tailPath())
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return segment.Unreadable(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, segment.MaxLine))
	if err != nil {
		return segment.Unreadable(err)
	}
	if json.Unmarshal(b, &l.tails) != nil {
		l.tails = []tail{{Why: "the note of bytes that were cut off is damaged"}}
	}
	return nil
}

// forgetTails is called once they are recorded.
func (l *Log) forgetTails() {
	if len(l.tails) == 0 {
		return
	}
	l.tails = nil
	// A note that stays behind is recorded once more, and does no harm.
	_ = os.Remove(l.tailPath())
}
