package audit

import (
	"context"
	"io"
	"sync"
	"time"

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
		rs[i].N, rs[i].Time = s.n+uint64(i), s.now().UTC() //nolint:gosec // an index
		rs[i].clean()
		b, err := line(&rs[i])
		if err != nil {
			return 0, err
		}
		all = append(append(all, b...), '\n')
	}
	if n, err := s.w.Write(all); err != nil || n < len(all) {
		return 0, secret.Errorf(secret.Unavailable, "", "the audit sink does not take records: %v", err)
	}
	s.n += uint64(len(rs))
	return first, nil
}
