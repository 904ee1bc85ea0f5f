package lite

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/tacit-secrets/tacit/secret"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// Classify gives an error of SQLite or the file system its kind. It is the
// only place that does.
func Classify(path string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*secret.Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &secret.Error{Kind: secret.Unavailable, Text: path + ": gave up waiting for the store", Err: err}
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return classifyCode(path, e)
	}
	return classifyFile(path, err)
}

func classifyCode(path string, e *sqlite.Error) error {
	kind, text := secret.Unavailable, "the store cannot be used now"
	switch e.Code() & 0xff {
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_FORMAT, lib.SQLITE_MISMATCH, lib.SQLITE_CONSTRAINT, lib.SQLITE_ERROR, lib.SQLITE_TOOBIG:
		// ERROR: a table is gone or has other columns; CONSTRAINT: an index disagrees.
		kind, text = secret.Corrupt, "the store is damaged\n  tacit store restore FILE"
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		text = "another process keeps the store busy; try again"
	case lib.SQLITE_FULL:
		text = "the disk is full"
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_AUTH:
		kind, text = secret.Denied, "the store's file or folder cannot be written\n  chmod -R u+rwX "+filepath.Dir(path)
	case lib.SQLITE_CANTOPEN:
		kind, text = secret.Denied, "the store's files cannot be opened or made\n  chmod -R u+rwX "+filepath.Dir(path)
	case lib.SQLITE_IOERR:
		text = "reading or writing the store failed"
	}
	return &secret.Error{Kind: kind, Text: path + ": " + text, Err: e}
}

// IsBusy reports whether another process has the store locked.
func IsBusy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == lib.SQLITE_BUSY || e.Code()&0xff == lib.SQLITE_LOCKED)
}

// IsIO reports whether the file system failed, in whatever state that left it.
func IsIO(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == lib.SQLITE_IOERR
}

// First returns the first error there is.
func First(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
