package head

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// A Putting is a put, or a compare-and-swap.
type Putting struct {
	Old   *secret.At // Swap: the version that must be current; nil: any
	Store secret.Limits
	Opts  *secret.PutOptions
	// Same reports whether the value to be put is that of a version.
	Same func(secret.VersionID) (bool, error)
}

// A PutResult tells what a put did.
type PutResult struct {
	Head    *Head
	Version secret.Version     // the new one, or the one that was there already
	Kept    bool               // the id was taken by the same value: nothing happened
	Dropped []secret.VersionID // whose values are to be forgotten
}

// Put makes a new version. h is nil where there is no secret yet.
func Put(h *Head, now time.Time, name secret.Name, p Putting) (PutResult, error) {
	o := p.Opts
	if o == nil {
		o = &secret.PutOptions{}
	}
	if err := CheckOptions(name, o); err != nil {
		return PutResult{}, err
	}
	if h == nil {
		h = empty(now)
	}
	if o.ID != "" {
		if i := h.Index(secret.At{ID: o.ID}); i >= 0 {
			return taken(h, name, h.Versions[i], p)
		}
	}
	if h.IsDeleted() {
		return PutResult{}, &secret.Error{Kind: secret.Conflict, State: secret.Deleted, Name: name, Text: "it is deleted\n  undelete it first, or destroy it"}
	}
	limits := effective(h.Limits, p.Store)
	if p.Old == nil && limits.SwapOnly {
		return PutResult{}, secret.Errorf(secret.Invalid, name, "only compare-and-swap may write here\n  --if-version")
	}
	if err := h.compare(name, p.Old); err != nil {
		return PutResult{}, err
	}
	out := h.with(now)
	v := out.add(now, o, limits)
	if err := out.checkStages(name); err != nil {
		return PutResult{}, err
	}
	return PutResult{Head: out, Version: v, Dropped: out.prune(limits.MaxVersions)}, nil
}

// taken answers for an id that is there: the same value is no change.
func taken(h *Head, name secret.Name, v secret.Version, p Putting) (PutResult, error) {
	same, err := p.Same(v.ID)
	if err != nil {
		return PutResult{}, err
	}
	if !same || v.Destroyed {
		return PutResult{}, &secret.Error{Kind: secret.Conflict, Name: name, Version: v.ID, Text: "this version's id is taken by another value"}
	}
	v.Secret = h.Meta()
	return PutResult{Head: h, Version: v, Kept: true}, nil
}

func (h *Head) compare(name secret.Name, old *secret.At) error {
	if old == nil {
		return nil
	}
	current := h.Index(secret.At{})
	if *old == (secret.At{}) {
		if current < 0 {
			return nil
		}
	} else if current >= 0 && h.Index(*old) == current {
		return nil
	}
	e := &secret.Error{Kind: secret.Conflict, Name: name, Text: "another version is current"}
	if current >= 0 {
		e.Version = h.Versions[current].ID
	}
	return e
}

// effective joins a secret's own limits with the store's.
func effective(own, store secret.Limits) secret.Limits {
	return secret.Limits{
		MaxVersions: max(own.MaxVersions, store.MaxVersions),
		DeleteAfter: cmp.Or(own.DeleteAfter, store.DeleteAfter),
		SwapOnly:    own.SwapOnly || store.SwapOnly,
	}
}

// with returns a copy of h that a transition may change: its own slice of
// versions, with the versions' own slices and maps still shared.
func (h *Head) with(now time.Time) *Head {
	out := *h
	out.Updated = now
	out.Versions = slices.Clone(h.Versions)
	return &out
}

func (h *Head) add(now time.Time, o *secret.PutOptions, limits secret.Limits) secret.Version {
	v := secret.Version{ID: o.ID, Number: h.Next, Created: now, Updated: now}
	if v.ID == "" {
		v.ID = secret.VersionID(newID())
	}
	if o.Attributes != nil {
		v.Attributes = *o.Attributes
		v.Tags = maps.Clone(v.Tags)
	}
	if limits.DeleteAfter > 0 {
		v.Deleted = now.Add(limits.DeleteAfter)
	}
	stages := slices.Clone(o.Stages)
	current := h.Index(secret.At{})
	if len(stages) == 0 || current < 0 && !slices.Contains(stages, secret.Current) {
		stages = append(stages, secret.Current)
	}
	slices.Sort(stages)
	v.Stages = slices.Compact(stages)
	if current >= 0 && slices.Contains(v.Stages, secret.Current) {
		h.unstage(secret.Previous)
		h.Versions[current].Stages = []secret.Stage{secret.Previous}
	}
	for _, s := range v.Stages {
		h.unstage(s)
	}
	if o.Annotations != nil {
		h.Annotations = copied(*o.Annotations)
	}
	h.Next++
	h.Versions = append(h.Versions, v)
	v.Secret = h.Meta()
	return v
}

// prune drops the oldest versions beyond keep that have no stage but Previous.
func (h *Head) prune(keep int) []secret.VersionID {
	over := len(h.Versions) - keep
	if keep <= 0 || over <= 0 {
		return nil
	}
	var dropped []secret.VersionID
	h.Versions = slices.DeleteFunc(h.Versions, func(v secret.Version) bool {
		held := slices.ContainsFunc(v.Stages, func(s secret.Stage) bool { return s != secret.Previous })
		if over <= 0 || held {
			return false
		}
		over--
		dropped = append(dropped, v.ID)
		return true
	})
	return dropped
}

// unstage takes a stage from whichever version has it.
func (h *Head) unstage(s secret.Stage) {
	for i := range h.Versions {
		if j := slices.Index(h.Versions[i].Stages, s); j >= 0 {
			h.Versions[i].Stages = slices.Concat(h.Versions[i].Stages[:j], h.Versions[i].Stages[j+1:])
		}
	}
}

func (h *Head) stage(i int, s secret.Stage) {
	all := append(slices.Clone(h.Versions[i].Stages), s)
	slices.Sort(all)
	h.Versions[i].Stages = all
}
