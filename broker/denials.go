package broker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/secret"
)

// denialsPerSecond is how many denials of one principal are recorded one by
// one; the rest of that second is one record with their number, so that nobody
// can fill the log.
const denialsPerSecond = 10

// maxPrincipals bounds how many principals are counted one by one.
const maxPrincipals = 10_000

// denials counts what is refused. The zero one, with keep set, is ready.
type denials struct {
	keep  func(ctx context.Context, rs ...audit.Record) error
	mu    sync.Mutex
	who   map[secret.Principal]*denial
	timer *time.Timer // runs while something is only counted
	done  bool
}

type denial struct {
	second  time.Time
	seen    int
	omitted int
	last    audit.Record
}

// admit returns what is to be recorded of a denial: itself, with the number of
// those that were left out in a second before it, or nothing.
func (d *denials) admit(now time.Time, r audit.Record) []audit.Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.of(r.Principal, now)
	var out []audit.Record
	if second := now.Truncate(time.Second); !x.second.Equal(second) {
		out = x.drain()
		x.second, x.seen = second, 0
	}
	if x.seen++; x.seen <= denialsPerSecond {
		return append(out, r)
	}
	x.omitted++
	x.last = r
	if d.timer == nil && !d.done {
		d.timer = time.AfterFunc(time.Second, d.tick)
	}
	return out
}

// of returns the count of a principal. Where there are too many, those that
// come last share one.
func (d *denials) of(p secret.Principal, now time.Time) *denial {
	if d.who == nil {
		d.who = map[secret.Principal]*denial{}
	}
	if x := d.who[p]; x != nil {
		return x
	}
	if len(d.who) >= maxPrincipals {
		for p, x := range d.who {
			if x.omitted == 0 && now.Sub(x.second) >= time.Second {
				delete(d.who, p)
			}
		}
	}
	if len(d.who) >= maxPrincipals {
		p = ""
	}
	if d.who[p] == nil {
		d.who[p] = &denial{}
	}
	return d.who[p]
}

// drain returns a record of what was left out; nothing if nothing was.
func (x *denial) drain() []audit.Record {
	if x.omitted == 0 {
		return nil
	}
	r := x.last
	r.Reason = fmt.Sprintf("%d more denials in this second, this one the last: %s", x.omitted, r.Reason)
	x.omitted = 0
	return []audit.Record{r}
}

// tick records what was only counted, once its second is over.
func (d *denials) tick() {
	ctx, cancel := context.WithTimeout(context.Background(), DefaultTimeout)
	defer cancel()
	// Where the log fails, nobody is answered either.
	_ = d.flush(ctx)
}

// close records what was only counted, and stops counting.
func (d *denials) close(ctx context.Context) error {
	d.mu.Lock()
	d.done = true
	if d.timer != nil {
		d.timer.Stop()
	}
	d.mu.Unlock()
	return d.flush(ctx)
}

func (d *denials) flush(ctx context.Context) error {
	d.mu.Lock()
	d.timer = nil
	var rs []audit.Record
	for _, x := range d.who {
		rs = append(rs, x.drain()...)
	}
	d.mu.Unlock()
	return d.keep(ctx, rs...)
}
