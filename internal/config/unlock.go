package config

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/secret"
)

// Prompt asks a person for what its text says.
type Prompt func(ctx context.Context, text string) ([]byte, error)

// unlocker collects what this machine and the user's settings offer to unlock
// a store with.
func unlocker(s System, u User, o Options) *seal.Unlocker {
	out := &seal.Unlocker{
		KeyDir: filepath.Join(s.configDir(), "keys"), CredentialDir: s.Var("CREDENTIALS_DIRECTORY"),
		Credential: u.Unlock.Credential, Command: u.Unlock.Command, Environ: s.Environ, Prompt: o.Passphrase, Now: o.Now,
	}
	for _, path := range u.Unlock.Identities {
		if rest, ok := strings.CutPrefix(path, "~/"); ok {
			path = filepath.Join(s.Home, rest)
		}
		out.Identities = append(out.Identities, path)
	}
	if !o.NoKeyring {
		out.Keyring = seal.SystemKeyring()
		out.Holder = seal.SystemHolder(o.now())
	}
	return out
}

// once asks each question once: its answer serves for the whole command.
func once(p Prompt) Prompt {
	if p == nil {
		return nil
	}
	var mu sync.Mutex
	given := map[string][]byte{}
	return func(ctx context.Context, text string) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if b, ok := given[text]; ok {
			return b, nil
		}
		b, err := p(ctx, text)
		if err == nil {
			given[text] = b
		}
		return b, err
	}
}

func (o *Options) now() func() time.Time {
	if o.Now == nil {
		return time.Now
	}
	return o.Now
}

// firstSlot makes the slot of a new store: an entry of the keyring if there is
// one that answers, a key file otherwise. passed tells why a keyring that may be
// there was passed over.
func firstSlot(ctx context.Context, u *seal.Unlocker, id string, k *seal.Key) (slot seal.Slot, passed string, err error) {
	if u.Keyring != nil {
		slot, err := u.NewSlot(ctx, id, k, seal.Method{Kind: seal.InKeyring})
		if err == nil {
			return slot, "", nil
		}
		if !errors.Is(err, secret.Unsupported) {
			passed, _, _ = strings.Cut(err.Error(), "\n")
		}
	}
	slot, err = u.NewSlot(ctx, id, k, seal.Method{Kind: seal.KeyFile})
	return slot, passed, err
}

// slotPlace says in words where the secret of a slot is.
func slotPlace(s System, t seal.Slot) string {
	switch t.Kind {
	case seal.KeyFile:
		return "a file in " + filepath.Join(s.configDir(), "keys")
	case seal.InKeyring:
		return "the keyring of this login session"
	case seal.Passphrase:
		return "a passphrase"
	case seal.Age, seal.SSH:
		return t.Recipient
	case seal.Credential:
		return "the systemd credential " + t.Name
	case seal.Command:
		return "a command of your config.toml"
	default:
		return string(t.Kind)
	}
}

// errNoStore says that a folder has no store yet.
func errNoStore(root string) error {
	return secret.Errorf(secret.NotFound, "", "%s is bound to no store\n  make one:  tacit init, or tacit trust for files that are there already", root)
}
