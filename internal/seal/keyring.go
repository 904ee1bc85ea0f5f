package seal

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"os/exec"
	"strings"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/tacit-secrets/tacit/secret"
)

const (
	keyringWait    = time.Second
	keyringService = "tacit"
)

// SystemKeyring returns the system's keyring: the Secret Service on Linux, the
// keychain on macOS, the credential manager on Windows. It may wait for a
// person without end; an [Unlocker] does not.
func SystemKeyring() Keyring { return system{} }

type system struct{}

func (system) Get(service, account string) (string, error) {
	v, err := keyring.Get(service, account)
	return v, keyringError(err)
}

func (system) Set(service, account, value string) error {
	return keyringError(keyring.Set(service, account, value))
}

func (system) Delete(service, account string) error {
	return keyringError(keyring.Delete(service, account))
}

func keyringError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, keyring.ErrNotFound):
		return secret.Errorf(secret.NotFound, "", "the keyring has no such entry")
	case errors.Is(err, keyring.ErrUnsupportedPlatform), noBus(err):
		return secret.Errorf(secret.Unsupported, "", "this system has no keyring")
	default:
		return secret.Errorf(secret.Unavailable, "", "the keyring cannot be used (locked?): %s", err)
	}
}

// noBus reports whether there is no Secret Service at all: no message bus of the
// login session, or nothing on it that offers one. The library hands through what
// the bus says, in words.
func noBus(err error) bool {
	if _, ok := errors.AsType[*net.OpError](err); ok || errors.Is(err, exec.ErrNotFound) {
		return true
	}
	for _, words := range []string{"invalid bus address", "not provided by any .service files", "session bus address"} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

// ask calls the keyring and waits no longer than the Unlocker allows. A call
// that never ends keeps its goroutine until the process does: the keyring's
// library cannot be interrupted.
func (u *Unlocker) ask(ctx context.Context, call func(Keyring) (string, error)) (string, error) {
	if u.Keyring == nil {
		return "", secret.Errorf(secret.Unsupported, "", "no keyring is used")
	}
	ctx, cancel := context.WithTimeout(ctx, either(u.KeyringWait, keyringWait))
	defer cancel()
	type answer struct {
		value string
		err   error
	}
	c := make(chan answer, 1)
	go func() {
		v, err := call(u.Keyring)
		c <- answer{v, err}
	}()
	select {
	case a := <-c:
		return a.value, a.err
	case <-ctx.Done():
		return "", secret.Errorf(secret.Unavailable, "", "the keyring gives no answer (locked?)")
	}
}

func (u *Unlocker) keyringGet(ctx context.Context, account string) ([]byte, error) {
	v, err := u.ask(ctx, func(k Keyring) (string, error) { return k.Get(u.service(), account) })
	if err != nil {
		return nil, err
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(v)
	if err != nil || len(b) != KeyBytes {
		return nil, secret.Errorf(secret.Corrupt, "", "the keyring's entry %s is not one of tacit's, or damaged", account)
	}
	return b, nil
}

// keyringSet makes an entry and reads it back: a keyring may take it and keep
// nothing.
func (u *Unlocker) keyringSet(ctx context.Context, account string, key []byte) error {
	text := encode(key)
	v, err := u.ask(ctx, func(k Keyring) (string, error) {
		if err := k.Set(u.service(), account, text); err != nil {
			return "", err
		}
		return k.Get(u.service(), account)
	})
	if err == nil && v != text {
		err = secret.Errorf(secret.Unavailable, "", "the keyring did not keep its entry")
	}
	return err
}

func (u *Unlocker) keyringDelete(ctx context.Context, account string) error {
	_, err := u.ask(ctx, func(k Keyring) (string, error) { return "", k.Delete(u.service(), account) })
	if errors.Is(err, secret.NotFound) {
		return nil
	}
	return err
}

func (u *Unlocker) service() string {
	if u.Service == "" {
		return keyringService
	}
	return u.Service
}
