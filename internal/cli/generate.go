package cli

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"slices"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

// generators are the kinds of values that put can make.
func generators() []string { return []string{"password", "hex", "base64", "uuid", "ed25519"} }

func isGenerator(s string) bool { return slices.Contains(generators(), s) }

// generate makes a value of at least 122 random bits.
func generate(kind string) (secret.Value, error) {
	switch kind {
	case "password":
		return password()
	case "hex":
		return secret.Text(hex.EncodeToString(random(32))), nil
	case "base64":
		return secret.Text(base64.StdEncoding.EncodeToString(random(32))), nil
	case "uuid":
		b := random(16)
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // RFC 9562, version 4
		h := hex.EncodeToString(b)
		return secret.Text(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]), nil
	default:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return secret.Value{}, secret.Errorf(secret.Unavailable, "", "no random numbers: %s", err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return secret.Value{}, secret.Errorf(secret.Unavailable, "", "the key cannot be written: %s", err)
		}
		return secret.Text(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
	}
}

// password makes 27 letters and digits, 160 bits, none of which needs quoting
// anywhere.
func password() (secret.Value, error) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	out := make([]byte, 27)
	for i := range out {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return secret.Value{}, secret.Errorf(secret.Unavailable, "", "no random numbers: %s", err)
		}
		out[i] = alphabet[n.Int64()]
	}
	return secret.Text(out), nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: the standard library stops the process instead
	return b
}

// textOrBinary makes a value of what was read: text if it is UTF-8.
func textOrBinary(b []byte) secret.Value {
	if utf8.Valid(b) {
		return secret.Text(b)
	}
	return secret.Binary(b)
}

// reason drops the path that an error of package os repeats.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
