package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/tacit-secrets/tacit/audit/internal/disk"
	"github.com/tacit-secrets/tacit/audit/internal/segment"
	"github.com/tacit-secrets/tacit/secret"
)

// Key seals what the log keeps of its signing keys.
type Key interface {
	Wrap(record, plain []byte) ([]byte, error)
	Unwrap(record, wrapped []byte) ([]byte, error)
}

// Store is the other half of the anchor: a log that does not extend what the
// store remembers, or that names a later generation than the store has, was
// rolled back, or the store was.
type Store interface {
	Generation() uint64 // the newest that is known to be durable
	LogHead() Head      // what the store remembers of the log
	// Refresh reads anew what other processes made durable meanwhile.
	Refresh(ctx context.Context) error
}

// Config says where a log is and how it works.
type Config struct {
	Dir      string           // the segments, and nothing else
	KeyDir   string           // the store's folder: sealed keys, the lock, a cache
	Key      Key              // required
	Store    Store            // nil: the log is anchored to nothing
	Now      func() time.Time // nil: time.Now
	MaxBytes int64            // of a segment; 0: 16 MiB
	MaxAge   time.Duration    // of a segment; 0: 24 h
	MinFree  uint64           // bytes that stay free on the disk; 0: 64 MiB
	LockWait time.Duration    // 0: 5 s

	// OpenFile opens a segment for appending; nil is the disk. Tests count
	// what is synced, and make files that fail as disks do.
	OpenFile func(path string, flag int) (File, error)
}

// A File is what a log needs of a segment's file.
type File = disk.File

// OpenFile opens a segment on disk: the default of [Config].
func OpenFile(path string, flag int) (File, error) { return disk.OpenAppend(path, flag) }

// lockName is the empty file in KeyDir that orders the processes.
const lockName = "audit.lock"

// lockWait is how long a process waits for the others.
const lockWait = 5 * time.Second

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	set(&c.MaxBytes, 16<<20)
	set(&c.MaxAge, 24*time.Hour)
	set(&c.MinFree, 64<<20)
	set(&c.LockWait, lockWait)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.OpenFile == nil {
		c.OpenFile = OpenFile
	}
	return c
}

func set[T comparable](to *T, otherwise T) {
	var zero T
	if *to == zero {
		*to = otherwise
	}
}

// A Log is an open audit log, which this process and others append to. It is
// safe for concurrent use.
type Log struct {
	cfg  Config
	lock *disk.Lock

	mu      sync.Mutex
	waiting []*request // appends that wait to be grouped
	leading bool       // someone works on them
	closed  bool
	idle    *sync.Cond
	head    Head   // of what is durable
	named   uint64 // the generation that the newest checkpoint names

	// What follows belongs to whoever leads.
	w       walker
	f       disk.File
	number  uint64 // of the segment
	offset  int64  // behind the last checkpoint, or the header
	lineAt  int64  // where that line begins
	signer  note.Signer
	stat    os.FileInfo // of the file when it was opened
	tails   []tail      // bytes that do not count and must be recorded
	lost    int64       // the length of a group that failed
	failed  bool        // a fsync failed: this file is never written again
	unsaved int64       // bytes that the cache is behind
	keyless bool        // a new first key comes, so that the old one may be missing
}

var _ Appender = (*Log)(nil)

// Create makes a new log in an empty or missing folder and returns its first
// public key: the one thing to keep elsewhere. A folder where a log is, is
// [secret.Conflict].
func Create(ctx context.Context, cfg Config) (*Log, string, error) {
	l, err := newLog(cfg)
	if err != nil {
		return nil, "", err
	}
	if err := l.lock.Take(ctx, l.cfg.LockWait); err != nil {
		return nil, "", disk.First(err, l.Close())
	}
	defer l.lock.Give()
	public, err := l.first()
	if err != nil {
		return nil, "", disk.First(err, l.Close())
	}
	return l, public, nil
}

// first makes the first segment. The lock is held.
func (l *Log) first() (public string, err error) {
	if err := disk.MakeDir(l.cfg.Dir); err != nil {
		return "", err
	}
	if err := l.vacant(); err != nil {
		return "", err
	}
	if err := l.dropKeys(); err != nil {
		return "", err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	private, public, err := segment.NewKey()
	if err != nil {
		return "", err
	}
	if err := l.room(); err != nil {
		return "", err
	}
	h := segment.Header{Segment: 1, Log: hex.EncodeToString(id[:]), Key: public, Epoch: 1, Why: segment.WhyFirst, Time: l.cfg.Now().UTC(), Edge: []string{}}
	if err := l.begin(h, private); err != nil {
		return "", err
	}
	if err := l.write(nil); err != nil {
		return "", err
	}
	l.publish()
	return public, nil
}

// dropKeys destroys what a log that is gone has left: who finds its key could
// go on with a copy of it.
func (l *Log) dropKeys() error {
	left, err := os.ReadDir(l.cfg.KeyDir)
	if err != nil {
		return segment.Unreadable(err)
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), "audit-") && strings.HasSuffix(e.Name(), ".key") {
			if err := disk.Destroy(filepath.Join(l.cfg.KeyDir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// vacant refuses a folder where a log is. A first header without a checkpoint
// is none: a crash came while it was made.
func (l *Log) vacant() error {
	old, err := segment.List(l.cfg.Dir)
	if err != nil || len(old) == 0 {
		return err
	}
	path := segment.Path(l.cfg.Dir, 1)
	if len(old) == 1 && old[0] == 1 {
		signed, err := segment.HasCheckpoint(path)
		if err != nil {
			return err
		}
		if !signed {
			return disk.Remove(path)
		}
	}
	return secret.Errorf(secret.Conflict, "", "%s: a log is there already", l.cfg.Dir)
}

// Prepare makes the tables that the first signature of a process and the first
// look at one need. It takes more than a millisecond, so a program that opens a
// log soon calls it beside other work; one that does not call it waits in Open.
func Prepare() {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	ed25519.Verify(ed25519.PublicKey(key[ed25519.SeedSize:]), nil, make([]byte, ed25519.SignatureSize))
}

// Open opens a log for appending. A damaged log, a missing one, and one that
// the store contradicts are errors of kind [secret.Corrupt]; a lock that others
// hold for too long is [secret.Unavailable].
func Open(ctx context.Context, cfg Config) (*Log, error) {
	l, err := newLog(cfg)
	if err != nil {
		return nil, err
	}
	if err := l.lock.Take(ctx, l.cfg.LockWait); err != nil {
		return nil, disk.First(err, l.Close())
	}
	defer l.lock.Give()
	if err = l.load(); err == nil {
		err = l.anchored(ctx)
	}
	if err != nil {
		return nil, disk.First(err, l.Close())
	}
	l.publish()
	return l, nil
}

func newLog(cfg Config) (*Log, error) {
	l := &Log{cfg: cfg.withDefaults()}
	l.idle = sync.NewCond(&l.mu)
	var err error
	l.lock, err = disk.OpenLock(filepath.Join(l.cfg.KeyDir, lockName))
	return l, err
}

// Head returns how far the log has come: what a store is to remember.
func (l *Log) Head() Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// Generation returns the store's generation that the newest checkpoint names.
func (l *Log) Generation() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.named
}

// publish tells others how far the log has come; l.mu is held, or nobody else
// knows l yet.
func (l *Log) publish() { l.head, l.named = headOf(&l.w.good), l.w.last.Generation }

// Close waits for appends under way and gives everything back. Later appends
// are Unavailable.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	for l.leading {
		l.idle.Wait()
	}
	l.mu.Unlock()
	if l.unsaved > 0 {
		l.saveCache()
	}
	l.lock.Close()
	if l.f == nil {
		return nil
	}
	f := l.f
	l.f = nil
	if err := f.Close(); err != nil {
		return disk.Unavailable(l.path(), err)
	}
	return nil
}

func (l *Log) path() string { return segment.Path(l.cfg.Dir, l.number) }

// anchored compares the log with what the store remembers.
func (l *Log) anchored(ctx context.Context) error {
	if l.cfg.Store == nil {
		return nil
	}
	// The store was opened before the log: others may have written both since.
	// They cannot now, while the lock is held.
	if l.cfg.Store.Generation() < l.w.last.Generation {
		if err := l.cfg.Store.Refresh(ctx); err != nil {
			return err
		}
	}
	if have, named := l.cfg.Store.Generation(), l.w.last.Generation; have < named {
		return secret.Errorf(secret.Corrupt, "", "the store was rolled back: it is at generation %d, and the audit log knows %d\n  if you restored it on purpose:  tacit store accept-rollback", have, named)
	}
	h := l.cfg.Store.LogHead()
	if h.Size == 0 {
		return nil
	}
	bad := secret.Errorf(secret.Corrupt, "", "the audit log was rolled back or replaced: the store remembers %d lines of it that are not there\n  if you know why:  tacit audit adopt", h.Size)
	switch {
	case h.Size > l.w.good.Size:
		return bad
	case h.Size == l.w.good.Size:
		if l.w.good.Root() != h.Root {
			return bad
		}
		return nil
	}
	same, err := l.extends(ctx, h)
	if err == nil && !same {
		err = bad
	}
	return err
}

// enter goes on in a segment whose header is b. Without a private key it can
// only be read.
func (l *Log) enter(number uint64, private string, b []byte) error {
	if err := l.w.open(b, number); err != nil {
		return secret.Errorf(secret.Corrupt, "", "%s:1: %s", segment.Name(number), err)
	}
	signer, err := note.NewSigner(private)
	if err != nil && private != "" {
		return secret.Errorf(secret.Corrupt, "", "the signing key of the audit log's segment %d cannot be read\n  if you know why:  tacit audit adopt", number)
	}
	f, err := l.cfg.OpenFile(segment.Path(l.cfg.Dir, number), 0)
	if err != nil {
		return disk.Unavailable(segment.Path(l.cfg.Dir, number), err)
	}
	stat, err := os.Stat(segment.Path(l.cfg.Dir, number))
	if err != nil {
		return disk.First(disk.Unavailable(segment.Path(l.cfg.Dir, number), err), f.Close())
	}
	if l.f != nil {
		_ = l.f.Close()
	}
	l.stat = stat
	l.f, l.signer, l.number, l.offset, l.lineAt, l.failed = f, signer, number, int64(len(b))+1, 0, false
	return nil
}

func (l *Log) keyPath(segment uint64) string {
	return filepath.Join(l.cfg.KeyDir, "audit-"+strconv.FormatUint(segment, 10)+".key")
}

// keyRecord binds a sealed key to its log, segment and public half.
func keyRecord(h segment.Header) []byte {
	return []byte("tacit audit signing key\x00" + h.Log + "\x00" + strconv.FormatUint(h.Segment, 10) + "\x00" + h.Key)
}

// unseal returns the private key of a segment.
func (l *Log) unseal(h segment.Header) (string, error) {
	sealed, err := os.ReadFile(l.keyPath(h.Segment))
	if err != nil {
		return "", secret.Errorf(secret.Corrupt, "", "the signing key of the audit log's segment %d is missing: %s\n  if you know why:  tacit audit adopt", h.Segment, disk.Cause(err))
	}
	b, err := l.cfg.Key.Unwrap(keyRecord(h), sealed)
	if err != nil {
		return "", secret.Errorf(secret.Corrupt, "", "the signing key of the audit log's segment %d is damaged\n  if you know why:  tacit audit adopt", h.Segment)
	}
	return string(b), nil
}
