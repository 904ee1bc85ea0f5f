package audit

import (
	"errors"
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
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|flag, 0o600) //nolint:gosec // a folder of the user's own
}

// writeDurable makes a new file, whole and durable or not at all.
func writeDurable(path string, b []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // a folder of the user's own
	if err != nil {
		return unavailable(path, err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return errors.Join(unavailable(path, err), os.Remove(path))
	}
	return syncDir(filepath.Dir(path))
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
	if err = errors.Join(err, f.Sync(), f.Close(), os.Remove(path)); err != nil {
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
