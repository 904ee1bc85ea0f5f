package config

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// A Slot is one way to unlock the store, for people.
type Slot struct {
	ID      string
	Kind    string
	Label   string
	Place   string
	Created time.Time
}

// A StoreAdmin changes the store itself: its keys, its file, its log. It needs
// no trusted files, only the store's own user.
type StoreAdmin struct{ x *Opened }

// OpenStore opens the store of the folder for administration. With noLog the
// log is left alone: for what mends it.
func OpenStore(ctx context.Context, s System, o Options, noLog bool) (*StoreAdmin, error) {
	x := &Opened{sys: s, opts: o}
	err := x.find(ctx)
	if err == nil && !noLog {
		err = x.openLog(ctx)
	}
	if err == nil {
		x.Caller = s.Caller()
		x.Caller.Reason = o.Reason
		if x.Caller.Principal != x.sealed.Owner {
			err = secret.Errorf(secret.Denied, "", "%s may not change the store: only %s may", x.Caller.Principal, x.sealed.Owner)
		}
	}
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return &StoreAdmin{x}, nil
}

// Close gives back what OpenStore took.
func (a *StoreAdmin) Close() error { return a.x.Close() }

// StoreID returns the store's identity.
func (a *StoreAdmin) StoreID() string { return a.x.StoreID }

// Slots lists the ways to unlock the store.
func (a *StoreAdmin) Slots() ([]Slot, error) {
	all, err := a.x.db.Slots()
	if err != nil {
		return nil, err
	}
	var out []Slot
	for _, t := range all {
		out = append(out, Slot{t.ID, string(t.Kind), t.Label, slotPlace(a.x.sys, t), t.Created})
	}
	return out, nil
}

// AddSlot adds a way to unlock the store.
func (a *StoreAdmin) AddSlot(ctx context.Context, m seal.Method) (Slot, error) {
	x := a.x
	u := unlocker(x.sys, x.user, x.opts)
	var made seal.Slot
	err := x.record(ctx, x.Caller, "store key add "+string(m.Kind), func(ctx context.Context) (err error) {
		if made, err = u.NewSlot(ctx, x.StoreID, x.db.Key(), m); err != nil {
			return err
		}
		err = x.db.SetSlots(ctx, func(all seal.Slots) (seal.Slots, error) { return all.Add(made) })
		if err != nil {
			err = errors.Join(err, u.Discard(ctx, made))
		}
		return err
	})
	return Slot{made.ID, string(made.Kind), made.Label, slotPlace(x.sys, made), made.Created}, err
}

// RemoveSlot takes a way to unlock the store away; the last one stays.
func (a *StoreAdmin) RemoveSlot(ctx context.Context, id string) error {
	x := a.x
	return x.record(ctx, x.Caller, "store key remove "+id, func(ctx context.Context) error {
		var gone seal.Slot
		err := x.db.SetSlots(ctx, func(all seal.Slots) (kept seal.Slots, err error) {
			kept, gone, err = all.Remove(id)
			return kept, err
		})
		if err != nil {
			return err
		}
		u := unlocker(x.sys, x.user, x.opts)
		return u.Discard(ctx, gone)
	})
}

// Rekey puts a new key in the place of the store's. It returns the slots that
// could not be made anew, because their secret is not on this machine.
func (a *StoreAdmin) Rekey(ctx context.Context) (dropped []Slot, err error) {
	x := a.x
	u := unlocker(x.sys, x.user, x.opts)
	err = x.record(ctx, x.Caller, "store rekey", func(ctx context.Context) error {
		slots, err := x.db.Slots()
		if err != nil {
			return err
		}
		key, err := seal.NewKey()
		if err != nil {
			return err
		}
		old := x.db.Key()
		r, err := u.Rekey(ctx, x.StoreID, slots, old, key)
		if err != nil {
			return err
		}
		if err := x.db.Rekey(ctx, old, key, r.Slots); err != nil {
			return errors.Join(err, u.Discard(ctx, r.Slots...))
		}
		for _, t := range r.Dropped {
			dropped = append(dropped, Slot{t.ID, string(t.Kind), t.Label, slotPlace(x.sys, t), t.Created})
		}
		return errors.Join(u.Discard(ctx, r.Retired...), x.db.Compact(ctx))
	})
	return dropped, err
}

// Check reads the whole store and reports the first thing that is wrong.
func (a *StoreAdmin) Check(ctx context.Context) (state.Report, error) { return a.x.db.Check(ctx) }

// Backup writes the store, encrypted to age recipients.
func (a *StoreAdmin) Backup(ctx context.Context, w io.Writer, recipients []string) error {
	x := a.x
	return x.record(ctx, x.Caller, "store backup", func(ctx context.Context) error {
		sealed, err := seal.EncryptTo(recipients, w)
		if err != nil {
			return err
		}
		return errors.Join(x.db.Backup(ctx, sealed), sealed.Close())
	})
}

// Restore puts a backup in the store's place and begins a new epoch of the
// log, whose first key it returns.
func (a *StoreAdmin) Restore(ctx context.Context, r io.Reader) (auditKey string, err error) {
	x := a.x
	u := unlocker(x.sys, x.user, x.opts)
	plain, err := u.DecryptWith(ctx, r)
	if err != nil {
		return "", err
	}
	seen := max(x.db.Generation(), x.generation())
	if err := x.closeAll(); err != nil {
		return "", err
	}
	opts := &state.Options{Unlock: u.Unlock}
	if err := state.Restore(ctx, x.sys.storeFile(x.StoreID), plain, seen, opts); err != nil {
		return "", err
	}
	if err := x.openStore(ctx, x.StoreID); err != nil {
		return "", err
	}
	return x.newEpoch(ctx, "the store was restored from a backup")
}

// AcceptRollback takes the store as it is, although the log knows a later
// state, and begins a new epoch of the log, whose first key it returns.
func (a *StoreAdmin) AcceptRollback(ctx context.Context) (auditKey string, err error) {
	return a.x.newEpoch(ctx, "a rollback of the store was accepted")
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
	cfg := x.logConfig()
	if whole, err := audit.Open(ctx, cfg); err == nil {
		return "", errors.Join(secret.Errorf(secret.Conflict, "", "the audit log is there and fits the store: there is nothing to adopt"), whole.Close())
	}
	cfg.Store = nil
	h := x.db.LogHead()
	why := "the log was missing; the store remembers " + headText(h)
	l, key, err := audit.Adoption(ctx, cfg, x.ownRecord(audit.Adopt, why))
	if errors.Is(err, secret.Conflict) {
		return x.newEpoch(ctx, "the log was taken as it is; the store remembers "+headText(h))
	}
	if err != nil {
		return "", err
	}
	return key, x.adopted(ctx, l, key)
}

// adopted makes the store remember the log as it is now.
func (x *Opened) adopted(ctx context.Context, l *audit.Log, key string) error {
	x.log, x.appender = l, l
	if err := x.db.AcceptRollback(ctx, max(x.db.Generation(), l.Generation()), logHead(l)()); err != nil {
		return err
	}
	x.db.SetLog(logHead(l))
	s := x.sealed
	s.AuditKey = key
	return s.save(ctx, dbRows{x.db}, "", nil)
}

func (x *Opened) ownRecord(verb secret.Verb, why string) audit.Record {
	c := x.sys.Caller()
	return audit.Record{
		Principal: c.Principal, How: c.How, Session: c.Session, Agent: c.Agent, Verb: verb, Env: adminEnv,
		Outcome: audit.OK, Reason: why, Note: x.opts.Reason,
	}
}

// Hold keeps the store's key for a while outside of this process, so that a
// passphrase is asked once.
func (a *StoreAdmin) Hold(ctx context.Context, d time.Duration) error {
	x := a.x
	return x.record(ctx, x.Caller, "unlock for "+d.String(), func(ctx context.Context) error {
		return seal.SystemHolder(x.opts.now()).Hold(ctx, x.StoreID, x.db.Key(), d)
	})
}

// Drop forgets a held key. It needs no unlocking.
func Drop(ctx context.Context, s System, o Options) (string, error) {
	x := &Opened{sys: s, opts: o}
	if err := x.readFiles(); err != nil {
		return "", err
	}
	root := x.Root
	id, err := x.boundStore(&root)
	if err != nil {
		return "", err
	}
	return id, seal.SystemHolder(o.now()).Drop(ctx, id)
}

// StoreFile returns where the store's database is.
func (a *StoreAdmin) StoreFile() string { return filepath.Clean(a.x.sys.storeFile(a.x.StoreID)) }

// generation is the newest generation that the log names; 0 without a log.
func (x *Opened) generation() uint64 {
	if x.log == nil {
		return 0
	}
	return x.log.Generation()
}

// closeAll closes log and store, to open them anew.
func (x *Opened) closeAll() error {
	err := x.Close()
	x.log, x.appender, x.db, x.sink, x.Broker = nil, nil, nil, nil, nil
	return err
}

func headText(h state.LogHead) string {
	return strconv.FormatUint(h.Size, 10) + " lines, root " + base64.StdEncoding.EncodeToString(h.Root[:])
}

// OpenUnlogged opens the store of a folder and leaves the log alone: for those
// who verify it.
func OpenUnlogged(ctx context.Context, s System, o Options) (*Opened, error) {
	x := &Opened{sys: s, opts: o}
	if err := x.find(ctx); err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}
