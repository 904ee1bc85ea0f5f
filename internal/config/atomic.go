package config

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/tacit-secrets/tacit/secret"
)

// WriteFile replaces a file in one step: after a crash there is the old one or
// the new one, whole and durable.
func WriteFile(path string, b []byte, mode os.FileMode) error {
	s, err := Stage(path, mode)
	if err != nil {
		return err
	}
	if _, err := s.Write(b); err != nil {
		return errors.Join(err, s.Discard())
	}
	return s.Commit()
}

// A Staged file is written beside its place, readable by its user alone, and
// takes the place in one step: nobody sees a half of it. Commit or Discard it.
// It is for one goroutine.
type Staged struct {
	path string // where it will be, links followed
	mode os.FileMode
	f    *os.File // nil once it is in its place, or gone
	full bool     // durable, and not to be written to any more
}

// Stage begins to write a file. What is no file, such as a folder or a device,
// is not replaced: [secret.Invalid].
func Stage(path string, mode os.FileMode) (*Staged, error) {
	// A link stays a link: what it points at is replaced.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, secret.Errorf(secret.Invalid, "", "%s: is no file that can be replaced", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tacit-*")
	if err != nil {
		return nil, unwritten(path, err)
	}
	return &Staged{path: path, mode: mode, f: f}, nil
}

// Write appends to the file.
func (s *Staged) Write(b []byte) (int, error) {
	n, err := s.f.Write(b)
	if err != nil {
		err = unwritten(s.path, err)
	}
	return n, err
}

// Flush makes what was written durable, so that Commit is one rename and
// nothing that takes time. Nothing is written afterwards.
func (s *Staged) Flush() error {
	if err := errors.Join(s.f.Chmod(s.mode), s.f.Sync(), s.f.Close()); err != nil {
		return errors.Join(unwritten(s.path, err), s.Discard())
	}
	s.full = true
	return nil
}

// Commit puts the file in its place. After an error it is gone.
func (s *Staged) Commit() error {
	if !s.full {
		if err := s.Flush(); err != nil {
			return err
		}
	}
	if err := os.Rename(s.f.Name(), s.path); err != nil {
		return errors.Join(unwritten(s.path, err), s.Discard())
	}
	s.f = nil
	if err := syncDir(filepath.Dir(s.path)); err != nil {
		return unwritten(s.path, err)
	}
	return nil
}

// Discard takes the file away, unless it is in its place.
func (s *Staged) Discard() error {
	if s.f == nil {
		return nil
	}
	f := s.f
	s.f = nil
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return errors.Join(unwritten(s.path, err), os.Remove(f.Name()))
	}
	if err := os.Remove(f.Name()); err != nil {
		return unwritten(s.path, err)
	}
	return nil
}

func unwritten(path string, err error) error {
	return secret.Errorf(secret.Unavailable, "", "%s: cannot be written: %s", path, cause(err))
}
