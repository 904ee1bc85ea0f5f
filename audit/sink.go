package audit

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/audit/internal/segment"
	"github.com/tacit-secrets/tacit/secret"
)

// A Sink sends records elsewhere, one line of JSON each, instead of keeping
// them: for machines without a writable disk, whose log collector keeps them.
// It proves nothing; what was handed to the writer counts as durable.
type Sink struct {
	now func() time.Time
	mu  sync.Mutex
	w   io.Writer
	n   uint64
}

var _ Appender = (*Sink)(nil)

// NewSink returns an Appender that writes to w.
func NewSink(w io.Writer, now func() time.Time) *Sink { return &Sink{now: now, w: w} }

// Append writes the records in one write.
func (s *Sink) Append(ctx context.Context, rs ...Record) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, &secret.Error{Kind: secret.Unavailable, Text: "interrupted before it was recorded", Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.n
	var all []byte
	for i := range rs {
		rs[i].N, rs[i].Time = s.n+uint64(i), s.now().UTC()
		rs[i].clean()
		b, err := segment.Encode(&rs[i])
		if err != nil {
			return 0, err
		}
		all = append(append(all, b...), '\n')
	}
	n, err := s.w.Write(all)
	if err == nil && n < len(all) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return 0, &secret.Error{Kind: secret.Unavailable, Text: "the audit sink does not take records: " + err.Error() + "\n  audit.sink in your own config.toml says where they go", Err: err}
	}
	s.n += uint64(len(rs))
	return first, nil
}

// sinkWait bounds dialing a socket, and each write to it.
const sinkWait = 5 * time.Second

// DialSink returns an Appender that writes to a unix socket of streams. It
// dials when the first record comes, and again when the other side went away;
// records that it was handed before then may be lost with it.
func DialSink(path string, now func() time.Time) *Sink {
	return NewSink(&socket{path: path}, now)
}

// socket is used by one goroutine at a time.
type socket struct {
	path string
	conn net.Conn
}

func (s *socket) Write(b []byte) (int, error) {
	again := s.conn != nil
	n, err := s.try(b)
	if err != nil && n == 0 && again { // the other side began anew
		n, err = s.try(b)
	}
	return n, err
}

func (s *socket) try(b []byte) (n int, err error) {
	if s.conn == nil {
		if s.conn, err = net.DialTimeout("unix", s.path, sinkWait); err != nil {
			s.conn = nil
			return 0, err
		}
	}
	if err = s.conn.SetWriteDeadline(time.Now().Add(sinkWait)); err == nil {
		n, err = s.conn.Write(b)
	}
	if err != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
	return n, err
}

// Close ends the connection, if there is one.
func (s *Sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.w.(*socket)
	if !ok || c.conn == nil {
		return nil
	}
	conn := c.conn
	c.conn = nil
	if err := conn.Close(); err != nil {
		return &secret.Error{Kind: secret.Unavailable, Text: "the audit sink: " + err.Error(), Err: err}
	}
	return nil
}
