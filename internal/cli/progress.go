package cli

import (
	"fmt"
	"sync"
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
//
// It is shown after a while even if nothing was done yet: a store that answers
// slowly is waited for then.
type progress struct {
	a     *app
	what  string
	total int // 0: not known

	mu    sync.Mutex
	n     int
	next  time.Time
	first *time.Timer // nil: it is never shown
	shown bool
	ended bool
}

func (a *app) progress(what string, total int) *progress {
	p := &progress{a: a, what: what, total: total, next: time.Now().Add(showAfter)}
	if !a.flags.json && !a.flags.quiet && terminal(a.Err) {
		p.first = time.AfterFunc(showAfter, func() { p.add(0) })
	}
	return p
}

// step counts one thing done.
func (p *progress) step() { p.add(1) }

func (p *progress) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n += n
	p.ended = p.ended && n == 0
	if p.first == nil || p.ended || time.Now().Before(p.next) {
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

// end takes the line away; a further step brings it back.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == nil {
		return
	}
	p.first.Stop()
	p.ended = true // it may be on its way already
	if p.shown {
		p.shown = false
		_, _ = fmt.Fprintf(p.a.Err, "\r%*s\r", max(20, width(p.a.Err)-1), "")
	}
}

// dumb reports whether the terminal shows what it gets, and nothing else.
func (a *app) dumb() bool { return a.sys.Var("TERM") == "dumb" }
