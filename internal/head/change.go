package head

import (
	"maps"
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// Live returns the error of a change that a deleted secret does not allow.
func (h *Head) Live(name secret.Name) error {
	if h.IsDeleted() {
		return deleted(name, "")
	}
	return nil
}

// Delete makes all versions unreadable for a while; zero is DefaultWindow, and
// nothing is longer than MaxWindow.
func (h *Head) Delete(now time.Time, name secret.Name, window time.Duration) (*Head, error) {
	if err := h.Live(name); err != nil {
		return nil, err
	}
	if window <= 0 {
		window = DefaultWindow
	}
	out := h.with(now)
	out.Deleted, out.Purge = now, now.Add(min(window, MaxWindow))
	return out, nil
}

// Undelete brings a deleted secret back.
func (h *Head) Undelete(now time.Time, name secret.Name) (*Head, error) {
	if !h.IsDeleted() {
		return nil, secret.Errorf(secret.Conflict, name, "it is not deleted")
	}
	out := h.with(now)
	out.Deleted, out.Purge = time.Time{}, time.Time{}
	return out, nil
}

// A Removal is what is done to single versions.
type Removal uint8

// The removals.
const (
	DeleteVersions Removal = iota
	UndeleteVersions
	DestroyVersions
)

// Remove changes single versions; those that do not exist are ignored. It
// returns the ids whose values are to be forgotten.
func (h *Head) Remove(now time.Time, name secret.Name, how Removal, store secret.Limits, at ...secret.At) (*Head, []secret.VersionID, error) {
	if err := h.Live(name); err != nil {
		return nil, nil, err
	}
	out := h.with(now)
	var gone []secret.VersionID
	after := effective(h.Limits, store).DeleteAfter
	for _, a := range at {
		i := h.Index(a)
		if i < 0 || out.Versions[i].Destroyed {
			continue
		}
		v := &out.Versions[i]
		v.Updated = now
		switch how {
		case DeleteVersions:
			if v.Deleted.IsZero() || now.Before(v.Deleted) {
				v.Deleted = now
			}
		case UndeleteVersions:
			v.Deleted = time.Time{}
			if after > 0 {
				v.Deleted = now.Add(after)
			}
		case DestroyVersions:
			v.Destroyed = true
			gone = append(gone, v.ID)
		}
	}
	return out, gone, nil
}

// MoveStage takes a stage from one version and gives it to another, by
// compare-and-swap; an empty from or to is no version.
func (h *Head) MoveStage(now time.Time, name secret.Name, s secret.Stage, from, to secret.VersionID) (*Head, error) {
	if err := checkStage(name, s); err != nil {
		return nil, err
	}
	if s == secret.Current && to == "" {
		return nil, secret.Errorf(secret.Invalid, name, "the stage current is moved, never taken away")
	}
	if err := h.Live(name); err != nil {
		return nil, err
	}
	on := h.Index(secret.At{Stage: s})
	held := secret.VersionID("")
	if on >= 0 {
		held = h.Versions[on].ID
	}
	if held != from {
		return nil, &secret.Error{Kind: secret.Conflict, Name: name, Version: held, Text: "the stage is at another version"}
	}
	target := -1
	if to != "" {
		if target = h.Index(secret.At{ID: to}); target < 0 {
			return nil, NoVersion(name, secret.At{ID: to})
		}
	}
	out := h.with(now)
	if target == on {
		return out, nil
	}
	if s == secret.Current && on >= 0 {
		out.unstage(secret.Previous)
		out.stage(on, secret.Previous)
	}
	out.unstage(s)
	if target >= 0 {
		out.stage(target, s)
	}
	if err := out.checkStages(name); err != nil {
		return nil, err
	}
	return out, nil
}

// Annotate changes description and tags.
func (h *Head) Annotate(now time.Time, name secret.Name, c secret.Change) (*Head, error) {
	if err := h.Live(name); err != nil {
		return nil, err
	}
	out := h.with(now)
	if c.Description != nil {
		out.Description = *c.Description
	}
	out.Tags = changed(out.Tags, c.Tags)
	if err := checkAnnotations(name, out.Annotations); err != nil {
		return nil, err
	}
	return out, nil
}

// Limit sets the secret's own limits.
func (h *Head) Limit(now time.Time, name secret.Name, l secret.Limits) (*Head, error) {
	if l.MaxVersions < 0 || l.DeleteAfter < 0 {
		return nil, secret.Errorf(secret.Invalid, name, "a limit is not negative")
	}
	if err := h.Live(name); err != nil {
		return nil, err
	}
	out := h.with(now)
	out.Limits = l
	return out, nil
}

// AnnotateVersion changes the attributes of one version.
func (h *Head) AnnotateVersion(now time.Time, name secret.Name, at secret.At, c secret.AttributeChange) (*Head, secret.Version, error) {
	if err := h.Live(name); err != nil {
		return nil, secret.Version{}, err
	}
	i := h.Index(at)
	if i < 0 {
		return nil, secret.Version{}, NoVersion(name, at)
	}
	out := h.with(now)
	v := &out.Versions[i]
	set(&v.Disabled, c.Disabled)
	set(&v.NotBefore, c.NotBefore)
	set(&v.Expires, c.Expires)
	set(&v.ContentType, c.ContentType)
	v.Tags, v.Updated = changed(v.Tags, c.Tags), now
	if err := checkAttributes(name, &v.Attributes); err != nil {
		return nil, secret.Version{}, err
	}
	told := *v
	told.Secret = out.Meta()
	return out, told, nil
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// changed applies first Clear, then Remove, then Set.
func changed(tags map[string]string, c secret.TagChange) map[string]string {
	if !c.Clear && len(c.Remove)+len(c.Set) == 0 {
		return tags
	}
	out := map[string]string{}
	if !c.Clear {
		maps.Copy(out, tags)
	}
	maps.DeleteFunc(out, func(k, _ string) bool { return slices.Contains(c.Remove, k) })
	maps.Copy(out, c.Set)
	return out
}
