package match

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

// An engine finds where patterns of at least keyLen bytes begin. It is the
// algorithm of Wu and Manber: it looks at the block of four bytes that would
// end a pattern's first eight, and skips as far as no pattern has that block.
type engine struct {
	labels []string
	pats   []pattern // sorted by their bytes, no two equal
	bytes  int       // of all patterns

	skip  []uint8 // by the hash of a block: how far nothing can begin
	shift uint    // of the hash

	keys  []uint64 // the first eight bytes of the patterns, ascending
	first []int32  // by key: its first pattern; one more at the end
	slots []int32  // open hash table: one more than the place in keys
}

// A pattern is one form of a value.
type pattern struct {
	text  []byte
	label int32
}

const (
	keyLen   = 8
	blockLen = 4
	maxSkip  = keyLen - blockLen + 1
)

func newEngine() *engine { return &engine{} }

// add adds the forms of one value.
func (e *engine) add(label string, forms [][]byte) {
	n := slices.Index(e.labels, label)
	if n < 0 {
		n = len(e.labels)
		e.labels = append(e.labels, label)
	}
	for _, f := range forms {
		e.pats = append(e.pats, pattern{f, int32(n)}) //nolint:gosec // at most MaxPatterns
		e.bytes += len(f)
	}
}

// build makes the tables. Nothing can be added afterwards.
func (e *engine) build() {
	slices.SortStableFunc(e.pats, func(a, b pattern) int { return bytes.Compare(a.text, b.text) })
	e.pats = slices.CompactFunc(e.pats, func(a, b pattern) bool { return bytes.Equal(a.text, b.text) })
	for i, p := range e.pats {
		k := binary.BigEndian.Uint64(p.text)
		if len(e.keys) == 0 || e.keys[len(e.keys)-1] != k {
			e.keys = append(e.keys, k)
			e.first = append(e.first, int32(i))
		}
	}
	e.first = append(e.first, int32(len(e.pats))) //nolint:gosec // as above
	e.buildSkip()
	e.buildSlots()
}

func (e *engine) buildSkip() {
	// Eight entries for each block keep most of them at the full skip; beyond
	// 2¹⁸ they would fall out of the processor's caches.
	size := min(max(bits.Len(uint(len(e.keys)*maxSkip*8)), 12), 18)
	e.skip = bytes.Repeat([]byte{maxSkip}, 1<<size)
	e.shift = uint(32 - size)
	var b [keyLen]byte
	for _, k := range e.keys {
		binary.BigEndian.PutUint64(b[:], k)
		for i := range maxSkip {
			h := e.hash(binary.LittleEndian.Uint32(b[i:]))
			e.skip[h] = min(e.skip[h], uint8(keyLen-blockLen-i)) //nolint:gosec // at most 4
		}
	}
}

func (e *engine) hash(block uint32) uint32 { return block * 0x9e3779b1 >> e.shift }

func (e *engine) buildSlots() {
	e.slots = make([]int32, 1<<bits.Len(uint(2*len(e.keys))))
	for i, k := range e.keys {
		s := e.slot(k)
		for e.slots[s] != 0 {
			s = (s + 1) % len(e.slots)
		}
		e.slots[s] = int32(i + 1)
	}
}

func (e *engine) slot(key uint64) int {
	return int(key * 0x9e3779b97f4a7c15 >> 32 % uint64(len(e.slots))) //nolint:gosec // less than the length
}

// next returns the first place from p on where the first eight bytes of a
// pattern stand, and the place of that key; or the place from which fewer than
// eight bytes are left, and -1.
func (e *engine) next(text []byte, p int) (at, key int) {
	skip, shift := e.skip, e.shift
	for p+keyLen <= len(text) {
		h := binary.LittleEndian.Uint32(text[p+keyLen-blockLen:]) * 0x9e3779b1 >> shift
		switch s := skip[h]; s {
		case 0:
		case maxSkip:
			// A constant: the processor goes on with the next block before it
			// knows what the table says about this one.
			p += maxSkip
			continue
		default:
			p += int(s)
			continue
		}
		if key := e.key(binary.BigEndian.Uint64(text[p:])); key >= 0 {
			return p, key
		}
		p++
	}
	return min(p, len(text)), -1
}

// key returns the place of a key, or -1.
func (e *engine) key(k uint64) int {
	for s := e.slot(k); ; s = (s + 1) % len(e.slots) {
		i := int(e.slots[s]) - 1
		if i < 0 || e.keys[i] == k {
			return i
		}
	}
}

// begins reports whether a pattern begins with rest, which is shorter than a
// key and not empty.
func (e *engine) begins(rest []byte) bool {
	var low, high [keyLen]byte
	copy(low[:], rest)
	copy(high[:], rest)
	for i := len(rest); i < keyLen; i++ {
		high[i] = 0xff
	}
	i, _ := slices.BinarySearch(e.keys, binary.BigEndian.Uint64(low[:]))
	return i < len(e.keys) && e.keys[i] <= binary.BigEndian.Uint64(high[:])
}

// A candidate is a place where patterns with one key may stand: which of them
// still fit what is known, and the longest that is there as a whole.
type candidate struct {
	live []int32 // patterns that go on beyond what is known and fit so far
	best int32   // the longest complete pattern; -1 if none
	seen int     // how many bytes from the place on were compared
}

// open makes the candidate of a key: its first eight bytes are there.
func (e *engine) open(c *candidate, key int) {
	c.live, c.best, c.seen = c.live[:0], -1, keyLen
	for i := e.first[key]; i < e.first[key+1]; i++ {
		if len(e.pats[i].text) == keyLen {
			c.best = i
		} else {
			c.live = append(c.live, i)
		}
	}
}

// extend compares what is now known, text, which begins at the place.
func (e *engine) extend(c *candidate, text []byte) {
	live := c.live[:0]
	for _, i := range c.live {
		p := e.pats[i].text
		n := min(len(p), len(text))
		switch {
		case !bytes.Equal(p[c.seen:n], text[c.seen:n]):
		case n < len(p):
			live = append(live, i)
		case c.best < 0 || len(p) > len(e.pats[c.best].text):
			c.best = i
		}
	}
	c.live, c.seen = live, len(text)
}
