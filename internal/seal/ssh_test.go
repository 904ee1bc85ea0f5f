package seal

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tacit-secrets/tacit/secret"
)

func TestSSH(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("right"))
	if err != nil {
		t.Fatal(err)
	}
	k := newTestKey(t)
	s := Slots{mustSlot(t, &Unlocker{}, k, Method{Recipient: string(ssh.MarshalAuthorizedKey(public)), Kind: SSH})}
	opens(t, &Unlocker{Identities: []string{writeFile(t, "id", string(pem.EncodeToMemory(plain)), 0o600)}}, s, k)
	u := &Unlocker{Identities: []string{writeFile(t, "id", string(pem.EncodeToMemory(locked)), 0o600)}}
	_, err = u.Unlock(t.Context(), testStore, s)
	wantKind(t, err, secret.Unauthenticated)
	for pass, right := range map[string]bool{"right": true, "wrong": false} {
		u.Prompt = func(context.Context, string) ([]byte, error) { return []byte(pass), nil }
		if right {
			opens(t, u, s, k)
			continue
		}
		_, err := u.Unlock(t.Context(), testStore, s)
		wantKind(t, err, secret.Unauthenticated)
	}
}
