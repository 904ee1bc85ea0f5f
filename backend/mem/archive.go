package mem

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"

	"github.com/tacit-secrets/tacit/internal/head"
	"github.com/tacit-secrets/tacit/secret"
)

// archive seals backups under a key that lives as long as the store.
type archive struct{ aead cipher.AEAD }

func newArchive() archive {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES has the right block size
	}
	return archive{aead}
}

type packed struct {
	Head   []byte                               `json:"head"`
	Values map[secret.VersionID]json.RawMessage `json:"values"`
}

type packedValue struct {
	Bytes  []byte `json:"bytes"`
	Binary bool   `json:"binary"`
}

// Backup packs a secret with all its versions.
func (s *Store) Backup(ctx context.Context, n secret.Name) ([]byte, error) {
	if err := ready(ctx, n); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.find(n)
	if e == nil {
		return nil, head.NotFound(n)
	}
	if err := e.head.Live(n); err != nil {
		return nil, err
	}
	p := packed{Values: map[secret.VersionID]json.RawMessage{}}
	var err error
	if p.Head, err = e.head.Marshal(); err != nil {
		return nil, err
	}
	for id, v := range e.values {
		if p.Values[id], err = json.Marshal(packedValue{v.Reveal(), v.IsBinary()}); err != nil {
			return nil, secret.Errorf(secret.Invalid, n, "it cannot be packed")
		}
	}
	plain, err := json.Marshal(p)
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, n, "it cannot be packed")
	}
	return s.archive.aead.Seal(nil, nil, plain, []byte(n)), nil //nolint:gosec // the nonce is random: NewGCMWithRandomNonce
}

// Restore unpacks what Backup made.
func (s *Store) Restore(ctx context.Context, n secret.Name, blob []byte) (secret.Meta, error) {
	if err := ready(ctx, n); err != nil {
		return secret.Meta{}, err
	}
	e, err := s.archive.open(n, blob)
	if err != nil {
		return secret.Meta{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.find(n); old != nil {
		return secret.Meta{}, exists(n, old.head)
	}
	s.keep(n, e)
	return e.head.Describe(n), nil
}

func (a archive) open(n secret.Name, blob []byte) (*entry, error) {
	bad := secret.Errorf(secret.Invalid, n, "this is no backup of this secret from this store")
	if len(blob) < a.aead.Overhead() {
		return nil, bad
	}
	plain, err := a.aead.Open(nil, nil, blob, []byte(n))
	var p packed
	if err != nil || json.Unmarshal(plain, &p) != nil {
		return nil, bad
	}
	h, err := head.Unmarshal(p.Head)
	if err != nil {
		return nil, bad
	}
	e := &entry{head: h.Restored(), values: map[secret.VersionID]secret.Value{}}
	for id, raw := range p.Values {
		var v packedValue
		if json.Unmarshal(raw, &v) != nil {
			return nil, bad
		}
		if e.values[id] = secret.Text(v.Bytes); v.Binary {
			e.values[id] = secret.Binary(v.Bytes)
		}
	}
	return e, nil
}
