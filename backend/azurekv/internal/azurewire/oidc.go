package azurewire

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Trust lets an application sign in with an issuer's tokens for a subject, as a
// federated credential says. The issuer's keys are asked of it, by OpenID
// Connect, each time.
func (s *Server) Trust(id, issuer, subject string) {
	s.register(id, client{issuer: issuer, subject: subject})
}

// federated checks a token as Entra does: signature, issuer, subject, audience
// and end.
func (c client) federated(assertion string) error {
	_, err := jwt.Parse(assertion, func(*jwt.Token) (any, error) {
		if c.key != nil {
			return c.key, nil
		}
		return issuerKey(c.issuer)
	}, jwt.WithValidMethods([]string{"RS256", "ES256"}), jwt.WithIssuer(c.issuer), jwt.WithSubject(c.subject), jwt.WithAudience(Federation), jwt.WithExpirationRequired())
	return err
}

// issuerKey asks an issuer for the key it signs with: of an elliptic curve, as
// the issuers of tests have one.
func issuerKey(issuer string) (crypto.PublicKey, error) {
	var found struct {
		Keys string `json:"jwks_uri"`
	}
	if err := ask(issuer+"/.well-known/openid-configuration", &found); err != nil {
		return nil, err
	}
	var set struct {
		Keys []struct{ Kty, Crv, X, Y string }
	}
	if err := ask(found.Keys, &set); err != nil {
		return nil, err
	}
	for _, k := range set.Keys {
		x, errX := base64.RawURLEncoding.DecodeString(k.X)
		y, errY := base64.RawURLEncoding.DecodeString(k.Y)
		if k.Kty == "EC" && k.Crv == "P-256" && errX == nil && errY == nil {
			return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		}
	}
	return nil, errors.New("the issuer tells no key")
}

func ask(url string, into any) error {
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the issuer answers %s", resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(into)
}
