package vault

import (
	"context"

	"github.com/tacit-secrets/tacit/secret"
)

// jwtSigner signs in with a token that an issuer of identities made: from the
// settings, from a file, or from GitHub Actions, which makes one for a job that
// asks.
type jwtSigner struct {
	b *Backend
	a Auth
}

func (b *Backend) newJWTSigner(a Auth) (signer, error) {
	a, err := b.method(a)
	if err != nil {
		return nil, err
	}
	s := &jwtSigner{b: b, a: a}
	sources := 0
	for _, there := range []bool{!a.JWT.IsZero(), a.JWTFile != "", a.GitHub.URL != ""} {
		if there {
			sources++
		}
	}
	if sources != 1 {
		return nil, secret.Errorf(secret.Invalid, "", "signing in by jwt needs one token: from a variable, from a file, or from GitHub Actions\n  jwt_file = \"FILE\"")
	}
	if err := a.GitHub.Check(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *jwtSigner) again() bool { return true }

func (s *jwtSigner) signIn(ctx context.Context, _ string) (signed, error) {
	token, err := s.token(ctx)
	if err != nil {
		return signed{}, err
	}
	body := map[string]string{"jwt": token}
	if s.a.Role != "" { // the method may have a role of its own
		body["role"] = s.a.Role
	}
	return s.b.login(ctx, s.a, body, "the identity token")
}

func (s *jwtSigner) token(ctx context.Context) (string, error) {
	if s.a.GitHub.URL != "" {
		return s.a.GitHub.Identity(ctx)
	}
	return credential(s.a.JWT, s.a.JWTFile, "the identity token")
}
