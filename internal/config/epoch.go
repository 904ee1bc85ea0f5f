package config

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"strconv"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// AcceptRollback takes the store as it is, although the log knows a later
// state, and begins a new epoch of the log, whose first key it returns. Where
// store and log agree there is nothing to accept: Conflict.
func (a *StoreAdmin) AcceptRollback(ctx context.Context) (auditKey string, err error) {
	x := a.x
	l, err := audit.Open(ctx, x.logConfig())
	if err == nil {
		return "", errors.Join(secret.Errorf(secret.Conflict, "", "the store and its log agree: there is no rollback to accept"), l.Close())
	}
	if !errors.Is(err, secret.Corrupt) {
		return "", err
	}
	return x.newEpoch(ctx, "a rollback of the store was accepted")
}

// newEpoch begins store and log anew, by decision of the store's user.
func (x *Opened) newEpoch(ctx context.Context, why string) (string, error) {
	cfg := x.logConfig()
	cfg.Store = nil
	l, key, err := audit.NewEpoch(ctx, cfg, x.ownRecord(audit.Epoch, why))
	if err != nil {
		return "", err
	}
	return key, x.adopted(ctx, l, key)
}

// Adopt begins a new log where the old one is missing or damaged, and records
// what the store remembers of the old one. It returns the new first key.
func (a *StoreAdmin) Adopt(ctx context.Context) (auditKey string, err error) {
	x := a.x
	if whole, err := audit.Open(ctx, x.logConfig()); err == nil {
		return "", errors.Join(secret.Errorf(secret.Conflict, "", "the audit log is there and fits the store: there is nothing to adopt"), whole.Close())
	}
	h := x.db.LogHead()
	key, err := x.adopt(ctx, "the log was missing; the store remembers "+headText(h))
	if errors.Is(err, secret.Conflict) {
		return x.anew(ctx, "the log was taken as it is; the store remembers "+headText(h))
	}
	return key, err
}

// adopt begins a log where there is none; where there is one, Conflict.
func (x *Opened) adopt(ctx context.Context, why string) (string, error) {
	cfg := x.logConfig()
	cfg.Store = nil
	l, key, err := audit.Adoption(ctx, cfg, x.ownRecord(audit.Adopt, why))
	if err != nil {
		return "", err
	}
	return key, x.adopted(ctx, l, key)
}

// anew begins a new epoch of the log that is there. One that cannot go on, since
// it or its signing key is damaged or lost, is kept beside, and a new one begins.
func (x *Opened) anew(ctx context.Context, why string) (string, error) {
	key, err := x.newEpoch(ctx, why)
	if !errors.Is(err, secret.Corrupt) {
		return key, err
	}
	old, err := setAside(x.LogDir())
	if err != nil {
		return "", err
	}
	if old != "" {
		why += "; the old log, which cannot go on, is kept in " + old
	}
	return x.adopt(ctx, why)
}

// setAside renames a folder, if it is there, and returns its new name.
func setAside(dir string) (string, error) {
	for n := 1; ; n++ {
		old := dir + ".replaced-" + strconv.Itoa(n)
		if _, err := os.Lstat(old); err == nil {
			continue
		}
		err := os.Rename(dir, old)
		if os.IsNotExist(err) {
			return "", nil
		}
		if err != nil {
			return "", secret.Errorf(secret.Unavailable, "", "%s: cannot be set aside: %s", dir, cause(err))
		}
		return old, nil
	}
}

// adopted makes the store remember the log as it is now. A kill before the end
// leaves a store that is still reported as rolled back.
func (x *Opened) adopted(ctx context.Context, l *audit.Log, key string) error {
	x.log, x.appender = l, l
	s := x.sealed
	s.AuditKey = key
	if err := s.save(ctx, dbRows{x.db}, "", nil); err != nil {
		return err
	}
	x.sealed = s
	// What was dropped since would be back with the older store.
	if err := forgetLast(ctx, x.db); err != nil {
		return err
	}
	if err := x.db.AcceptRollback(ctx, max(x.db.Generation(), l.Generation()), logHead(l)()); err != nil {
		return err
	}
	x.db.SetLog(logHead(l))
	return nil
}

func (x *Opened) ownRecord(verb secret.Verb, why string) audit.Record {
	c := x.sys.Caller()
	return audit.Record{
		Principal: c.Principal, How: c.How, Session: c.Session, Agent: c.Agent, Verb: verb, Env: adminEnv,
		Outcome: audit.OK, Reason: why, Note: x.opts.Reason,
	}
}

func headText(h state.LogHead) string {
	return strconv.FormatUint(h.Size, 10) + " lines, root " + base64.StdEncoding.EncodeToString(h.Root[:])
}
