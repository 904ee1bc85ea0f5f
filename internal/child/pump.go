package child

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/internal/match"
)

// pipeSize is asked for the pipes of redacted streams, and bounds what one can
// hold when the child has ended.
const pipeSize = 1 << 20

// A pump passes one stream on, redacted.
type pump struct {
	r    *os.File
	mu   sync.Mutex // of w
	w    *match.Writer
	err  error // of the destination, but a closed one is no error
	done chan struct{}
}

func newPump(r, dst *os.File, m *match.Matcher) *pump {
	return &pump{r: r, w: match.NewWriter(dst, m), done: make(chan struct{})}
}

// run reads until all writers are gone, the destination fails or the child has
// ended. Then it closes the reading end: whoever still writes gets a broken
// pipe.
func (p *pump) run() {
	defer close(p.done)
	err := p.copy()
	_ = p.r.Close()
	if err == nil {
		p.mu.Lock()
		err = p.w.Close()
		p.mu.Unlock()
	}
	if !brokenPipe(err) {
		p.err = err
	}
}

func (p *pump) copy() error {
	buf := make([]byte, 256<<10)
	for {
		n, err := p.r.Read(buf)
		if n > 0 {
			if err := p.write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return p.rest(buf)
		default:
			// The end, or a reading end that was closed because nobody waits.
			return nil
		}
	}
}

// rest passes on what lies in the pipe, and no more than a pipe can hold: what
// the child wrote is among it, and a process that goes on writing cannot keep
// the pump running.
func (p *pump) rest(buf []byte) error {
	for left := pipeSize; left > 0; {
		n := readNow(p.r, buf[:min(len(buf), left)])
		if n <= 0 {
			break
		}
		left -= n
		if err := p.write(buf[:n]); err != nil {
			return err
		}
	}
	return nil
}

func (p *pump) write(b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.w.Write(b)
	return err
}

// follow looks for other values from now on.
func (p *pump) follow(m *match.Matcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.w.Follow(m)
}

// drain tells the pump that the child has ended.
func (p *pump) drain() {
	_ = p.r.SetReadDeadline(time.Unix(1, 0))
}

// wait waits for the pump's end. It gives up, with false, when the context is
// done (or reading cannot be interrupted on this system) and the grace is over.
func (p *pump) wait(ctx context.Context, grace time.Duration) bool {
	if interruptible {
		select {
		case <-p.done:
			return true
		case <-ctx.Done():
		}
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-p.done:
		return true
	case <-t.C:
		return false
	}
}
