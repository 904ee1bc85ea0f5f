package disk

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/windows"

	"github.com/tacit-secrets/tacit/secret"
)

func syncDir(string) error { return nil } // NTFS journals its folders

// Free returns how much an ordinary user may still write.
func Free(dir string) (uint64, error) {
	var free uint64
	p, err := windows.UTF16PtrFromString(dir)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(p, &free, nil, nil)
	}
	if err != nil {
		return 0, Unavailable(dir, err)
	}
	return free, nil
}

// A Lock is held by one process at a time, and given back when it dies.
type Lock struct{ f *os.File }

// OpenLock opens a lock file, and makes it if it is missing.
func OpenLock(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a folder of the user's own
	if err != nil {
		return nil, Unavailable(path, err)
	}
	return &Lock{f}, nil
}

// Take waits for the lock, at most so long, and holds it until Give. An error is
// of kind [secret.Unavailable].
func (l *Lock) Take(ctx context.Context, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	for {
		err := windows.LockFileEx(windows.Handle(l.f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return secret.Errorf(secret.Unavailable, "", "another process holds the audit log's lock for more than %s", wait)
		}
		select {
		case <-ctx.Done():
			return &secret.Error{Kind: secret.Unavailable, Text: "interrupted while waiting for the audit log", Err: ctx.Err()}
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Give gives the lock back.
func (l *Lock) Give() {
	_ = windows.UnlockFileEx(windows.Handle(l.f.Fd()), 0, 1, 0, &windows.Overlapped{})
}

// Close gives everything back.
func (l *Lock) Close() { _ = l.f.Close() }
