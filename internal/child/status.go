package child

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tacit-secrets/tacit/secret"
)

// A Status is what a status file says: one line of JSON that tells a caller,
// who sees only an exit code, whose it is.
type Status struct {
	By       string         `json:"by"`                 // "child" or "tacit"
	Code     int            `json:"code"`               // what tacit exits with
	Started  bool           `json:"started"`            // whether the command began
	Signal   string         `json:"signal,omitempty"`   // what ended the child
	Error    string         `json:"error,omitempty"`    // the kind of tacit's own failure
	Replaced map[string]int `json:"replaced,omitempty"` // by label, what was replaced in the output
}

// Status says how a child ended, or by err why it did not start.
func (r Result) Status(err error) Status {
	s := Status{By: "child", Code: r.Code, Started: r.Started, Signal: r.Signal, Replaced: r.Replaced}
	if !r.Started {
		s.By = "tacit"
	}
	if err != nil {
		s.Error = "failed"
		if k := secret.KindOf(err); k != 0 {
			s.Error = k.Error()
		}
	}
	return s
}

// ClearStatus removes the status of an earlier command, so that nobody takes it
// for that of one that was killed. What is no regular file stays.
func ClearStatus(path string) {
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
		_ = os.Remove(path) // WriteStatus will tell
	}
}

// WriteStatus writes s to the file path, mode 0600: at once, so that a reader
// finds the old file or the new one; a file that is no regular one, like a
// pipe, is written to. An error is [secret.Unavailable].
func WriteStatus(path string, s Status) error {
	line, err := json.Marshal(s)
	if err == nil {
		err = writeFile(path, append(line, '\n'))
	}
	if err != nil {
		return secret.Errorf(secret.Unavailable, "", "the status file %s cannot be written: %s", path, reason(err))
	}
	return nil
}

func writeFile(path string, b []byte) (err error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return writePipe(path, b)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// CreateTemp makes the file with O_EXCL and mode 0600.
	f, err := os.CreateTemp(filepath.Dir(path), ".tacit-status-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func writePipe(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // the caller's own choice of file
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
