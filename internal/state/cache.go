package state

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
)

// A position orders what is committed: the later one is newer.
type position struct{ epoch, generation uint64 }

func (p position) before(q position) bool {
	return p.epoch < q.epoch || p.epoch == q.epoch && p.generation < q.generation
}

// An entry is a row as it was read or is to be written. It is never changed
// after others can see it.
type entry struct {
	payload []byte
	absent  bool
	hash    [sha256.Size]byte // of the sealed bytes, for the set-MAC
	decoded atomic.Pointer[any]
}

// What an entry takes in memory, about, in bytes: key, struct and map; and for
// a row that is decoded once it is read, what becomes of it, which has slices,
// maps and times of its own.
const (
	entryOverhead   = 256
	decodedOverhead = 1024
)

func (e *entry) size(k Key) int {
	n := entryOverhead + len(k.Parent) + len(k.Name) + len(e.payload)
	if k.Kind != kindValue {
		n += decodedOverhead
	}
	return n
}

// A cache holds rows as they are at one position. It never mixes positions:
// who asks for another one finds nothing.
type cache struct {
	limit int // bytes

	mu   sync.RWMutex
	at   position
	rows map[Key]*entry
	size int

	// commit is held from before a commit of this process until its rows are
	// in the cache, so that a reader that sees it first does not drop all.
	commit sync.Mutex
}

func newCache(limit int) *cache { return &cache{limit: limit, rows: map[Key]*entry{}} }

// get returns a row as it is at a position. ok is false if it is not known.
func (c *cache) get(at position, k Key) (e *entry, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.at != at {
		return nil, false
	}
	e, ok = c.rows[k]
	return e, ok
}

// put keeps a row as it is at a position.
func (c *cache) put(at position, k Key, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == at {
		c.set(k, e)
	}
}

func (c *cache) set(k Key, e *entry) {
	if old := c.rows[k]; old != nil {
		c.size -= old.size(k)
		delete(c.rows, k)
	}
	n := e.size(k)
	if n > c.limit/8 {
		return
	}
	c.rows[k] = e
	c.size += n
	for victim, e := range c.rows { // in no order
		if c.size <= c.limit {
			return
		}
		c.size -= e.size(victim)
		delete(c.rows, victim)
	}
}

// advance forgets all if somebody else's commit was seen.
func (c *cache) advance(to position) {
	c.mu.RLock()
	behind := c.at.before(to)
	c.mu.RUnlock()
	if !behind {
		return
	}
	c.commit.Lock()
	defer c.commit.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.before(to) {
		c.at, c.size = to, 0
		clear(c.rows)
	}
}

// apply moves from one position to the next by the changes of a commit. The
// caller holds commit.
func (c *cache) apply(from, to position, changes map[Key]*entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at != from {
		c.size = 0
		clear(c.rows)
	}
	c.at = to
	for k, e := range changes {
		c.set(k, e)
	}
}

// drop forgets all rows.
func (c *cache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size = 0
	clear(c.rows)
}
