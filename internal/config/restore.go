package config

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// A Restoration is a backup that was decrypted, unlocked and found sound, before
// it takes the place of anything. The store that it is to replace may be damaged,
// locked or gone, and this may be another machine.
type Restoration struct {
	StoreID  string
	Root     string // the folder that will use the store
	Replaces bool   // a store lies where it goes
	Owner    secret.Principal

	in *state.Received
	x  *Opened // its store is the backup, until Apply
}

// ReadBackup reads a backup for the project at or above a folder. Conflict where
// the folder uses another store; Unauthenticated where no identity of the user's
// settings decrypts it, or nothing here unlocks what is in it.
func ReadBackup(ctx context.Context, s System, o Options, backup io.Reader) (*Restoration, error) {
	o.Passphrase = once(o.Passphrase)
	x := &Opened{sys: s, opts: o, Caller: s.Caller()}
	x.Caller.Reason = o.Reason
	if x.Caller.Principal.IsAgent() {
		return nil, secret.Errorf(secret.Denied, "", "%s may not restore a store", x.Caller.Principal)
	}
	var err error
	if x.user, err = readUser(s); err != nil {
		return nil, err
	}
	if err := x.readFiles(); err != nil {
		return nil, err
	}
	x.bindRoot = x.Root
	bound, err := x.boundStore(&x.bindRoot)
	if err != nil && !errors.Is(err, secret.NotFound) {
		return nil, err
	}
	in, err := x.receive(ctx, backup)
	if err != nil {
		return nil, err
	}
	r := &Restoration{StoreID: in.DB().StoreID(), Root: x.bindRoot, in: in, x: x}
	if err := r.fits(ctx, bound); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// receive decrypts and unlocks a backup.
func (x *Opened) receive(ctx context.Context, backup io.Reader) (*state.Received, error) {
	u := unlocker(x.sys, x.user, x.opts)
	plain, err := u.DecryptWith(ctx, backup)
	if errors.Is(err, secret.NotFound) && len(u.Identities) == 0 {
		return nil, secret.Errorf(secret.Unauthenticated, "", "the backup is encrypted, and no identity is named to decrypt it with\n  set unlock.identities in your own %s", UserFileName)
	}
	if err != nil {
		return nil, err
	}
	return state.Receive(ctx, x.sys.dataDir(), plain, &state.Options{Unlock: u.Unlock})
}

// fits refuses a backup of another store than the folder uses.
func (r *Restoration) fits(ctx context.Context, bound string) (err error) {
	if r.x.sealed, err = loadSealed(ctx, dbRows{r.in.DB()}); err != nil {
		return err
	}
	r.Owner = r.x.sealed.Owner
	_, err = os.Lstat(r.x.sys.storeFile(r.StoreID))
	r.Replaces = err == nil
	if bound == "" || bound == r.StoreID {
		return nil
	}
	if _, err := os.Lstat(r.x.sys.storeFile(bound)); err != nil {
		return nil //nolint:nilerr // that store is gone; the hint is stale
	}
	return secret.Errorf(secret.Conflict, "", "this is a backup of store %s…, and %s uses store %s…\n  restore it in a folder that uses no store, and then here:  tacit trust --store %s", r.StoreID[:4], r.Root, bound[:4], r.StoreID)
}

// Apply puts the backup in the store's place, binds the folder to it, makes the
// caller its user, and begins a new epoch of the log, whose first key it returns.
// What was there is kept beside it. Close the Restoration afterwards.
func (r *Restoration) Apply(ctx context.Context) (auditKey string, err error) {
	x := r.x
	x.StoreID = r.StoreID
	inode, err := inodeOf(r.Root)
	if err != nil {
		return "", secret.Errorf(secret.Unavailable, "", "%s: cannot be read: %s", r.Root, cause(err))
	}
	if err := mkdirs(x.sys.storeDir(r.StoreID)); err != nil {
		return "", err
	}
	key := r.in.DB().AuditKey()
	end, err := r.begin(ctx, key)
	if err != nil {
		return "", err
	}
	err = r.in.Place(ctx, x.sys.storeFile(r.StoreID))
	if err = end(ctx, err); err != nil {
		return "", err
	}
	if err := x.openStore(ctx, r.StoreID); err != nil {
		return "", err
	}
	why := "the store was restored from a backup"
	if owner := x.Caller.Principal; owner != x.sealed.Owner {
		why += "; its user was " + string(x.sealed.Owner)
		x.sealed.Owner = owner
	}
	x.sealed.bind(r.Root, inode, since(&x.opts))
	if auditKey, err = x.anew(ctx, why); err != nil {
		return "", err
	}
	return auditKey, bindFolder(x.sys, r.Root, r.StoreID)
}

// begin records in the log, if it is there and sound, that the store is about to
// be replaced, and returns what records the end. A log that is not sound begins
// anew in any case, and says why.
func (r *Restoration) begin(ctx context.Context, key audit.Key) (end func(context.Context, error) error, err error) {
	x := r.x
	l, err := audit.Open(ctx, audit.Config{Dir: x.LogDir(), KeyDir: x.sys.storeDir(r.StoreID), Key: key, Now: x.opts.Now})
	if errors.Is(err, secret.Corrupt) {
		return func(_ context.Context, err error) error { return err }, nil
	}
	if err != nil {
		return nil, withAuditDir(err)
	}
	record := x.ownRecord(secret.Grant, "")
	record.For, record.Phase, record.Outcome = "store restore", audit.Begin, ""
	n, err := l.Append(ctx, record)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return func(ctx context.Context, err error) error {
		record.Phase, record.Begun, record.Outcome = audit.End, &n, audit.OK
		if err != nil {
			record.Outcome = secret.KindOf(err).Error()
			record.Reason = err.Error()
		}
		_, failed := l.Append(context.WithoutCancel(ctx), record)
		return errors.Join(err, failed, l.Close())
	}, nil
}

// OpensHere reports whether the store opens on this machine without a person:
// after a restore elsewhere its slots may all be those of the old machine.
func (r *Restoration) OpensHere(ctx context.Context) bool {
	slots, err := r.x.db.Slots()
	if err != nil {
		return false
	}
	u := unlocker(r.x.sys, r.x.user, r.x.opts)
	u.Identities, u.Prompt = nil, nil
	_, err = u.Unlock(ctx, r.StoreID, slots)
	return err == nil
}

// Close gives back what ReadBackup took.
func (r *Restoration) Close() error { return errors.Join(r.in.Close(), r.x.Close()) }
