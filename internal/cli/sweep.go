package cli

import (
	"context"
	"time"

	"github.com/tacit-secrets/tacit/internal/config"
)

// sweepWait bounds how long a command waits for what others left behind.
const sweepWait = 5 * time.Second

// sweep revokes the leases that tacit processes which were killed left behind.
// It is no part of the command, and does not fail it: what is not revoked now
// stays noted.
func (a *app) sweep(ctx context.Context, o *config.Opened) {
	ctx, cancel := context.WithTimeout(ctx, sweepWait)
	defer cancel()
	swept, err := o.SweepLeases(ctx)
	if err != nil {
		return // tacit lease list tells
	}
	for _, s := range swept {
		switch {
		case s.Err != nil:
			a.warn("the lease of %s that a tacit left behind could not be revoked: %s\n  it is tried again later; which there are:  tacit lease list", s.Ref(), firstLine(s.Err))
		case s.Lost:
			a.warn("a tacit was killed while %s was issued: there may be a lease that nobody holds\n  its store ends it by itself", s.Ref())
		default:
			a.done("revoked", s.Ref().String(), "left behind by a tacit that is gone")
		}
	}
}
