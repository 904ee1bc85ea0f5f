package vault

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// approleSigner signs in with a role id and, where the role asks for one, a
// secret id, which may come wrapped.
type approleSigner struct {
	b *Backend
	a Auth

	wrapped, unwrapped string // the wrapping token that was used, and what was in it
}

func (b *Backend) newApproleSigner(a Auth) (signer, error) {
	a, err := b.method(a)
	switch {
	case err != nil:
		return nil, err
	case a.RoleID == "":
		return nil, secret.Errorf(secret.Invalid, "", "signing in by approle needs a role id\n  role_id = \"…\", or set VAULT_ROLE_ID")
	case a.Wrapped && a.SecretID.IsZero() && a.SecretIDFile == "":
		return nil, secret.Errorf(secret.Invalid, "", "a wrapped secret id is said to be there, and there is none\n  secret_id_file = \"FILE\", or set VAULT_SECRET_ID")
	}
	return &approleSigner{b: b, a: a}, nil
}

func (s *approleSigner) again() bool { return true }

func (s *approleSigner) signIn(ctx context.Context, _ string) (signed, error) {
	body := map[string]string{"role_id": s.a.RoleID}
	if !s.a.SecretID.IsZero() || s.a.SecretIDFile != "" {
		id, err := credential(s.a.SecretID, s.a.SecretIDFile, "the secret id")
		if err == nil && s.a.Wrapped {
			id, err = s.unwrap(ctx, id)
		}
		if err != nil {
			return signed{}, err
		}
		body["secret_id"] = id
	}
	return s.b.login(ctx, s.a, body, "the role id and the secret id")
}

// unwrap takes a secret id out of its wrapping, once. It first looks where the
// wrapping was made: one that somebody else made holds somebody else's secret
// id, and what is done with it would be seen by them.
func (s *approleSigner) unwrap(ctx context.Context, token string) (string, error) {
	if token == s.wrapped {
		return s.unwrapped, nil
	}
	var told struct {
		Path string `json:"creation_path"`
	}
	r := request{method: http.MethodPost, path: "sys/wrapping/lookup", open: true, space: s.a.Namespace, body: jsonBody(map[string]string{"token": token})}
	if err := s.ask(ctx, r, &told); err != nil {
		return "", err
	}
	role, ok := strings.CutPrefix(told.Path, "auth/"+s.a.Mount+"/role/")
	if role, in := strings.CutSuffix(role, "/secret-id"); !ok || !in || role == "" || strings.Contains(role, "/") {
		return "", secret.Errorf(secret.Unauthenticated, "", "the wrapping of the secret id was not made by auth/%s/: it is not what it is said to be, and was not opened\n  vault write -wrap-ttl=5m -f auth/%[1]s/role/NAME/secret-id", s.a.Mount)
	}
	var inside struct {
		ID string `json:"secret_id"`
	}
	r = request{method: http.MethodPost, path: "sys/wrapping/unwrap", open: true, space: s.a.Namespace, token: token, once: true, body: jsonBody(map[string]string{})}
	if err := s.ask(ctx, r, &inside); err != nil {
		return "", err
	}
	if inside.ID == "" {
		return "", secret.Errorf(secret.Unauthenticated, "", "the wrapping holds no secret id\n  vault write -wrap-ttl=5m -f auth/%s/role/NAME/secret-id", s.a.Mount)
	}
	s.wrapped, s.unwrapped = token, inside.ID
	return inside.ID, nil
}

// ask sends a request about the wrapping. One that is refused may mean that
// somebody else opened it.
func (s *approleSigner) ask(ctx context.Context, r request, data any) error {
	got, err := s.b.do(ctx, r)
	switch {
	case err != nil:
		return unwrapped(err)
	case got.status == http.StatusBadRequest, got.status == http.StatusForbidden, got.status == http.StatusNotFound:
		return secret.Errorf(secret.Unauthenticated, "", "the wrapping of the secret id has ended, or was opened already: if not by you, somebody else has the secret id\n  vault write auth/%s/role/NAME/secret-id-accessor/destroy secret_id_accessor=…, and make a new one", s.a.Mount)
	case !got.ok():
		return s.b.classify(r, got)
	case json.Unmarshal(got.Data, data) != nil:
		return s.b.strange("")
	}
	return nil
}
