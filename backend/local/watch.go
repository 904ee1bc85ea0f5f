package local

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

const (
	// watchEvery is how long a change by another process may stay unseen. One
	// look costs microseconds.
	watchEvery = 200 * time.Millisecond
	// maxPending is how many names wait for a slow reader; beyond them it is
	// told that anything may have changed.
	maxPending = 1024
)

// A hub tells watchers what this process changed, and, by looking at the
// store's generation, that others changed something. What others changed
// cannot be told without comparing everything: it is the empty name.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
	own      map[uint64]struct{} // generations of this process since the last look
	seen     uint64              // the generation at the last look
}

type watcher struct {
	prefix string
	wake   chan struct{} // of capacity 1
	all    bool
	names  map[secret.Name]struct{}
}

// add begins a watch, which starts with the empty name.
func (h *hub) add(prefix string, at uint64) *watcher {
	w := &watcher{prefix: prefix, wake: make(chan struct{}, 1), all: true}
	w.wake <- struct{}{}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watchers) == 0 {
		h.watchers, h.own, h.seen = map[*watcher]struct{}{}, map[uint64]struct{}{}, at
	}
	h.watchers[w] = struct{}{}
	return w
}

func (h *hub) remove(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, w)
}

// begin notes the generation that a change of this process will have, before
// anybody can see it.
func (h *hub) begin(generation uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watchers) > 0 {
		h.own[generation] = struct{}{}
	}
}

// end tells of a change that was begun: its names or, if it failed, that
// anything may have changed, since another process may have had its generation.
func (h *hub) end(names []secret.Name, err error) {
	if err != nil {
		names = []secret.Name{""}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		for _, n := range names {
			w.tell(n)
		}
	}
}

// look compares the store's generation with the last one: every generation in
// between that is not this process's own is somebody else's change.
func (h *hub) look(at uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at == h.seen {
		return
	}
	foreign := at < h.seen || at-h.seen != h.ownWithin(at)
	h.seen = at
	if !foreign {
		return
	}
	for w := range h.watchers {
		w.tell("")
	}
}

// ownWithin counts and forgets this process's own generations since the last
// look.
func (h *hub) ownWithin(last uint64) (n uint64) {
	for g := range h.own {
		if g > last {
			continue
		}
		if g > h.seen {
			n++
		}
		delete(h.own, g)
	}
	return n
}

// tell notes a name, the empty one for anything. The caller holds the hub.
func (w *watcher) tell(name secret.Name) {
	switch {
	case name != "" && !strings.HasPrefix(string(name), w.prefix), w.all:
		return
	case name == "" || len(w.names) == maxPending:
		w.all, w.names = true, nil
	default:
		if w.names == nil {
			w.names = map[secret.Name]struct{}{}
		}
		w.names[name] = struct{}{}
	}
	select {
	case w.wake <- struct{}{}:
	default: // it is awake already
	}
}

// take returns what waits, sorted; the empty name alone for anything.
func (h *hub) take(w *watcher) []secret.Name {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.all {
		w.all = false
		return []secret.Name{""}
	}
	out := make([]secret.Name, 0, len(w.names))
	for n := range w.names {
		out = append(out, n)
	}
	w.names = nil
	slices.Sort(out)
	return out
}

// Watch tells of this process's changes at once and of other processes' within
// a quarter of a second: those as the empty name, since a store does not say
// what another process changed. It ends without an error when ctx is done, and
// with one when the store cannot be read.
func (s *Store) Watch(ctx context.Context, prefix string) iter.Seq2[secret.Name, error] {
	return func(yield func(secret.Name, error) bool) {
		at, err := s.generation(ctx)
		if err != nil {
			yield("", err)
			return
		}
		w := s.hub.add(prefix, at)
		defer s.hub.remove(w)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if at, err = s.generation(ctx); err == nil {
					s.hub.look(at)
				} else if ctx.Err() == nil {
					yield("", err)
					return
				}
			case <-w.wake:
				for _, n := range s.hub.take(w) {
					if !yield(n, nil) {
						return
					}
				}
			}
		}
	}
}
