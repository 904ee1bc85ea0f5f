package audit

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/windows"

	"github.com/tacit-secrets/tacit/secret"
)

func syncDir(string) error { return nil } // NTFS journals its folders

func freeBytes(dir string) (uint64, error) {
	var free uint64
	p, err := windows.UTF16PtrFromString(dir)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(p, &free, nil, nil)
	}
	if err != nil {
		return 0, unavailable(dir, err)
	}
	return free, nil
}

type flock struct{ f *os.File }

func openLock(path string) (*flock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a folder of the user's own
	if err != nil {
		return nil, unavailable(path, err)
	}
	return &flock{f}, nil
}

func (l *flock) lock(ctx context.Context, wait time.Duration) error {
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

func (l *flock) unlock() {
	_ = windows.UnlockFileEx(windows.Handle(l.f.Fd()), 0, 1, 0, &windows.Overlapped{})
}

func (l *flock) close() { _ = l.f.Close() }
