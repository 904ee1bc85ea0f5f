package vault

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// jwtSigner signs in with a token that an issuer of identities made: from the
// settings, from a file, or from GitHub Actions, which makes one for a job that
// asks.
type jwtSigner struct {
	b      *Backend
	a      Auth
	github *http.Client
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
	if a.GitHub.URL == "" {
		return s, nil
	}
	u, err := url.Parse(a.GitHub.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, secret.Errorf(secret.Invalid, "", "ACTIONS_ID_TOKEN_REQUEST_URL is no https address")
	}
	transport, err := wire.NewTransport(wire.TLS{}) // GitHub's certificate, not the store's
	if err != nil {
		return nil, err
	}
	s.github = wire.Client(transport)
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
	if s.github == nil {
		return credential(s.a.JWT, s.a.JWTFile, "the identity token")
	}
	token, err := s.askGitHub(ctx)
	if err != nil {
		if e, ok := errors.AsType[*secret.Error](err); ok {
			return "", e
		}
		kind, text := wire.Failure(err)
		return "", secret.Errorf(kind, "", "GitHub Actions gives no identity token: %s", text)
	}
	return token, nil
}

// askGitHub asks for a token that is good for the audience alone.
func (s *jwtSigner) askGitHub(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	u, err := url.Parse(s.a.GitHub.URL)
	if err != nil {
		return "", err
	}
	if s.a.GitHub.Audience != "" {
		q := u.Query()
		q.Set("audience", s.a.GitHub.Audience)
		u.RawQuery = q.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Bearer "+string(s.a.GitHub.Token.Reveal()))
	r.Header.Set("Accept", "application/json")
	resp, err := s.github.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenBytes))
	if err != nil {
		return "", err
	}
	var told struct {
		Value string `json:"value"`
	}
	switch {
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return "", secret.Errorf(secret.Unavailable, "", "GitHub Actions answers %d where a job gets its identity token", resp.StatusCode)
	case resp.StatusCode != http.StatusOK || json.Unmarshal(text, &told) != nil || told.Value == "":
		return "", secret.Errorf(secret.Unauthenticated, "", "GitHub Actions gives this job no identity token: it answers %d\n  permissions: {id-token: write}", resp.StatusCode)
	}
	return told.Value, nil
}
