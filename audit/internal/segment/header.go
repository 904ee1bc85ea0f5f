package segment

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// MaxHeader bounds the first line of a segment: at most 64 hashes.
const MaxHeader = 8 << 10

// A Header is the first line of a segment, and a leaf of the tree like any
// record.
type Header struct {
	N       uint64    `json:"n"`
	Segment uint64    `json:"segment"`
	Log     string    `json:"log"`
	Key     string    `json:"key"` // public: it signs this segment's checkpoints
	Epoch   uint64    `json:"epoch"`
	Why     string    `json:"why"` // "first", "next", "fsync" or "epoch"
	Time    time.Time `json:"time"`
	Edge    []string  `json:"edge"` // the tree's right edge before this line
	// Generation is one of the store's that a checkpoint before names, or a
	// lower one.
	Generation uint64 `json:"generation"`
	// Left is how many bytes the file before has behind its last checkpoint
	// that counts, after a failed fsync; LeftSum is their SHA-256.
	Left    int64  `json:"left,omitempty"`
	LeftSum string `json:"left_sha256,omitempty"`
}

// Why a segment begins.
const (
	WhyFirst = "first"
	WhyNext  = "next"  // endorsed by the last checkpoint of the segment before
	WhyFsync = "fsync" // the file before could not be made durable; same key
	WhyEpoch = "epoch" // a new first key, by someone's decision
)

// Check reports whether a header could be one that tacit wrote.
func (h *Header) Check() bool {
	_, ok := ParseEdge(h.N, h.Edge)
	switch h.Why {
	case WhyFirst, WhyNext, WhyFsync, WhyEpoch:
	default:
		ok = false
	}
	return ok && h.Segment > 0 && h.Epoch > 0 && h.Log != "" && CheckKey(h.Key) == nil
}

// First reports whether h begins a log.
func (h *Header) First() bool {
	return h.Why == WhyFirst && h.N == 0 && h.Segment == 1 && h.Epoch == 1
}

// Name is the file name of a segment.
func Name(n uint64) string { return fmt.Sprintf("%08d.jsonl", n) }

// List lists the numbers of a folder's segments, in order.
func List(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, Missing(dir, err)
	}
	var out []uint64
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ".jsonl")
		n, err := strconv.ParseUint(digits, 10, 64)
		if ok && err == nil && e.Name() == Name(n) && n > 0 {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Missing says that a log is not there, as [secret.Corrupt], or not readable.
func Missing(dir string, err error) error {
	if os.IsNotExist(err) {
		return secret.Errorf(secret.Corrupt, "", "%s: the audit log is missing\n  if you know why:  tacit audit adopt", dir)
	}
	return secret.Errorf(secret.Unavailable, "", "%s: the audit log cannot be read: %s", dir, cause(err))
}

// Path is where a segment is.
func Path(dir string, n uint64) string { return filepath.Join(dir, Name(n)) }

// ReadHeader reads a segment's first line; ok is false if it is none.
func ReadHeader(dir string, n uint64) (h Header, ok bool) {
	in, err := os.Open(Path(dir, n))
	if err != nil {
		return h, false
	}
	defer func() { _ = in.Close() }()
	b, err := FirstLine(in)
	return h, err == nil && Decode(b, &h) && h.Check()
}

// Follower is the header of the segment after all[i], nil if there is none. It
// tells where a file ends to count that could not be made durable.
func Follower(dir string, all []uint64, i int) *Header {
	if i+1 >= len(all) {
		return nil
	}
	h, ok := ReadHeader(dir, all[i+1])
	if !ok {
		return nil
	}
	return &h
}

// FirstLine returns a segment's first line, nil if there is no whole one.
func FirstLine(in io.ReadSeeker) ([]byte, error) {
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return nil, Unreadable(err)
	}
	b, err := bufio.NewReaderSize(in, MaxHeader).ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, bufio.ErrBufferFull):
		return nil, nil
	case err != nil:
		return nil, Unreadable(err)
	}
	return b[: len(b)-1 : len(b)-1], nil
}

// HasCheckpoint reports whether any group was ever written to a segment.
func HasCheckpoint(path string) (found bool, err error) {
	in, err := os.Open(path) //nolint:gosec // the log's own folder
	if err != nil {
		return false, Unreadable(err)
	}
	defer func() { _ = in.Close() }()
	err = AnyLines(in, func(b []byte) error {
		found = found || bytes.HasPrefix(b, []byte(CheckpointPrefix))
		return nil
	})
	return found, err
}
