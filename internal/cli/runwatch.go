package cli

import (
	"bytes"
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/match"
	"github.com/tacit-secrets/tacit/secret"
)

// A watched is a command that gets new values when its secrets change: by being
// started again, or in its files and by a signal.
type watched struct {
	*app
	opened *config.Opened
	from   config.Getter // its Broker, and what lends
	lent   *lending
	giving *giving
	argv   []string
	plan   childPlan
	signal os.Signal // nil: it is started again

	changed  chan struct{}
	past     []match.Pattern // values of before, which may still come
	replaced map[string]int
	pause    backoff
}

// onChange reads --on-change: restart, or a signal.
func onChange(s string) (os.Signal, error) {
	if s == "restart" {
		return nil, nil //nolint:nilnil // no signal is what nil means
	}
	if name, ok := strings.CutPrefix(s, "signal:"); ok {
		return child.NoticeSignal(name)
	}
	return nil, secret.Errorf(secret.Invalid, "", "--on-change is restart or signal:HUP, signal:USR1, signal:USR2")
}

// runWatched runs the command until it ends by itself or somebody ends it.
func (w *watched) runWatched(ctx context.Context) (child.Result, error) {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	w.changed, w.replaced = w.lent.again, map[string]int{}
	wg.Go(func() {
		for range w.changes(ctx, w.opened, w.giving.refs()) {
			select {
			case w.changed <- struct{}{}:
			default:
			}
		}
	})
	if w.signal != nil && !slices.ContainsFunc(w.plan.got, func(g config.Resolved) bool { return g.File }) {
		w.warn("no secret is given as a file: %s is told of changes, and its variables stay as they are", w.argv[0])
	}
	r, err := w.live(ctx)
	r.Replaced = w.replaced
	w.app.replaced(r.Replaced, w.plan.agent)
	return r, err
}

// live starts the command, again and again.
func (w *watched) live(ctx context.Context) (child.Result, error) {
	for again := false; ; {
		begun := time.Now()
		r, restart, err := w.once(ctx)
		ran := time.Since(begun)
		switch {
		case ctx.Err() != nil || err != nil || !r.Started:
			return r, err
		case restart && !ended(r):
			again = true
			w.lent.dropPast() // nobody uses them any more
		case again && r.Code != 0 && !ended(r) && ran < runsFor:
			// It worked before the change: the new value may not be everywhere yet.
			pause := w.pause.after(ran)
			w.warn("%s ended with exit code %d right after it was started again\n  it is started again in %s; ctrl-C ends this", w.argv[0], r.Code, pause)
			if !w.waits(ctx, pause) {
				return r, nil
			}
		default:
			return r, nil
		}
	}
}

// ended reports whether somebody ended the command, rather than tacit or a
// fault of its own: no reason to start it again. tacit itself ends with SIGTERM.
func ended(r child.Result) bool {
	return r.Signal == "SIGINT" || r.Signal == "SIGQUIT" || r.Signal == "SIGHUP" || r.Code == 130
}

// waits for a pause, or the next change; false if ctx is done first.
func (w *watched) waits(ctx context.Context, pause time.Duration) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
			return true
		case <-w.changed:
			if w.fresh(ctx) {
				return true
			}
		}
	}
}

// once runs the command to its end. restart tells that it was ended for new
// values.
func (w *watched) once(ctx context.Context) (r child.Result, restart bool, err error) {
	cfg, files, err := w.prepare(w.argv, w.plan)
	if err != nil {
		return r, false, err
	}
	if files != nil {
		defer func() { _ = files.Close() }()
	}
	changes := make(chan child.Change)
	cfg.Changes = changes
	if cfg.Redact, err = w.lookFor(cfg.Redact); err != nil {
		return r, false, err
	}
	// Signals reach the child through Run; tacit ends it only for new values.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	over := make(chan error, 1)
	go func() {
		var err error
		r, err = child.Run(life, cfg)
		over <- err
	}()
	for {
		select {
		case err = <-over:
			w.count(r.Replaced)
			return r, restart, err
		case <-w.changed:
			if restart || !w.fresh(ctx) {
				continue
			}
			if w.signal == nil {
				restart = true
				end()
				continue
			}
			if c, ok := w.notice(files); ok {
				select {
				case changes <- c:
				case err := <-over:
					over <- err
				}
			}
		}
	}
}

// fresh reads the values again, and reports whether any is new. If they cannot
// be had, the command goes on with those it has: who may not read them any more
// is not given them, and what was given cannot be taken back.
func (w *watched) fresh(ctx context.Context) bool {
	got, err := w.giving.resolve(ctx, w.from, "")
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		w.warn("%s\n  %s goes on with the values it has", err, w.argv[0])
		return false
	}
	if slices.EqualFunc(got, w.plan.got, sameGiven) {
		return false
	}
	w.remember()
	w.plan.got = got
	return true
}

func sameGiven(a, b config.Resolved) bool {
	return a.Var == b.Var && a.File == b.File && bytes.Equal(a.Value.Reveal(), b.Value.Reveal())
}

// maxPast bounds how many values of before are looked for; the oldest are
// forgotten first.
const maxPast = 512

// remember keeps the values that are about to be replaced.
func (w *watched) remember() {
	for _, p := range patterns(w.plan.got) {
		known := slices.ContainsFunc(w.past, func(q match.Pattern) bool { return bytes.Equal(p.Value.Reveal(), q.Value.Reveal()) })
		if !known {
			w.past = append(w.past, p)
		}
	}
	w.past = w.past[max(0, len(w.past)-maxPast):]
}

// lookFor looks for the values that are given and, as far as there is room,
// those of before. now is a Matcher for the first; nil if nothing is to be
// looked for.
func (w *watched) lookFor(now *match.Matcher) (*match.Matcher, error) {
	if !w.plan.redact || len(w.past) == 0 {
		return now, nil
	}
	for {
		m, err := match.New(append(patterns(w.plan.got), w.past...))
		if err == nil || len(w.past) == 0 {
			return m, err
		}
		w.past = w.past[(len(w.past)+1)/2:]
	}
}

// notice puts the new values into the files of a running command.
func (w *watched) notice(files *child.Files) (child.Change, bool) {
	m, err := w.lookFor(nil)
	if err == nil && files != nil {
		for _, g := range w.plan.got {
			if g.File {
				err = firstOf(err, files.Replace(g.Var, g.Value))
			}
		}
	}
	if err != nil {
		w.warn("%s\n  %s goes on with the values it has", err, w.argv[0])
		return child.Change{}, false
	}
	return child.Change{Redact: m, Signal: w.signal}, true
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *watched) count(replaced map[string]int) {
	for label, n := range maps.All(replaced) {
		w.replaced[label] += n
	}
}

// How long a command that ended right after its start is left alone, and how
// long one has to run to be taken for one that works.
const (
	pauseFirst, pauseMost = time.Second, time.Minute
	runsFor               = 10 * time.Second
)

// A backoff is the next pause. The zero one is the first.
type backoff struct{ next time.Duration }

// after returns the pause for a command that ran so long: the first one if that
// was long enough, twice the last one otherwise.
func (b *backoff) after(ran time.Duration) time.Duration {
	if ran >= runsFor || b.next == 0 {
		b.next = pauseFirst
	}
	pause := b.next
	b.next = min(2*b.next, pauseMost)
	return pause
}
