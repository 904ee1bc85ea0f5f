package seal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/tacit-secrets/tacit/secret"
)

// An Unlocker is what this machine and the user's settings offer to unlock
// stores with. The zero one offers nothing. It may be used by several
// goroutines.
type Unlocker struct {
	KeyDir        string   // folder of the key files, in the user's configuration tree
	Keyring       Keyring  // nil: there is none; see [SystemKeyring]
	Service       string   // the keyring entries' service; empty: "tacit"
	Identities    []string // paths of age identity and SSH key files
	CredentialDir string   // systemd's $CREDENTIALS_DIRECTORY
	Credential    string   // which one of them; from the user's own settings only
	Command       []string // prints a secret; from the user's own settings only
	Environ       []string // what Command gets; variables TACIT_… are left out
	Holder        Holder   // keeps an unlocked key for some hours; nil: nothing is kept

	// Passphrase is one that the caller was given; the zero Value is none.
	Passphrase secret.Value
	// Prompt asks a person for what its text says; nil: nobody is there.
	Prompt func(ctx context.Context, text string) ([]byte, error)

	KeyringWait time.Duration    // 0: 1 s
	CommandWait time.Duration    // 0: 30 s
	Now         func() time.Time // nil: time.Now
}

// A Keyring keeps small secrets for the user, outside the store.
type Keyring interface {
	// Get returns an entry; one that does not exist is secret.NotFound.
	Get(service, account string) (string, error)
	// Set makes or replaces an entry.
	Set(service, account, value string) error
	// Delete removes an entry; one that does not exist is secret.NotFound.
	Delete(service, account string) error
}

// A Holder keeps an unlocked key for some time, outside this process.
type Holder interface {
	// Hold keeps the key for ttl. Where the system forbids it the error is
	// secret.Unsupported and names the other ways.
	Hold(ctx context.Context, storeID string, k *Key, ttl time.Duration) error
	// Held returns the key; none is secret.NotFound.
	Held(ctx context.Context, storeID string) (*Key, error)
	// Drop forgets the key; none is no error.
	Drop(ctx context.Context, storeID string) error
}

// Unlock opens one of a store's slots, the cheap ones first: a held key, key
// file, keyring, credential, age and SSH identities, command; a passphrase
// last, and only one that was given or can be asked for. A wrong passphrase is
// secret.Unauthenticated, as is a store that nothing here opens: the text then
// says of each slot why. If a slot was damaged the kind is secret.Corrupt.
func (u *Unlocker) Unlock(ctx context.Context, storeID string, slots Slots) (*Key, error) {
	if k := u.held(ctx, storeID, slots); k != nil {
		return k, nil
	}
	a := attempt{Unlocker: u, storeID: storeID}
	for _, kind := range SlotKinds() {
		for i := range slots {
			if slots[i].Kind != kind {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, secret.Errorf(secret.Unavailable, "", "unlocking was stopped: %s", err)
			}
			k, err := a.try(ctx, &slots[i])
			if err == nil {
				return k, nil
			}
			a.failed(&slots[i], err)
		}
	}
	return nil, a.err()
}

// held returns a kept key that still fits; one from before a rekey is dropped.
func (u *Unlocker) held(ctx context.Context, storeID string, slots Slots) *Key {
	if u.Holder == nil {
		return nil
	}
	k, err := u.Holder.Held(ctx, storeID)
	if err != nil {
		return nil // whatever the reason, the slots are there
	}
	if slices.ContainsFunc(slots, func(t Slot) bool { return t.KEK == k.ID() }) {
		return k
	}
	_ = u.Holder.Drop(ctx, storeID) // it opens nothing
	return nil
}

// An attempt is one call of Unlock.
type attempt struct {
	*Unlocker
	storeID string
	ids     []age.Identity // read once
	idsErr  error
	read    bool
	pass    []byte // asked for once
	passErr error
	asked   bool
	reasons []string
	kind    secret.Kind // of the answer, if not Unauthenticated
	wrong   bool        // a passphrase was tried
}

func (a *attempt) try(ctx context.Context, t *Slot) (*Key, error) {
	if err := t.intact(); err != nil { // before anybody is asked
		return nil, err
	}
	slotSecret, err := a.slotSecret(ctx, t)
	if err != nil {
		return nil, err
	}
	k, err := t.unlock(a.storeID, slotSecret)
	if t.Kind == Passphrase && errors.Is(err, secret.Unauthenticated) {
		a.wrong = true
		err = errWrong()
	}
	return k, err
}

func (a *attempt) slotSecret(ctx context.Context, t *Slot) ([]byte, error) {
	switch t.Kind {
	case Age, SSH:
		if !a.read {
			a.ids, a.idsErr = a.identities(ctx)
			a.read = true
		}
		if len(a.ids) == 0 {
			return nil, a.idsErr
		}
	case Passphrase:
		if !a.asked {
			a.pass, a.passErr = a.passphrase(ctx)
			a.asked = true
		}
		if a.passErr != nil {
			return nil, a.passErr
		}
		return t.Stretch.key(a.pass), nil
	case KeyFile, InKeyring, Credential, Command:
	}
	return a.openSecret(ctx, t, a.ids)
}

// passphrase returns the given one, or asks.
func (u *Unlocker) passphrase(ctx context.Context) ([]byte, error) {
	if !u.Passphrase.IsZero() {
		return u.Passphrase.Reveal(), nil
	}
	if u.Prompt == nil {
		return nil, secret.Errorf(secret.Unauthenticated, "", "nobody is there to type it\n  tacit unlock")
	}
	b, err := u.Prompt(ctx, "passphrase of the store")
	if err != nil && secret.KindOf(err) == 0 {
		err = secret.Errorf(secret.Unauthenticated, "", "no passphrase was given: %s", err)
	}
	return b, err
}

func (a *attempt) failed(t *Slot, err error) {
	if errors.Is(err, secret.Corrupt) {
		a.kind = secret.Corrupt
	}
	what := string(t.Kind)
	if t.Label != "" {
		what += " " + strconv.Quote(t.Label)
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	a.reasons = append(a.reasons, fmt.Sprintf("  %s: %s (%s)", what, text, t.Kind.use()))
}

func (a *attempt) err() error {
	why := strings.Join(a.reasons, "\n")
	switch {
	case a.wrong:
		return errWrong()
	case a.kind == secret.Corrupt:
		return secret.Errorf(secret.Corrupt, "", "the store cannot be unlocked, and a key slot or key is damaged\n%s", why)
	case len(a.reasons) == 0:
		return secret.Errorf(secret.Corrupt, "", "the store has no key slot\n  tacit store restore FILE")
	default:
		return secret.Errorf(secret.Unauthenticated, "", "the store is locked, and nothing here opens it\n%s", why)
	}
}

func errWrong() error { return secret.Errorf(secret.Unauthenticated, "", "wrong passphrase") }

// use says what a person does to use a slot of the kind.
func (k SlotKind) use() string {
	switch k {
	case KeyFile:
		return "put the key file back"
	case InKeyring:
		return "log in, or unlock the keyring"
	case Credential:
		return "start it from its systemd unit, with LoadCredential, and set unlock.credential"
	case Age, SSH:
		return "name the identity file in your own settings"
	case Command:
		return "set the unlock command in your own settings"
	case Passphrase:
		return "run tacit unlock in a terminal"
	default:
		return ""
	}
}

func (u *Unlocker) now() time.Time {
	if u.Now != nil {
		return u.Now()
	}
	return time.Now()
}
