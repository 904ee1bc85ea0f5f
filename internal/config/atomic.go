package config

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/tacit-secrets/tacit/secret"
)

// WriteFile replaces a file in one step: after a crash there is the old one or
// the new one, whole and durable.
func WriteFile(path string, b []byte, mode os.FileMode) (err error) {
	defer func() {
		if err != nil {
			err = secret.Errorf(secret.Unavailable, "", "%s: cannot be written: %s", path, cause(err))
		}
	}()
	// A link stays a link: what it points at is replaced.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tacit-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
