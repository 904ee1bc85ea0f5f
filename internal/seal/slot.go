package seal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// The limits of a store's slots.
const (
	MaxSlots     = 64
	MaxSlotBytes = 64 << 10 // of one slot's JSON
	maxLabel     = 256
)

// A SlotKind says how a slot is unlocked.
type SlotKind string

// The kinds, cheapest first: the order in which an [Unlocker] tries them.
const (
	KeyFile    SlotKind = "keyfile"    // a file of mode 0600 in the user's configuration tree
	InKeyring  SlotKind = "keyring"    // an entry of the system's keyring
	Credential SlotKind = "credential" // a file that systemd hands to a service
	Age        SlotKind = "age"        // an age identity file; also the recovery key
	SSH        SlotKind = "ssh"        // an SSH key file, never an agent
	Command    SlotKind = "command"    // what a command of the user's own settings prints
	Passphrase SlotKind = "passphrase" // argon2id
)

// SlotKinds returns all kinds in the order in which they are tried.
func SlotKinds() []SlotKind {
	return []SlotKind{KeyFile, InKeyring, Credential, Age, SSH, Command, Passphrase}
}

// A Slot is one way to unlock a store: the KEK, sealed under a secret that the
// slot's kind knows how to get. It reveals nothing but what it says.
type Slot struct {
	ID        string    `json:"id"` // 16 hexadecimal digits
	Kind      SlotKind  `json:"kind"`
	Label     string    `json:"label,omitempty"` // for people
	KEK       string    `json:"kek"`             // the ID of the key it opens
	Created   time.Time `json:"created"`
	Name      string    `json:"name,omitempty"`      // the key file's, entry's or credential's name
	Recipient string    `json:"recipient,omitempty"` // age, ssh: the public key
	Envelope  []byte    `json:"envelope,omitempty"`  // age, ssh: the slot's secret, encrypted to Recipient
	Stretch   *Stretch  `json:"stretch,omitempty"`   // for secrets that a person might choose
	Wrapped   []byte    `json:"wrapped"`             // the KEK
	Sum       []byte    `json:"sum"`                 // tells a damaged slot from a wrong passphrase
}

// Slots are all ways to unlock one store.
type Slots []Slot

// document is the form in which slots are kept.
type document struct {
	Format int   `json:"format"`
	Slots  Slots `json:"slots"`
}

// MarshalSlots returns the slots as they are kept in a store's header, equal
// for equal slots. More than [MaxSlots], or a slot that [ParseSlots] would
// refuse, is secret.Invalid.
func MarshalSlots(s Slots) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "key slots: %s", err)
	}
	b, err := json.Marshal(document{format, s})
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "key slots cannot be encoded: %s", err)
	}
	return b, nil
}

// ParseSlots reads what [MarshalSlots] made. Anything else is secret.Corrupt.
// Each slot's own damage shows only when it is used, so that one bad slot does
// not lock out the others.
func ParseSlots(b []byte) (Slots, error) {
	if len(b) > MaxSlots*MaxSlotBytes {
		return nil, secret.Errorf(secret.Corrupt, "", "the store's key slots are too large")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var doc document
	err := d.Decode(&doc)
	if _, more := d.Token(); err == nil && more != io.EOF {
		err = fmt.Errorf("something follows")
	}
	if err == nil && doc.Format != format {
		err = fmt.Errorf("their format is %d, and this tacit knows only %d", doc.Format, format)
	}
	if err == nil {
		err = doc.Slots.check()
	}
	if err != nil {
		return nil, secret.Errorf(secret.Corrupt, "", "the store's key slots cannot be read: %s", err)
	}
	return doc.Slots, nil
}

func (s Slots) check() error {
	if len(s) > MaxSlots {
		return fmt.Errorf("more than %d", MaxSlots)
	}
	seen := map[string]bool{}
	for _, t := range s {
		if err := t.check(); err != nil {
			return fmt.Errorf("slot %.40q: %w", t.ID, err)
		}
		if seen[t.ID] {
			return fmt.Errorf("slot %s is there twice", t.ID)
		}
		seen[t.ID] = true
	}
	return nil
}

func (t Slot) check() error {
	switch {
	case !isID(t.ID):
		return fmt.Errorf("its id is not 16 hexadecimal digits")
	case !isID(t.KEK):
		return fmt.Errorf("its key's id is not 16 hexadecimal digits")
	case !slices.Contains(SlotKinds(), t.Kind):
		return fmt.Errorf("no kind %.20q is known", t.Kind)
	case len(t.Label) > maxLabel || strings.ContainsFunc(t.Label, isControl):
		return fmt.Errorf("its label is too long or has control characters")
	case t.Name != "" && !isFileName(t.Name):
		return fmt.Errorf("its name is not that of a file")
	case len(t.Wrapped) != KeyBytes+Overhead:
		return fmt.Errorf("its wrapped key has %d bytes", len(t.Wrapped))
	}
	if b, err := json.Marshal(t); err != nil || len(b) > MaxSlotBytes {
		return fmt.Errorf("it has more than %d bytes", MaxSlotBytes)
	}
	return t.checkKind()
}

// checkKind asks for what the slot's kind needs.
func (t Slot) checkKind() error {
	named := t.Kind == KeyFile || t.Kind == InKeyring || t.Kind == Credential
	public := t.Kind == Age || t.Kind == SSH
	switch {
	case named != (t.Name != ""):
		return fmt.Errorf("its name is missing or not wanted")
	case public != (t.Recipient != "") || public != (len(t.Envelope) > 0):
		return fmt.Errorf("its recipient is missing or not wanted")
	case t.Kind == Passphrase && t.Stretch == nil:
		return fmt.Errorf("its argon2id parameters are missing")
	case t.Stretch != nil:
		return t.Stretch.check()
	}
	return nil
}

func isID(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 16 && s == strings.ToLower(s)
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// isFileName keeps a hostile store from naming a file elsewhere.
func isFileName(s string) bool {
	return len(s) <= 200 && s != "." && s != ".." && filepath.IsLocal(s) &&
		!strings.ContainsAny(s, `/\:`) && !strings.ContainsFunc(s, isControl)
}

// Add returns the slots with one more; s stays as it is. One too many is
// secret.Invalid, an id that is there already secret.Conflict.
func (s Slots) Add(t Slot) (Slots, error) {
	if len(s) >= MaxSlots {
		return nil, secret.Errorf(secret.Invalid, "", "a store has at most %d key slots\n  tacit store key remove", MaxSlots)
	}
	if _, ok := s.Find(t.ID); ok {
		return nil, secret.Errorf(secret.Conflict, "", "key slot %s is there already", t.ID)
	}
	return append(slices.Clone(s), t), nil
}

// Remove returns the slots without one, and that one; s stays as it is. An
// unknown id is secret.NotFound; the last slot stays (secret.Invalid), since
// nobody could open the store without it. When the change is stored, call
// [Unlocker.Discard].
func (s Slots) Remove(id string) (Slots, Slot, error) {
	t, ok := s.Find(id)
	if !ok {
		return nil, t, secret.Errorf(secret.NotFound, "", "no key slot %q\n  tacit store key list", id)
	}
	if len(s) == 1 {
		return nil, t, secret.Errorf(secret.Invalid, "", "key slot %s is the last one: without it nobody opens the store\n  tacit store key add", id)
	}
	return slices.DeleteFunc(slices.Clone(s), func(u Slot) bool { return u.ID == id }), t, nil
}

// Find returns the slot of an id.
func (s Slots) Find(id string) (Slot, bool) {
	i := slices.IndexFunc(s, func(t Slot) bool { return t.ID == id })
	if i < 0 {
		return Slot{}, false
	}
	return s[i], true
}

// newSlot begins a slot for a key; close finishes it.
func newSlot(k SlotKind, label string, now time.Time) Slot {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	return Slot{ID: hex.EncodeToString(id), Kind: k, Label: label, Created: now.UTC().Truncate(time.Second)}
}

// lock seals the key into the slot under the slot's secret.
func (t *Slot) lock(storeID string, k *Key, slotSecret []byte) error {
	if k.none() {
		return errLocked()
	}
	t.KEK = k.ID()
	var err error
	if t.Wrapped, err = Seal(expand(slotSecret, labelSlot, t.ID), t.ad(storeID), k.raw()); err != nil {
		return err
	}
	t.Sum = t.sum()
	if err := t.check(); err != nil {
		return secret.Errorf(secret.Invalid, "", "the key slot cannot be made: %s", err)
	}
	return nil
}

// unlock gives the key, or secret.Unauthenticated if the secret does not fit.
// A damaged slot is secret.Corrupt, whatever the secret.
func (t *Slot) unlock(storeID string, slotSecret []byte) (*Key, error) {
	if err := t.intact(); err != nil {
		return nil, err
	}
	raw, err := Open(expand(slotSecret, labelSlot, t.ID), t.ad(storeID), t.Wrapped)
	if err != nil {
		return nil, secret.Errorf(secret.Unauthenticated, "", "it does not fit this store")
	}
	k, err := keyOf(raw)
	if err != nil {
		return nil, err
	}
	if k.ID() != t.KEK {
		return nil, secret.Errorf(secret.Corrupt, "", "key slot %s holds another key than it says", t.ID)
	}
	return k, nil
}

func (t *Slot) intact() error {
	if !bytes.Equal(t.Sum, t.sum()) {
		return secret.Errorf(secret.Corrupt, "", "key slot %s is damaged\n  tacit store key remove %s, or tacit store restore FILE", t.ID, t.ID)
	}
	return nil
}

// ad binds the wrapped key to its store and slot.
func (t *Slot) ad(storeID string) []byte {
	return []byte(strings.Join([]string{labelSlot, storeID, t.ID, string(t.Kind), t.KEK}, "\x00"))
}

// sum is a plain checksum: it finds damage, and the header's MAC finds forgery.
func (t *Slot) sum() []byte {
	u := *t
	u.Sum = nil
	b, err := json.Marshal(u)
	if err != nil {
		return nil
	}
	h := sha256.Sum256(b)
	return h[:16]
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
