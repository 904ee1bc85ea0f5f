package state

import (
	"context"

	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/internal/state/internal/lite"
	"github.com/tacit-secrets/tacit/secret"
)

// SetSlots replaces the ways to unlock the store. change is given the present
// ones, as they are in the file, and runs within the transaction.
func (d *DB) SetSlots(ctx context.Context, change func(seal.Slots) (seal.Slots, error)) error {
	return d.alone(ctx, func(_ *lite.Conn, s *snapshot, b *batch) error {
		old, err := seal.ParseSlots(s.slots)
		if err != nil {
			return err
		}
		slots, err := change(old)
		if err != nil {
			return err
		}
		b.keys, b.body, err = newKeys(s.storeID(), s.kek, slots, s.keys)
		return err
	})
}

// Rekey puts a new key-encryption key in the old one's place: in one
// transaction it wraps each value's key anew and stores the new slots. Killed
// at any point, the store opens with the old key or with the new one. Other
// processes notice, and ask their Options.Unlock. If the old key is not the
// store's any more the error is secret.Conflict.
//
// When it returned, call [DB.Compact], so that nothing wrapped by the old key
// stays in the file; its failure leaves a store that is rekeyed all the same.
func (d *DB) Rekey(ctx context.Context, oldKey, newKey *seal.Key, slots seal.Slots) error {
	ready := false
	err := d.alone(ctx, func(c *lite.Conn, s *snapshot, b *batch) error {
		if !s.kek.Equal(oldKey) {
			return secret.Errorf(secret.Conflict, "", "%s: the store was rekeyed meanwhile", d.path)
		}
		var err error
		if b.keys, b.body, err = newKeys(s.storeID(), newKey, slots, s.keys); err != nil {
			return err
		}
		err = rewrap(ctx, c, oldKey, newKey, s.keys)
		ready = err == nil
		return err
	})
	if err != nil && ready && d.rekeyed(ctx, newKey) {
		return nil // the commit had failed to say so
	}
	return err
}

// rekeyed reports whether the file has the key now.
func (d *DB) rekeyed(ctx context.Context, kek *seal.Key) bool {
	ok := false
	err := d.read(context.WithoutCancel(ctx), func(c *lite.Conn) error {
		var body []byte
		if _, err := c.Get("SELECT body FROM header", nil, &body); err != nil {
			return err
		}
		h, err := parseHeader(body)
		ok = err == nil && h.kek == kek.ID()
		return err
	})
	return err == nil && ok
}

// rewrap wraps the data key of each value anew, some hundred at a time.
func rewrap(ctx context.Context, c *lite.Conn, oldKey, newKey *seal.Key, k *keys) error {
	type wrap struct{ rowKey, wrapped []byte }
	after := []byte{}
	for {
		var page []wrap
		err := c.Each("SELECT key, wrapped FROM value WHERE key > ? ORDER BY key LIMIT 256", []any{after}, func(scan func(...any) error) error {
			var w wrap
			err := scan(&w.rowKey, &w.wrapped)
			page = append(page, w)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, w := range page {
			data, err := oldKey.Unwrap(k.rowAD(w.rowKey), w.wrapped)
			if err != nil {
				return damaged(c.Path, err)
			}
			wrapped, err := newKey.Wrap(k.rowAD(w.rowKey), data)
			if err != nil {
				return err
			}
			if err := c.Run("UPDATE value SET wrapped = ? WHERE key = ?", wrapped, w.rowKey); err != nil {
				return err
			}
		}
		after = page[len(page)-1].rowKey
		if err := ctx.Err(); err != nil {
			return lite.Classify(c.Path, err)
		}
	}
}

// Compact rewrites the file without its free pages and empties the write-ahead
// log: what was deleted or wrapped by an old key is gone from both. While
// another process reads it is Unavailable.
func (d *DB) Compact(ctx context.Context) error {
	if d.path == lite.Memory {
		return nil
	}
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer d.unlock()
	c, err := d.dialFile(ctx)
	if err != nil {
		return err
	}
	return lite.First(compact(c), c.Close())
}

func compact(c *lite.Conn) error {
	if err := c.Exec("VACUUM"); err != nil {
		return err
	}
	var busy, pages, moved int
	if _, err := c.Get("PRAGMA wal_checkpoint(TRUNCATE)", nil, &busy, &pages, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return secret.Errorf(secret.Unavailable, "", "%s: another process reads, so that old pages stay in the write-ahead log; try again", c.Path)
	}
	return nil
}
