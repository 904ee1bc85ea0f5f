package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/tacit-secrets/tacit/audit"
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
func (a *app) confirm(ctx context.Context, format string, args ...any) error {
	question := fmt.Sprintf(format, args...)
	if !a.flags.yes && !a.interactive() {
		return secret.Errorf(secret.Invalid, "", "%s: this asks first, and there is no terminal to ask on\n  --yes answers it", question)
	}
	yes, err := a.wants(ctx, question)
	if err == nil && !yes {
		err = secret.Errorf(secret.Invalid, "", "nothing was changed")
	}
	return err
}

// wants asks a person whether they want something. Only y and yes are yes; no
// answer at all is an error.
func (a *app) wants(ctx context.Context, question string) (bool, error) {
	if a.flags.yes {
		return true, nil
	}
	_, _ = fmt.Fprintf(a.Err, "%s? [y/N] ", audit.Printable(question))
	answer, err := a.typedLine(ctx)
	if err != nil {
		return false, err
	}
	switch strings.ToLower(answer) {
	case "y", "yes":
		return true, nil
	default:
		return false, nil
	}
}

// ask asks a person for a line, which is shown as it is typed.
func (a *app) ask(ctx context.Context, what string) (string, error) {
	_, _ = fmt.Fprintf(a.Err, "%s: ", audit.Printable(what))
	return a.typedLine(ctx)
}

// typedLine reads a line, without the blanks around it.
func (a *app) typedLine(ctx context.Context) (string, error) {
	var line []byte
	for !strings.HasSuffix(string(line), "\n") {
		// A terminal gives a line at a time, so nothing is taken from the next
		// question.
		b, err := readSome(ctx, a.In)
		if err != nil {
			_, _ = fmt.Fprintln(a.Err)
			return "", err
		}
		line = append(line, b...)
		if len(line) > 1<<10 {
			return "", secret.Errorf(secret.Invalid, "", "that is no answer: nothing was changed")
		}
	}
	return strings.TrimSpace(string(line)), nil
}

// hidden asks for something without showing what is typed or pasted.
func (a *app) hidden(ctx context.Context, prompt string) (value []byte, err error) {
	fd := int(a.In.Fd())
	// Raw before the prompt is shown: who answers at once must not be echoed,
	// and a line longer than the terminal's own 4,095 bytes must not be cut.
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "the terminal cannot be read: %s", err)
	}
	on, off := a.pasteMarks()
	_, _ = fmt.Fprintf(a.Err, "%s%s (hidden): ", on, prompt)
	defer func() {
		_, _ = fmt.Fprintf(a.Err, "%s\r\n", off)
		_ = term.Restore(fd, before)
	}()
	var t typed
	for {
		b, err := readSome(ctx, a.In)
		if err != nil {
			return nil, err
		}
		if done, err := t.feed(b); done || err != nil {
			return t.value, err
		}
	}
}

// pasteMarks returns what makes a terminal mark what is pasted, so that a key
// of several lines can be, and what ends it. A dumb terminal gets neither.
func (a *app) pasteMarks() (on, off string) {
	if t := a.sys.Var("TERM"); t == "" || t == "dumb" {
		return "", ""
	}
	return "\x1b[?2004h", "\x1b[?2004l"
}

// readSome reads what there is, once. When ctx ends first, the read stays
// behind, and so must be the last of the process.
func readSome(ctx context.Context, f *os.File) ([]byte, error) {
	type result struct {
		b   []byte
		err error
	}
	got := make(chan result, 1)
	go func() {
		b := make([]byte, 4096)
		n, err := f.Read(b)
		got <- result{b[:n], err}
	}()
	select {
	case r := <-got:
		if len(r.b) == 0 {
			return nil, noAnswer()
		}
		return r.b, nil
	case <-ctx.Done():
		return nil, interrupted()
	}
}

func noAnswer() error {
	return secret.Errorf(secret.Invalid, "", "no answer: nothing was changed")
}

func interrupted() error {
	return secret.Errorf(secret.Unavailable, "", "interrupted: nothing was changed")
}

// passphrase returns how to ask for a store's passphrase; nil if nobody can be
// asked.
func (a *app) passphrase() config.Prompt {
	if !a.interactive() {
		return nil
	}
	return a.hidden
}
