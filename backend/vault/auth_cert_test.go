package vault

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// person makes a certificate of an authority of the test's own, as files.
func person(t testing.TB, name string) (certFile, keyFile, pemText string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secretKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for file, text := range map[string][]byte{certFile: cert, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secretKey})} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile, string(cert)
}

func TestCert(t *testing.T) {
	s := theServer(t)
	if s.tls == "" {
		t.Fatal("TACIT_TEST_VAULT_TLS_ADDR is not set")
	}
	mount, policy := s.method(t, "cert"), s.readable(t, "auth/cert")
	cert, key, text := person(t, "mia")
	s.must(t, http.MethodPost, "auth/"+mount+"/certs/app", map[string]any{"certificate": text, "token_policies": policy, "allowed_common_names": "mia"})
	open := func(cert, key, role string) *Backend {
		b, err := New(Settings{
			Address: s.tls, TLS: wire.TLS{CACert: s.ca, ClientCert: cert, ClientKey: key}, Auth: Auth{Method: "cert", Mount: mount, Role: role},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		return b
	}
	mustRead(t, open(cert, key, "app"), "auth/cert")
	b := open(cert, key, "")
	mustRead(t, b, "auth/cert")
	s.revoke(t, b)
	mustRead(t, b, "auth/cert")
	cert, key, _ = person(t, "eve")
	refusesSignIn(t, open(cert, key, "app"), "client certificate")
	cert, key, _ = person(t, "mia") // of another authority
	refusesSignIn(t, open(cert, key, ""), "client certificate")

	_, err := New(Settings{Address: s.address, TLS: wire.TLS{ClientCert: cert, ClientKey: key}, Auth: Auth{Method: "cert", Mount: mount}})
	if secret.KindOf(err) != secret.Invalid {
		t.Errorf("over http: %v", err)
	}
}
