package seal

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

const (
	commandWait = 30 * time.Second
	afterKill   = time.Second // for pipes that a grandchild keeps open
)

// bounded keeps what a command prints, and fails when it is too much. The
// buffer is not embedded: its ReadFrom would go round the bound.
type bounded struct{ kept bytes.Buffer }

var errTooMuch = errors.New("more than 64 KiB")

func (b *bounded) Write(p []byte) (int, error) {
	if b.kept.Len()+len(p) > maxFile {
		return 0, errTooMuch
	}
	return b.kept.Write(p)
}

// command runs the user's unlock command, without a shell, and returns what it
// prints, less one newline at the end.
func (u *Unlocker) command(ctx context.Context) ([]byte, error) {
	if len(u.Command) == 0 {
		return nil, secret.Errorf(secret.NotFound, "", "no unlock command is set")
	}
	ctx, cancel := context.WithTimeout(ctx, either(u.CommandWait, commandWait))
	defer cancel()
	var out bounded
	c := exec.CommandContext(ctx, u.Command[0], u.Command[1:]...) //nolint:gosec // the user's own settings name it
	c.Env = withoutOwn(u.Environ)
	c.Stdout = &out
	c.WaitDelay = afterKill
	ownGroup(c)
	err := c.Run()
	if c.Process != nil {
		_ = killGroup(c) // whatever it left behind
	}
	name := u.Command[0]
	switch {
	case ctx.Err() != nil:
		return nil, secret.Errorf(secret.Unavailable, "", "unlock command %s: no answer in time", name)
	case errors.Is(err, errTooMuch):
		return nil, secret.Errorf(secret.Invalid, "", "unlock command %s: prints more than 64 KiB", name)
	case err != nil:
		return nil, secret.Errorf(secret.Unavailable, "", "unlock command %s: %s", name, reason(err))
	}
	return secretOf(out.kept.Bytes(), "unlock command "+name)
}

// withoutOwn drops tacit's own variables: an unlock variable never reaches a
// child.
func withoutOwn(environ []string) []string {
	env := []string{} // not nil, which means the whole environment of this process
	for _, v := range environ {
		if !strings.HasPrefix(strings.ToUpper(v), "TACIT_") {
			env = append(env, v)
		}
	}
	return env
}

// secretOf takes one newline off; nothing at all is secret.Invalid.
func secretOf(b []byte, from string) ([]byte, error) {
	b = bytes.TrimSuffix(b, []byte("\n"))
	if len(b) == 0 {
		return nil, secret.Errorf(secret.Invalid, "", "%s: gives nothing", from)
	}
	return b, nil
}

func either(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}
