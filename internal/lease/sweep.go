package lease

import (
	"context"
	"sync"
)

// sweepers bounds how many leases are revoked at once.
const sweepers = 8

// A Swept is a lease that was left behind, and what came of revoking it.
type Swept struct {
	Note
	Lost bool  // its process was killed while the store made it: nobody knows its id
	Err  error // it could not be revoked, and is tried again
}

// Sweep revokes what dead processes left and what could not be revoked before.
// knows tells which environments can be asked now; nil knows all. What another
// store issued than the environment is now stays noted. Notes of
// leases that ended by themselves are dropped without a word, and what failed
// lately is left alone for a while.
func (b *Book) Sweep(ctx context.Context, knows func(env string) bool) ([]Swept, error) {
	all, err := b.All(ctx)
	if err != nil {
		return nil, err
	}
	var (
		out  []Swept
		mu   sync.Mutex
		wg   sync.WaitGroup
		room = make(chan struct{}, sweepers)
	)
	for _, n := range all {
		if n.Ended(b.now()) {
			if err := b.rows.Delete(ctx, n.ID); err != nil {
				return out, err
			}
			continue
		}
		if !b.left(n) || n.resting(b.now()) || knows != nil && !knows(n.Env) || b.moved(n) != nil {
			continue
		}
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			s := Swept{Note: n, Lost: n.Lease == "", Err: b.GiveBack(ctx, n, "a process that is gone")}
			mu.Lock()
			defer mu.Unlock()
			out = append(out, s)
		})
	}
	wg.Wait()
	return out, nil
}

// left reports whether a lease is to be revoked by whoever finds its note.
func (b *Book) left(n Note) bool { return n.Due || n.Owner != "" && !b.self.lives(n.Owner) }
