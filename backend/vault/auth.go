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
}

// signed is what a sign-in brings.
type signed struct {
	token string
	ttl   time.Duration // from now; 0: not known, or for ever
}

// newSigner returns the signer of a method. The error is Invalid.
func (b *Backend) newSigner(a Auth) (signer, error) {
	switch a.Method {
	case "", "token":
		return newTokenSigner(a)
	default:
		return nil, secret.Errorf(secret.Invalid, "", "%q is no way to sign in to Vault", a.Method)
	}
}

// tokenSigner has a token from the settings, or a file that holds one.
type tokenSigner struct {
	token secret.Value
	file  string
}

func newTokenSigner(a Auth) (signer, error) {
	if a.Token.IsZero() == (a.TokenFile == "") {
		return nil, secret.Errorf(secret.Invalid, "", "signing in by token needs a token or a file that holds one\n  vault login, which writes ~/.vault-token")
	}
	return &tokenSigner{a.Token, a.TokenFile}, nil
}

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
		return signed{}, secret.Errorf(secret.Unauthenticated, "", "the token of the store is empty, or has characters that no token has\n  vault login")
	case token == refused:
		return signed{}, secret.Errorf(secret.Unauthenticated, "", "the store does not take the token: it is expired, revoked or of another store\n  vault login")
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

// early is how long before its end a token is no longer sent.
const early = 10 * time.Second

// session keeps the token of a sign-in. Only one caller signs in at a time.
type session struct {
	how    signer
	turn   chan struct{} // holds one element: whose turn it is to look or sign in
	signed signed
	end    time.Time // of the token; zero: not known, or never
}

func newSession(how signer) *session {
	s := &session{how: how, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// token returns the token to send. refused is one that the store did not take:
// a sign-in follows, unless another caller's already did.
func (s *session) token(ctx context.Context, refused string) (string, error) {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return "", interrupted(ctx, "")
	}
	if s.signed.token != "" && s.signed.token != refused && (s.end.IsZero() || time.Until(s.end) > early) {
		return s.signed.token, nil
	}
	got, err := s.how.signIn(ctx, refused)
	if err != nil {
		return "", err
	}
	if s.signed, s.end = got, (time.Time{}); got.ttl > 0 {
		s.end = time.Now().Add(got.ttl)
	}
	return got.token, nil
}
