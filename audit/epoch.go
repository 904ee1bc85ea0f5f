package audit

import (
	"context"
	"errors"
)

// NewEpoch goes on in a new segment under a new first key, and records why:
// after the store was restored, or a rollback of it was accepted. Nothing
// endorses the new key, so verification reports the break for ever. It returns
// the new public key. A missing or unreadable log is begun anew with [Adopt].
func NewEpoch(ctx context.Context, cfg Config, r Record) (_ *Log, key string, err error) {
	store := cfg.Store
	cfg.Store = nil // it contradicts the log: that is why
	l, err := newLog(cfg)
	if err != nil {
		return nil, "", err
	}
	if err := l.lock.lock(ctx, l.cfg.LockWait); err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	defer l.lock.unlock()
	if err := l.load(); err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	private, public, err := newKey()
	if err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	h := l.following(whyEpoch, public)
	h.Epoch++
	l.cfg.Store = store
	h.Generation = 0
	if store != nil {
		h.Generation = store.Generation()
	}
	old := l.keyPath(l.number)
	err = l.begin(h, private)
	if err == nil {
		err = l.write([]*request{{ctx: ctx, records: []Record{r}}})
	}
	if err == nil {
		err = destroy(old)
	}
	if err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	l.head = l.w.good.head()
	return l, public, nil
}

// Adoption begins a new log where the old one is missing, and records what the
// store remembers of the old one.
func Adoption(ctx context.Context, cfg Config, r Record) (*Log, string, error) {
	l, key, err := Create(ctx, cfg)
	if err != nil {
		return nil, "", err
	}
	if _, err := l.Append(ctx, r); err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	return l, key, nil
}
