package vault

import (
	"context"

	"github.com/tacit-secrets/tacit/secret"
)

// SignIn signs in and returns the token, for those who keep it where Vault's
// own clients look for it. Whoever asks does not close the Backend afterwards,
// which would revoke the token.
func (b *Backend) SignIn(ctx context.Context) (secret.Value, error) {
	token, err := b.session.token(ctx, "")
	return secret.Text(token), err
}
