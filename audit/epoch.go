package audit

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tacit-secrets/tacit/audit/internal/disk"
	"github.com/tacit-secrets/tacit/audit/internal/segment"
	"github.com/tacit-secrets/tacit/secret"
)

// NewEpoch goes on in a new segment under a new first key, and records why:
// after the store was restored, or a rollback of it was accepted. Nothing
// endorses the new key, so verification reports the break for ever. It returns
// the new public key. The old signing key may be missing. A missing or
// unreadable log is begun anew with [Adoption].
func NewEpoch(ctx context.Context, cfg Config, r Record) (_ *Log, key string, err error) {
	l, err := newLog(cfg)
	if err != nil {
		return nil, "", err
	}
	l.keyless = true
	if err := l.lock.Take(ctx, l.cfg.LockWait); err != nil {
		return nil, "", disk.First(err, l.Close())
	}
	defer l.lock.Give()
	key, err = l.again(r)
	if err != nil {
		return nil, "", disk.First(err, l.Close())
	}
	l.publish()
	return l, key, nil
}

// again begins the new epoch. What the store says is not compared: it
// contradicts the log, and that is why.
func (l *Log) again(r Record) (public string, err error) {
	for _, step := range []func() error{l.load, l.room, l.cut} {
		if err := step(); err != nil {
			return "", err
		}
	}
	if !l.w.signed { // nothing signed this segment's header yet
		if l.signer == nil {
			return "", secret.Errorf(secret.Corrupt, "", "%s: its key is missing, and nothing in it is signed\n  move the folder away and keep it, then:  tacit audit adopt", l.path())
		}
		if err := l.write(nil); err != nil {
			return "", err
		}
	}
	private, public, err := segment.NewKey()
	if err != nil {
		return "", err
	}
	h := l.following(segment.WhyEpoch, public)
	h.Epoch++
	h.Generation = 0
	if l.cfg.Store != nil {
		h.Generation = l.cfg.Store.Generation()
	}
	old := l.keyPath(l.number)
	if err := l.begin(h, private); err != nil {
		return "", err
	}
	l.keyless = false
	if err := l.write([]*request{{records: []Record{r}}}); err != nil {
		return "", err
	}
	return public, disk.Destroy(old)
}

// Adoption begins a new log where the old one is missing, and records what the
// store remembers of the old one. It returns the new first public key.
func Adoption(ctx context.Context, cfg Config, r Record) (*Log, string, error) {
	store := cfg.Store
	l, key, err := Create(ctx, cfg)
	if err != nil {
		return nil, "", err
	}
	if r.Reason == "" && store != nil {
		h := store.LogHead()
		r.Reason = fmt.Sprintf("the old log had at least %d lines, with the root %s", h.Size, tlog.Hash(h.Root))
	}
	if _, err := l.Append(ctx, r); err != nil {
		return nil, "", disk.First(err, l.Close())
	}
	return l, key, nil
}
