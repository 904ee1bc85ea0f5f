package broker

import (
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

// maxPrincipals bounds how many principals are counted at once.
const maxPrincipals = 10_000

type denials struct {
	mu  sync.Mutex
	who map[secret.Principal]*denial
}

type denial struct {
	second  time.Time
	seen    int
	omitted int
	last    audit.Record
}

// admit reports whether a denial gets a record of its own. It adds to r how
// many were left out before it.
func (d *denials) admit(now time.Time, r audit.Record) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.who == nil || len(d.who) >= maxPrincipals {
		d.who = map[secret.Principal]*denial{}
	}
	x := d.who[r.Principal]
	second := now.Truncate(time.Second)
	if x == nil {
		x = &denial{}
		d.who[r.Principal] = x
	}
	if !x.second.Equal(second) {
		x.second, x.seen = second, 0
	}
	x.seen++
	if x.seen > denialsPerSecond {
		x.omitted++
		x.last = r
		return false
	}
	return true
}

// drain returns a record for each principal whose denials were left out.
func (d *denials) drain() []audit.Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []audit.Record
	for _, x := range d.who {
		if x.omitted > 0 {
			r := x.last
			r.Reason = fmt.Sprintf("%d more denials, this one the last: %s", x.omitted, r.Reason)
			x.omitted = 0
			out = append(out, r)
		}
	}
	return out
}
