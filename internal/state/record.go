package state

import (
	"encoding/binary"
	"math/bits"

	"github.com/tacit-secrets/tacit/secret"
)

// A LogHead is how much of the audit log the store remembers.
type LogHead struct {
	Size uint64
	Root [32]byte
	Edge [][32]byte // the tree's right edge at Size, at most 64
}

const maxEdge = 64

// A stateRow is the one row that each transaction updates.
type stateRow struct {
	Epoch, Generation uint64
	Rows              uint64   // of both tables
	Set               sum      // over all rows
	Header            [32]byte // SHA-256 of the header: an older one put back does not fit
	Log               LogHead
}

func (s *stateRow) marshal() []byte {
	b := make([]byte, 0, 3*8+32+32+8+32+1+32*len(s.Log.Edge))
	b = binary.BigEndian.AppendUint64(b, s.Epoch)
	b = binary.BigEndian.AppendUint64(b, s.Generation)
	b = binary.BigEndian.AppendUint64(b, s.Rows)
	for _, w := range s.Set {
		b = binary.BigEndian.AppendUint64(b, w)
	}
	b = append(b, s.Header[:]...)
	b = binary.BigEndian.AppendUint64(b, s.Log.Size)
	b = append(b, s.Log.Root[:]...)
	b = append(b, byte(len(s.Log.Edge))) //nolint:gosec // at most maxEdge: flush sees to it
	for _, e := range s.Log.Edge {
		b = append(b, e[:]...)
	}
	return b
}

func parseState(b []byte) (*stateRow, error) {
	r := reader{b: b}
	s := &stateRow{Epoch: r.uint64(), Generation: r.uint64(), Rows: r.uint64()}
	for i := range s.Set {
		s.Set[i] = r.uint64()
	}
	copy(s.Header[:], r.next(32))
	s.Log.Size = r.uint64()
	copy(s.Log.Root[:], r.next(32))
	n := r.next(1)
	if r.bad || n[0] > maxEdge {
		return nil, errRecord("state")
	}
	for range n[0] {
		var e [32]byte
		copy(e[:], r.next(len(e)))
		s.Log.Edge = append(s.Log.Edge, e)
	}
	if r.bad || len(r.b) != 0 {
		return nil, errRecord("state")
	}
	return s, nil
}

// marshalRow packs a row's key and payload, so that a scan can tell the key.
func marshalRow(k Key, payload []byte) []byte {
	b := make([]byte, 0, len(k.Parent)+len(k.Name)+len(payload)+2*binary.MaxVarintLen32)
	b = appendBytes(appendBytes(b, k.Parent), k.Name)
	return append(b, payload...)
}

func parseRow(kind Kind, b []byte) (Row, error) {
	r := reader{b: b}
	parent, name := r.bytes(), r.bytes()
	if r.bad {
		return Row{}, errRecord("row")
	}
	return Row{Key: Key{Kind: kind, Parent: string(parent), Name: string(name)}, Payload: r.b}, nil
}

func errRecord(what string) error {
	return secret.Errorf(secret.Corrupt, "", "the store's %s record is malformed", what)
}

// A sum is a number modulo 2^256, most significant word first.
type sum [4]uint64

func sumOf(b [32]byte) (s sum) {
	for i := range s {
		s[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	return s
}

func (s *sum) add(t sum) {
	var carry uint64
	for i := len(s) - 1; i >= 0; i-- {
		s[i], carry = bits.Add64(s[i], t[i], carry)
	}
}

func (s *sum) sub(t sum) {
	var borrow uint64
	for i := len(s) - 1; i >= 0; i-- {
		s[i], borrow = bits.Sub64(s[i], t[i], borrow)
	}
}

// appendBytes appends a length and the bytes.
func appendBytes[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// A reader takes fields off a record; after the first one that does not fit it
// is bad and yields zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) next(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad = true
		return make([]byte, min(n, 64))
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.next(8)) }

// bytes reads what appendBytes wrote; a length has one encoding only.
func (r *reader) bytes() []byte {
	n, used := binary.Uvarint(r.b)
	if r.bad || used <= 0 || n > MaxPayloadBytes || used > 1 && r.b[used-1] == 0 {
		r.bad = true
		return nil
	}
	r.b = r.b[used:]
	return r.next(int(n))
}
