package seal

import (
	"errors"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"

	"github.com/tacit-secrets/tacit/secret"
)

// sshRecipient reads a line of an SSH public key.
func sshRecipient(s string) (age.Recipient, error) {
	r, err := agessh.ParseRecipient(s)
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "not an SSH public key that can be used (ssh-ed25519 or ssh-rsa)")
	}
	return r, nil
}

// sshIdentity reads an SSH private key. The passphrase of an encrypted one is
// asked for only when age finds that it is the right key.
func sshIdentity(b []byte, path string, ask func() ([]byte, error)) (age.Identity, error) {
	id, err := agessh.ParseIdentity(b)
	if missing, ok := errors.AsType[*ssh.PassphraseMissingError](err); ok && missing.PublicKey != nil && ask != nil {
		var locked *agessh.EncryptedSSHIdentity
		locked, err = agessh.NewEncryptedSSHIdentity(missing.PublicKey, b, ask)
		id = sshLocked{locked, path}
	}
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "%s: is not an SSH key that can be used (ssh-ed25519 or ssh-rsa)", path)
	}
	return id, nil
}

// sshLocked gives a kind to what goes wrong with the passphrase; agessh flattens it.
type sshLocked struct {
	*agessh.EncryptedSSHIdentity
	path string
}

func (s sshLocked) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	key, err := s.EncryptedSSHIdentity.Unwrap(stanzas)
	if err != nil && !errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, secret.Errorf(secret.Unauthenticated, "", "%s: does not open: %s", s.path, err)
	}
	return key, err
}
