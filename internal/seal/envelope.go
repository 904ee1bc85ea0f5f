package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"

	"github.com/tacit-secrets/tacit/secret"
)

const (
	format    = 1 // first byte of every sealed thing
	nonceSize = 12
	padStep   = 64
)

// Overhead is by how many bytes a sealed text is longer than a plain one:
// format byte, nonce and tag.
const Overhead = 1 + nonceSize + 16

// Seal encrypts plain by AES-256-GCM under a data key and a random nonce, bound
// to ad, the associated data. The result is format byte ‖ nonce ‖ ciphertext ‖
// tag; the format byte stands before ad in what the tag covers. The key must
// have [KeyBytes] bytes; otherwise the error is secret.Invalid.
func Seal(dataKey, ad, plain []byte) ([]byte, error) {
	var nonce [nonceSize]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "the system has no random bytes: %s", err)
	}
	return sealAt(nonce, dataKey, ad, plain)
}

// sealAt is Seal with a given nonce: for the published test vectors.
func sealAt(nonce [nonceSize]byte, dataKey, ad, plain []byte) ([]byte, error) {
	gcm, err := newGCM(dataKey)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(plain)+Overhead)
	out = append(append(out, format), nonce[:]...)
	return gcm.Seal(out, nonce[:], plain, bound(format, ad)), nil
}

// Open decrypts what [Seal] made with the same key and associated data.
// Anything else is secret.Corrupt, an unknown format byte as well: the store's
// own version number tells a newer tacit's work from damage.
func Open(dataKey, ad, sealed []byte) ([]byte, error) {
	gcm, err := newGCM(dataKey)
	if err != nil {
		return nil, err
	}
	if len(sealed) < Overhead {
		return nil, secret.Errorf(secret.Corrupt, "", "a sealed record is cut short")
	}
	if sealed[0] != format {
		return nil, errFormat(sealed[0])
	}
	plain, err := gcm.Open(nil, sealed[1:1+nonceSize], sealed[1+nonceSize:], bound(sealed[0], ad))
	if err != nil {
		return nil, secret.Errorf(secret.Corrupt, "", "a sealed record does not open: it was changed, or belongs elsewhere")
	}
	return plain, nil
}

// errFormat tells damage from a newer tacit as well as one byte allows: a
// flipped bit of the format byte must not pass for an upgrade.
func errFormat(b byte) error {
	return secret.Errorf(secret.Corrupt, "", "a sealed record has format %d, and this tacit knows only %d: it was changed, or a newer tacit made it", b, format)
}

func bound(f byte, ad []byte) []byte { return append([]byte{f}, ad...) }

func newGCM(dataKey []byte) (cipher.AEAD, error) {
	if len(dataKey) != KeyBytes {
		return nil, secret.Errorf(secret.Invalid, "", "a data key has %d bytes, not %d", KeyBytes, len(dataKey))
	}
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "a data key cannot be used: %s", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, secret.Errorf(secret.Unsupported, "", "AES-GCM cannot be used: %s", err)
	}
	return gcm, nil
}

// Pad returns a copy of b with one byte 0x80 and as few zeros behind it as make
// its length a multiple of 64, so that a sealed value's length says little.
func Pad(b []byte) []byte {
	out := make([]byte, (len(b)/padStep+1)*padStep)
	copy(out, b)
	out[len(b)] = 0x80
	return out
}

// Unpad undoes [Pad], without a copy. What Pad did not make is secret.Corrupt.
func Unpad(b []byte) ([]byte, error) {
	n := len(bytes.TrimRight(b, "\x00")) - 1
	if len(b)%padStep != 0 || n < 0 || b[n] != 0x80 || len(b)-n > padStep {
		return nil, secret.Errorf(secret.Corrupt, "", "a record's padding is wrong")
	}
	return b[:n], nil
}
