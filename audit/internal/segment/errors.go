package segment

import (
	"errors"
	"io/fs"

	"github.com/tacit-secrets/tacit/secret"
)

// Unreadable says that a file of the log could not be read.
func Unreadable(err error) error {
	return &secret.Error{Kind: secret.Unavailable, Text: "the audit log cannot be read: " + cause(err).Error(), Err: err}
}

// cause drops the path that an error of package os repeats.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
