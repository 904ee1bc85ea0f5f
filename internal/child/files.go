package child

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/tacit-secrets/tacit/secret"
)

// MemoryRoots returns the folders in which [NewFiles] may make its own, in the
// order in which they are tried: the user's runtime folder ($XDG_RUNTIME_DIR,
// or empty), then shared memory.
func MemoryRoots(runtimeDir string) []string {
	roots := []string{"/dev/shm"}
	if runtimeDir != "" {
		roots = append([]string{runtimeDir}, roots...)
	}
	return roots
}

// Files are secrets in files for one child: mode 0600, in a folder of mode
// 0700, in memory only. Not safe for concurrent use.
//
// The folder is held by a lock that ends with this process, however it ends;
// the next [Sweep] removes folders that nobody holds. The system may move
// memory to swap: use encrypted swap or none.
type Files struct {
	dir  string
	lock *os.File
}

// InMemory reports whether a folder is known to lie in memory, not on a disk.
func InMemory(dir string) bool { return inMemory(dir) }

// Sweep removes what earlier processes of the same user left in any of roots:
// each start calls it, whether it needs files or not.
func Sweep(roots []string) { sweep(roots) }

// NewFiles makes a folder in the first of roots that lies in memory. If none
// does, that is [secret.Unsupported]: a disk is never used instead.
func NewFiles(roots []string) (*Files, error) {
	var reasons []error
	for _, root := range roots {
		if !inMemory(root) {
			continue
		}
		f, err := newFiles(root)
		if err == nil {
			return f, nil
		}
		reasons = append(reasons, err)
	}
	if err := errors.Join(reasons...); err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "no folder in memory can be made: %s", reason(reasons[0]))
	}
	return nil, secret.Errorf(secret.Unsupported, "", "no folder in memory (tmpfs) for secrets as files; a disk is not used instead\n  give the secret as a variable, or set XDG_RUNTIME_DIR to a folder on tmpfs")
}

// attempts bounds how often a sweep of another process may be faster than the
// lock on a new folder.
const attempts = 10

func newFiles(root string) (*Files, error) {
	for range attempts {
		dir, err := os.MkdirTemp(root, folderPrefix()+"*") // mode 0700, and never one that exists
		if err != nil {
			return nil, err
		}
		lock, err := hold(dir)
		if err == nil {
			return &Files{dir: dir, lock: lock}, nil
		}
		if !errors.Is(err, errTaken) {
			_ = os.RemoveAll(dir)
			return nil, err
		}
	}
	return nil, errTaken
}

var errTaken = errors.New("another process took the folder")

// folderPrefix begins the name of each folder of this user.
func folderPrefix() string { return "tacit-" + strconv.Itoa(os.Getuid()) + "-" }

// Add writes a value to a new file, called like the variable that will hold
// its path, and returns that path. A bad or repeated name is [secret.Invalid].
func (f *Files) Add(name string, v secret.Value) (string, error) {
	if err := CheckName(name); err != nil {
		return "", err
	}
	path := filepath.Join(f.dir, name)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // in our own folder, a checked name
	if errors.Is(err, os.ErrExist) {
		return "", secret.Errorf(secret.Invalid, "", "%s is given twice", name)
	}
	if err != nil {
		return "", secret.Errorf(secret.Unavailable, "", "%s cannot be made in memory: %s", name, reason(err))
	}
	_, err = file.Write(v.Reveal())
	if err = errors.Join(err, file.Close()); err != nil {
		return "", secret.Errorf(secret.Unavailable, "", "%s cannot be written in memory: %s", name, reason(err))
	}
	return path, nil
}

// Replace puts another value into the file of a name, at once: a reader finds
// the old or the new one. A name that was not added is [secret.Invalid].
func (f *Files) Replace(name string, v secret.Value) error {
	path := filepath.Join(f.dir, name)
	if err := CheckName(name); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err != nil {
		return secret.Errorf(secret.Invalid, "", "%s was not given as a file", name)
	}
	next := filepath.Join(f.dir, ".next") // no name of a variable
	_ = os.Remove(next)
	err := writeNew(next, v.Reveal())
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		_ = os.Remove(next)
		return secret.Errorf(secret.Unavailable, "", "%s cannot be written in memory: %s", name, reason(err))
	}
	return nil
}

// Close removes all files. It can be called more than once.
func (f *Files) Close() error {
	err := os.RemoveAll(f.dir)
	_ = f.lock.Close() // last: a sweep may not come in between
	if err != nil {
		return secret.Errorf(secret.Unavailable, "", "%s cannot be removed: %s\n  rm -r %s", f.dir, reason(err), f.dir)
	}
	return nil
}
