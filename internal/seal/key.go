package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"

	"github.com/tacit-secrets/tacit/secret"
)

// KeyBytes is the length of a key-encryption key and of a data key.
const KeyBytes = 32

// Labels keep the uses of one key apart; they are part of the format.
const (
	labelID     = "tacit/v1/id"
	labelWrap   = "tacit/v1/wrap"
	labelMAC    = "tacit/v1/mac"
	labelDerive = "tacit/v1/derive"
	labelSlot   = "tacit/v1/slot"
)

// A Key is an unlocked key-encryption key (KEK). It is never printed, logged
// or encoded. The zero Key, like a nil one, wraps and unwraps nothing.
type Key struct {
	// A closure, as in secret.Value: fmt follows pointers, but not functions.
	raw func() []byte
	id  string
}

// NewKey makes a random key. It does not fail on any system that Go supports.
func NewKey() (*Key, error) {
	b := make([]byte, KeyBytes)
	if _, err := rand.Read(b); err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "the system has no random bytes: %s", err)
	}
	return keyOf(b)
}

// keyOf makes a key of b, which is kept.
func keyOf(b []byte) (*Key, error) {
	if len(b) != KeyBytes {
		return nil, secret.Errorf(secret.Corrupt, "", "the store's key has %d bytes instead of %d", len(b), KeyBytes)
	}
	k := &Key{raw: func() []byte { return b }}
	k.id = hex.EncodeToString(expand(b, labelID, "")[:8])
	return k, nil
}

// ID names the key by 16 hexadecimal digits that reveal nothing of it; empty
// for the zero Key.
func (k *Key) ID() string {
	if k.none() {
		return ""
	}
	return k.id
}

// Equal reports whether both are the same key, in constant time.
func (k *Key) Equal(l *Key) bool {
	return !k.none() && !l.none() && subtle.ConstantTimeCompare(k.raw(), l.raw()) == 1
}

// Wrap seals a data key under a key derived for the record that it belongs to;
// a wrapped key put into another record does not open. The error of a locked
// key is secret.Unauthenticated.
func (k *Key) Wrap(record, dataKey []byte) ([]byte, error) {
	if k.none() {
		return nil, errLocked()
	}
	return Seal(expand(k.raw(), labelWrap, string(record)), record, dataKey)
}

// Unwrap opens what [Key.Wrap] made for this record. Anything else, another
// key's work included, is secret.Corrupt: whether the key is the right one is
// to be asked first, by [Key.MAC].
func (k *Key) Unwrap(record, wrapped []byte) ([]byte, error) {
	if k.none() {
		return nil, errLocked()
	}
	return Open(expand(k.raw(), labelWrap, string(record)), record, wrapped)
}

// MAC returns HMAC-SHA256 of data under a key derived for the label: over a
// store's header it tells a wrong key from a damaged store. That of the zero
// Key fits nothing. Compare with hmac.Equal.
func (k *Key) MAC(label string, data []byte) []byte {
	var key []byte
	if k.none() {
		key = []byte(rand.Text()) // never the same twice
	} else {
		key = expand(k.raw(), labelMAC, label)
	}
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}

// Derive returns a sub-key of [KeyBytes] bytes for the label, always the same.
// The error of a locked key is secret.Unauthenticated.
func (k *Key) Derive(label string) ([]byte, error) {
	if k.none() {
		return nil, errLocked()
	}
	return expand(k.raw(), labelDerive, label), nil
}

func (k *Key) none() bool { return k == nil || k.raw == nil }

func errLocked() error {
	return secret.Errorf(secret.Unauthenticated, "", "the store is locked\n  tacit unlock")
}

// expand derives a key by HKDF-SHA256 with info = use ‖ 0 ‖ label.
func expand(key []byte, use, label string) []byte {
	b, err := hkdf.Key(sha256.New, key, nil, use+"\x00"+label, KeyBytes)
	if err != nil {
		panic(err) // only a length over 255 hashes fails
	}
	return b
}

const masked = "(key)"

// Format writes "(key)", whatever the verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, masked) }

// LogValue keeps the key out of logs.
func (Key) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalText refuses, and so do JSON and the encoders like it.
func (Key) MarshalText() ([]byte, error) {
	return nil, secret.Errorf(secret.Invalid, "", "a key is never encoded")
}

// GobEncode refuses.
func (k Key) GobEncode() ([]byte, error) { return k.MarshalText() }
