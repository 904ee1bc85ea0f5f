package secret

import (
	"slices"
	"strings"
	"time"
)

// A VersionID names one version of one secret for ever: opaque, 32 to 64
// visible ASCII characters. It is empty where a store has no versions.
type VersionID string

// Check reports what is wrong with id, as an error of kind [Invalid]; nil if
// it can name a version, which the empty one does not.
func (id VersionID) Check() error {
	if len(id) < 32 || len(id) > 64 || strings.ContainsFunc(string(id), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Errorf(Invalid, "", "a version's id has 32 to 64 visible ASCII characters")
	}
	return nil
}

// A Stage is a label that points at one version of a secret.
type Stage string

// The stages with a meaning of their own. Every backend tells Current and
// Previous; a [Stager] lets stages be moved.
const (
	Current  Stage = "current"  // the version served by default
	Previous Stage = "previous" // the version that was current before
	Pending  Stage = "pending"  // the version a rotation is about to make current
)

// At selects a version by identity, number or stage. Where two are set, both
// must fit. The zero At is the current version.
type At struct {
	ID     VersionID
	Number uint64
	Stage  Stage
}

// A Version is one immutable value and what is said about it: only the value
// never changes. Its slices and maps are shared and must not be changed.
type Version struct {
	ID     VersionID
	Number uint64  // grows: 1, 2, … where the store counts, else the creation time in milliseconds; 0: no versions
	Value  Value   // zero except from Get
	Stages []Stage // sorted; none: deprecated
	Attributes
	Created, Updated time.Time
	Deleted          time.Time // not served from then on; it may lie in the future; zero: never
	Destroyed        bool      // the value is gone for ever
	Secret           *Meta     // what this answer told about the secret, without Name and Versions; nil if nothing
}

// State tells why v is not served at the time now; zero if it is served.
// NotBefore and Expires inform and never gate.
func (v *Version) State(now time.Time) State {
	switch {
	case v.Destroyed:
		return Destroyed
	case v.Secret != nil && !v.Secret.Deleted.IsZero(), !v.Deleted.IsZero() && !now.Before(v.Deleted):
		return Deleted
	case v.Disabled:
		return Disabled
	default:
		return 0
	}
}

// Attributes belong to one version. The zero Attributes are those of an
// enabled version that never expires.
type Attributes struct {
	Disabled           bool // not served
	NotBefore, Expires time.Time
	ContentType        string // a media type
	Tags               map[string]string
}

// Annotations belong to the secret, whichever version is current.
type Annotations struct {
	Description string
	Tags        map[string]string
}

// Limits are kept by the store on each put, whoever writes.
type Limits struct {
	MaxVersions int           // beyond them the oldest is dropped, never one with a stage but Previous; 0: the store's own
	DeleteAfter time.Duration // a new version is deleted that long after its creation; 0: never
	SwapOnly    bool          // Put is refused; only Swap may write
}

// Meta is what is known about a secret besides its values. Its slices and maps
// are shared and must not be changed.
type Meta struct {
	Name Name
	UID  string // tells it from a later secret of the same name; in every answer about the secret or in none
	Annotations
	Limits
	Created, Updated time.Time
	Deleted, Purge   time.Time // when it was deleted and when it will be gone; zero if not
	Versions         []Version // without values, newest first: at least those with a stage
	Complete         bool      // Versions holds every version
	Cursor           string    // from List: continue here with ListOptions.After
	Prefix           bool      // from a shallow List: Name is a prefix of names, not a secret
}

// At selects this version: by its identity, by its number where it has none;
// zero where it has neither.
func (v *Version) At() At {
	if v.ID != "" {
		return At{ID: v.ID}
	}
	return At{Number: v.Number}
}

// Current returns the current version without its value; false if there is
// none.
func (m *Meta) Current() (Version, bool) {
	for _, v := range m.Versions {
		if slices.Contains(v.Stages, Current) {
			return v, true
		}
	}
	return Version{}, false
}
