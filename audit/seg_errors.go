package audit

import (
	"github.com/tacit-secrets/tacit/secret"
)

// unreadable says that a file of the log could not be read.
func unreadable(err error) error {
	return &secret.Error{Kind: secret.Unavailable, Text: "the audit log cannot be read: " + cause(err).Error(), Err: err}
}
