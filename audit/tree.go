package audit

import (
	"encoding/base64"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// A Head is how much of the log someone remembers: its size in lines, the root
// of the tree over them, and the tree's right edge, from which it can be grown.
type Head struct {
	Size uint64
	Root [32]byte
	Edge [][32]byte
}

// edge is the right edge of a growing tree: the roots of the perfect subtrees
// that its size is made of, largest first. Appending to it needs no other
// part of the tree.
type edge struct {
	size   uint64
	hashes []tlog.Hash
}

// add appends a leaf: the exact bytes of a line, without its newline.
func (e *edge) add(leaf []byte) {
	h := tlog.RecordHash(leaf)
	for n := e.size; n&1 == 1; n >>= 1 {
		last := len(e.hashes) - 1
		h = tlog.NodeHash(e.hashes[last], h)
		e.hashes = e.hashes[:last]
	}
	e.hashes = append(e.hashes, h)
	e.size++
}

// root returns the root of the tree; the zero hash of an empty one.
func (e *edge) root() tlog.Hash {
	if len(e.hashes) == 0 {
		return tlog.Hash{}
	}
	h := e.hashes[len(e.hashes)-1]
	for _, left := range slices.Backward(e.hashes[:len(e.hashes)-1]) {
		h = tlog.NodeHash(left, h)
	}
	return h
}

func (e *edge) clone() edge { return edge{e.size, slices.Clone(e.hashes)} }

func (e *edge) head() Head {
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

// text writes the hashes for a header.
func (e *edge) text() []string {
	out := make([]string, len(e.hashes))
	for i, h := range e.hashes {
		out[i] = base64.StdEncoding.EncodeToString(h[:])
	}
	return out
}

// parseEdge reads what text wrote.
func parseEdge(size uint64, texts []string) (e edge, ok bool) {
	if bits.OnesCount64(size) != len(texts) {
		return e, false
	}
	e.size = size
	for _, t := range texts {
		h, err := tlog.ParseHash(t)
		if err != nil || h.String() != t {
			return e, false
		}
		e.hashes = append(e.hashes, h)
	}
	return e, true
}
