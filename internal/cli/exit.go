package cli

import (
	"errors"

	"github.com/tacit-secrets/tacit/secret"
)

// The exit codes: documented, stable, and the same for every command. The
// outcome of a child of tacit run is passed on as it is.
const (
	exitOK          = 0
	exitFailed      = 1 // unsupported, corrupt, and whatever has no kind
	exitInvalid     = 2
	exitDenied      = 3 // unauthenticated or denied
	exitNotFound    = 4
	exitUnavailable = 5
	exitConflict    = 6
)

// childExit is the outcome of a process that tacit run started.
type childExit struct{ code int }

func (*childExit) Error() string { return "the command failed" }

// exitCode turns an error into the exit code of the process.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if child, ok := errors.AsType[*childExit](err); ok {
		return child.code
	}
	switch secret.KindOf(err) {
	case secret.Invalid:
		return exitInvalid
	case secret.Unauthenticated, secret.Denied:
		return exitDenied
	case secret.NotFound:
		return exitNotFound
	case secret.Unavailable:
		return exitUnavailable
	case secret.Conflict:
		return exitConflict
	case secret.Unsupported, secret.Corrupt:
		return exitFailed
	default:
		return exitFailed
	}
}
