//go:build !agessh

package seal

import (
	"filippo.io/age"

	"github.com/tacit-secrets/tacit/secret"
)

// Without the tag agessh there are no SSH keys: its dependency
// filippo.io/edwards25519 is not among the module's.

func sshRecipient(string) (age.Recipient, error) { return nil, errNoSSH("an SSH public key") }

func sshIdentity(_ []byte, path string, _ func() ([]byte, error)) (age.Identity, error) {
	return nil, errNoSSH(path)
}

func errNoSSH(what string) error {
	return secret.Errorf(secret.Unsupported, "", "%s: this build of tacit takes no SSH keys\n  an age identity does the same: age-keygen", what)
}
