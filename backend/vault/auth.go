package vault

import (
	"bytes"
	"context"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/tacit-secrets/tacit/secret"
)

// maxTokenBytes bounds what is read of a token file.
const maxTokenBytes = 64 << 10

// A signer signs in: it says where a token comes from.
type signer interface {
	// signIn returns a token. refused is the one that the store no longer
	// takes, empty at first: who has no other answers Unauthenticated.
	signIn(ctx context.Context, refused string) (signed, error)
	// again tells whether it makes a new token each time.
	again() bool
}

// signed is what a sign-in brings.
type signed struct {
	token     string
	ttl       time.Duration // from now; 0: not known, or for ever
	renewable bool
	minted    bool // by this sign-in: ours to revoke
}

// newSigner returns the signer of a method. The error is Invalid.
func (b *Backend) newSigner(a Auth) (signer, error) {
	switch a.Method {
	case "", "token":
		return b.newTokenSigner(a)
	case "approle":
		return b.newApproleSigner(a)
	case "kubernetes":
		return b.newKubernetesSigner(a)
	case "jwt":
		return b.newJWTSigner(a)
	case "userpass":
		return b.newUserpassSigner(a)
	case methodCert:
		return b.newCertSigner(a)
	case "aws":
		return b.newAWSSigner(a)
	default:
		return nil, secret.Errorf(secret.Invalid, "", "%q is no way to sign in to Vault", a.Method)
	}
}

// tokenSigner has a token from the settings, or a file that holds one.
type tokenSigner struct {
	token secret.Value
	file  string

	where, login string // of the store, and the command that makes another token
}

func (b *Backend) newTokenSigner(a Auth) (signer, error) {
	if a.Token.IsZero() == (a.TokenFile == "") {
		return nil, secret.Errorf(secret.Invalid, "", "signing in by token needs a token or a file that holds one\n  vault login, which writes ~/.vault-token")
	}
	return &tokenSigner{a.Token, a.TokenFile, b.where, "vault login -address=" + b.settings.Address}, nil
}

func (s *tokenSigner) again() bool { return false }

// signIn reads the file again: an agent beside us may have renewed the token.
func (s *tokenSigner) signIn(_ context.Context, refused string) (signed, error) {
	token := string(s.token.Reveal())
	if s.file != "" {
		var err error
		if token, err = readToken(s.file); err != nil {
			return signed{}, err
		}
	}
	switch {
	case token == "" || strings.ContainsFunc(token, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsGraphic(r) || r == ' ' }):
		return signed{}, secret.Errorf(secret.Unauthenticated, "", "the token for %s is empty, or has characters that no token has\n  %s", s.where, s.login)
	case token == refused:
		return signed{}, secret.Errorf(secret.Unauthenticated, "", "%s does not take the token: it is expired, revoked or of another store\n  %s", s.where, s.login)
	default:
		return signed{token: token}, nil
	}
}

func readToken(file string) (string, error) {
	f, err := os.Open(file) //nolint:gosec // the user's own settings name it
	if err != nil {
		return "", &secret.Error{Kind: secret.Unauthenticated, Text: "the file of the store's token: " + err.Error() + "\n  vault login", Err: err}
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, maxTokenBytes+1)
	n, err := f.Read(b)
	if err != nil && n == 0 || n > maxTokenBytes {
		return "", secret.Errorf(secret.Unauthenticated, "", "%s holds no token\n  vault login", file)
	}
	return string(bytes.TrimSpace(b[:n])), nil
}
