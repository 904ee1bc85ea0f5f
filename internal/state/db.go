package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/internal/state/internal/lite"
	"github.com/tacit-secrets/tacit/secret"
)

// Options belong to Create, Open, Memory and Receive; nil is none.
type Options struct {
	// Unlock finds the key for a store's slots. It is asked on opening, and
	// again when another process has rekeyed the store; never twice at once.
	Unlock func(ctx context.Context, storeID string, slots seal.Slots) (*seal.Key, error)
	// CacheBytes bounds the rows that are kept decrypted; 0: 32 MiB.
	CacheBytes int
	// Wait is how long a change waits for other processes; 0: 10 s.
	Wait time.Duration
}

const (
	defaultCache = 32 << 20
	defaultWait  = 10 * time.Second
	maxReaders   = 4
)

// A DB is an open store. It may be used by many goroutines. Every error is a
// *secret.Error; what happened to the file is Corrupt, Denied or Unavailable.
type DB struct {
	path string
	opts Options

	cache    *cache
	seen     atomic.Pointer[snapshot] // the newest one
	unlocked atomic.Pointer[keys]     // the newest ones
	log      atomic.Pointer[func() LogHead]

	unlocking sync.Mutex
	checks    checks
	readers   chan *lite.Conn // nil: not yet open
	queue     queue
	write     chan struct{} // held by who writes
	writer    *lite.Conn    // nil: not yet open
	closed    atomic.Bool   // set under write
}

// A snapshot is what the state row said when it was read.
type snapshot struct {
	*keys
	sealed []byte
	state  stateRow
}

func (s *snapshot) at() position { return position{s.state.Epoch, s.state.Generation} }

// A Seed is what a new store begins with.
type Seed struct {
	StoreID string    // from [NewStoreID]
	Key     *seal.Key // its key-encryption key
	Slots   seal.Slots
}

// Create makes a new store in a file, durable on return, and opens it. The
// folder is made with mode 0700 if need be. If there is a file already the
// error is secret.Conflict.
func Create(ctx context.Context, path string, seed Seed, opts *Options) (*DB, error) {
	if !filepath.IsAbs(path) {
		return nil, secret.Errorf(secret.Invalid, "", "%s: the store's path must be absolute", path)
	}
	if err := lite.MakeFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, secret.Errorf(secret.Conflict, "", "%s: there is a store already", path)
	}
	k, err := build(ctx, path, seed)
	if err != nil {
		return nil, err
	}
	return open(ctx, path, k, opts)
}

// build makes the file under another name and gives it its own when it is
// whole.
func build(ctx context.Context, path string, seed Seed) (*keys, error) {
	temp := path + ".new-" + NewStoreID()[:8]
	if err := lite.MakeFile(temp); err != nil {
		return nil, err
	}
	k, err := fill(ctx, temp, seed)
	if err == nil {
		err = publish(temp, path)
	}
	if err != nil {
		return nil, errors.Join(err, lite.Remove(temp))
	}
	return k, nil
}

func fill(ctx context.Context, path string, seed Seed) (*keys, error) {
	c, err := lite.Dial(ctx, path)
	if err != nil {
		return nil, err
	}
	k, err := plant(c, seed)
	return k, lite.First(err, c.Close())
}

// plant writes an empty store.
func plant(c *lite.Conn, seed Seed) (*keys, error) {
	k, body, err := newKeys(seed.StoreID, seed.Key, seed.Slots, nil)
	if err != nil {
		return nil, err
	}
	sealed, err := k.sealRow(nil, (&stateRow{Epoch: 1, Generation: 1, Header: k.hash}).marshal())
	if err != nil {
		return nil, err
	}
	return k, lite.First(
		c.Create(),
		c.Exec("INSERT INTO header VALUES (1, ?)", body),
		c.Exec("INSERT INTO state VALUES (1, ?)", sealed))
}

// publish gives a finished file its name, if nobody has it, for good.
func publish(temp, path string) error {
	if err := lite.SyncPath(temp); err != nil {
		return err
	}
	if err := os.Link(temp, path); err == nil {
		return lite.First(lite.Remove(temp), lite.SyncPath(filepath.Dir(path)))
	} else if errors.Is(err, os.ErrExist) {
		return secret.Errorf(secret.Conflict, "", "%s: there is a store already", path)
	}
	// Some file systems have no links.
	if err := os.Rename(temp, path); err != nil {
		return lite.Classify(path, err)
	}
	return lite.SyncPath(filepath.Dir(path))
}

// Open opens the store in a file. Errors: NotFound, Unauthenticated (no key
// fits, or opts has no Unlock), Corrupt, Unsupported (a newer format, a network
// file system), Denied (owner, modes), Unavailable.
func Open(ctx context.Context, path string, opts *Options) (*DB, error) {
	return open(ctx, path, nil, opts)
}

func open(ctx context.Context, path string, k *keys, opts *Options) (*DB, error) {
	if err := lite.CheckPath(path); err != nil {
		return nil, err
	}
	d := newDB(path, opts)
	c, err := d.dialFile(ctx)
	if err != nil {
		return nil, err
	}
	if err := lite.First(d.start(ctx, c, k), syncLeft(path)); err != nil {
		return nil, lite.First(err, c.Close())
	}
	d.readers <- c
	return d, nil
}

// syncLeft makes durable what a killed process left in the write-ahead log: a
// commit that was written and not synced is read like any other, and if the
// audit log named it, and the power failed then, the store would seem to be
// rolled back. The log is empty, and this is free, unless a process was killed
// or others have the store open.
func syncLeft(path string) error {
	wal := path + "-wal"
	if info, err := os.Stat(wal); err != nil || info.Size() == 0 {
		return nil //nolint:nilerr // no log, nothing to sync
	}
	err := lite.SyncPath(wal)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the last other process closed the store meanwhile
	}
	return err
}

// Memory makes a new store in memory: the same semantics, for one process, and
// gone with it.
func Memory(ctx context.Context, opts *Options) (*DB, error) {
	kek, err := seal.NewKey()
	if err != nil {
		return nil, err
	}
	c, err := lite.Dial(ctx, lite.Memory)
	if err != nil {
		return nil, err
	}
	k, err := plant(c, Seed{StoreID: NewStoreID(), Key: kek})
	d := newDB(lite.Memory, opts)
	if err == nil {
		err = d.start(ctx, c, k)
	}
	if err != nil {
		return nil, lite.First(err, c.Close())
	}
	d.writer = c
	return d, nil
}

func newDB(path string, opts *Options) *DB {
	d := &DB{path: path, write: make(chan struct{}, 1), readers: make(chan *lite.Conn, maxReaders)}
	if opts != nil {
		d.opts = *opts
	}
	if d.opts.CacheBytes == 0 {
		d.opts.CacheBytes = defaultCache
	}
	if d.opts.Wait == 0 {
		d.opts.Wait = defaultWait
	}
	d.cache = newCache(d.opts.CacheBytes)
	if path != lite.Memory {
		for range maxReaders - 1 {
			d.readers <- nil
		}
	}
	return d
}

// dialFile opens a connection to the store's file and sees to its format.
func (d *DB) dialFile(ctx context.Context, pragmas ...string) (*lite.Conn, error) {
	c, err := lite.Dial(ctx, d.path, pragmas...)
	if err != nil {
		return nil, err
	}
	if err := c.CheckFormat(); err != nil {
		return nil, lite.First(err, c.Close())
	}
	var mode string
	if _, err := c.Get("PRAGMA journal_mode = WAL", nil, &mode); err != nil {
		return nil, lite.First(err, c.Close())
	}
	if mode != "wal" {
		return nil, lite.First(secret.Errorf(secret.Unsupported, "", "%s: the file system cannot share memory between processes\n  choose a local folder: XDG_DATA_HOME", d.path), c.Close())
	}
	return c, nil
}

// start reads header and state for the first time.
func (d *DB) start(ctx context.Context, c *lite.Conn, k *keys) error {
	d.unlocked.Store(k)
	return c.Reading(func() error {
		_, err := d.snapshot(ctx, c)
		return err
	})
}

// Close waits for what is under way and closes the store.
func (d *DB) Close() error {
	d.write <- struct{}{}
	defer func() { <-d.write }()
	if d.closed.Swap(true) {
		return nil
	}
	var err error
	if d.path != lite.Memory {
		for range maxReaders {
			if c := <-d.readers; c != nil {
				err = lite.First(err, c.Close())
			}
		}
		close(d.readers)
		err = lite.First(err, d.checks.close())
	}
	if d.writer != nil {
		err = lite.First(err, d.writer.Close())
	}
	return err
}

// StoreID returns the store's identity: 32 hexadecimal digits.
func (d *DB) StoreID() string { return d.unlocked.Load().storeID() }

// KeyID names the key-encryption key that the store was last seen to have.
func (d *DB) KeyID() string { return d.unlocked.Load().header.kek }

// Slots returns the ways to unlock the store, as they were last seen.
func (d *DB) Slots() (seal.Slots, error) { return seal.ParseSlots(d.unlocked.Load().slots) }

// Key returns the key-encryption key, for [seal.Unlocker.Rekey] and new slots.
func (d *DB) Key() *seal.Key { return d.unlocked.Load().kek }

// AuditKey returns the key that seals what belongs to the audit log.
func (d *DB) AuditKey() SubKey { return SubKey{d.unlocked.Load().audit} }

// Generation returns the number of the last change that this process saw; each
// change adds one, and a new epoch never goes back. A store whose generation is
// lower than one that the audit log names was rolled back.
func (d *DB) Generation() uint64 { return d.seen.Load().state.Generation }

// Epoch returns how often the store began anew, by AcceptRollback,
// counted from 1.
func (d *DB) Epoch() uint64 { return d.seen.Load().state.Epoch }

// LogHead returns what the last change that this process saw remembers of the
// audit log. Its slice is shared and must not be changed.
func (d *DB) LogHead() LogHead { return d.seen.Load().state.Log }

// SetLog sets where the audit log's head comes from. It is asked once in each
// transaction, while the store is locked: it must not use the store, nor wait.
// A head smaller than the remembered one is not written.
func (d *DB) SetLog(head func() LogHead) { d.log.Store(&head) }
