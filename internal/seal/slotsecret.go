package seal

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/tacit-secrets/tacit/secret"
)

// A Method says what a new slot is to be unlocked by.
type Method struct {
	Kind       SlotKind
	Label      string       // for people; at most 256 bytes; may be empty
	Passphrase secret.Value // Passphrase: the new one
	Recipient  string       // Age, SSH: the public key; the kind may be left empty
}

// NewSlot makes a slot for a key, by what the Unlocker offers: a new key file
// (durable on return) or keyring entry, the secret that the command or the
// credential gives now. The slot counts once it is stored; if that fails, call
// [Unlocker.Discard].
func (u *Unlocker) NewSlot(ctx context.Context, storeID string, k *Key, m Method) (Slot, error) {
	if k.none() {
		return Slot{}, errLocked()
	}
	if !isFileName(storeID) {
		return Slot{}, secret.Errorf(secret.Invalid, "", "the store's id is no name of a file")
	}
	t := newSlot(m.Kind, m.Label, u.now())
	slotSecret, err := u.makeSecret(ctx, storeID, &t, m)
	if err != nil {
		return Slot{}, err
	}
	if err := t.lock(storeID, k, slotSecret); err != nil {
		return Slot{}, first(err, u.Discard(ctx, t))
	}
	return t, nil
}

// makeSecret fills in how the slot's secret is found again, and returns it.
func (u *Unlocker) makeSecret(ctx context.Context, storeID string, t *Slot, m Method) ([]byte, error) {
	switch m.Kind {
	case KeyFile:
		if u.KeyDir == "" {
			return nil, secret.Errorf(secret.Unsupported, "", "there is no folder for key files")
		}
		t.Name = storeID + "." + t.ID + ".key"
		return writeKeyFile(u.KeyDir, t.Name)
	case InKeyring:
		t.Name = storeID + "." + t.ID
		key := randomKey()
		return key, u.keyringSet(ctx, t.Name, key)
	case Credential:
		t.Name = u.Credential
		return t.stretched(u.credential(t.Name))
	case Command:
		return t.stretched(u.command(ctx))
	case Passphrase:
		pass := m.Passphrase.Reveal()
		if len(pass) == 0 {
			return nil, secret.Errorf(secret.Invalid, "", "a passphrase cannot be empty")
		}
		t.Stretch = newStretch()
		return t.Stretch.key(pass), nil
	case Age, SSH:
		return t.enclose(m.Recipient)
	default:
		return nil, secret.Errorf(secret.Invalid, "", "no kind of key slot %.20q is known\n  one of %s", m.Kind, kindList())
	}
}

// stretched makes a key of what a command or credential gives. Under 32 bytes
// it might be a person's choice, and is stretched like a passphrase.
func (t *Slot) stretched(b []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	if len(b) < KeyBytes {
		t.Stretch = newStretch()
	}
	return t.Stretch.key(b), nil
}

// enclose makes a secret and encrypts it to the recipient.
func (t *Slot) enclose(recipient string) ([]byte, error) {
	r, kind, err := parseRecipient(strings.TrimSpace(recipient))
	if err != nil {
		return nil, err
	}
	t.Kind, t.Recipient = kind, strings.TrimSpace(recipient)
	key := randomKey()
	var b bytes.Buffer
	w, err := age.Encrypt(&b, r)
	if err == nil {
		_, err = w.Write(key)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "encryption to this recipient is not possible: %s", err)
	}
	t.Envelope = b.Bytes()
	return key, nil
}

// openSecret gets the secret of a slot from the machine.
func (u *Unlocker) openSecret(ctx context.Context, t *Slot, ids []age.Identity) ([]byte, error) {
	switch t.Kind {
	case KeyFile:
		if u.KeyDir == "" {
			return nil, secret.Errorf(secret.NotFound, "", "there is no folder for key files")
		}
		return readKeyFile(filepath.Join(u.KeyDir, t.Name))
	case InKeyring:
		return u.keyringGet(ctx, t.Name)
	case Credential:
		b, err := u.credential(t.Name)
		if err != nil {
			return nil, err
		}
		return t.Stretch.key(b), nil
	case Command:
		b, err := u.command(ctx)
		if err != nil {
			return nil, err
		}
		return t.Stretch.key(b), nil
	case Age, SSH:
		return t.disclose(ids)
	case Passphrase:
		return nil, secret.Errorf(secret.Invalid, "", "a passphrase is asked for")
	default:
		return nil, secret.Errorf(secret.Invalid, "", "no kind of key slot %.20q is known", t.Kind)
	}
}

func (t *Slot) disclose(ids []age.Identity) ([]byte, error) {
	r, err := decrypt(bytes.NewReader(t.Envelope), ids)
	if err != nil {
		return nil, err
	}
	key, err := io.ReadAll(io.LimitReader(r, KeyBytes+1))
	if err != nil {
		return nil, err
	}
	if len(key) != KeyBytes {
		return nil, secret.Errorf(secret.Corrupt, "", "key slot %s is damaged", t.ID)
	}
	return key, nil
}

// credential reads a credential that systemd gave this service, if the user's own
// settings name it: what a store's slot names is not to be believed alone.
func (u *Unlocker) credential(name string) ([]byte, error) {
	switch {
	case u.Credential == "":
		return nil, secret.Errorf(secret.NotFound, "", "no systemd credential is named in your own settings\n  set unlock.credential")
	case name != u.Credential:
		return nil, secret.Errorf(secret.NotFound, "", "it needs the systemd credential %s, and your own settings name %s", name, u.Credential)
	case u.CredentialDir == "":
		return nil, secret.Errorf(secret.NotFound, "", "systemd gives no credentials here")
	case !isFileName(name):
		return nil, secret.Errorf(secret.Invalid, "", "a credential's name is that of a file")
	}
	b, err := readGuarded(filepath.Join(u.CredentialDir, name), checkCredential)
	if err != nil {
		return nil, err
	}
	return secretOf(b, "credential "+name)
}

// Discard removes the key files and keyring entries of slots that the store no
// longer has. What is gone already is no error.
func (u *Unlocker) Discard(ctx context.Context, slots ...Slot) error {
	var errs []error
	for _, t := range slots {
		switch {
		case t.Name == "" || !isFileName(t.Name):
		case t.Kind == KeyFile && u.KeyDir != "":
			errs = append(errs, removeKeyFile(u.KeyDir, t.Name))
		case t.Kind == InKeyring:
			errs = append(errs, u.keyringDelete(ctx, t.Name))
		}
	}
	return first(errs...)
}

// Sweep removes the store's key files that none of its slots names: what a
// process left that was killed between making a file and storing its slot, or
// between storing and [Unlocker.Discard]. Call it only while nobody else
// changes slots. (Keyring entries cannot be listed; a killed process leaves
// them, and they open nothing.)
func (u *Unlocker) Sweep(storeID string, slots Slots) error {
	if u.KeyDir == "" {
		return nil
	}
	names, err := keyFilesOf(u.KeyDir, storeID)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range names {
		if !slices.ContainsFunc(slots, func(t Slot) bool { return t.Name == n }) {
			errs = append(errs, removeKeyFile(u.KeyDir, n))
		}
	}
	return first(errs...)
}

// first returns the first error: callers want one of one kind.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func randomKey() []byte {
	b := make([]byte, KeyBytes)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

func kindList() string {
	var s []string
	for _, k := range SlotKinds() {
		s = append(s, string(k))
	}
	return strings.Join(s, ", ")
}
