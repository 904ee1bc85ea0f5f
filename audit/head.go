package audit

import (
	"math/bits"

	"github.com/tacit-secrets/tacit/audit/internal/segment"
)

// A Head is how much of the log someone remembers: its size in lines, the root
// of the tree over them, and the tree's right edge, from which it can be grown.
type Head struct {
	Size uint64
	Root [32]byte
	Edge [][32]byte
}

// headOf is what an edge is to others.
func headOf(e *segment.Edge) Head {
	h := Head{Size: e.Size, Root: e.Root(), Edge: make([][32]byte, len(e.Hashes))}
	for i, x := range e.Hashes {
		h.Edge[i] = x
	}
	return h
}

// edgeOf makes the edge that a Head remembers; ok is false if the two parts do
// not belong together.
func edgeOf(h Head) (e segment.Edge, ok bool) {
	if bits.OnesCount64(h.Size) != len(h.Edge) {
		return e, false
	}
	e.Size = h.Size
	for _, x := range h.Edge {
		e.Hashes = append(e.Hashes, x)
	}
	return e, e.Root() == h.Root
}
