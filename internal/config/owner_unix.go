//go:build unix

package config

import (
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tacit-secrets/tacit/secret"
)

// check refuses a file or folder that a stranger owns or can write. The user's
// own primary group is no stranger: many systems set umask 002.
func (o owners) check(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return secret.Errorf(secret.Unsupported, "", "%s: its owner cannot be found", path)
	}
	if uid := int(st.Uid); uid != o.uid && !slices.Contains(o.accepted, uid) {
		return secret.Errorf(secret.Denied, "", "%s: belongs to another user (uid %d)\n  if that is meant, add %d to owners in your own config.toml", path, uid, uid)
	}
	mode := info.Mode()
	shared := mode.IsDir() && mode&fs.ModeSticky != 0 // others may add, but not replace
	if mode.Perm()&0o002 != 0 && !shared {
		return secret.Errorf(secret.Denied, "", "%s: anyone can write it\n  chmod o-w %s", path, path)
	}
	if mode.Perm()&0o020 != 0 && int(st.Gid) != o.gid && !shared {
		return secret.Errorf(secret.Denied, "", "%s: another group can write it\n  chmod g-w %s", path, path)
	}
	return nil
}

func openNoFollow(path string) (*os.File, error) {
	// O_NONBLOCK: a named pipe must not make tacit wait.
	return os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0) //nolint:gosec // whose it is, is checked on the open file
}

func deviceOf(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, err
	}
	return uint64(st.Dev), nil //nolint:unconvert // its type differs between systems
}

// inodeOf tells a folder from another one that took its place.
func inodeOf(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, err
	}
	return st.Ino, nil
}

// syncDir makes a rename in a folder durable.
func syncDir(path string) error {
	d, err := os.Open(path) //nolint:gosec // a folder of the user's own
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

// lock holds a file's lock until the function it returns is called.
func lock(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600) //nolint:gosec // a folder of the user's own
	if err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "%s: cannot be opened: %s", path, cause(err))
	}
	deadline := time.Now().Add(lockWait)
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if time.Now().After(deadline) {
			_ = f.Close()
			return nil, secret.Errorf(secret.Unavailable, "", "%s: another process holds this lock for too long", path)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
