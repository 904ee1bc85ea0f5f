// Package segment knows the bytes of the audit log: lines, headers, signed
// checkpoints and the tree's right edge. It decides nothing, and writes no
// file.
package segment

import (
	"encoding/base64"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// An Edge is the right edge of a growing tree: the roots of the perfect subtrees
// that its size is made of, largest first. Appending to it needs no other
// part of the tree.
type Edge struct {
	Size   uint64
	Hashes []tlog.Hash
}

// Add appends a leaf: the exact bytes of a line, without its newline.
func (e *Edge) Add(leaf []byte) {
	h := tlog.RecordHash(leaf)
	for n := e.Size; n&1 == 1; n >>= 1 {
		last := len(e.Hashes) - 1
		h = tlog.NodeHash(e.Hashes[last], h)
		e.Hashes = e.Hashes[:last]
	}
	e.Hashes = append(e.Hashes, h)
	e.Size++
}

// Root returns the root of the tree; the zero hash of an empty one.
func (e *Edge) Root() tlog.Hash {
	if len(e.Hashes) == 0 {
		return tlog.Hash{}
	}
	h := e.Hashes[len(e.Hashes)-1]
	for _, left := range slices.Backward(e.Hashes[:len(e.Hashes)-1]) {
		h = tlog.NodeHash(left, h)
	}
	return h
}

// Equal reports whether both are of the same tree.
func (e *Edge) Equal(f *Edge) bool { return e.Size == f.Size && e.Root() == f.Root() }

// Clone returns an edge that can grow on its own.
func (e *Edge) Clone() Edge { return Edge{e.Size, slices.Clone(e.Hashes)} }

// Text writes the hashes for a header.
func (e *Edge) Text() []string {
	out := make([]string, len(e.Hashes))
	for i, h := range e.Hashes {
		out[i] = base64.StdEncoding.EncodeToString(h[:])
	}
	return out
}

// ParseEdge reads what Text wrote.
func ParseEdge(size uint64, texts []string) (e Edge, ok bool) {
	if bits.OnesCount64(size) != len(texts) {
		return e, false
	}
	e.Size = size
	for _, t := range texts {
		h, err := tlog.ParseHash(t)
		if err != nil || h.String() != t {
			return e, false
		}
		e.Hashes = append(e.Hashes, h)
	}
	return e, true
}

// A Span is a range of leaves, from Lo to before Hi.
type Span struct{ Lo, Hi uint64 }

// split is where a tree over the span has its left and its right half.
func (s Span) split() uint64 {
	k := uint64(1)
	for 2*k < s.Hi-s.Lo {
		k *= 2
	}
	return s.Lo + k
}

// RecordSpans are the subtrees whose roots prove that leaf n is in a tree, in
// the order of [tlog.RecordProof].
func RecordSpans(s Span, n uint64) []Span {
	if s.Lo+1 == s.Hi {
		return nil
	}
	k := s.split()
	if n < k {
		return append(RecordSpans(Span{s.Lo, k}, n), Span{k, s.Hi})
	}
	return append(RecordSpans(Span{k, s.Hi}, n), Span{s.Lo, k})
}

// TreeSpans are those that prove that a tree of size n is the beginning of
// one, in the order of [tlog.TreeProof].
func TreeSpans(s Span, n uint64) []Span {
	if n == s.Hi {
		if s.Lo == 0 {
			return nil
		}
		return []Span{s}
	}
	k := s.split()
	if n <= k {
		return append(TreeSpans(Span{s.Lo, k}, n), Span{k, s.Hi})
	}
	return append(TreeSpans(Span{k, s.Hi}, n), Span{s.Lo, k})
}
