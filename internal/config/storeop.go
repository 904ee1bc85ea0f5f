package config

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"time"

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
	o.Passphrase = once(o.Passphrase)
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
			if !noLog {
				err = x.refuse(ctx, "open the store for administration", err)
			}
		}
	}
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return &StoreAdmin{x}, nil
}

// RecordRefusal records that a caller was refused what no verb covers, and
// returns the refusal. It asks nobody for a passphrase: where nothing opens
// the store, or there is none, the refusal stands without a record. Where the
// log takes no record, its error is the answer.
func RecordRefusal(ctx context.Context, s System, o Options, what string, refusal error) error {
	o.Passphrase = nil
	x := &Opened{sys: s, opts: o}
	err := x.find(ctx)
	if err == nil {
		err = x.openLog(ctx)
	}
	if err == nil {
		x.Caller = s.Caller()
		x.Caller.Reason = o.Reason
		refusal = x.refuse(ctx, what, refusal)
	}
	return errors.Join(refusal, x.Close())
}

// refuse records a refusal and returns it, or why it could not be recorded.
func (x *Opened) refuse(ctx context.Context, what string, refusal error) error {
	err := x.record(ctx, x.Caller, what, func(context.Context) error { return refusal })
	if secret.KindOf(err) == secret.Unavailable {
		return err
	}
	return refusal
}

// Close gives back what OpenStore took.
func (a *StoreAdmin) Close() error { return a.x.Close() }

// StoreID returns the store's identity.
func (a *StoreAdmin) StoreID() string { return a.x.StoreID }

// Slots lists the ways to unlock the store. It is recorded as a list.
func (a *StoreAdmin) Slots(ctx context.Context) (out []Slot, err error) {
	x := a.x
	err = x.recordAs(ctx, x.Caller, secret.List, "store key list", func(context.Context) error {
		all, err := x.db.Slots()
		for _, t := range all {
			out = append(out, x.shown(&t))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// shown says what a slot is, for people.
func (x *Opened) shown(t *seal.Slot) Slot {
	return Slot{t.ID, string(t.Kind), t.Label, slotPlace(x.sys, *t), t.Created}
}

// AddSlot adds a way to unlock the store.
func (a *StoreAdmin) AddSlot(ctx context.Context, m seal.Method) (Slot, error) {
	x := a.x
	unlock, err := x.lockSlots()
	if err != nil {
		return Slot{}, err
	}
	defer unlock()
	u := unlocker(x.sys, x.user, x.opts)
	var made seal.Slot
	err = x.record(ctx, x.Caller, "store key add "+string(m.Kind), func(ctx context.Context) (err error) {
		if made, err = u.NewSlot(ctx, x.StoreID, x.db.Key(), m); err != nil {
			return err
		}
		err = x.db.SetSlots(ctx, func(all seal.Slots) (seal.Slots, error) { return all.Add(made) })
		if err != nil {
			err = errors.Join(err, u.Discard(ctx, made))
		}
		return err
	})
	return x.shown(&made), err
}

// lockSlots keeps other processes from changing the slots meanwhile: a key file
// that no slot names yet is swept by a rekey.
func (x *Opened) lockSlots() (unlock func(), err error) {
	return lock(filepath.Join(x.sys.storeDir(x.StoreID), "slots.lock"))
}

// RemoveSlot takes a way to unlock the store away; the last one stays.
func (a *StoreAdmin) RemoveSlot(ctx context.Context, id string) error {
	x := a.x
	unlock, err := x.lockSlots()
	if err != nil {
		return err
	}
	defer unlock()
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
		if err := u.Discard(ctx, gone); err != nil {
			first, _, _ := strings.Cut(err.Error(), "\n")
			return secret.Errorf(secret.KindOf(err), "", "key slot %s is taken away, but what it left outside the store could not be removed: %s", id, first)
		}
		return nil
	})
}

// Rekey puts a new key in the place of the store's. It returns the slots that
// could not be made anew, because their secret is not on this machine.
func (a *StoreAdmin) Rekey(ctx context.Context) (dropped []Slot, err error) {
	x := a.x
	unlock, err := x.lockSlots()
	if err != nil {
		return nil, err
	}
	defer unlock()
	err = x.record(ctx, x.Caller, "store rekey", func(ctx context.Context) error {
		r, err := x.rekey(ctx)
		for i := range r.Dropped {
			dropped = append(dropped, x.shown(&r.Dropped[i]))
		}
		return err
	})
	return dropped, err
}

// rekey goes in an order in which a kill at any point leaves a store that opens
// with the old key or with the new one.
func (x *Opened) rekey(ctx context.Context) (r seal.Rekeyed, err error) {
	u := unlocker(x.sys, x.user, x.opts)
	slots, err := x.db.Slots()
	if err != nil {
		return r, err
	}
	if err := u.Sweep(x.StoreID, slots); err != nil { // what killed ones left
		return r, err
	}
	key, err := seal.NewKey()
	if err != nil {
		return r, err
	}
	old := x.db.Key()
	if r, err = u.Rekey(ctx, x.StoreID, slots, old, key); err != nil {
		return seal.Rekeyed{}, err
	}
	if err := x.db.Rekey(ctx, old, key, r.Slots); err != nil {
		return seal.Rekeyed{}, errors.Join(err, u.Discard(ctx, r.Slots...))
	}
	// From here on the store is rekeyed, whatever fails.
	if err := errors.Join(u.Discard(ctx, r.Retired...), x.db.Compact(ctx)); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return r, secret.Errorf(secret.KindOf(err), "", "the store is rekeyed, but what the old key opened could not be removed: %s\n  tacit store rekey", first)
	}
	return r, nil
}

// Check reads the whole store and reports the first thing that is wrong. It is
// recorded as a list: no value leaves.
func (a *StoreAdmin) Check(ctx context.Context) (r state.Report, err error) {
	x := a.x
	err = x.recordAs(ctx, x.Caller, secret.List, "store check", func(ctx context.Context) (err error) {
		if r, err = x.db.Check(ctx); err == nil {
			err = x.sweepLast(ctx)
		}
		return err
	})
	return r, err
}

// Backup writes the store, encrypted to age recipients. It is recorded as a get:
// values leave. Last known values are not in it: a backup is kept for longer than
// they may be.
func (a *StoreAdmin) Backup(ctx context.Context, w io.Writer, recipients []string) error {
	x := a.x
	return x.recordAs(ctx, x.Caller, secret.Get, "store backup", func(ctx context.Context) error {
		sealed, err := seal.EncryptTo(recipients, w)
		if err != nil {
			return err
		}
		return errors.Join(x.db.Backup(ctx, sealed, withoutLast), sealed.Close())
	})
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

// OpenUnlogged opens the store of a folder and leaves the log alone: for those
// who verify it.
func OpenUnlogged(ctx context.Context, s System, o Options) (*Opened, error) {
	x := &Opened{sys: s, opts: o}
	if err := x.find(ctx); err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}
