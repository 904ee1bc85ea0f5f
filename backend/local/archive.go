package local

import (
	"context"
	"encoding/binary"

	"github.com/tacit-secrets/tacit/internal/head"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// MaxArchiveBytes bounds the values of a secret that Backup packs.
const MaxArchiveBytes = 256 << 20

// archiveFormat begins each archive's plain text.
const archiveFormat = 1

// archiveRecord is what archives are sealed for, under the store's key for
// what lies outside its file: it is random and survives a rekey.
const archiveRecord = "backend/local archive 1"

// Backup packs a secret that is not deleted, with all its versions. Only the same
// store opens the blob, under any of its keys.
func (s *Store) Backup(ctx context.Context, name secret.Name) ([]byte, error) {
	var plain []byte
	err := s.view(ctx, name, func(tx *state.Tx) error {
		h, err := s.head(tx, name)
		if err != nil {
			return err
		}
		if err := h.Live(name); err != nil {
			return err
		}
		plain = appendPart([]byte{archiveFormat}, []byte(name))
		packed, err := h.Marshal()
		if err != nil {
			return err
		}
		plain = appendPart(plain, packed)
		for i := range h.Versions {
			v := &h.Versions[i]
			if v.Destroyed {
				continue
			}
			b, err := tx.GetValue(h.UID, valueID(v))
			if err != nil {
				return lost(name, err)
			}
			if len(plain)+len(b) > MaxArchiveBytes {
				return secret.Errorf(secret.Unsupported, name, "its versions have more than %d bytes together", MaxArchiveBytes)
			}
			plain = appendPart(plain, b)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.db.AuditKey().Wrap([]byte(archiveRecord), plain)
}

// Restore unpacks what [Store.Backup] of this store made, under the name it
// was made of.
func (s *Store) Restore(ctx context.Context, name secret.Name, blob []byte) (secret.Meta, error) {
	h, values, err := s.unpack(name, blob)
	if err != nil {
		return secret.Meta{}, err
	}
	var out secret.Meta
	err = s.update(ctx, name, func(w *work) error {
		if err := w.absent(); err != nil {
			return err
		}
		for i := range h.Versions {
			v := &h.Versions[i]
			if v.Destroyed {
				continue
			}
			if err := w.tx.PutValue(h.UID, valueID(v), values[i]); err != nil {
				return err
			}
		}
		out = h.Describe(name)
		return w.put(h)
	})
	return out, err
}

// unpack opens a blob; the values are in the order of the head's versions.
func (s *Store) unpack(name secret.Name, blob []byte) (*head.Head, [][]byte, error) {
	if err := name.Check(); err != nil {
		return nil, nil, err
	}
	bad := secret.Errorf(secret.Invalid, name, "this is not a backup of that secret from this store, or a damaged one")
	plain, err := s.db.AuditKey().Unwrap([]byte(archiveRecord), blob)
	if err != nil || len(plain) == 0 || plain[0] != archiveFormat {
		return nil, nil, bad
	}
	of, rest, ok := cutPart(plain[1:])
	if !ok || secret.Name(of) != name {
		return nil, nil, bad
	}
	packed, rest, ok := cutPart(rest)
	if !ok {
		return nil, nil, bad
	}
	h, err := head.Unmarshal(packed)
	if err != nil {
		return nil, nil, bad
	}
	h = h.Restored()
	values := make([][]byte, len(h.Versions))
	for i, v := range h.Versions {
		if v.Destroyed {
			continue
		}
		if values[i], rest, ok = cutPart(rest); !ok {
			return nil, nil, bad
		}
	}
	if len(rest) != 0 {
		return nil, nil, bad
	}
	return h, values, nil
}

func appendPart(b, part []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(part))), part...)
}

func cutPart(b []byte) (part, rest []byte, ok bool) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) { //nolint:gosec // never negative
		return nil, nil, false
	}
	b = b[k:]
	return b[:n:n], b[n:], true
}
