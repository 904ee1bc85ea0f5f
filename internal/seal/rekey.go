package seal

import (
	"cmp"
	"context"
	"errors"

	"github.com/tacit-secrets/tacit/secret"
)

// A Rekeyed is what [Unlocker.Rekey] prepared.
type Rekeyed struct {
	Slots   Slots  // to be stored in place of the old ones, in the transaction that rewraps the data keys
	Dropped []Slot // those that could not be made anew, to be told to the user
	Retired []Slot // the old ones: Discard them after the transaction
}

// Rekey makes slots for a new key in place of the old key's. When it returns,
// key files and keyring entries are durable beside the old ones, and the store
// opens as before; so a process killed at any step leaves a store that opens
// with the old key or the new one:
//
//	r, err := u.Rekey(ctx, storeID, slots, oldKey, newKey) // prepare
//	…one transaction: rewrap, store r.Slots…                // if it fails: u.Discard(ctx, r.Slots...)
//	err = u.Discard(ctx, r.Retired...)                      // finish
//
// Key files and keyring entries are new; age and SSH slots are made anew for
// the public key that they name. A command, credential or passphrase must be at
// hand and open the old slot; else the slot is dropped. If none would be left,
// somebody typed a wrong passphrase, a slot is damaged or a new one cannot be
// written, there is an error and nothing changed.
func (u *Unlocker) Rekey(ctx context.Context, storeID string, slots Slots, oldKey, newKey *Key) (Rekeyed, error) {
	var r Rekeyed
	a := attempt{Unlocker: u, storeID: storeID}
	for _, old := range slots {
		t, err := a.remake(ctx, &old, oldKey, newKey)
		switch {
		case err == nil:
			r.Slots = append(r.Slots, t)
		case a.wrong || ctx.Err() != nil || !notAtHand(err):
			return Rekeyed{}, first(err, u.Discard(context.WithoutCancel(ctx), r.Slots...))
		default:
			r.Dropped = append(r.Dropped, old)
		}
		r.Retired = append(r.Retired, old)
	}
	if len(r.Slots) == 0 {
		return Rekeyed{}, secret.Errorf(secret.Unauthenticated, "", "no key slot can be made anew here, and nobody could open the store\n  tacit store key add")
	}
	return r, nil
}

// notAtHand tells a slot whose secret this machine does not have from one that
// it failed to make: a full disk must not cost a slot.
func notAtHand(err error) bool {
	return errors.Is(err, secret.NotFound) || errors.Is(err, secret.Unauthenticated) || errors.Is(err, secret.Unsupported)
}

// remake makes one slot again for the new key.
func (a *attempt) remake(ctx context.Context, old *Slot, oldKey, newKey *Key) (Slot, error) {
	m := Method{Kind: old.Kind, Label: old.Label, Recipient: old.Recipient}
	switch old.Kind {
	case Passphrase, Command, Credential:
		k, err := a.try(ctx, old)
		if a.wrong && a.Prompt != nil { // another person's: the one above was for another slot
			a.wrong = false
			a.pass, a.passErr = a.Prompt(ctx, "passphrase of key slot "+cmp.Or(old.Label, old.ID))
			k, err = a.try(ctx, old)
		}
		if err == nil && !k.Equal(oldKey) {
			err = secret.Errorf(secret.Corrupt, "", "key slot %s holds another key", old.ID)
		}
		if err != nil {
			return Slot{}, err
		}
		m.Passphrase = secret.Binary(a.pass)
	case KeyFile, InKeyring, Age, SSH:
		if err := old.intact(); err != nil {
			return Slot{}, err
		}
	}
	return a.NewSlot(ctx, a.storeID, newKey, m)
}
