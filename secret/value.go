package secret

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// A Value holds confidential bytes, and whether they are text or binary.
// Printing, logging or encoding a Value, or anything that contains one, never
// shows them; they come out only through [Value.Reveal]. The zero Value is no
// value; an empty one is a value. Values are not erased from memory.
type Value struct {
	// A closure, not a []byte: when a Value sits in an unexported field of
	// another struct, fmt ignores Format and prints what it finds. It follows
	// slices and pointers, but not functions.
	reveal func() (b []byte, binary bool)
}

// Text returns a text value. A []byte is kept, not copied, and must not be
// changed afterwards.
func Text[T ~string | ~[]byte](s T) Value {
	b := []byte(s)
	return Value{func() ([]byte, bool) { return b, false }}
}

// Binary returns a value of arbitrary bytes. b is kept, not copied, and must
// not be changed afterwards.
func Binary(b []byte) Value {
	return Value{func() ([]byte, bool) { return b, true }}
}

// Reveal returns the confidential bytes: the one word to search for when
// reviewing where values leave. They are shared and must not be changed.
func (v Value) Reveal() []byte {
	b, _ := v.open()
	return b
}

// IsBinary reports whether the bytes were given as binary.
func (v Value) IsBinary() bool {
	_, binary := v.open()
	return binary
}

// IsZero reports whether v is no value at all.
func (v Value) IsZero() bool { return v.reveal == nil }

// Len returns the number of bytes.
func (v Value) Len() int { return len(v.Reveal()) }

// Equal reports whether v and w are the same kind of value with the same
// bytes. The time it takes depends on their lengths alone.
func (v Value) Equal(w Value) bool {
	return v.IsZero() == w.IsZero() && v.IsBinary() == w.IsBinary() &&
		subtle.ConstantTimeCompare(v.Reveal(), w.Reveal()) == 1
}

func (v Value) open() (b []byte, binary bool) {
	if v.reveal == nil {
		return nil, false
	}
	return v.reveal()
}

const redacted = "[secret]"

var errEncoded = errors.New("secret: a value is never encoded by accident; call Reveal")

// Format implements [fmt.Formatter] for every verb, %x and %#v included.
func (Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer].
func (Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON refuses: a placeholder in a document would be taken for a value.
func (Value) MarshalJSON() ([]byte, error) { return nil, errEncoded }

// MarshalText refuses, for XML, YAML, TOML and the keys of maps.
func (Value) MarshalText() ([]byte, error) { return nil, errEncoded }

// GobEncode refuses.
func (Value) GobEncode() ([]byte, error) { return nil, errEncoded }
