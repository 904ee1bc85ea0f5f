package state

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/tacit-secrets/tacit/secret"
)

// A Kind says what a row is about. All kinds of a store stand here, so that no
// two users of it take the same.
type Kind byte

// The kinds. The numbers are part of the format.
const (
	KindSecret  Kind = 1 // backend/local: a secret's head
	KindLocal   Kind = 2 // backend/local: what belongs to the whole backend, like its limits
	KindTrust   Kind = 3 // trusted bytes of a project's files
	KindFolder  Kind = 4 // folders bound to the store
	KindPolicy  Kind = 5 // the trusted policy's hash
	KindAudit   Kind = 6 // the audit log's first keys
	KindSetting Kind = 7 // other settings that must not be changed from outside
	KindToken   Kind = 8 // tokens, leases, mounts: the server's own state
	KindLast    Kind = 9 // last known values of stores on the network

	kindValue Kind = 0x76 // values, each under a key of its own: PutValue
)

// A Key names a row. Parent and Name may be any bytes, also none, of at most
// [MaxKeyBytes] together; neither can be read in the file.
type Key struct {
	Kind         Kind
	Parent, Name string
}

// A Row is what a scan yields. Payload is shared and must not be changed.
type Row struct {
	Key
	Payload []byte
}

// The limits of a row.
const (
	MaxKeyBytes     = 4 << 10  // of a key's parent and name together
	MaxPayloadBytes = 16 << 20 // of a row's payload or a value
)

const idBytes = 16

// NewStoreID returns an identity for a new store: 32 hexadecimal digits.
func NewStoreID() string {
	var b [idBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (k Key) check() error {
	if len(k.Parent)+len(k.Name) > MaxKeyBytes {
		return secret.Errorf(secret.Invalid, "", "a row's parent and name have at most %d bytes together", MaxKeyBytes)
	}
	if k.Kind == 0 || k.Kind == kindValue {
		return secret.Errorf(secret.Invalid, "", "a row's kind cannot be %d", k.Kind)
	}
	return nil
}

func errNone(k Key) error {
	if k.Kind == kindValue {
		return secret.Errorf(secret.NotFound, "", "the store has no such value")
	}
	return secret.Errorf(secret.NotFound, "", "the store has no such row")
}
