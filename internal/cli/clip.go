package cli

import (
	"context"
	"fmt"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/internal/clipboard"
	"github.com/tacit-secrets/tacit/secret"
)

// maxClear bounds how long a value may stay on the clipboard.
const maxClear = time.Hour

// findClipboard looks for one before a value is read.
func (a *app) findClipboard(after time.Duration) (*clipboard.Clipboard, error) {
	if after < time.Second || after > maxClear {
		return nil, secret.Errorf(secret.Invalid, "", "--clear-after is from 1s to 1h")
	}
	env, err := child.Build(a.sys.Environ, nil, false)
	if err != nil {
		return nil, err
	}
	d := clipboard.Desk{
		OS: runtime.GOOS, Env: env, Var: a.sys.Var, InMemory: child.InMemory,
		Find: func(program string) (string, error) { return child.Find(program, a.sys.Environ) },
	}
	if terminal(a.Err) {
		d.Terminal = a.Err
	}
	return clipboard.Find(d)
}

// copyOut puts a value on the clipboard and stays until it is taken away again:
// after a while, or at once when somebody ends this. To stay is the one way
// that leaves the value with no other process, argument or file.
func (a *app) copyOut(ctx context.Context, c *clipboard.Clipboard, r secret.Ref, v secret.Value, after time.Duration) error {
	if v.IsBinary() || !editable(v.Reveal()) {
		return secret.Errorf(secret.Invalid, "", "%s is binary, which no clipboard takes\n  tacit get %s > FILE", r, r)
	}
	if v.Len() == 0 {
		return secret.Errorf(secret.Invalid, "", "%s is empty", r)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()
	end := time.Now().Add(after)
	if err := c.Put(ctx, v); err != nil {
		return err
	}
	if !a.flags.json {
		a.done("copied", r.String(), "with %s, for %s; ctrl-C clears it", c.Name, after)
	}
	a.countDown(ctx, end)
	// Whatever ended the wait, this has to be done.
	if err := c.Clear(context.WithoutCancel(ctx), v); err != nil {
		return secret.Errorf(secret.Unavailable, "", "%s\n  the value may still be on the clipboard: copy something else", err)
	}
	if a.flags.json {
		return a.object(copiedJSON{Env: r.Env, Name: string(r.Name), Field: r.Field, Clipboard: c.Name, Cleared: true})
	}
	a.done("cleared", r.String(), "")
	return nil
}

// copiedJSON is what get --copy prints with --json, when it is over.
type copiedJSON struct {
	Env       string `json:"env"`
	Name      string `json:"name"`
	Field     string `json:"field,omitempty"`
	Clipboard string `json:"clipboard"`
	Cleared   bool   `json:"cleared"`
}

// countDown waits, and shows on a terminal for how long still.
func (a *app) countDown(ctx context.Context, end time.Time) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	over := time.NewTimer(time.Until(end))
	defer over.Stop()
	show := terminal(a.Err) && !a.dumb() && !a.flags.json && !a.flags.quiet
	for {
		if show {
			_, _ = fmt.Fprintf(a.Err, "\rclearing in %ds ", max(0, time.Until(end).Round(time.Second)/time.Second))
		}
		select {
		case <-ctx.Done():
		case <-over.C:
		case <-tick.C:
			continue
		}
		if show {
			_, _ = fmt.Fprintf(a.Err, "\r%20s\r", "")
		}
		return
	}
}
