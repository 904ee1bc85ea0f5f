package cli

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"time"
)

// gitTimeout bounds each question to git: what it knows is a courtesy, and
// nobody waits for it.
const gitTimeout = 2 * time.Second

// notIgnored reports whether a file lies in a git checkout and git would take
// it into a commit. Where git is missing, slow or refuses, it is silent.
func notIgnored(ctx context.Context, path string) bool {
	return git(ctx, path, "check-ignore", "-q", "--") == 1
}

// tracked reports whether git has the file in its index, and so most likely in
// its history.
func tracked(ctx context.Context, path string) bool {
	return git(ctx, path, "ls-files", "--error-unmatch", "--") == 0
}

// git asks about a file and returns the exit code; -1 if there was no answer.
// The checkout may be anybody's: nothing that its configuration names is run.
func git(ctx context.Context, path string, args ...string) int {
	abs, err := filepath.Abs(path)
	if err != nil {
		return -1
	}
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	args = append([]string{"-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false"}, args...)
	c := exec.CommandContext(ctx, "git", append(args, filepath.Base(abs))...) //nolint:gosec // a name below "--"
	c.Dir = filepath.Dir(abs)
	c.WaitDelay = gitTimeout
	err = c.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// baseName is the last part of a path.
func baseName(path string) string { return filepath.Base(path) }
