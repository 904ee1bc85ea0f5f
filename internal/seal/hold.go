package seal

import (
	"encoding/binary"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// MaxHold is the longest time for which a key is held.
const MaxHold = 7 * 24 * time.Hour

// A held key is kept as its end (Unix seconds, 8 bytes) ‖ the key. The end
// stands in it, although the kernel forgets it by itself, because keychains do
// not and a kernel's time-out stands still while the machine sleeps.
const heldBytes = 8 + KeyBytes

// CheckHold refuses a time for which no key is held: Invalid.
func CheckHold(ttl time.Duration) error {
	if ttl < time.Second || ttl > MaxHold {
		return secret.Errorf(secret.Invalid, "", "a key is held for one second to seven days\n  tacit unlock --for 8h")
	}
	return nil
}

func packHeld(k *Key, ttl time.Duration, now time.Time) ([]byte, error) {
	if k.none() {
		return nil, errLocked()
	}
	if err := CheckHold(ttl); err != nil {
		return nil, err
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, heldBytes), uint64(now.Add(ttl).Unix())) //nolint:gosec // times after 1970
	return append(b, k.raw()...), nil
}

func unpackHeld(b []byte, now time.Time) (*Key, error) {
	if len(b) != heldBytes {
		return nil, secret.Errorf(secret.Corrupt, "", "the held key is damaged\n  tacit lock")
	}
	if uint64(now.Unix()) >= binary.BigEndian.Uint64(b) { //nolint:gosec // times after 1970
		return nil, errNotHeld()
	}
	return keyOf(b[8:])
}

func errNotHeld() error {
	return secret.Errorf(secret.NotFound, "", "no key is held\n  tacit unlock --for 8h")
}

// heldName is the same in every system.
func heldName(storeID string) string { return "tacit:" + storeID }
