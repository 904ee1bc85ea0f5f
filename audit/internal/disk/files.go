// Package disk is what the audit log needs of a file system: files that are
// durable or not there, a lock between processes, room. It knows nothing of
// what is in them.
package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tacit-secrets/tacit/secret"
)

// A File is what a segment needs of a file, so that tests can make it fail the
// way disks do.
type File interface {
	Write(b []byte) (int, error)
	Sync() error
	Truncate(size int64) error
	Close() error
}

// OpenAppend opens a segment for appending.
func OpenAppend(path string, flag int) (File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|flag, 0o600) //nolint:gosec // a folder of the user's own
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

// diskFile is a file whose Sync makes its bytes durable and nothing else.
type diskFile struct{ *os.File }

// WriteDurable makes or replaces a file, whole and durable or not at all.
func WriteDurable(path string, b []byte) error {
	part := path + ".new"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // a folder of the user's own
	if err != nil {
		return Unavailable(path, err)
	}
	n, err := f.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err = First(err, f.Chmod(0o600), f.Sync(), f.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		_ = os.Remove(part)
		return Unavailable(path, err)
	}
	return syncDir(filepath.Dir(path))
}

// MakeDir makes the log's folder for the user alone, whatever the umask.
func MakeDir(path string) error {
	if err := First(os.MkdirAll(path, 0o700), os.Chmod(path, 0o700)); err != nil { //nolint:gosec // a folder needs the x
		return Unavailable(path, err)
	}
	return syncDir(filepath.Dir(path))
}

// Remove removes a file, if it is there.
func Remove(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return Unavailable(path, err)
	}
	return nil
}

// Exists reports whether a file is there.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// First keeps an error of this package its own type, which errors.Join
// would not.
func First(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Destroy overwrites a file before it removes it: the best that can be done
// above a file system.
func Destroy(path string) error {
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return Unavailable(path, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // a folder of the user's own
	if err != nil {
		return Unavailable(path, err)
	}
	_, err = f.Write(make([]byte, info.Size()))
	if err = First(err, f.Sync(), f.Close(), os.Remove(path)); err != nil {
		return Unavailable(path, err)
	}
	return syncDir(filepath.Dir(path))
}

// Unavailable says that the log could not be written.
func Unavailable(path string, err error) error {
	return &secret.Error{Kind: secret.Unavailable, Text: "the audit log cannot be written: " + path + ": " + Cause(err).Error() + "\n  set audit.dir, or audit.sink, in your own config.toml", Err: err}
}

// Cause drops the path that an error of package os repeats.
func Cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
