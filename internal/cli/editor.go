package cli

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/secret"
)

// editor returns the command of the editor: the user's, or one that there is.
func (a *app) editor() ([]string, error) {
	if s := a.sys.Editor(); s != "" {
		return words(s)
	}
	if !terminal(a.In) || !terminal(a.Err) {
		return nil, secret.Errorf(secret.Invalid, "", "no editor is set, and there is no terminal for one\n  set VISUAL or EDITOR, or give the value to  tacit put")
	}
	for _, name := range []string{"vi", "nano"} {
		if _, err := child.Find(name, a.sys.Environ); err == nil {
			return []string{name}, nil
		}
	}
	return nil, secret.Errorf(secret.NotFound, "", "there is no editor: neither VISUAL nor EDITOR is set, and vi and nano are not installed\n  export EDITOR=PROGRAM")
}

// openEditor lets the editor edit the draft and waits for its end. It has the
// terminal meanwhile, as a child of tacit run has; it is given no secrets, and
// what it writes for itself goes to the draft's folder in memory.
func (e *editing) openEditor(ctx context.Context, d *child.Draft) error {
	env, err := child.Build(e.sys.Environ, []child.Var{{Name: "TMPDIR", Value: secret.Text(d.Dir())}}, false)
	if err != nil {
		return err
	}
	argv := append(e.quietly(env), d.Path())
	cfg := child.Config{Argv: argv, Env: env, Stdin: e.In, Stdout: e.Out, Stderr: e.Err, Limits: e.Limits}
	if !terminal(e.Out) {
		cfg.Stdout = e.Err // stdout is for what tacit prints
	}
	if ctx.Err() != nil {
		return interrupted()
	}
	// The editor gets the signals: it decides what becomes of them.
	r, err := child.Run(context.WithoutCancel(ctx), cfg)
	name := filepath.Base(argv[0])
	switch {
	case err != nil && !r.Started:
		return secret.Errorf(secret.KindOf(err), "", "the editor was not started: %s", err)
	case err != nil:
		return err
	case r.Signal != "":
		return secret.Errorf(secret.Unavailable, "", "the editor %s was ended by %s", name, r.Signal)
	case r.Code != 0:
		return secret.Errorf(secret.Unavailable, "", "the editor %s failed with exit code %d", name, r.Code)
	case ctx.Err() != nil:
		return interrupted()
	}
	return nil
}

// quietly is the editor's command with what keeps vim from writing the text to
// a disk: its settings may place swap files, backups and undo files anywhere,
// and its registers are saved in the home folder.
func (e *editing) quietly(env []string) []string {
	path, err := child.Find(e.command[0], env)
	if err != nil {
		return e.command // the start will tell
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	name := filepath.Base(path)
	out := append([]string(nil), e.command...)
	if !strings.HasPrefix(name, "vim") && !strings.HasPrefix(name, "nvim") && name != "gvim" {
		return out
	}
	return append(out, "-n", "-i", "NONE", "-c", "silent! set nobackup nowritebackup", "-c", "silent! set noundofile")
}

// words splits the command of an editor as a shell would, with its quotes and
// backslashes. No shell is run, so anything else that one would act on is
// refused.
func words(s string) ([]string, error) {
	var w splitter
	for i := range len(s) {
		if w.feed(s[i]); w.wrong != "" {
			return nil, badEditor(w.wrong)
		}
	}
	switch w.end(); {
	case w.escaped:
		return nil, badEditor("ends with a backslash")
	case w.quote != 0:
		return nil, badEditor("has a quote that does not end")
	case len(w.out) == 0 || w.out[0] == "":
		return nil, badEditor("is empty")
	}
	return w.out, nil
}

// A splitter takes a command byte by byte.
type splitter struct {
	out     []string
	word    []byte
	begun   bool // a word is, if an empty one
	quote   byte // the one that is open
	escaped bool // by the byte before
	wrong   string
}

func (w *splitter) feed(c byte) {
	switch {
	case c == 0 || c == '\n' || c == '\r':
		w.wrong = "is not one line"
	case w.escaped:
		w.escapes(c)
	case c == '\\' && w.quote != '\'':
		w.escaped, w.begun = true, true
	case w.quote != 0:
		w.quoted(c)
	case c == '\'' || c == '"':
		w.quote, w.begun = c, true
	case c == ' ' || c == '\t':
		w.end()
	case strings.IndexByte("$`;&|<>()*?[]{}#~!", c) >= 0:
		w.wrong = shellOnly
	default:
		w.take(c)
	}
}

const shellOnly = "has something that only a shell understands"

// quoted takes a byte between quotes.
func (w *splitter) quoted(c byte) {
	switch {
	case c == w.quote:
		w.quote = 0
	case w.quote == '"' && (c == '$' || c == '`'):
		w.wrong = shellOnly
	default:
		w.take(c)
	}
}

// escapes takes the byte after a backslash, which between double quotes is
// one itself before most.
func (w *splitter) escapes(c byte) {
	w.escaped = false
	if w.quote == '"' && strings.IndexByte("\"\\$`", c) < 0 {
		w.take('\\')
	}
	w.take(c)
}

func (w *splitter) take(c byte) { w.word, w.begun = append(w.word, c), true }

// end ends a word, if one has begun.
func (w *splitter) end() {
	if w.begun {
		w.out = append(w.out, string(w.word))
	}
	w.word, w.begun = nil, false
}

func badEditor(what string) error {
	return secret.Errorf(secret.Invalid, "", "the editor in VISUAL or EDITOR %s\n  it is a program with arguments, as in  EDITOR='code --wait'", what)
}
