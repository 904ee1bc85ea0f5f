package state

import (
	"context"
	"crypto/sha256"

	"github.com/tacit-secrets/tacit/internal/state/internal/lite"
	"github.com/tacit-secrets/tacit/secret"
)

// flush writes a batch into the open transaction, state row included, and
// returns what the state will be.
func (d *DB) flush(c *lite.Conn, snap *snapshot, b *batch) (*snapshot, error) {
	next := &snapshot{keys: snap.keys, state: snap.state}
	if b.keys != nil {
		next.keys = b.keys
		next.state.Header = b.keys.hash
		if err := c.Run("UPDATE header SET body = ?", b.body); err != nil {
			return nil, err
		}
	}
	t := &Tx{d: d, ctx: context.Background(), snap: snap, c: c}
	for k, e := range b.changes {
		old, err := t.committed(k)
		if err != nil {
			return nil, err
		}
		if err := next.write(c, k, old, e); err != nil {
			return nil, err
		}
	}
	next.state.Generation++
	if b.renew != nil {
		b.renew(&next.state)
	}
	if head := d.log.Load(); head != nil {
		h := (*head)()
		if len(h.Edge) > maxEdge {
			return nil, secret.Errorf(secret.Invalid, "", "a log's right edge has at most %d hashes", maxEdge)
		}
		if h.Size >= next.state.Log.Size {
			next.state.Log = h
		}
	}
	return next, next.writeState(c)
}

// write replaces one row and accounts for it.
func (s *snapshot) write(c *lite.Conn, k Key, old, e *entry) error {
	if old.absent && e.absent {
		return nil
	}
	rowKey := s.rowKey(k)
	if !old.absent {
		s.state.Set.sub(s.term(rowKey, old.hash))
		s.state.Rows--
	}
	if e.absent {
		if k.Kind == kindValue {
			return c.Run("DELETE FROM value WHERE key = ?", rowKey)
		}
		return c.Run("DELETE FROM row WHERE key = ?", rowKey)
	}
	b, err := s.seal(k, rowKey, e.payload)
	if err != nil {
		return err
	}
	e.hash = sha256.Sum256(b.sealed)
	s.state.Set.add(s.term(rowKey, e.hash))
	s.state.Rows++
	if k.Kind == kindValue {
		return c.Run("INSERT OR REPLACE INTO value (key, wrapped, sealed) VALUES (?, ?, ?)", rowKey, b.wrapped, b.sealed)
	}
	return c.Run("INSERT OR REPLACE INTO row (key, sealed) VALUES (?, ?)", rowKey, b.sealed)
}

func (s *snapshot) writeState(c *lite.Conn) error {
	var err error
	s.sealed, err = s.sealRow(nil, s.state.marshal())
	if err != nil {
		return err
	}
	return c.Run("UPDATE state SET sealed = ?", s.sealed)
}
