package seal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"filippo.io/age"

	"github.com/tacit-secrets/tacit/secret"
)

const maxRecipients = 32

// NewRecovery makes a hybrid post-quantum age key pair. The identity opens what
// is sealed to the recipient; it is for paper or another machine, and is kept
// nowhere by tacit.
func NewRecovery() (identity secret.Value, recipient string, err error) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return identity, "", secret.Errorf(secret.Unavailable, "", "a recovery key cannot be made: %s", err)
	}
	return secret.Text(id.String()), id.Recipient().String(), nil
}

// parseRecipient takes an age recipient (age1…, age1pq1…) or a line of an SSH
// public key, and says which.
func parseRecipient(s string) (age.Recipient, SlotKind, error) {
	if len(s) > maxFile/4 {
		return nil, "", secret.Errorf(secret.Invalid, "", "an age recipient is not that long")
	}
	if strings.HasPrefix(s, "ssh-") {
		r, err := sshRecipient(s)
		return r, SSH, err
	}
	rs, err := age.ParseRecipients(strings.NewReader(s))
	if err != nil || len(rs) != 1 {
		// age's own text quotes the input, and that may be an identity.
		return nil, "", secret.Errorf(secret.Invalid, "", "not an age recipient (age1…) or SSH public key\n  age-keygen -y FILE prints the recipient of an identity file")
	}
	return rs[0], Age, nil
}

// EncryptTo returns a writer that encrypts to all recipients (age, hybrid
// post-quantum, SSH public keys; 1 to 32) in the age format. Its Close ends
// the stream; without it nothing can be decrypted. A bad recipient, or a mixture of
// post-quantum and other ones, is secret.Invalid.
func EncryptTo(recipients []string, w io.Writer) (io.WriteCloser, error) {
	if len(recipients) == 0 || len(recipients) > maxRecipients {
		return nil, secret.Errorf(secret.Invalid, "", "1 to %d recipients are needed", maxRecipients)
	}
	rs := make([]age.Recipient, len(recipients))
	for i, s := range recipients {
		var err error
		if rs[i], _, err = parseRecipient(s); err != nil {
			return nil, err
		}
	}
	out, err := age.Encrypt(w, rs...)
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "encryption to these recipients is not possible: %s", err)
	}
	return out, nil
}

// DecryptWith returns the plain text of what [EncryptTo] wrote, with one of the
// Unlocker's identity files. No fitting one is secret.Unauthenticated. What
// was changed or cut short is an error of the reader; nothing may be believed
// before its io.EOF.
func (u *Unlocker) DecryptWith(ctx context.Context, r io.Reader) (io.Reader, error) {
	ids, err := u.identities(ctx)
	if len(ids) == 0 {
		return nil, err
	}
	return decrypt(r, ids)
}

// DecryptWith is the method of the same name for identities at hand: the text
// of age identity files or SSH private keys without a passphrase.
func DecryptWith(identities []secret.Value, r io.Reader) (io.Reader, error) {
	var ids []age.Identity
	for _, v := range identities {
		more, err := parseIdentities(v.Reveal(), "an identity", nil)
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
	}
	return decrypt(r, ids)
}

func decrypt(r io.Reader, ids []age.Identity) (io.Reader, error) {
	if len(ids) == 0 {
		return nil, secret.Errorf(secret.Unauthenticated, "", "no identity to decrypt with")
	}
	out, err := age.Decrypt(r, ids...)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return nil, secret.Errorf(secret.Unauthenticated, "", "no identity at hand fits")
	}
	if k := secret.KindOf(err); k != 0 { // the passphrase of an SSH key
		return nil, err
	}
	if err != nil {
		return nil, secret.Errorf(secret.Corrupt, "", "the encrypted data cannot be read: %s", err)
	}
	return plainReader{out}, nil
}

// plainReader gives age's errors a kind.
type plainReader struct{ r io.Reader }

func (p plainReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = secret.Errorf(secret.Corrupt, "", "the encrypted data was changed or cut short: %s", err)
	}
	return n, err
}

// identities reads all identity files. The error tells what was wrong with
// those left out.
func (u *Unlocker) identities(ctx context.Context) ([]age.Identity, error) {
	var ids []age.Identity
	err := error(secret.Errorf(secret.NotFound, "", "no identity file is named"))
	for _, path := range u.Identities {
		b, e := readPrivate(path)
		if e == nil {
			var more []age.Identity
			more, e = parseIdentities(b, path, u.prompter(ctx, path))
			ids = append(ids, more...)
		}
		if e != nil {
			err = e
		}
	}
	return ids, err
}

// prompter asks for the passphrase of an encrypted SSH key, when age finds that
// the key is the one.
func (u *Unlocker) prompter(ctx context.Context, path string) func() ([]byte, error) {
	return func() ([]byte, error) {
		if u.Prompt == nil {
			return nil, secret.Errorf(secret.Unauthenticated, "", "%s: has a passphrase, and nobody is there to type it", path)
		}
		return u.Prompt(ctx, "passphrase of "+path)
	}
}

func parseIdentities(b []byte, path string, ask func() ([]byte, error)) ([]age.Identity, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(b), []byte("-----BEGIN")) {
		ids, err := age.ParseIdentities(bytes.NewReader(b))
		if err != nil { // age's own text may quote the line
			return nil, secret.Errorf(secret.Invalid, "", "%s: is not an age identity", path)
		}
		return ids, nil
	}
	id, err := sshIdentity(b, path, ask)
	if err != nil {
		return nil, err
	}
	return []age.Identity{id}, nil
}
