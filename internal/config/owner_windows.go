package config

import (
	"io/fs"
	"os"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// check trusts the file system: Windows keeps other users out of a profile by
// its access lists, which are not looked at here.
func (o owners) check(string, fs.FileInfo) error { return nil }

func openNoFollow(path string) (*os.File, error) { return os.Open(path) } //nolint:gosec // a path of the user's own

func deviceOf(path string) (uint64, error) {
	_, err := os.Stat(path)
	return 0, err
}

func inodeOf(path string) (uint64, error) {
	_, err := os.Stat(path)
	return 0, err
}

func syncDir(string) error { return nil } // NTFS journals its folders

// lock makes a file that must not exist yet, and removes it afterwards.
func lock(path string) (func(), error) {
	deadline := time.Now().Add(lockWait)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // a path of the user's own
		if err == nil {
			return func() { _ = f.Close(); _ = os.Remove(path) }, nil
		}
		if time.Now().After(deadline) {
			return nil, secret.Errorf(secret.Unavailable, "", "%s: another process holds this lock for too long", path)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
