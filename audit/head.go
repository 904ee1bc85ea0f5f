package audit

import (
	"math/bits"
)

// A Head is how much of the log someone remembers: its size in lines, the root
// of the tree over them, and the tree's right edge, from which it can be grown.
type Head struct {
	Size uint64
	Root [32]byte
	Edge [][32]byte
}

// headOf is what an edge is to others.
func headOf(e *edge) Head {
	h := Head{Size: e.size, Root: e.root(), Edge: make([][32]byte, len(e.hashes))}
	for i, x := range e.hashes {
		h.Edge[i] = x
	}
	return h
}

// edgeOf makes the edge that a Head remembers; ok is false if the two parts do
// not belong together.
func edgeOf(h Head) (e edge, ok bool) {
	if bits.OnesCount64(h.Size) != len(h.Edge) {
		return e, false
	}
	e.size = h.Size
	for _, x := range h.Edge {
		e.hashes = append(e.hashes, x)
	}
	return e, e.root() == h.Root
}
