//go:build !linux

package seal

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// SystemHolder returns what keeps an unlocked key: on Linux the kernel's user
// keyring; elsewhere the keychain, which does not forget by itself: after its
// time the entry is refused, and removed when it is next looked at. now may be
// nil.
func SystemHolder(now func() time.Time) Holder {
	if now == nil {
		now = time.Now
	}
	return keychain{Unlocker{Keyring: SystemKeyring(), Now: now}}
}

type keychain struct{ u Unlocker }

func (h keychain) Hold(ctx context.Context, storeID string, k *Key, ttl time.Duration) error {
	b, err := packHeld(k, ttl, h.u.now())
	if err != nil {
		return err
	}
	return h.u.keyringSet(ctx, heldName(storeID), b)
}

func (h keychain) Held(ctx context.Context, storeID string) (*Key, error) {
	text, err := h.u.ask(ctx, func(r Keyring) (string, error) { return r.Get(h.u.service(), heldName(storeID)) })
	if err != nil {
		return nil, err
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		b = nil
	}
	k, err := unpackHeld(b, h.u.now())
	if errors.Is(err, secret.NotFound) {
		_ = h.Drop(ctx, storeID) // it is over in any case
	}
	return k, err
}

func (h keychain) Drop(ctx context.Context, storeID string) error {
	return h.u.keyringDelete(ctx, heldName(storeID))
}
