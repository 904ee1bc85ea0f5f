package audit

import (
	"encoding/base64"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

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

// equal reports whether both are of the same tree.
func (e *edge) equal(f *edge) bool { return e.size == f.size && e.root() == f.root() }

func (e *edge) clone() edge { return edge{e.size, slices.Clone(e.hashes)} }

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

// A span is a range of leaves, from lo to before hi.
type span struct{ lo, hi uint64 }

// split is where a tree over the span has its left and its right half.
func (s span) split() uint64 {
	k := uint64(1)
	for 2*k < s.hi-s.lo {
		k *= 2
	}
	return s.lo + k
}

// recordRanges are the subtrees whose roots prove that leaf n is in a tree, in
// the order of [tlog.RecordProof].
func recordRanges(s span, n uint64) []span {
	if s.lo+1 == s.hi {
		return nil
	}
	k := s.split()
	if n < k {
		return append(recordRanges(span{s.lo, k}, n), span{k, s.hi})
	}
	return append(recordRanges(span{k, s.hi}, n), span{s.lo, k})
}

// treeRanges are those that prove that a tree of size n is the beginning of
// one, in the order of [tlog.TreeProof].
func treeRanges(s span, n uint64) []span {
	if n == s.hi {
		if s.lo == 0 {
			return nil
		}
		return []span{s}
	}
	k := s.split()
	if n <= k {
		return append(treeRanges(span{s.lo, k}, n), span{k, s.hi})
	}
	return append(treeRanges(span{k, s.hi}, n), span{s.lo, k})
}
