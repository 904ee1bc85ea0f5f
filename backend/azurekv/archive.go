package azurekv

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/tacit-secrets/tacit/secret"
)

// archiveMagic begins a backup: then come the hash of the vault's name of the
// secret, what the vault made, and the hash of all that. The vault's part is
// sealed by it, and does not tell whose it is before it is restored.
const archiveMagic = "tacit azurekv 1\n"

// Backup packs all versions, so that a vault of the same subscription and
// geography can restore them.
func (b *Backend) Backup(ctx context.Context, n secret.Name) ([]byte, error) {
	c, err := b.begin(ctx, n)
	if err != nil {
		return nil, err
	}
	if err := c.surely(ctx); err != nil {
		return nil, err
	}
	r, err := c.c.BackupSecret(ctx, c.az, nil)
	if err != nil {
		err = c.classify(ctx, err, actBackup)
		if secret.KindOf(err) == secret.NotFound {
			_, err = c.gone(ctx, err)
		}
		return nil, err
	}
	blob := append([]byte(archiveMagic), c.digest()...)
	blob = append(blob, r.Value...)
	sum := sha256.Sum256(blob)
	return append(blob, sum[:]...), nil
}

func (c call) digest() []byte {
	sum := sha256.Sum256([]byte(c.az))
	return sum[:]
}

// Restore brings all versions back, with their identities.
func (b *Backend) Restore(ctx context.Context, n secret.Name, blob []byte) (secret.Meta, error) {
	c, err := b.begin(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	inner, err := c.open(blob)
	if err != nil {
		return secret.Meta{}, err
	}
	done, err := b.busy.take(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	defer done()
	var id string
	var there error
	err = c.until(ctx, func() (bool, error) {
		r, err := c.c.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: inner}, nil)
		if err == nil {
			id, _ = idName(r.ID)
		}
		if status(err) != http.StatusConflict {
			return true, err
		}
		there = c.standing(ctx)
		return there != nil, err // there is nothing: it is still being purged
	})
	switch {
	case err != nil && there != nil:
		return secret.Meta{}, there
	case err != nil:
		return secret.Meta{}, c.classify(ctx, err, actRestore)
	case id != c.az:
		return secret.Meta{}, secret.Errorf(secret.Invalid, n, "the backup was of %q, and that is what is restored now", id)
	}
	m, err := c.describe(ctx)
	return m, after("it is restored, but ", err)
}

// open takes a backup apart, before anything is sent.
func (c call) open(blob []byte) ([]byte, error) {
	bad := func(what string) error { return secret.Errorf(secret.Invalid, c.n, "the backup is %s", what) }
	body := len(blob) - sha256.Size
	if body < len(archiveMagic)+sha256.Size || !bytes.HasPrefix(blob, []byte(archiveMagic)) {
		return nil, bad("not of a Key Vault")
	}
	if sum := sha256.Sum256(blob[:body]); !bytes.Equal(sum[:], blob[body:]) {
		return nil, bad("damaged")
	}
	name, inner := blob[len(archiveMagic):len(archiveMagic)+sha256.Size], blob[len(archiveMagic)+sha256.Size:body]
	if !bytes.Equal(name, c.digest()) {
		return nil, bad("of another name")
	}
	return inner, nil
}

// standing is the error of a secret that a restore would have to replace; nil
// if there is none.
func (c call) standing(ctx context.Context) error {
	_, err := c.history(ctx)
	switch {
	case err == nil:
		return secret.Errorf(secret.Conflict, c.n, "it exists already in Key Vault %s", c.b.vault)
	case errors.Is(err, secret.Deleted):
		return c.conflict("ObjectIsDeletedButRecoverable")
	case secret.KindOf(err) == secret.NotFound:
		return nil
	default:
		return err
	}
}
