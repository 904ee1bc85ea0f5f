//go:build !linux

package state

import (
	"context"

	"github.com/tacit-secrets/tacit/secret"
)

func (job) ofThisSystem(context.Context, *DB) error {
	return secret.Errorf(secret.Unsupported, "", "there is no such job on this system")
}
