package state

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/tacit-secrets/tacit/internal/state/internal/lite"
	"github.com/tacit-secrets/tacit/secret"
)

// Backup writes the store, as it is at one moment, to w: a database file
// without deleted rows, sealed like the store and of no use without its key.
// It is made beside the store first.
func (d *DB) Backup(ctx context.Context, w io.Writer) error {
	if d.path == lite.Memory {
		return secret.Errorf(secret.Unsupported, "", "a store in memory has no backup")
	}
	temp := d.path + ".backup-" + NewStoreID()[:8]
	if err := lite.MakeFile(temp); err != nil {
		return err
	}
	err := d.copyTo(ctx, temp)
	if err == nil {
		err = send(temp, w)
	}
	return lite.First(err, lite.Remove(temp))
}

// copyTo uses a connection of its own: VACUUM INTO runs outside transactions.
func (d *DB) copyTo(ctx context.Context, temp string) error {
	c, err := d.dialFile(ctx)
	if err != nil {
		return err
	}
	return lite.First(c.Exec("VACUUM INTO ?", temp), c.Close())
}

func send(path string, w io.Writer) error {
	f, err := os.Open(path) //nolint:gosec // a file that Backup made
	if err != nil {
		return lite.Classify(path, err)
	}
	_, err = io.Copy(w, f)
	return lite.Classify(path, errors.Join(err, f.Close()))
}

// Restore puts a backup in the place of the store at path, or where there is
// none. The backup is checked whole and begins a new epoch, under generations
// higher than seen: what the audit log, or the store that is replaced, knew.
// A store that a process has open is Unavailable, and none may open it until
// Restore returns; the replaced one is kept beside the new one, its path with
// ".replaced" added.
func Restore(ctx context.Context, path string, r io.Reader, seen uint64, opts *Options) error {
	if err := lite.MakeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	temp := path + ".new-" + NewStoreID()[:8]
	if err := lite.MakeFile(temp); err != nil {
		return err
	}
	err := receive(ctx, temp, r, seen, opts)
	if err == nil {
		err = replace(ctx, temp, path)
	}
	if err != nil {
		return lite.First(err, lite.Remove(temp))
	}
	return nil
}

// receive writes a backup to a file and makes a sound store of it.
func receive(ctx context.Context, temp string, r io.Reader, seen uint64, opts *Options) error {
	f, err := os.OpenFile(temp, os.O_WRONLY, 0o600) //nolint:gosec // a file that Restore made
	if err != nil {
		return lite.Classify(temp, err)
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return lite.Classify(temp, err)
	}
	d, err := Open(ctx, temp, opts)
	if err != nil {
		return err
	}
	if _, err = d.Check(ctx); err == nil {
		err = d.AcceptRollback(ctx, seen, LogHead{})
	}
	return lite.First(err, d.Close())
}

// replace puts a finished file in the place of the store, if there is one. At
// no moment is there none.
func replace(ctx context.Context, temp, path string) error {
	if _, err := os.Lstat(path); err == nil {
		if err := keepOld(ctx, path); err != nil {
			return err
		}
	}
	if err := moveSides(path); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return lite.Classify(path, err)
	}
	return lite.SyncPath(filepath.Dir(path))
}

// keepOld gives the store a second name, after it has settled.
func keepOld(ctx context.Context, path string) error {
	if err := lite.CheckPath(path); err != nil {
		return err
	}
	if err := settle(ctx, path); err != nil && !errors.Is(err, secret.Corrupt) {
		return err
	}
	old := path + ".replaced"
	return lite.First(lite.Remove(old), lite.Classify(old, os.Link(path, old)))
}

// settle takes a store out of WAL mode, which needs it alone and empties the
// write-ahead log: that must never meet the new file.
func settle(ctx context.Context, path string) error {
	c, err := lite.Dial(ctx, path)
	if err != nil {
		return err
	}
	var mode string
	_, err = c.Get("PRAGMA journal_mode = DELETE", nil, &mode)
	if lite.IsBusy(err) || err == nil && mode != "delete" {
		err = secret.Errorf(secret.Unavailable, "", "%s: another process has the store open; end it first", path)
	}
	return lite.First(err, c.Close())
}

// moveSides moves what a damaged store has left beside it.
func moveSides(path string) error {
	for _, suffix := range []string{"-wal", "-shm"} {
		err := os.Rename(path+suffix, path+".replaced"+suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return lite.Classify(path, err)
		}
	}
	return nil
}

// AcceptRollback begins a new epoch: the store is taken as it is, with a
// generation higher than both its own and seen, the highest that the audit log
// names. head is what is remembered of the log from now on.
func (d *DB) AcceptRollback(ctx context.Context, seen uint64, head LogHead) error {
	return d.alone(ctx, func(_ *lite.Conn, _ *snapshot, b *batch) error {
		b.renew = func(s *stateRow) {
			s.Epoch++
			s.Generation = max(s.Generation, seen+1)
			s.Log = head
		}
		return nil
	})
}
