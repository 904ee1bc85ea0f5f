// Package head holds the rules of one secret: what a put does to stages, which
// version is dropped, when a deleted secret is gone. They are pure functions
// over a [Head], which knows everything about a secret but its values, so that
// every store that tacit keeps itself shares them.
//
// A Head is never changed: each transition returns a new one, or an error and
// nothing. The package keeps no values, takes no lock and asks no clock;
// whoever calls it does.
package head

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// DefaultWindow is how long a deleted secret can be undeleted.
const DefaultWindow = 30 * 24 * time.Hour

// MaxWindow bounds the window that a caller asks for: times far beyond it
// cannot be written in nanoseconds.
const MaxWindow = 100 * 365 * 24 * time.Hour

// describeAll is up to how many versions Describe tells of all of them.
const describeAll = 32

// A Head is what is known about a secret besides its values. Its slices and
// maps are shared and must not be changed.
type Head struct {
	UID string
	secret.Annotations
	secret.Limits
	Created, Updated time.Time
	Deleted, Purge   time.Time
	Next             uint64           // the number of the next version
	Versions         []secret.Version // oldest first, without values and Secret
}

// Create returns the head of a new secret without a version.
func Create(now time.Time, name secret.Name, a secret.Annotations) (*Head, error) {
	if err := checkAnnotations(name, a); err != nil {
		return nil, err
	}
	h := empty(now)
	h.Annotations = copied(a)
	return h, nil
}

func empty(now time.Time) *Head {
	return &Head{UID: newID(), Created: now, Updated: now, Next: 1}
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func copied(a secret.Annotations) secret.Annotations {
	return secret.Annotations{Description: a.Description, Tags: maps.Clone(a.Tags)}
}

// Gone reports whether the time to undelete h is over.
func (h *Head) Gone(now time.Time) bool { return !h.Purge.IsZero() && !now.Before(h.Purge) }

// IsDeleted reports whether the whole secret is deleted.
func (h *Head) IsDeleted() bool { return !h.Deleted.IsZero() }

// Index returns the place in Versions that at selects; -1 if none fits.
func (h *Head) Index(at secret.At) int {
	if at == (secret.At{}) {
		at.Stage = secret.Current
	}
	if at.Number != 0 { // numbers grow: the common case of a long history
		i, ok := slices.BinarySearchFunc(h.Versions, at.Number, func(v secret.Version, n uint64) int { return cmp.Compare(v.Number, n) })
		if !ok || !fits(&h.Versions[i], at) {
			return -1
		}
		return i
	}
	for i := len(h.Versions) - 1; i >= 0; i-- {
		if fits(&h.Versions[i], at) {
			return i
		}
	}
	return -1
}

func fits(v *secret.Version, at secret.At) bool {
	return (at.ID == "" || at.ID == v.ID) && (at.Number == 0 || at.Number == v.Number) &&
		(at.Stage == "" || slices.Contains(v.Stages, at.Stage))
}

// Meta returns what h tells about the secret itself, without Name and
// Versions.
func (h *Head) Meta() *secret.Meta {
	return &secret.Meta{
		UID: h.UID, Annotations: h.Annotations, Limits: h.Limits,
		Created: h.Created, Updated: h.Updated, Deleted: h.Deleted, Purge: h.Purge,
	}
}

// Find returns the version that at selects, without its value, and the error
// that a read of it answers with: the version is told with the error of one
// that is deleted, destroyed or disabled.
func (h *Head) Find(now time.Time, name secret.Name, at secret.At) (secret.Version, error) {
	i := h.Index(at)
	if i < 0 {
		if h.IsDeleted() {
			return secret.Version{}, deleted(name, "")
		}
		return secret.Version{}, NoVersion(name, at)
	}
	v := h.Versions[i]
	v.Secret = h.Meta()
	return v, refused(&v, now, name)
}

// refused is the error of a version that is not served; nil if it is.
func refused(v *secret.Version, now time.Time, name secret.Name) error {
	switch v.State(now) {
	case secret.Deleted:
		return deleted(name, v.ID)
	case secret.Destroyed:
		return &secret.Error{Kind: secret.NotFound, State: secret.Destroyed, Name: name, Version: v.ID, Text: "this version was destroyed"}
	case secret.Disabled:
		return &secret.Error{Kind: secret.Denied, State: secret.Disabled, Name: name, Version: v.ID, Text: "this version is disabled"}
	default:
		return nil
	}
}

func deleted(name secret.Name, id secret.VersionID) error {
	return &secret.Error{Kind: secret.NotFound, State: secret.Deleted, Name: name, Version: id, Text: "it is deleted"}
}

// NotFound is the error for a secret that does not exist.
func NotFound(name secret.Name) error {
	return secret.Errorf(secret.NotFound, name, "no such secret")
}

// NoVersion is the error for a version that does not exist.
func NoVersion(name secret.Name, at secret.At) error {
	return &secret.Error{Kind: secret.NotFound, State: secret.NoVersion, Name: name, Version: at.ID, Text: "no such version"}
}

// Describe tells of all versions if there are few, else of those with a stage.
func (h *Head) Describe(name secret.Name) secret.Meta { return h.describe(name, describeAll) }

// Item is Describe for a listing: only versions with a stage.
func (h *Head) Item(name secret.Name) secret.Meta {
	m := h.describe(name, 0)
	m.Cursor = string(name)
	return m
}

func (h *Head) describe(name secret.Name, limit int) secret.Meta {
	m := *h.Meta()
	m.Name = name
	m.Complete = len(h.Versions) <= limit
	for _, v := range slices.Backward(h.Versions) {
		if m.Complete || len(v.Stages) > 0 {
			m.Versions = append(m.Versions, v)
		}
	}
	return m
}
