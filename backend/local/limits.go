package local

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tacit-secrets/tacit/internal/head"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// limitsKey is the row that holds the store's limits, if any were set.
func limitsKey() state.Key { return state.Key{Kind: state.KindLocal, Name: "limits"} }

type storedLimits struct {
	MaxVersions int           `json:"max_versions,omitempty"`
	DeleteAfter time.Duration `json:"delete_after,omitempty"` // nanoseconds
	SwapOnly    bool          `json:"swap_only,omitempty"`
}

// Limit sets the limits of a secret or, with the empty name, of the store.
func (s *Store) Limit(ctx context.Context, name secret.Name, l secret.Limits) error {
	if name != "" {
		_, err := s.change(ctx, name, func(w *work, h *head.Head) (*head.Head, error) { return h.Limit(w.now, name, l) })
		return err
	}
	if l.MaxVersions < 0 || l.DeleteAfter < 0 {
		return secret.Errorf(secret.Invalid, "", "a limit is not negative")
	}
	b, err := json.Marshal(storedLimits(l))
	if err != nil {
		return secret.Errorf(secret.Invalid, "", "these limits cannot be stored: %v", err)
	}
	return s.db.Update(ctx, func(tx *state.Tx) error { return tx.Put(limitsKey(), b) })
}

// Limits returns those that were set for the store.
func (s *Store) Limits(ctx context.Context) (l secret.Limits, err error) {
	err = s.db.View(ctx, func(tx *state.Tx) error {
		l, err = limits(tx)
		return err
	})
	return l, err
}

// limits returns what was set for the store.
func limits(tx *state.Tx) (secret.Limits, error) {
	l, err := tx.Decode(limitsKey(), decodeLimits)
	if errors.Is(err, secret.NotFound) {
		return secret.Limits{}, nil
	}
	if err != nil {
		return secret.Limits{}, err
	}
	return l.(secret.Limits), nil // decodeLimits makes no other
}

// effective is limits, with the default where neither the store nor the
// secret, nil if there is none yet, has a number of versions.
func effective(tx *state.Tx, h *head.Head) (secret.Limits, error) {
	l, err := limits(tx)
	if l.MaxVersions == 0 && (h == nil || h.MaxVersions == 0) {
		l.MaxVersions = DefaultVersions
	}
	return l, err
}

func decodeLimits(b []byte) (any, error) {
	var l storedLimits
	if err := json.Unmarshal(b, &l); err != nil || l.MaxVersions < 0 || l.DeleteAfter < 0 {
		return nil, secret.Errorf(secret.Corrupt, "", "the store's limits are malformed\n  tacit store check")
	}
	return secret.Limits(l), nil
}
