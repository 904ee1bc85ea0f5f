package azurewire

import (
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"
)

// A state is what a secret is in. A transition takes time: from begin on it is
// what it was going to be.
type state int

const (
	active state = iota
	deleting
	deleted
	recovering
	purging
)

// record is a secret with its versions, the newest last.
type record struct {
	name             string
	versions         []*version
	state            state
	since            time.Time // of a transition under way
	deletedAt, purge time.Time
}

type version struct {
	ID               string
	Value            string
	ContentType      *string
	Tags             map[string]string
	Enabled          bool
	NotBefore, Until *int64
	Created, Updated int64
}

func (s *Server) now() time.Time { return s.opts.Now() }

// find returns a secret as it is now: transitions whose time is over are made.
func (s *Server) find(name string) *record {
	key := strings.ToLower(name)
	r := s.secrets[key]
	if r == nil {
		return nil
	}
	over := func(d time.Duration) bool { return d <= 0 || time.Since(r.since) >= d }
	switch {
	case r.state == deleting && over(s.opts.Deleting):
		r.state = deleted
	case r.state == recovering && over(s.opts.Recovering):
		r.state = active
	case r.state == purging && over(s.opts.Purging), r.state == deleted && !s.now().Before(r.purge):
		delete(s.secrets, key)
		return nil
	}
	return r
}

func (r *record) current() *version { return r.versions[len(r.versions)-1] }

func (r *record) version(id string) *version {
	if id == "" {
		return r.current()
	}
	i := slices.IndexFunc(r.versions, func(v *version) bool { return strings.EqualFold(v.ID, id) })
	if i < 0 {
		return nil
	}
	return r.versions[i]
}

// begin starts a transition.
func (r *record) begin(st state) { r.state, r.since = st, time.Now() }

// attributes are what a request may say of a version.
type attributes struct {
	Enabled   *bool  `json:"enabled"`
	NotBefore *int64 `json:"nbf"`
	Until     *int64 `json:"exp"`
}

func (s *Server) newVersion(p setParameters) *version {
	now := s.now().Unix()
	v := &version{ID: hex.EncodeToString(random(16)), Value: *p.Value, ContentType: p.ContentType, Tags: maps.Clone(p.Tags), Enabled: true, Created: now, Updated: now}
	if a := p.Attributes; a != nil {
		if a.Enabled != nil {
			v.Enabled = *a.Enabled
		}
		v.NotBefore, v.Until = a.NotBefore, a.Until
	}
	return v
}

// The shapes are in the order in which the service writes them.
type bundle struct {
	RecoveryID  string            `json:"recoveryId,omitempty"`
	DeletedDate int64             `json:"deletedDate,omitempty"`
	PurgeDate   int64             `json:"scheduledPurgeDate,omitempty"`
	Value       *string           `json:"value,omitempty"`
	ContentType *string           `json:"contentType,omitempty"`
	ID          string            `json:"id"`
	Attributes  shownAttributes   `json:"attributes"`
	Tags        map[string]string `json:"tags,omitempty"`
}

type shownAttributes struct {
	Enabled         bool   `json:"enabled"`
	NotBefore       *int64 `json:"nbf,omitempty"`
	Until           *int64 `json:"exp,omitempty"`
	Created         int64  `json:"created"`
	Updated         int64  `json:"updated"`
	RecoveryLevel   string `json:"recoveryLevel"`
	RecoverableDays int    `json:"recoverableDays"`
}

func (s *Server) level() string {
	level := "Recoverable"
	if s.opts.RetentionDays < 90 {
		level = "CustomizedRecoverable"
	}
	if s.opts.Protected {
		return level
	}
	return level + "+Purgeable"
}

// show makes the shape of a version. The id names it only where withID says so.
func (s *Server) show(r *record, v *version, withID bool) bundle {
	b := bundle{
		ContentType: v.ContentType, ID: s.address + "/secrets/" + r.name, Tags: v.Tags,
		Attributes: shownAttributes{v.Enabled, v.NotBefore, v.Until, v.Created, v.Updated, s.level(), s.opts.RetentionDays},
	}
	if withID {
		b.ID += "/" + v.ID
	}
	return b
}

// showDeleted adds what is said of deleted secrets.
func (s *Server) showDeleted(r *record, withID bool) bundle {
	b := s.show(r, r.current(), withID)
	b.RecoveryID, b.DeletedDate, b.PurgeDate = s.address+"/deletedsecrets/"+r.name, r.deletedAt.Unix(), r.purge.Unix()
	return b
}
