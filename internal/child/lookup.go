package child

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tacit-secrets/tacit/secret"
)

// Find returns the file that a command would be started from, as [Run] does
// with the PATH of env. The error is that of Run.
func Find(command string, env []string) (string, error) {
	path, _, err := lookup(command, "", env)
	return path, err
}

// notStarted turns the reason why a command cannot start into its exit code
// and an error.
func notStarted(command string, err error) (int, error) {
	err = reason(err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return CodeNotFound, secret.Errorf(secret.NotFound, "", "%s: command not found", command)
	case errors.Is(err, errFolder):
		return CodeNotExecutable, secret.Errorf(secret.Invalid, "", "%s: is a folder, not a command", command)
	case errors.Is(err, fs.ErrPermission):
		return CodeNotExecutable, secret.Errorf(secret.Denied, "", "%s: may not be executed\n  chmod +x %s", command, command)
	case errors.Is(err, syscall.ENOEXEC):
		return CodeNotExecutable, secret.Errorf(secret.Invalid, "", "%s: not a program of this machine, and no #! line\n  tacit run -- sh %s", command, command)
	case errors.Is(err, syscall.E2BIG):
		return CodeNotExecutable, secret.Errorf(secret.Invalid, "", "%s: arguments and variables are too large for the system\n  give large secrets as files: as = \"file\"", command)
	default:
		return CodeNotExecutable, secret.Errorf(secret.Unavailable, "", "%s: cannot be started: %s", command, err)
	}
}

var errFolder = errors.New("is a folder")

// pathOf returns the value of PATH; the last one counts.
func pathOf(env []string) string {
	var path string
	for _, e := range env {
		if k, v, ok := strings.Cut(e, "="); ok && sameName(k, "PATH") {
			path = v
		}
	}
	return path
}

// inDir makes a relative path one from the child's working folder.
func inDir(dir, path string) string {
	if dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
