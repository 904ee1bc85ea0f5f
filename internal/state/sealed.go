package state

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/tacit-secrets/tacit/internal/seal"
)

// A stored is a row as it lies in the file.
type stored struct {
	wrapped []byte // values only: the data key, under the KEK
	sealed  []byte
}

const (
	rowKeyBytes = 1 + 2*sha256.Size
	saltBytes   = 16
)

// rowKey returns kind ‖ HMAC(parent) ‖ HMAC(name). The second part knows kind
// and parent too, so that equal names cannot be told across parents.
func (k *keys) rowKey(key Key) []byte {
	out := make([]byte, 0, rowKeyBytes)
	out = append(out, k.parentKey(key.Kind, key.Parent)...)
	name := appendBytes([]byte{1, byte(key.Kind)}, key.Parent)
	m := mac(k.names, name, []byte(key.Name))
	return append(out, m[:]...)
}

// parentKey is what the keys of all rows of a parent begin with.
func (k *keys) parentKey(kind Kind, parent string) []byte {
	m := mac(k.names, []byte{0, byte(kind)}, []byte(parent))
	return append([]byte{byte(kind)}, m[:]...)
}

// term is what a row adds to the set-MAC. The wrapped data key is left out: it
// opens nothing else, and a rekey changes it.
func (k *keys) term(rowKey []byte, hash [32]byte) sum {
	return sumOf(mac(k.set, rowKey, hash[:]))
}

// sealRow seals a head row, or with an empty row key the state row, under a
// key of its own: one key for all rows would wear out after 2^32 nonces.
func (k *keys) sealRow(rowKey, plain []byte) ([]byte, error) {
	var salt [saltBytes]byte
	_, _ = rand.Read(salt[:]) // never fails
	key := mac(k.rows, salt[:])
	sealed, err := seal.Seal(key[:], k.rowAD(rowKey), seal.Pad(plain))
	return append(salt[:], sealed...), err
}

func (k *keys) openRow(rowKey, b []byte) ([]byte, error) {
	if len(b) < saltBytes {
		return nil, errRecord("row")
	}
	key := mac(k.rows, b[:saltBytes])
	plain, err := seal.Open(key[:], k.rowAD(rowKey), b[saltBytes:])
	if err != nil {
		return nil, err
	}
	return seal.Unpad(plain)
}

// rowAD is kind ‖ store id ‖ row key; seal puts its format byte before it. A
// value's row key stands for its secret's and its version's id, so that Check
// and Rekey open values without being told the ids.
func (k *keys) rowAD(rowKey []byte) []byte {
	kind := byte(0)
	if len(rowKey) > 0 {
		kind = rowKey[0]
	}
	return append(append([]byte{kind}, k.id[:]...), rowKey...)
}

// seal makes a row as it lies in the file.
func (k *keys) seal(key Key, rowKey, payload []byte) (stored, error) {
	if key.Kind != kindValue {
		sealed, err := k.sealRow(rowKey, marshalRow(key, payload))
		return stored{sealed: sealed}, err
	}
	var data [seal.KeyBytes]byte
	_, _ = rand.Read(data[:]) // never fails
	ad := k.rowAD(rowKey)
	wrapped, err := k.kek.Wrap(ad, data[:])
	if err != nil {
		return stored{}, err
	}
	sealed, err := seal.Seal(data[:], ad, seal.Pad(payload))
	return stored{wrapped, sealed}, err
}

// open returns a row's payload.
func (k *keys) open(key Key, rowKey []byte, s stored) ([]byte, error) {
	if key.Kind == kindValue {
		return k.openValue(rowKey, s)
	}
	plain, err := k.openRow(rowKey, s.sealed)
	if err != nil {
		return nil, err
	}
	row, err := parseRow(key.Kind, plain)
	if err == nil && row.Key != key {
		err = errRecord("row")
	}
	return row.Payload, err
}

func (k *keys) openValue(rowKey []byte, s stored) ([]byte, error) {
	ad := k.rowAD(rowKey)
	data, err := k.kek.Unwrap(ad, s.wrapped)
	if err != nil {
		return nil, err
	}
	if len(data) != seal.KeyBytes {
		return nil, errRecord("value")
	}
	plain, err := seal.Open(data, ad, s.sealed)
	if err != nil {
		return nil, err
	}
	return seal.Unpad(plain)
}

func mac(key []byte, parts ...[]byte) (out [32]byte) {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(out[:0])
	return out
}

// A SubKey seals small things that lie outside the store's file, like the audit
// log's signing key. It is random, kept in the store, and survives a rekey.
type SubKey struct{ key []byte }

// Wrap seals plain for one record; put into another it does not open.
func (s SubKey) Wrap(record, plain []byte) ([]byte, error) {
	key := mac(s.key, record)
	return seal.Seal(key[:], record, plain)
}

// Unwrap opens what [SubKey.Wrap] made for this record; anything else is
// secret.Corrupt.
func (s SubKey) Unwrap(record, wrapped []byte) ([]byte, error) {
	key := mac(s.key, record)
	return seal.Open(key[:], record, wrapped)
}

// Format keeps the key out of every print.
func (SubKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(key)") }
