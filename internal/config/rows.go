package config

import (
	"context"
	"errors"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// dbRows keeps sealed records in a store.
type dbRows struct{ db *state.DB }

func rowKey(name string) state.Key {
	kind := state.KindTrust
	if name == rowStore {
		kind = state.KindSetting
	}
	return state.Key{Kind: kind, Name: name}
}

func (r dbRows) get(ctx context.Context, name string) (out []byte, err error) {
	err = r.db.View(ctx, func(tx *state.Tx) error {
		out, err = tx.Get(rowKey(name))
		if errors.Is(err, secret.NotFound) {
			out, err = nil, nil
		}
		return err
	})
	return out, err
}

func (r dbRows) put(ctx context.Context, all map[string][]byte) error {
	return r.db.Update(ctx, func(tx *state.Tx) error {
		for name, b := range all {
			if err := tx.Put(rowKey(name), b); err != nil {
				return err
			}
		}
		return nil
	})
}

// anchor is the store as the audit log sees it.
type anchor struct{ db *state.DB }

func (a anchor) Generation() uint64 { return a.db.Generation() }

func (a anchor) Refresh(ctx context.Context) error {
	return a.db.View(ctx, func(*state.Tx) error { return nil })
}

func (a anchor) LogHead() audit.Head {
	h := a.db.LogHead()
	return audit.Head{Size: h.Size, Root: h.Root, Edge: h.Edge}
}

// logHead is the audit log as the store sees it.
func logHead(l *audit.Log) func() state.LogHead {
	return func() state.LogHead {
		h := l.Head()
		return state.LogHead{Size: h.Size, Root: h.Root, Edge: h.Edge}
	}
}
