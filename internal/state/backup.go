package state

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/tacit-secrets/tacit/internal/state/internal/lite"
	"github.com/tacit-secrets/tacit/secret"
)

// Backup writes the store, as it is at one moment, to w: a database file
// without deleted rows, sealed like the store and of no use without its key.
// It is made beside the store first. strip, if not nil, changes the copy before it
// is written: what must not outlive the store is not in a backup.
func (d *DB) Backup(ctx context.Context, w io.Writer, strip func(*Tx) error) error {
	if d.path == lite.Memory {
		return secret.Errorf(secret.Unsupported, "", "a store in memory has no backup")
	}
	temp := d.path + ".backup-" + NewStoreID()[:8]
	if err := lite.MakeFile(temp); err != nil {
		return err
	}
	err := d.copyTo(ctx, temp)
	if err == nil && strip != nil {
		err = d.stripped(ctx, temp, strip)
	}
	if err == nil {
		err = send(temp, w)
	}
	return lite.First(err, removeAll(temp))
}

// stripped changes a copy, and leaves nothing of what it took away.
func (d *DB) stripped(ctx context.Context, temp string, strip func(*Tx) error) error {
	c, err := open(ctx, temp, d.unlocked.Load(), &d.opts)
	if err != nil {
		return err
	}
	was := c.Generation()
	err = c.Update(ctx, strip)
	if err == nil && c.Generation() != was {
		err = c.Compact(ctx)
	}
	return lite.First(err, c.Close(), settle(ctx, temp))
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

// A Received is a backup that was read, unlocked and found sound, before it
// takes the place of a store.
type Received struct {
	db   *DB
	temp string // empty: it was placed
}

// Receive reads a backup into a file of its own in a folder, opens it and checks
// it whole: what is no sound backup is Corrupt, one that opts cannot unlock
// Unauthenticated, one of a newer tacit Unsupported. The folder must lie on the
// file system of the store that is to be replaced. Close it.
func Receive(ctx context.Context, folder string, r io.Reader, opts *Options) (*Received, error) {
	if err := lite.MakeFolder(folder); err != nil {
		return nil, err
	}
	temp := filepath.Join(folder, "received-"+NewStoreID()[:8]+".db")
	if err := lite.MakeFile(temp); err != nil {
		return nil, err
	}
	d, err := receive(ctx, temp, r, opts)
	if err != nil {
		return nil, lite.First(err, removeAll(temp))
	}
	return &Received{d, temp}, nil
}

func receive(ctx context.Context, temp string, r io.Reader, opts *Options) (*DB, error) {
	f, err := os.OpenFile(temp, os.O_WRONLY, 0o600) //nolint:gosec // a file that Receive made
	if err != nil {
		return nil, lite.Classify(temp, err)
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, lite.Classify(temp, err)
	}
	d, err := Open(ctx, temp, opts)
	if err != nil {
		return nil, err
	}
	if _, err = d.Check(ctx); err != nil {
		return nil, lite.First(err, d.Close())
	}
	return d, nil
}

// DB is the backup as a store, open until Place or Close. What is changed in it
// is changed in what will be placed.
func (r *Received) DB() *DB { return r.db }

// Place puts the backup in the place of the store at path, or where there is
// none. Its generation stays what it was: where the audit log knows a later one,
// [DB.AcceptRollback] has to follow, and a process killed before it leaves a
// store that is reported as rolled back. A store that a process has open is
// Unavailable, and none may open it until Place returns; the replaced one is
// kept beside the new one, its path with ".replaced" added, and a number if
// there is one already.
func (r *Received) Place(ctx context.Context, path string) error {
	if err := lite.MakeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	if err := lite.First(r.db.Close(), settle(ctx, r.temp)); err != nil {
		return err
	}
	if err := replace(ctx, r.temp, path); err != nil {
		return err
	}
	r.temp = ""
	return nil
}

// Close gives the backup up, if it was not placed.
func (r *Received) Close() error {
	if r.temp == "" {
		return nil
	}
	err := lite.First(r.db.Close(), removeAll(r.temp))
	r.temp = ""
	return err
}

// removeAll removes a database with what SQLite keeps beside it.
func removeAll(path string) error {
	err := lite.Remove(path)
	for _, p := range lite.Sides(path) {
		err = lite.First(err, lite.Remove(p))
	}
	return err
}

// replace puts a finished file in the place of the store, if there is one. At
// no moment is there none.
func replace(ctx context.Context, temp, path string) error {
	old, err := keepOld(ctx, path)
	if err != nil {
		return err
	}
	if err := moveSides(path, old); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return lite.Classify(path, err)
	}
	return lite.SyncPath(filepath.Dir(path))
}

// maxReplaced bounds how many replaced stores lie beside one.
const maxReplaced = 1000

// keepOld gives the store, if there is one, a second name after it has settled,
// and returns the name. What an earlier restore replaced is never overwritten: it
// may be the only good one.
func keepOld(ctx context.Context, path string) (old string, err error) {
	_, err = os.Lstat(path)
	there := err == nil
	if there {
		if err := lite.CheckPath(path); err != nil {
			return "", err
		}
		if err := settle(ctx, path); err != nil && !errors.Is(err, secret.Corrupt) {
			return "", err
		}
	}
	for n := range maxReplaced {
		old = path + ".replaced"
		if n > 0 {
			old += "-" + strconv.Itoa(n+1)
		}
		if err = taken(old); err == nil && there {
			err = os.Link(path, old)
		}
		if !errors.Is(err, os.ErrExist) {
			return old, lite.Classify(old, err)
		}
	}
	return "", secret.Errorf(secret.Conflict, "", "%s: too many replaced stores lie beside it: remove some", path)
}

// taken is os.ErrExist if a name, or one beside it, is in use.
func taken(path string) error {
	for _, p := range append([]string{path}, lite.Sides(path)...) {
		if _, err := os.Lstat(p); err == nil {
			return os.ErrExist
		}
	}
	return nil
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
func moveSides(path, old string) error {
	for _, suffix := range []string{"-wal", "-shm"} {
		err := os.Rename(path+suffix, old+suffix)
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
