package audit

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tacit-secrets/tacit/secret"
)

// file is what a segment needs of a file, so that tests can make it fail the
// way disks do.
type file interface {
	Write(b []byte) (int, error)
	Sync() error
	Truncate(size int64) error
	Close() error
}

// openAppend opens a segment for appending.
func openAppend(path string, flag int) (file, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|flag, 0o600) //nolint:gosec // a folder of the user's own
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

// diskFile is a file whose Sync makes its bytes durable and nothing else.
type diskFile struct{ *os.File }

// writeDurable makes or replaces a file, whole and durable or not at all.
func writeDurable(path string, b []byte) error {
	part := path + ".new"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // a folder of the user's own
	if err != nil {
		return unavailable(path, err)
	}
	n, err := f.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err = firstError(err, f.Chmod(0o600), f.Sync(), f.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		_ = os.Remove(part)
		return unavailable(path, err)
	}
	return syncDir(filepath.Dir(path))
}

// makeDir makes the log's folder for the user alone, whatever the umask.
func makeDir(path string) error {
	if err := firstError(os.MkdirAll(path, 0o700), os.Chmod(path, 0o700)); err != nil { //nolint:gosec // a folder needs the x
		return unavailable(path, err)
	}
	return syncDir(filepath.Dir(path))
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return unavailable(path, err)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// firstError keeps an error of this package its own type, which errors.Join
// would not.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// destroy overwrites a file before it removes it: the best that can be done
// above a file system.
func destroy(path string) error {
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return unavailable(path, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // a folder of the user's own
	if err != nil {
		return unavailable(path, err)
	}
	_, err = f.Write(make([]byte, info.Size()))
	if err = firstError(err, f.Sync(), f.Close(), os.Remove(path)); err != nil {
		return unavailable(path, err)
	}
	return syncDir(filepath.Dir(path))
}

func unavailable(path string, err error) error {
	return &secret.Error{Kind: secret.Unavailable, Text: "the audit log cannot be written: " + path + ": " + cause(err).Error(), Err: err}
}

// cause drops the path that an error of package os repeats.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
