package local

import (
	"context"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tacit-secrets/tacit/internal/head"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// MaxValueBytes is the size of the largest value that the store takes.
const MaxValueBytes = 1 << 20

// DefaultVersions is how many versions of a secret are kept where no limit was
// set: as many as Vault keeps.
const DefaultVersions = 10

// Options belong to New; nil is none.
type Options struct {
	// Now tells the time; nil: the system's clock.
	Now func() time.Time
}

// A Store is the embedded backend. It keeps every promise of package secret.
type Store struct {
	db    *state.DB
	now   func() time.Time
	index atomic.Pointer[index]
	hub   hub
}

var (
	_ secret.Backend          = (*Store)(nil)
	_ secret.Versioner        = (*Store)(nil)
	_ secret.Swapper          = (*Store)(nil)
	_ secret.Creator          = (*Store)(nil)
	_ secret.Undeleter        = (*Store)(nil)
	_ secret.VersionRemover   = (*Store)(nil)
	_ secret.Stager           = (*Store)(nil)
	_ secret.Annotator        = (*Store)(nil)
	_ secret.VersionAnnotator = (*Store)(nil)
	_ secret.Limiter          = (*Store)(nil)
	_ secret.Archiver         = (*Store)(nil)
	_ secret.BatchGetter      = (*Store)(nil)
	_ secret.Batcher          = (*Store)(nil)
	_ secret.Renamer          = (*Store)(nil)
	_ secret.Watcher          = (*Store)(nil)
)

// New returns the secrets of an open store. Closing db is the caller's affair.
func New(db *state.DB, opts *Options) (*Store, error) {
	if db == nil {
		return nil, secret.Errorf(secret.Invalid, "", "the embedded backend needs an open store")
	}
	s := &Store{db: db, now: time.Now}
	if opts != nil && opts.Now != nil {
		s.now = opts.Now
	}
	return s, nil
}

func rowOf(name secret.Name) state.Key {
	return state.Key{Kind: state.KindSecret, Name: string(name)}
}

// valueID names a version's value among those of its secret. The number is in
// it since a writer may choose an identity again after its version was
// dropped, and an id must never stand for two values.
func valueID(v *secret.Version) string {
	return string(binary.BigEndian.AppendUint64(nil, v.Number)) + string(v.ID)
}

// Values are kept with a byte before them that says what they are.
const (
	textValue   = 0
	binaryValue = 1
)

func packValue(v secret.Value) []byte {
	b := make([]byte, 1+v.Len())
	if v.IsBinary() {
		b[0] = binaryValue
	}
	copy(b[1:], v.Reveal())
	return b
}

func unpackValue(b []byte) (secret.Value, error) {
	switch {
	case len(b) > 0 && b[0] == textValue:
		return secret.Text(b[1:]), nil
	case len(b) > 0 && b[0] == binaryValue:
		return secret.Binary(b[1:]), nil
	default:
		return secret.Value{}, secret.Errorf(secret.Corrupt, "", "a value is malformed\n  tacit store check")
	}
}

// stored returns a secret's head as it is stored, even one that is to be
// purged. It is shared and must not be changed.
func (s *Store) stored(tx *state.Tx, name secret.Name) (*head.Head, error) {
	h, err := tx.Decode(rowOf(name), decodeHead)
	if errors.Is(err, secret.NotFound) {
		return nil, head.NotFound(name)
	}
	if err != nil {
		return nil, about(name, err)
	}
	return h.(*head.Head), nil // decodeHead makes no other
}

func decodeHead(b []byte) (any, error) { return head.Unmarshal(b) }

// head is stored, without those that are to be purged.
func (s *Store) head(tx *state.Tx, name secret.Name) (*head.Head, error) {
	h, err := s.stored(tx, name)
	if err == nil && h.Gone(s.now()) {
		return nil, head.NotFound(name)
	}
	return h, err
}

// about says which secret an error of the store is about.
func about(name secret.Name, err error) error {
	e, ok := errors.AsType[*secret.Error](err)
	if !ok || e.Name != "" {
		return err
	}
	named := *e
	named.Name = name
	return &named
}

// lost explains that a value which the head names is not there.
func lost(name secret.Name, err error) error {
	if errors.Is(err, secret.NotFound) {
		return secret.Errorf(secret.Corrupt, name, "the value of a version is missing\n  tacit store check")
	}
	return about(name, err)
}

// view calls f with the store at one moment.
func (s *Store) view(ctx context.Context, name secret.Name, f func(*state.Tx) error) error {
	if err := name.Check(); err != nil {
		return err
	}
	return s.db.View(ctx, f)
}

// generation returns the number of the last change by any process.
func (s *Store) generation(ctx context.Context) (g uint64, err error) {
	err = s.db.View(ctx, func(tx *state.Tx) error {
		g = tx.Generation()
		return nil
	})
	return g, err
}
