package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"golang.org/x/term"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

// interactive reports whether questions can be asked: a person sits at both
// ends. An agent's terminal is nobody's.
func (a *app) interactive() bool {
	return terminal(a.In) && terminal(a.Err) && !a.agent()
}

// agent reports whether an agent asks.
func (a *app) agent() bool { return a.sys.Caller().Principal.IsAgent() }

// confirm asks before something that is hard to undo. --yes answers; without
// a terminal the answer is no, and the error says how to answer.
func (a *app) confirm(format string, args ...any) error {
	if a.flags.yes {
		return nil
	}
	question := fmt.Sprintf(format, args...)
	if !a.interactive() {
		return secret.Errorf(secret.Invalid, "", "%s needs an answer, and there is no terminal to ask on\n  --yes answers it", question)
	}
	_, _ = fmt.Fprintf(a.Err, "%s? [y/N] ", question)
	line, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil && line == "" {
		return secret.Errorf(secret.Invalid, "", "no answer: nothing was changed")
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	default:
		return secret.Errorf(secret.Invalid, "", "nothing was changed")
	}
}

// wants asks a person whether they want something; no is no error.
func (a *app) wants(question string) bool { return a.confirm("%s", question) == nil }

// hidden asks for something without showing what is typed.
func (a *app) hidden(ctx context.Context, prompt string) ([]byte, error) {
	_, _ = fmt.Fprintf(a.Err, "%s (hidden): ", prompt)
	type answer struct {
		b   []byte
		err error
	}
	fd := int(a.In.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "the terminal cannot be read: %s", err)
	}
	typed := make(chan answer, 1)
	go func() {
		b, err := term.ReadPassword(fd)
		typed <- answer{b, err}
	}()
	select {
	case t := <-typed:
		_, _ = fmt.Fprintln(a.Err)
		if t.err != nil {
			return nil, secret.Errorf(secret.Invalid, "", "nothing was typed")
		}
		return t.b, nil
	case <-ctx.Done():
		// Ctrl-C in the middle: the terminal must echo again.
		_ = term.Restore(fd, before)
		_, _ = fmt.Fprintln(a.Err)
		return nil, secret.Errorf(secret.Unavailable, "", "interrupted: nothing was changed")
	}
}

// passphrase returns how to ask for a store's passphrase; nil if nobody can be
// asked.
func (a *app) passphrase() config.Prompt {
	if !a.interactive() {
		return nil
	}
	return a.hidden
}
