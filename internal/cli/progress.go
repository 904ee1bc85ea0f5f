package cli

import (
	"fmt"
	"time"
)

// Progress is shown to a person who waits for longer than showAfter, and then
// no more often than showEvery; where lines stay, no more often than showLine.
const (
	showAfter = time.Second
	showEvery = 100 * time.Millisecond
	showLine  = 5 * time.Second
)

// A progress is the one line that tells how far long work has come. It is on
// stderr, only on a terminal, and gone when the work is done. A dumb terminal,
// such as a screen reader's, cannot go back: it gets a line now and then.
type progress struct {
	a     *app
	what  string
	total int // 0: not known
	n     int
	next  time.Time
	shown bool
}

func (a *app) progress(what string, total int) *progress {
	return &progress{a: a, what: what, total: total, next: time.Now().Add(showAfter)}
}

// step counts one thing done.
func (p *progress) step() {
	p.n++
	if p.a.flags.json || p.a.flags.quiet || !terminal(p.a.Err) || time.Now().Before(p.next) {
		return
	}
	text := fmt.Sprintf("%s %d", p.what, p.n)
	if p.total > 0 {
		text += fmt.Sprintf(" of %d", p.total)
	}
	if p.a.dumb() {
		p.next = time.Now().Add(showLine)
		_, _ = fmt.Fprintln(p.a.Err, text)
		return
	}
	p.next, p.shown = time.Now().Add(showEvery), true
	_, _ = fmt.Fprintf(p.a.Err, "\r%s", cut(text, max(20, width(p.a.Err)-1)))
}

// end takes the line away.
func (p *progress) end() {
	if p.shown {
		_, _ = fmt.Fprintf(p.a.Err, "\r%*s\r", max(20, width(p.a.Err)-1), "")
	}
}

// dumb reports whether the terminal shows what it gets, and nothing else.
func (a *app) dumb() bool { return a.sys.Var("TERM") == "dumb" }
