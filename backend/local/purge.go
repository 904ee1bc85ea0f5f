package local

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/internal/head"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// purgeKey is the row that says from when on something may have to be purged:
// never later than the first Purge of any secret, so that Expired, which is
// asked before every change, mostly reads nothing else.
func purgeKey() state.Key { return state.Key{Kind: state.KindLocal, Name: "purge"} }

// Expired returns the deleted secrets whose time to be undeleted is over, in
// byte order. They answer NotFound and stand in the way of their names until
// [Store.Purge] removes them. So whoever changes something first after that
// time, and keeps records, calls Expired, records that they are destroyed, and
// calls Purge for each. It is cheap while there are none.
func (s *Store) Expired(ctx context.Context) ([]secret.Name, error) {
	now := s.now()
	due := false
	err := s.db.View(ctx, func(tx *state.Tx) error {
		at, ok, err := firstPurge(tx)
		due = ok && !now.Before(at)
		return err
	})
	if err != nil || !due {
		return nil, err
	}
	var out []secret.Name
	err = s.db.Update(ctx, func(tx *state.Tx) error {
		out = nil
		return s.sweep(tx, now, func(n secret.Name) { out = append(out, n) })
	})
	slices.Sort(out)
	return out, err
}

// sweep calls found with the expired secrets; if there are none it writes
// down when the next one will be.
func (s *Store) sweep(tx *state.Tx, now time.Time, found func(secret.Name)) error {
	var next time.Time
	none := true
	for row, err := range tx.Scan(state.KindSecret) {
		if err != nil {
			return err
		}
		h, err := head.Unmarshal(row.Payload)
		switch {
		case err != nil:
			return err
		case h.Purge.IsZero():
		case !now.Before(h.Purge):
			none = false
			found(secret.Name(row.Name))
		case next.IsZero() || h.Purge.Before(next):
			next = h.Purge
		}
	}
	switch {
	case !none:
		return nil
	case next.IsZero():
		return tx.Delete(purgeKey())
	default:
		return putPurge(tx, next)
	}
}

// Purge removes a secret if [Store.Expired] would name it, for ever. If not,
// perhaps since another process did, and the name has a new secret, nothing
// happens and the error is NotFound.
func (s *Store) Purge(ctx context.Context, name secret.Name) error {
	return s.update(ctx, name, func(w *work) error {
		h, err := s.stored(w.tx, name)
		if err != nil {
			return err
		}
		if !h.Gone(w.now) {
			return secret.Errorf(secret.NotFound, name, "it is not to be purged")
		}
		return w.destroy(h)
	})
}

// remind sees to it that Expired looks again when at is reached.
func remind(tx *state.Tx, at time.Time) error {
	first, ok, err := firstPurge(tx)
	if err != nil || ok && !at.Before(first) {
		return err
	}
	return putPurge(tx, at)
}

func putPurge(tx *state.Tx, at time.Time) error {
	return tx.Put(purgeKey(), binary.BigEndian.AppendUint64(nil, uint64(at.UnixNano())))
}

// firstPurge returns when something is to be purged; false for never.
func firstPurge(tx *state.Tx) (time.Time, bool, error) {
	b, err := tx.Get(purgeKey())
	if errors.Is(err, secret.NotFound) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, err
	}
	if len(b) != 8 {
		return time.Time{}, false, secret.Errorf(secret.Corrupt, "", "the store's purge record is malformed\n  tacit store check")
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(b))), true, nil //nolint:gosec // as it was written
}
