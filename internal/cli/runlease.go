package cli

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/lease"
	"github.com/tacit-secrets/tacit/secret"
)

// A lending is the Broker, and has credentials made for one run: each lease is
// issued once, however many variables are made of it, renewed while the command
// lives, and revoked after it.
type lending struct {
	*app
	giver
	book  *lease.Book
	why   string        // it is revoked for: "the end of run make"
	watch bool          // the command is started again for new values
	again chan struct{} // says that there may be new ones

	ctx    context.Context // of the renewals: they begin with a lease, and end with the run
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	held   map[secret.Ref]lease.Issued // by what they were issued for
	past   []lease.Note                // replaced, and not revoked yet
}

func (a *app) lend(o *config.Opened, watch bool, purpose string) *lending {
	l := &lending{
		app: a, giver: giver{a, o.Broker, true}, book: o.Leases(), why: "the end of " + purpose, watch: watch, again: make(chan struct{}, 1),
		held: map[secret.Ref]lease.Issued{},
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// any reports whether a lease is held.
func (l *lending) any() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held) > 0
}

// Lend implements config.Lender.
func (l *lending) Lend(ctx context.Context, c secret.Caller, refs []secret.Ref) []secret.Result {
	out := make([]secret.Result, len(refs))
	for i, r := range refs {
		var v secret.Value
		if v, out[i].Err = l.lendOne(ctx, c, secret.Ref{Env: r.Env, Name: r.Name}); out[i].Err == nil {
			out[i].Version.Value, out[i].Err = broker.Field(v, r)
		}
	}
	return out
}

func (l *lending) lendOne(ctx context.Context, c secret.Caller, r secret.Ref) (secret.Value, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if held, ok := l.held[r]; ok {
		return held.Value, nil
	}
	made, err := l.book.Issue(ctx, c, r, 0, true)
	if err != nil {
		return secret.Value{}, err
	}
	l.held[r] = made
	l.wg.Go(func() { l.book.Keep(l.ctx, c, []lease.Note{made.Note}, l.told) })
	return made.Value, nil
}

// told hears of a lease that is not renewed any more: it is replaced where the
// command is started again for new values, and else a person is told.
func (l *lending) told(e lease.End) {
	if l.watch {
		l.replace(e)
		return
	}
	l.warn("%s ends at %s, and is not renewed: %s\n  start the command again before that, or leave it to tacit:  tacit run --watch", e.Ref(), e.Expires.Local().Format(time.TimeOnly), endReason(e))
}

func endReason(e lease.End) string {
	switch {
	case errors.Is(e.Err, secret.NotFound):
		return "its store has ended it already"
	case e.Err != nil:
		return firstLine(e.Err)
	default:
		return "its store lets it last no longer"
	}
}

// How long a lease that could not be replaced is left alone.
const replaceFirst, replaceMost = 15 * time.Second, 5 * time.Minute

// replace asks for another lease until there is one. The old one is good for
// the command that has it, until that was started again or ended.
func (l *lending) replace(e lease.End) {
	l.mu.Lock()
	delete(l.held, e.Ref())
	l.past = append(l.past, e.Note)
	l.mu.Unlock()
	for wait := replaceFirst; ; wait = min(2*wait, replaceMost) {
		select {
		case l.again <- struct{}{}:
		default:
		}
		select {
		case <-l.ctx.Done():
			return
		case <-time.After(wait):
		}
		l.mu.Lock()
		_, done := l.held[e.Ref()]
		l.mu.Unlock()
		if done {
			return
		}
	}
}

// dropPast revokes what was replaced.
func (l *lending) dropPast() {
	l.mu.Lock()
	past := l.past
	l.past = nil
	l.mu.Unlock()
	l.revoke(past)
}

// giveBack ends it all.
func (l *lending) giveBack() {
	l.cancel()
	l.wg.Wait()
	for _, i := range l.held {
		l.past = append(l.past, i.Note)
	}
	l.held = nil
	l.dropPast()
}

// revokeWait bounds how long a run waits at its end for a store that does not
// answer.
const revokeWait = 10 * time.Second

// revoke revokes leases at once. What cannot be revoked stays noted.
func (l *lending) revoke(all []lease.Note) {
	all = slices.DeleteFunc(all, func(n lease.Note) bool { return n.Lease == "" })
	ctx, cancel := context.WithTimeout(context.Background(), revokeWait)
	defer cancel()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, n := range all {
		wg.Go(func() { errs[i] = l.book.GiveBack(ctx, n, l.why) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			l.warn("the lease of %s could not be revoked: %s\n  it is noted, and tried again when tacit starts next", all[i].Ref(), firstLine(err))
		}
	}
}
