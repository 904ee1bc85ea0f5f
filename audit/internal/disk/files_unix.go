//go:build unix

package disk

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tacit-secrets/tacit/secret"
)

func syncDir(path string) error {
	d, err := os.Open(path) //nolint:gosec // a folder of the user's own
	if err != nil {
		return Unavailable(path, err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Sync(); err != nil {
		return Unavailable(path, err)
	}
	return nil
}

// Free returns how much an ordinary user may still write.
func Free(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, Unavailable(dir, err)
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil //nolint:gosec,unconvert // the types differ between systems; never negative
}

// A Lock holds the lock file until unlock is called. The lock belongs to the
// open file, so the kernel gives it back when a process dies.
type Lock struct{ f *os.File }

// OpenLock opens a lock file, and makes it if it is missing.
func OpenLock(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600) //nolint:gosec // a folder of the user's own
	if err != nil {
		return nil, Unavailable(path, err)
	}
	return &Lock{f}, nil
}

// Take waits for the lock, at most so long, and holds it until Give. An error is
// of kind [secret.Unavailable].
func (l *Lock) Take(ctx context.Context, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		err := unix.Flock(int(l.f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case err != unix.EWOULDBLOCK && err != unix.EINTR:
			return Unavailable(l.f.Name(), err)
		case time.Now().After(deadline):
			return secret.Errorf(secret.Unavailable, "", "another process holds the audit log's lock for more than %s\n  is one of them stopped:  ps -o pid,stat,cmd", wait)
		}
		select {
		case <-ctx.Done():
			return &secret.Error{Kind: secret.Unavailable, Text: "interrupted while waiting for the audit log", Err: ctx.Err()}
		case <-time.After(pause):
		}
	}
}

// Give gives the lock back.
func (l *Lock) Give() { _ = unix.Flock(int(l.f.Fd()), unix.LOCK_UN) }

// Close gives everything back.
func (l *Lock) Close() { _ = l.f.Close() }
