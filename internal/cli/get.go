package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/clipboard"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) getCommand() *cobra.Command {
	var stage string
	var f getFlags
	c := &cobra.Command{
		Use:   "get REFERENCE",
		Short: "Print a secret's value",
		Long: `Print the value of a secret, or of one of its fields, to stdout: byte for byte
when piped, with a newline after it on a terminal.

With --copy it goes to the clipboard instead (Wayland, X11, macOS, tmux, or a terminal
known for OSC 52), never as an argument, and tacit stays until it has cleared it: after
30 s, or at once by ctrl-C. What somebody copied meanwhile is left alone where the
clipboard can be read; a clipboard manager may keep a history.

Agents are refused unless a grant permits it: what an agent reads, it can pass on.`,
		Example: `  tacit get claude/api
  tacit get claude/api#claude_api_key
  tacit get claude/api@2
  tacit get claude/api@previous
  tacit get prod:claude/api
  tacit get --copy app/db#password
  tacit get --copy --clear-after 10s app/db#password`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.stage = secret.Stage(stage)
			if cmd.Flags().Changed("clear-after") && !f.copy {
				return secret.Errorf(secret.Invalid, "", "--clear-after is for --copy")
			}
			return a.get(cmd.Context(), args[0], f)
		},
	}
	c.Flags().StringVar(&stage, "stage", "", "the version at this `stage`")
	c.Flags().BoolVar(&f.copy, "copy", false, "put it on the clipboard instead, for a while")
	c.Flags().DurationVar(&f.after, "clear-after", 30*time.Second, "with --copy: clear it after so `long`, 1s to 1h")
	return c
}

type getFlags struct {
	stage secret.Stage
	copy  bool
	after time.Duration
}

func (a *app) get(ctx context.Context, arg string, f getFlags) error {
	stage := f.stage
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	r, err := a.ref(o, arg)
	if err != nil {
		return err
	}
	if stage != "" {
		if r.At != (secret.At{}) {
			return secret.Errorf(secret.Invalid, "", "give a version after @ or --stage, not both")
		}
		r.At.Stage = stage
	}
	var clip *clipboard.Clipboard
	caller := o.Caller
	if f.copy {
		if clip, err = a.findClipboard(f.after); err != nil {
			return err
		}
		caller.For = "clipboard"
	}
	v, err := o.Broker.Get(ctx, caller, r)
	if err != nil {
		return a.explain(ctx, o, r, err)
	}
	if clip != nil {
		return a.copyOut(ctx, clip, r, v.Value, f.after)
	}
	if !a.flags.json {
		return a.value(r, v.Value.Reveal())
	}
	return a.object(valueObject(r, v))
}

// valueJSON is what get prints with --json.
type valueJSON struct {
	Env      string    `json:"env"`
	Name     string    `json:"name"`
	Field    string    `json:"field,omitempty"`
	Version  uint64    `json:"version,omitempty"`
	ID       string    `json:"id,omitempty"`
	Created  time.Time `json:"created,omitzero"`
	Value    string    `json:"value"`
	Encoding string    `json:"encoding,omitempty"` // "base64" where the value is no text
}

func valueObject(r secret.Ref, v secret.Version) valueJSON {
	out := valueJSON{Env: r.Env, Name: string(r.Name), Field: r.Field, Version: v.Number, ID: string(v.ID), Created: v.Created}
	b := v.Value.Reveal()
	if v.Value.IsBinary() || !utf8.Valid(b) {
		out.Value, out.Encoding = base64.StdEncoding.EncodeToString(b), "base64"
		return out
	}
	out.Value = string(b)
	return out
}

// explain adds the way out to an error about a reference.
func (a *app) explain(ctx context.Context, o *config.Opened, r secret.Ref, err error) error {
	e, ok := errors.AsType[*secret.Error](err)
	if !ok {
		return err
	}
	out := *e
	whole := plain(r)
	say := func(format string, args ...any) error {
		out.Name, out.Text = "", fmt.Sprintf(format, args...)
		return &out
	}
	switch {
	case e.State == secret.Deleted && e.Kind == secret.Conflict:
		return say("%s is deleted\n  bring it back:  tacit undelete %s\n  or write over it:  tacit put %s --recover\n  or remove it:  tacit destroy %s", whole, whole, whole, whole)
	case e.State == secret.Deleted:
		return say("%s is deleted\n  bring it back:  tacit undelete %s", whole, whole)
	case e.Kind == secret.NotFound && e.State == secret.NoVersion:
		return say("%s has no %s\n  which there are:  tacit history %s", whole, versionText(r.At), whole)
	case strings.Contains(e.Text, "\n") || e.Kind != secret.NotFound || e.State != 0 || r.Field != "":
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, nearTime) // a guess is not worth reading all of a store elsewhere
	defer cancel()
	near := o.Broker.Nearest(ctx, o.Caller, r)
	if len(near) == 0 {
		return err
	}
	names := make([]string, len(near))
	for i, n := range near {
		names[i] = string(n)
	}
	out.Text = e.Text + "\n  did you mean: " + strings.Join(names, ", ")
	return &out
}

// nearTime is how long names that were perhaps meant are looked for.
const nearTime = 2 * time.Second

// plain writes a reference to the whole secret.
func plain(r secret.Ref) string {
	return secret.Ref{Env: r.Env, Name: r.Name}.String()
}
