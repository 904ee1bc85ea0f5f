package vault

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/tacit-secrets/tacit/secret"
)

// The methods of signing in, by the names that Vault gives their mounts.
const (
	methodUserpass = "userpass"
	methodCert     = "cert"

	// serviceAccount is where Kubernetes puts a pod's token.
	serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/token"
)

// method fills in where a method lies, and refuses a mount that is no path.
func (b *Backend) method(a Auth) (Auth, error) {
	a.Mount = cmp.Or(strings.Trim(a.Mount, "/"), a.Method)
	a.Namespace = cmp.Or(strings.Trim(a.Namespace, "/"), b.settings.Namespace)
	for what, path := range map[string]string{"mount": a.Mount, "namespace": a.Namespace} {
		if path != "" && secret.Name(path).Check() != nil {
			return a, secret.Errorf(secret.Invalid, "", "the %s of the method %s is no path: segments between \"/\", without control characters", what, a.Method)
		}
	}
	return a, nil
}

// credential returns what is shown to a method: a value, or what a file holds
// now. what says what it is.
func credential(v secret.Value, file, what string) (string, error) {
	text := string(v.Reveal())
	if file != "" {
		var err error
		if text, err = readCredential(file, what); err != nil {
			return "", err
		}
	}
	if text == "" || strings.ContainsFunc(text, unicode.IsControl) {
		return "", secret.Errorf(secret.Unauthenticated, "", "%s is empty, or has characters that none has\n  look at where the auth section of tacit.toml says that it is", what)
	}
	return text, nil
}

func readCredential(file, what string) (string, error) {
	f, err := os.Open(file) //nolint:gosec // the user's own settings name it
	if err != nil {
		return "", &secret.Error{Kind: secret.Unauthenticated, Text: "the file of " + what + ": " + err.Error() + "\n  name the file in the auth section of tacit.toml", Err: err}
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxTokenBytes+1))
	if err != nil || len(text) > maxTokenBytes {
		return "", secret.Errorf(secret.Unauthenticated, "", "%s cannot be read, or is longer than %s ever is\n  name the file in the auth section of tacit.toml", file, what)
	}
	return string(bytes.TrimSpace(text)), nil
}

// userpassSigner signs in with a name and a password.
type userpassSigner struct {
	b *Backend
	a Auth
}

func (b *Backend) newUserpassSigner(a Auth) (signer, error) {
	a, err := b.method(a)
	switch {
	case err != nil:
		return nil, err
	case a.Username == "" || strings.Contains(a.Username, "/") || secret.Name(a.Username).Check() != nil:
		return nil, secret.Errorf(secret.Invalid, "", "signing in by userpass needs the user's name, without \"/\"\n  username = \"…\"")
	case a.Password.Len() == 0:
		return nil, secret.Errorf(secret.Unauthenticated, "", "signing in by userpass needs a password")
	}
	return &userpassSigner{b, a}, nil
}

func (s *userpassSigner) again() bool { return true }

func (s *userpassSigner) signIn(ctx context.Context, _ string) (signed, error) {
	body := map[string]string{"password": string(s.a.Password.Reveal())}
	return s.b.login(ctx, s.a, body, "the user's name and password")
}

// kubernetesSigner signs in with the token of a pod's service account.
type kubernetesSigner struct {
	b *Backend
	a Auth
}

func (b *Backend) newKubernetesSigner(a Auth) (signer, error) {
	a, err := b.method(a)
	switch {
	case err != nil:
		return nil, err
	case a.Role == "":
		return nil, secret.Errorf(secret.Invalid, "", "signing in by kubernetes needs a role\n  role = \"…\"")
	}
	if a.JWT.IsZero() && a.JWTFile == "" {
		a.JWTFile = serviceAccount
	}
	return &kubernetesSigner{b, a}, nil
}

func (s *kubernetesSigner) again() bool { return true }

// signIn reads the file each time: Kubernetes puts a new token there.
func (s *kubernetesSigner) signIn(ctx context.Context, _ string) (signed, error) {
	token, err := credential(s.a.JWT, s.a.JWTFile, "the service account's token")
	if err != nil {
		return signed{}, err
	}
	return s.b.login(ctx, s.a, map[string]string{"role": s.a.Role, "jwt": token}, "the service account's token")
}

// certSigner signs in with the certificate of the connection.
type certSigner struct {
	b *Backend
	a Auth
}

func (b *Backend) newCertSigner(a Auth) (signer, error) {
	a, err := b.method(a)
	switch {
	case err != nil:
		return nil, err
	case b.settings.TLS.ClientCert == "":
		return nil, secret.Errorf(secret.Invalid, "", "signing in by cert needs a certificate\n  client_cert = \"FILE\" and client_key = \"FILE\"")
	case !strings.HasPrefix(b.settings.Address, "https:"):
		return nil, secret.Errorf(secret.Invalid, "", "signing in by cert needs an address that begins with https://")
	}
	return &certSigner{b, a}, nil
}

func (s *certSigner) again() bool { return true }

func (s *certSigner) signIn(ctx context.Context, _ string) (signed, error) {
	body := map[string]string{}
	if s.a.Role != "" {
		body["name"] = s.a.Role
	}
	return s.b.login(ctx, s.a, body, "the client certificate")
}
