package mem

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tacit-secrets/tacit/secret"
)

// watchers collects changed names for those who watch: each name once,
// however often it changed, so that a slow one costs no more than the names.
type watchers struct {
	mu  sync.Mutex
	all map[*watcher]bool
}

type watcher struct {
	changed map[secret.Name]bool
	wake    chan struct{}
}

func (w *watchers) tell(n secret.Name) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for x := range w.all {
		x.changed[n] = true
		select {
		case x.wake <- struct{}{}:
		default:
		}
	}
}

func (w *watchers) join() *watcher {
	x := &watcher{changed: map[secret.Name]bool{}, wake: make(chan struct{}, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*watcher]bool{}
	}
	w.all[x] = true
	return x
}

func (w *watchers) leave(x *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, x)
}

func (w *watchers) take(x *watcher) []secret.Name {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := slices.Sorted(maps.Keys(x.changed))
	clear(x.changed)
	return names
}

// Watch yields the names that changed, the empty one first.
func (s *Store) Watch(ctx context.Context, prefix string) iter.Seq2[secret.Name, error] {
	return func(yield func(secret.Name, error) bool) {
		if err := interrupted(ctx, ""); err != nil {
			yield("", err)
			return
		}
		x := s.watch.join()
		defer s.watch.leave(x)
		if !yield("", nil) {
			return
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-x.wake:
			}
			for _, n := range s.watch.take(x) {
				if strings.HasPrefix(string(n), prefix) && !yield(n, nil) {
					return
				}
			}
		}
	}
}
