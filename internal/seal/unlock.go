package seal

import (
	"context"
	"time"

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
