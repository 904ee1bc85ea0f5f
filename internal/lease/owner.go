package lease

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// An owner marks that this process lives, by a file that it holds locked. The
// kernel lets go of the lock when the process dies, however it dies; a number
// of a process is given again, and means nothing in another container.
type owner struct {
	dir string
	mu  sync.Mutex
	id  string
	f   *os.File
}

// name returns the process's name as an owner, and marks it as living.
func (o *owner) name() (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.f != nil {
		return o.id, nil
	}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return "", unmarked(o.dir, err)
	}
	o.tidy()
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	id := hex.EncodeToString(b[:])
	f, err := os.OpenFile(o.path(id), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", unmarked(o.dir, err)
	}
	if err := hold(f); err != nil {
		_ = f.Close()
		return "", unmarked(o.dir, err)
	}
	o.id, o.f = id, f
	return id, nil
}

// lives reports whether an owner is there. Where that cannot be known it is
// taken to be: nobody's lease is revoked under its feet.
func (o *owner) lives(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.f != nil && id == o.id {
		return true
	}
	if b, err := hex.DecodeString(id); err != nil || len(b) != 16 {
		return false
	}
	f, err := os.OpenFile(o.path(id), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		return true
	}
	living := held(f)
	_ = f.Close()
	if !living {
		_ = os.Remove(o.path(id)) // what a dead process left; its name is never used again
	}
	return living
}

// stale is how old a mark is before it may be removed unasked: one that was
// just made is not locked yet.
const stale = 24 * time.Hour

// tidy removes the marks of dead processes that no note names.
func (o *owner) tidy() {
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < stale {
			continue
		}
		if f, err := os.OpenFile(o.path(e.Name()), os.O_RDWR, 0); err == nil {
			dead := !held(f)
			_ = f.Close()
			if dead {
				_ = os.Remove(o.path(e.Name()))
			}
		}
	}
}

func (o *owner) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.f == nil {
		return
	}
	_ = o.f.Close() // first: some systems remove no open file
	_ = os.Remove(o.path(o.id))
	o.f = nil
}

func (o *owner) path(id string) string { return filepath.Join(o.dir, id) }

// unmarked says why no lease is issued: nobody could tell whether its process
// lives.
func unmarked(dir string, err error) error {
	return secret.Errorf(secret.Unavailable, "", "%s: this process cannot mark there that it lives, so no lease is issued: %s", dir, cause(err))
}

// cause is why something failed, without the path that is told already.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
