package backendtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest/fault"
	"github.com/tacit-secrets/tacit/secret"
)

// tryCases are about what is worth another try, and when it is enough.
func tryCases() []endpointCase {
	heeds := func(e *endpoint) bool { return !e.ec.NoRetryAfter }
	return []endpointCase{
		{name: "wire: throttled for a moment is served", ask: throttled},
		{name: "wire: throttled for long is unavailable", ask: throttledForLong},
		{name: "wire: retry-after is heeded", needs: heeds, ask: retryAfter},
		{name: "wire: server error for a moment is served", ask: serverError},
		{name: "wire: reset read is tried again", ask: resetRead},
		{name: "wire: write without an answer makes one version, or an error", ask: lostWrite},
		{name: "wire: slow answer is unavailable when the context is done", ask: slow},
		{name: "wire: done context ends the tries", ask: doneBetweenTries},
		{name: "wire: faults now and then lose nothing", ask: nowAndThen},
	}
}

func throttled(e *endpoint) {
	e.put("app/db", "one")
	for _, a := range []fault.Answer{e.ec.Throttled, e.ec.Error(429, "").With("Retry-After", "0")} {
		e.breaks(2, fault.Give(a))
		e.reads("app/db", secret.At{}, "one")
		if n := len(e.p.Broken()); n != 2 {
			e.Errorf("%d of 2 answers were met", n)
		}
		before := e.count("app/db")
		e.loses(1, fault.Give(a))
		e.put("app/db", "one")
		e.mends()
		if n := e.count("app/db"); is[secret.Versioner](e.T) && n != before+1 {
			e.Errorf("one put made %d versions", n-before)
		}
	}
}

func throttledForLong(e *endpoint) {
	e.put("app/db", "one")
	e.breaks(0, fault.Give(e.ec.Throttled))
	words := []string{"throttl", "too many", "rate", "limit", "slow down"}
	e.says(e.get("app/db"), secret.Unavailable, words...)
	if n := len(e.p.Broken()); n < 2 || n > e.ec.MaxTries {
		e.Errorf("it is asked %d times", n)
	}
	e.says(e.write("app/db", "two"), secret.Unavailable, words...)
	e.mends()
	e.reads("app/db", secret.At{}, "one")
}

func retryAfter(e *endpoint) {
	e.put("app/db", "one")
	e.breaks(1, fault.Give(e.ec.Error(429, "").With("Retry-After", "1")))
	e.reads("app/db", secret.At{}, "one")
	seen := e.p.Seen()
	for i, r := range seen {
		if r.Broken && (i == len(seen)-1 || seen[i+1].At.Sub(r.At) < 900*time.Millisecond) {
			e.Errorf("it is asked again at once, though told to wait a second")
		}
	}
}

func serverError(e *endpoint) {
	e.put("app/db", "one")
	for _, status := range []int{500, 502, 503, 504} {
		e.breaks(1, fault.Give(e.ec.Error(status, "something")))
		e.reads("app/db", secret.At{}, "one")
		if n := len(e.p.Broken()); n != 1 {
			e.Errorf("%d: %d answers were met", status, n)
		}
	}
}

func resetRead(e *endpoint) {
	e.put("app/db", "one")
	for what, f := range map[string]fault.Fault{"before the answer": fault.Reset, "after the request": fault.ResetAfter, "in the body": fault.ResetMidBody} {
		e.breaks(1, f)
		if err := e.get("app/db"); err != nil {
			e.Errorf("reset %s: %v", what, err)
		}
		if n := len(e.p.Broken()); n != 1 {
			e.Errorf("reset %s: %d were met", what, n)
		}
		e.breaks(0, f)
		e.says(e.get("app/db"), secret.Unavailable)
	}
}

// lostWrite: the store may have made a version that nobody heard of. It is
// found, or it is said that it may be there; never is there a second one.
func lostWrite(e *endpoint) {
	i := 0
	for what, f := range map[string]fault.Fault{"before the answer": fault.Reset, "after the request": fault.ResetAfter, "in the body": fault.ResetMidBody} {
		for _, times := range []int{1, 0} {
			i++
			for _, n := range []secret.Name{secret.Name(fmt.Sprintf("new/%d", i)), secret.Name(fmt.Sprintf("old/%d", i))} {
				before := 0
				if n[0] == 'o' {
					e.p.Set()
					e.put(n, "old")
					before = 1
				}
				e.loses(times, f)
				err := e.write(n, "new")
				e.mends()
				e.onceOrError(fmt.Sprintf("%s, reset %s, %d times", n, what, times), n, before, err)
			}
		}
	}
}

func (e *endpoint) onceOrError(what string, n secret.Name, before int, err error) {
	e.Helper()
	made := e.count(n) - before
	if !is[secret.Versioner](e.T) {
		made = 0
		if v, err := e.b.Get(e.Context(), n, secret.At{}); err == nil && v.Value.Equal(text("new")) {
			made = 1
		}
	}
	switch {
	case err == nil && made != 1:
		e.Errorf("%s: no error, and %d versions", what, made)
	case err != nil && (made < 0 || made > 1):
		e.Errorf("%s: %v, and %d versions", what, err, made)
	case err != nil:
		e.says(err, secret.Unavailable)
	}
}

func slow(e *endpoint) {
	e.put("app/db", "one")
	for what, call := range map[string]func(ctx context.Context) error{
		"get": func(ctx context.Context) error { return errOf(e.b.Get(ctx, "app/db", secret.At{})) },
		"put": func(ctx context.Context) error { return errOf(e.b.Put(ctx, "app/db", text("two"), nil)) },
		"list": func(ctx context.Context) (last error) {
			for _, err := range e.b.List(ctx, nil) {
				last = err
			}
			return last
		},
	} {
		e.breaks(0, fault.Hang)
		ctx, cancel := context.WithTimeout(e.Context(), 200*time.Millisecond)
		err := call(ctx)
		cancel()
		e.fails(err, secret.Unavailable, 0)
		if !errors.Is(err, context.DeadlineExceeded) {
			e.Errorf("%s: %v does not wrap the context's error", what, err)
		}
	}
	e.mends()
	e.reads("app/db", secret.At{}, "one")
}

func doneBetweenTries(e *endpoint) {
	e.put("app/db", "one")
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	e.breaks(0, func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		fault.Give(e.ec.Error(429, "").With("Retry-After", "30"))(w, r, pass)
		cancel()
	})
	_, err := e.b.Get(ctx, "app/db", secret.At{})
	e.fails(err, secret.Unavailable, 0)
	if !errors.Is(err, context.Canceled) {
		e.Errorf("%v does not wrap the context's error", err)
	}
	if n := len(e.p.Broken()); n != 1 {
		e.Errorf("it is asked %d times", n)
	}
}

// nowAndThen breaks each third request in a way of its own, while several
// write.
func nowAndThen(e *endpoint) {
	const writers, each = 4, 6
	var mu sync.Mutex
	i := 0
	ways := []fault.Fault{fault.Give(e.ec.Throttled), fault.ResetAfter, fault.Give(e.ec.Error(503, "")), fault.ResetMidBody, fault.Reset}
	e.breaks(0, func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		mu.Lock()
		i++
		way := i
		mu.Unlock()
		if way%3 != 0 {
			pass.ServeHTTP(w, r)
			return
		}
		ways[way/3%len(ways)](w, r, pass)
	})
	var wg sync.WaitGroup
	done := make([]int, writers)
	unsure := make([]int, writers)
	for w := range writers {
		wg.Go(func() {
			n := secret.Name(fmt.Sprintf("w/%d", w))
			for range each {
				switch err := e.write(n, "x"); {
				case err == nil:
					done[w]++
				case secret.KindOf(err) == secret.Unavailable:
					unsure[w]++
				default:
					e.Errorf("%s: %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	e.mends()
	for w := range writers {
		n := secret.Name(fmt.Sprintf("w/%d", w))
		if made := e.count(n); is[secret.Versioner](e.T) && (made < done[w] || made > done[w]+unsure[w]) {
			e.Errorf("%s: %d puts done and %d unsure made %d versions", n, done[w], unsure[w], made)
		}
		if done[w] > 0 {
			e.reads(n, secret.At{}, "x")
		}
	}
}
