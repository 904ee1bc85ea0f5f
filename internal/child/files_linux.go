package child

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// inMemory asks the system whether a folder lies in memory.
func inMemory(dir string) bool {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return false
	}
	return s.Type == unix.TMPFS_MAGIC || s.Type == unix.RAMFS_MAGIC
}

// hold locks a folder for as long as this process lives. A lock needs neither
// the number of a process, which another namespace does not know, nor the time
// of its start. The child does not inherit it.
func hold(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0) //nolint:gosec // one that we made or that is ours
	if err != nil {
		return nil, taken(err)
	}
	fd := int(f.Fd())
	if err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err == nil {
		// A sweep may have removed it between its making and its lock.
		_, err = os.Lstat(dir)
	}
	if err != nil {
		_ = f.Close()
		return nil, taken(err)
	}
	return f, nil
}

func taken(err error) error {
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, os.ErrNotExist) {
		return errTaken
	}
	return err
}

// sweep removes the folders of this user that no process holds. Failures are
// nobody's concern: the next sweep tries again.
func sweep(roots []string) {
	for _, root := range roots {
		if !inMemory(root) {
			continue
		}
		entries, _ := os.ReadDir(root)
		for _, e := range entries {
			if e.IsDir() && strings.HasPrefix(e.Name(), folderPrefix()) {
				sweepOne(filepath.Join(root, e.Name()))
			}
		}
	}
}

func sweepOne(dir string) {
	var s unix.Stat_t
	// In shared memory, anyone can make a folder with that name.
	if unix.Lstat(dir, &s) != nil || int(s.Uid) != os.Getuid() {
		return
	}
	f, err := hold(dir)
	if err != nil {
		return
	}
	_ = os.RemoveAll(dir)
	_ = f.Close()
}

// private reports whether a folder is this user's, and closed to others.
func private(dir string) bool {
	var s unix.Stat_t
	return unix.Lstat(dir, &s) == nil && s.Mode&unix.S_IFMT == unix.S_IFDIR && int(s.Uid) == os.Getuid() && s.Mode&0o077 == 0
}
