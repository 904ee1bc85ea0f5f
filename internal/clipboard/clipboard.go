// Package clipboard puts a text on the clipboard of whoever sits at the machine
// and takes it away again, if it is still there. A text goes to the clipboard's
// program by its standard input, never as an argument.
//
// It does not decide who may have the text, and cannot take back what another
// program has read or keeps a history of.
package clipboard

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// A Desk is what the package has to know of where it runs.
type Desk struct {
	OS       string // as runtime.GOOS
	Env      []string
	Var      func(name string) string
	Find     func(program string) (path string, err error)
	InMemory func(folder string) bool
	Terminal io.Writer // for its own clipboard; nil if there is none
}

// step is one call of a program.
type step struct {
	argv  []string
	input string // of a clearing
}

// A Clipboard is the one that was found.
type Clipboard struct {
	Name string
	// Checked tells whether it can be read back: one that cannot is emptied
	// whatever it holds by then.
	Checked bool

	desk  Desk
	set   []string
	get   []string
	clear []step
}

// kinds lists the clipboards that are looked for, in order.
func kinds() []Clipboard {
	empty := func(argv ...string) []step { return []step{{argv: argv}} }
	return []Clipboard{
		{Name: "wl-copy", set: []string{"wl-copy"}, get: []string{"wl-paste", "--no-newline"}, clear: empty("wl-copy", "--clear")},
		{Name: "xclip", set: []string{"xclip", "-selection", "clipboard", "-in"}, get: []string{"xclip", "-selection", "clipboard", "-out"}, clear: empty("xclip", "-selection", "clipboard", "-in")},
		{Name: "xsel", set: []string{"xsel", "--clipboard", "--input"}, get: []string{"xsel", "--clipboard", "--output"}, clear: empty("xsel", "--clipboard", "--delete")},
		{Name: "pbcopy", set: []string{"pbcopy"}, get: []string{"pbpaste"}, clear: empty("pbcopy")},
		// load-buffer takes nothing that is empty, and -w gives it to the terminal too.
		{Name: "tmux", set: []string{"tmux", "load-buffer", "-w", "-b", "tacit", "-"}, get: []string{"tmux", "show-buffer", "-b", "tacit"}, clear: []step{{[]string{"tmux", "load-buffer", "-w", "-b", "tacit", "-"}, " "}, {[]string{"tmux", "delete-buffer", "-b", "tacit"}, ""}}},
		{Name: "terminal"},
	}
}

// Find returns the clipboard there is. None is [secret.Unavailable], and the
// error names what to install.
func Find(d Desk) (*Clipboard, error) {
	for _, c := range kinds() {
		if d.has(c.Name) && d.installed(c) {
			c.desk, c.Checked = d, c.get != nil
			return &c, nil
		}
	}
	return nil, secret.Errorf(secret.Unavailable, "", "there is no clipboard here; nothing was printed instead\n  %s", d.wayOut())
}

// has reports whether there is a place for a clipboard of that kind.
func (d Desk) has(name string) bool {
	switch name {
	case "wl-copy":
		// It keeps what it offers in a file in /tmp, which must not be a disk.
		return d.Var("WAYLAND_DISPLAY") != "" && d.InMemory("/tmp")
	case "xclip", "xsel":
		return d.Var("DISPLAY") != "" && d.OS != "darwin"
	case "pbcopy":
		return d.OS == "darwin"
	case "tmux":
		return d.Var("TMUX") != ""
	default:
		return d.Terminal != nil && d.Var("TMUX") == "" && d.speaks()
	}
}

// speaks reports whether the terminal is known to take a clipboard by its
// sequence OSC 52. Another one might print it.
func (d Desk) speaks() bool {
	switch d.Var("TERM_PROGRAM") {
	case "WezTerm", "ghostty", "iTerm.app", "rio":
		return true
	}
	for _, prefix := range []string{"xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm", "contour"} {
		if strings.HasPrefix(d.Var("TERM"), prefix) {
			return true
		}
	}
	return d.Var("WT_SESSION") != ""
}

func (d Desk) installed(c Clipboard) bool {
	for _, argv := range [][]string{c.set, c.get} {
		if len(argv) == 0 {
			continue
		}
		if _, err := d.Find(argv[0]); err != nil {
			return false
		}
	}
	return true
}

func (d Desk) wayOut() string {
	switch {
	case d.Var("DISPLAY") != "":
		return "install xclip or xsel"
	case d.Var("WAYLAND_DISPLAY") != "" && !d.InMemory("/tmp"):
		return "wl-copy would keep the value in /tmp, which is on a disk here: mount a tmpfs there"
	case d.Var("WAYLAND_DISPLAY") != "":
		return "install wl-clipboard"
	default:
		return "it takes a desktop with xclip, xsel or wl-clipboard, tmux,\n  or a terminal known for OSC 52, such as kitty or foot"
	}
}

// Put puts a text on the clipboard.
func (c *Clipboard) Put(ctx context.Context, v secret.Value) error {
	if c.set == nil {
		return c.sequence(v.Reveal())
	}
	_, err := c.run(ctx, c.set, v.Reveal())
	return err
}

// Clear empties the clipboard, unless it holds something else by now.
func (c *Clipboard) Clear(ctx context.Context, v secret.Value) error {
	if c.get != nil {
		now, err := c.run(ctx, c.get, nil)
		if err != nil { // nothing is there to be read, or of another type
			return nil //nolint:nilerr // an empty clipboard is what is wanted
		}
		if subtle.ConstantTimeCompare(now, v.Reveal()) != 1 {
			return nil
		}
	}
	if c.set == nil {
		return c.sequence(nil)
	}
	for _, s := range c.clear {
		if _, err := c.run(ctx, s.argv, []byte(s.input)); err != nil {
			return err
		}
	}
	return nil
}

// sequence gives a text to the terminal's clipboard; nothing empties it.
func (c *Clipboard) sequence(b []byte) error {
	_, err := io.WriteString(c.desk.Terminal, "\x1b]52;c;"+base64.StdEncoding.EncodeToString(b)+"\a")
	if err != nil {
		return secret.Errorf(secret.Unavailable, "", "the terminal takes no clipboard")
	}
	return nil
}

// patience bounds each call of a program.
const patience = 5 * time.Second

// maxRead bounds what is read back: more is something else.
const maxRead = 16 << 20

func (c *Clipboard) run(ctx context.Context, argv []string, in []byte) ([]byte, error) {
	path, err := c.desk.Find(argv[0])
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, argv[1:]...) //nolint:gosec // one of the programs above
	cmd.Env, cmd.Stdin = c.desk.Env, bytes.NewReader(in)
	out := &bounded{}
	if in == nil {
		// Only where it is read: a program that stays behind to serve what it
		// was given would hold a pipe open.
		cmd.Stdout = out
	}
	if err := cmd.Run(); err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "%s does not take the value: %s", c.Name, err)
	}
	return out.b.Bytes(), nil
}

// bounded keeps the beginning of what is written.
type bounded struct{ b bytes.Buffer }

func (w *bounded) Write(p []byte) (int, error) {
	w.b.Write(p[:min(len(p), max(0, maxRead-w.b.Len()))])
	return len(p), nil
}
