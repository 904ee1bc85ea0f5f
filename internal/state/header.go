package state

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/secret"
)

// A header is what can be read before unlocking: which store, by which keys.
//
//	format byte ‖ store id (16) ‖ KEK id ‖ slots ‖ sealed keys ‖ MAC (32)
//
// KEK id, slots and sealed keys are preceded by their lengths.
type header struct {
	id     [idBytes]byte
	kek    string
	slots  []byte // JSON, see [seal.ParseSlots]
	sealed []byte // the store's own keys, under the KEK
	mac    []byte
	signed []byte // all but the MAC
	hash   [32]byte
}

const (
	format    = 1
	macBytes  = 32
	keyCount  = 4
	macLabel  = "header"
	keysLabel = "keys"
)

func parseHeader(b []byte) (*header, error) {
	if len(b) <= 1+idBytes+macBytes || b[0] != format {
		return nil, errRecord("header")
	}
	h := &header{signed: b[:len(b)-macBytes], mac: b[len(b)-macBytes:], hash: sha256.Sum256(b)}
	r := reader{b: h.signed[1:]}
	copy(h.id[:], r.next(idBytes))
	h.kek, h.slots, h.sealed = string(r.bytes()), r.bytes(), r.bytes()
	if r.bad || len(r.b) != 0 {
		return nil, errRecord("header")
	}
	return h, nil
}

func (h *header) storeID() string { return hex.EncodeToString(h.id[:]) }

// keys are a store's keys, unlocked. All but the KEK are random, stay as they
// are for ever and lie in the header, sealed under the KEK.
type keys struct {
	*header
	kek                     *seal.Key
	names, rows, set, audit []byte
}

// newKeys makes a store's keys; a nil old makes fresh ones, otherwise only KEK
// and slots change.
func newKeys(storeID string, kek *seal.Key, slots seal.Slots, old *keys) (*keys, []byte, error) {
	id, err := hex.DecodeString(storeID)
	if err != nil || len(id) != idBytes {
		return nil, nil, secret.Errorf(secret.Invalid, "", "a store's id has %d hexadecimal digits", 2*idBytes)
	}
	text, err := seal.MarshalSlots(slots)
	if err != nil {
		return nil, nil, err
	}
	var plain []byte
	if old == nil {
		plain = make([]byte, keyCount*seal.KeyBytes)
		_, _ = rand.Read(plain) // never fails
	} else {
		plain = bytes.Join([][]byte{old.names, old.rows, old.set, old.audit}, nil)
	}
	sealed, err := kek.Wrap(keysRecord(id), plain)
	if err != nil {
		return nil, nil, err
	}
	b := append([]byte{format}, id...)
	b = appendBytes(appendBytes(appendBytes(b, kek.ID()), text), sealed)
	b = append(b, kek.MAC(macLabel, b)...)
	h, err := parseHeader(b)
	if err != nil {
		return nil, nil, err
	}
	k, err := h.open(kek)
	return k, b, err
}

// open unlocks the keys of a header.
func (h *header) open(kek *seal.Key) (*keys, error) {
	if !hmac.Equal(h.mac, kek.MAC(macLabel, h.signed)) {
		if kek.ID() == h.kek {
			return nil, secret.Errorf(secret.Corrupt, "", "the store's header was changed\n  tacit store restore FILE")
		}
		return nil, secret.Errorf(secret.Unauthenticated, "", "the key does not belong to this store")
	}
	plain, err := kek.Unwrap(keysRecord(h.id[:]), h.sealed)
	if err != nil {
		return nil, err
	}
	if len(plain) != keyCount*seal.KeyBytes {
		return nil, errRecord("header")
	}
	at := func(i int) []byte { return plain[i*seal.KeyBytes : (i+1)*seal.KeyBytes : (i+1)*seal.KeyBytes] }
	return &keys{header: h, kek: kek, names: at(0), rows: at(1), set: at(2), audit: at(3)}, nil
}

func keysRecord(id []byte) []byte { return append([]byte(keysLabel), id...) }
