//go:build unix

package disk

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tacit-secrets/tacit/secret"
)

// A Lock holds the lock file from Take to Give. It belongs to the open file, so
// the kernel gives it back when a process dies. Within a process, whoever takes
// it waits its turn elsewhere: a Lock is taken by one goroutine at a time.
type Lock struct {
	f   *os.File
	raw syscall.RawConn // keeps the descriptor from being closed, and used again, under a request
	mu  sync.Mutex
	// asked is the one request that sleeps in the kernel; nil if none does. One
	// whose caller gave up stays, and serves the next caller.
	asked *request
}

type request struct {
	wanted bool          // a caller waits for it
	done   chan struct{} // closed when it ended
	err    error
}

// OpenLock opens a lock file, and makes it if it is missing.
func OpenLock(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600) //nolint:gosec // a folder of the user's own
	if err != nil {
		return nil, Unavailable(path, err)
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, First(Unavailable(path, err), f.Close())
	}
	return &Lock{f: f, raw: raw}, nil
}

// Take waits for the lock, at most so long, and holds it until Give. An error is
// of kind [secret.Unavailable].
//
// It sleeps in the kernel's queue. Asking again and again would starve whoever
// asks when the lock happens to be held: a writer that never sleeps takes it
// back within microseconds.
func (l *Lock) Take(ctx context.Context, wait time.Duration) error {
	if err := l.try(); !errors.Is(err, unix.EWOULDBLOCK) {
		return l.told(err)
	}
	r := l.ask()
	limit := time.NewTimer(wait)
	defer limit.Stop()
	select {
	case <-r.done:
		return l.told(r.err)
	case <-limit.C:
		return l.leave(r, secret.Errorf(secret.Unavailable, "", "another process holds the audit log's lock for more than %s\n  is one of them stopped:  ps -o pid,stat,cmd", wait))
	case <-ctx.Done():
		return l.leave(r, &secret.Error{Kind: secret.Unavailable, Text: "interrupted while waiting for the audit log", Err: ctx.Err()})
	}
}

// try takes the lock if it is free and nobody of this process asks for it.
func (l *Lock) try() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked != nil {
		return unix.EWOULDBLOCK
	}
	return l.flock(unix.LOCK_EX | unix.LOCK_NB)
}

// ask joins the request that sleeps, or sends one to sleep.
func (l *Lock) ask() *request {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked == nil {
		r := &request{done: make(chan struct{})}
		l.asked = r
		go l.sleep(r)
	}
	l.asked.wanted = true
	return l.asked
}

// sleep waits for the lock. Where nobody wants it any more it is given back at
// once.
func (l *Lock) sleep(r *request) {
	err := l.flock(unix.LOCK_EX)
	l.mu.Lock()
	defer l.mu.Unlock()
	r.err = err
	l.asked = nil
	if err == nil && !r.wanted {
		l.Give()
	}
	close(r.done)
}

// leave stops waiting, unless the lock came meanwhile.
func (l *Lock) leave(r *request, why error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-r.done:
		return l.told(r.err)
	default:
		r.wanted = false
		return why
	}
}

func (l *Lock) flock(how int) (err error) {
	for {
		if closed := l.raw.Control(func(fd uintptr) { err = unix.Flock(int(fd), how) }); closed != nil {
			return closed
		}
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (l *Lock) told(err error) error {
	if err == nil {
		return nil
	}
	return Unavailable(l.f.Name(), err)
}

// Give gives the lock back.
func (l *Lock) Give() { _ = l.flock(unix.LOCK_UN) }

// Close gives everything back; a request that still sleeps in the kernel keeps
// the descriptor until whoever holds the lock lets go.
func (l *Lock) Close() { _ = l.f.Close() }
