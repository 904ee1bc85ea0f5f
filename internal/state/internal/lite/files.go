package lite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tacit-secrets/tacit/secret"
)

// classifyFile gives an error of the file system its kind.
func classifyFile(path string, err error) error {
	kind, text := secret.Unavailable, "the store cannot be used now"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind, text = secret.NotFound, "there is no store\n  tacit init"
	case errors.Is(err, fs.ErrExist):
		kind, text = secret.Conflict, "there is a file already"
	case errors.Is(err, fs.ErrPermission), readOnly(err):
		kind, text = secret.Denied, "the store's file or folder cannot be written"
	case diskFull(err):
		text = "the disk is full"
	}
	return &secret.Error{Kind: kind, Text: path + ": " + text, Err: err}
}

// CheckPath refuses files that others own or may change, and file systems on
// which SQLite's locks and shared memory do not hold.
func CheckPath(path string) error {
	if !filepath.IsAbs(path) {
		return secret.Errorf(secret.Invalid, "", "%s: the store's path must be absolute", path)
	}
	if err := checkFolder(filepath.Dir(path)); err != nil {
		return err
	}
	for i, p := range append([]string{path}, Sides(path)...) {
		info, err := os.Lstat(p)
		if i > 0 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Classify(p, err)
		}
		if !info.Mode().IsRegular() {
			return secret.Errorf(secret.Denied, "", "%s: not a plain file, and no store", p)
		}
		if err := checkOwner(p, info, 0o077); err != nil {
			return err
		}
	}
	return nil
}

// Sides are the files that SQLite keeps beside the store's.
func Sides(path string) []string { return []string{path + "-wal", path + "-shm"} }

func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return Classify(dir, err)
	}
	if !info.IsDir() {
		return secret.Errorf(secret.Invalid, "", "%s: not a folder", dir)
	}
	if err := checkOwner(dir, info, 0o022); err != nil {
		return err
	}
	return checkNetwork(dir)
}

// MakeFolder makes the store's folder for its owner alone.
func MakeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Classify(dir, err)
	}
	return checkFolder(dir)
}

// MakeFile makes an empty file that only its owner can read, before SQLite
// would; the files beside it take its mode, whatever the umask.
func MakeFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the store's own path
	if err != nil {
		return Classify(path, err)
	}
	return Classify(path, errors.Join(f.Chmod(0o600), f.Close()))
}

// SyncPath makes a file or a folder's entries durable. It must not be used on
// a database that this process has open: closing it would drop SQLite's locks.
func SyncPath(path string) error {
	f, err := os.Open(path) //nolint:gosec // a file or folder of the store
	if err != nil {
		return Classify(path, err)
	}
	return Classify(path, errors.Join(f.Sync(), f.Close()))
}

func errNetwork(dir, name string) error {
	return secret.Errorf(secret.Unsupported, "", "%s: lies on %s, where locks and shared memory do not hold\n  choose a local folder: XDG_DATA_HOME", dir, name)
}

// Remove removes a file; none is no error.
func Remove(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return Classify(path, err)
}
