package head

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// The encoding of a head, which backend/local seals: one byte, the format, and
// then the fields in the order in which Marshal writes them. A number is a
// varint, signed where it may be negative; text is its length and its bytes; a
// time is seconds since 1970 and nanoseconds; of what is mostly absent a byte
// of flags says which is there. Tags are sorted by key. There is one encoding
// of each head.
const (
	format   = 1
	maxBytes = 64 << 20
)

// The flags of a head.
const (
	hasDescription = 1 << iota
	hasTags
	hasLimits
	isSwapOnly
	hasDeleted
	headFlags
)

// The flags of a version.
const (
	versionTags = 1 << iota
	isDisabled
	isDestroyed
	hasNotBefore
	hasExpires
	hasContentType
	versionDeleted
	versionFlags
)

// Marshal encodes a head for storage.
func (h *Head) Marshal() ([]byte, error) {
	w := writer(make([]byte, 1, 128+96*len(h.Versions)))
	w[0] = format
	w.text(h.UID)
	w.flags(
		flag{hasDescription, h.Description != ""}, flag{hasTags, len(h.Tags) > 0},
		flag{hasLimits, h.MaxVersions != 0 || h.DeleteAfter != 0}, flag{isSwapOnly, h.SwapOnly}, flag{hasDeleted, !h.Deleted.IsZero() || !h.Purge.IsZero()})
	if h.Description != "" {
		w.text(h.Description)
	}
	w.tags(h.Tags)
	if h.MaxVersions != 0 || h.DeleteAfter != 0 {
		w.number(uint64(h.MaxVersions)) //nolint:gosec // never negative
		w.number(uint64(h.DeleteAfter)) //nolint:gosec // never negative
	}
	w.time(h.Created)
	w.time(h.Updated)
	if !h.Deleted.IsZero() || !h.Purge.IsZero() {
		w.time(h.Deleted)
		w.time(h.Purge)
	}
	w.number(h.Next)
	w.number(uint64(len(h.Versions)))
	for i := range h.Versions {
		w.version(&h.Versions[i])
	}
	if len(w) > maxBytes {
		return nil, secret.Errorf(secret.Invalid, "", "what is known about the secret is more than %d bytes", maxBytes)
	}
	return w, nil
}

func (w *writer) version(v *secret.Version) {
	w.text(string(v.ID))
	w.number(v.Number)
	w.number(uint64(len(v.Stages)))
	for _, s := range v.Stages {
		w.text(string(s))
	}
	w.flags(
		flag{versionTags, len(v.Tags) > 0}, flag{isDisabled, v.Disabled}, flag{isDestroyed, v.Destroyed},
		flag{hasNotBefore, !v.NotBefore.IsZero()}, flag{hasExpires, !v.Expires.IsZero()},
		flag{hasContentType, v.ContentType != ""}, flag{versionDeleted, !v.Deleted.IsZero()})
	w.tags(v.Tags)
	w.time(v.Created)
	w.time(v.Updated)
	for _, t := range []time.Time{v.NotBefore, v.Expires, v.Deleted} {
		if !t.IsZero() {
			w.time(t)
		}
	}
	if v.ContentType != "" {
		w.text(v.ContentType)
	}
}

// Unmarshal reads what Marshal wrote; anything else is [secret.Corrupt].
func Unmarshal(b []byte) (*Head, error) {
	corrupt := secret.Errorf(secret.Corrupt, "", "what is known about a secret cannot be read")
	if len(b) == 0 || len(b) > maxBytes || b[0] != format {
		return nil, corrupt
	}
	r := reader{b: b[1:]}
	h := r.head()
	if r.bad || len(r.b) != 0 || !h.sane() {
		return nil, corrupt
	}
	return h, nil
}

func (r *reader) head() *Head {
	h := &Head{UID: r.text()}
	f := r.flags(headFlags)
	if f&hasDescription != 0 {
		h.Description = r.full()
	}
	if f&hasTags != 0 {
		h.Tags = r.tags()
	}
	if f&hasLimits != 0 {
		h.MaxVersions, h.DeleteAfter = int(r.number()), time.Duration(r.number()) //nolint:gosec // sane checks them
		r.bad = r.bad || h.MaxVersions == 0 && h.DeleteAfter == 0
	}
	h.SwapOnly = f&isSwapOnly != 0
	h.Created, h.Updated = r.time(), r.time()
	if f&hasDeleted != 0 {
		h.Deleted, h.Purge = r.time(), r.time()
		r.bad = r.bad || h.Deleted.IsZero() && h.Purge.IsZero()
	}
	h.Next = r.number()
	if n := r.count(8); n > 0 {
		h.Versions = make([]secret.Version, n)
		for i := range h.Versions {
			r.version(&h.Versions[i])
		}
	}
	return h
}

func (r *reader) version(v *secret.Version) {
	v.ID, v.Number = secret.VersionID(r.text()), r.number()
	if n := r.count(1); n > 0 {
		v.Stages = make([]secret.Stage, n)
		for i := range v.Stages {
			v.Stages[i] = stage(r.next(r.count(1)))
		}
	}
	f := r.flags(versionFlags)
	if f&versionTags != 0 {
		v.Tags = r.tags()
	}
	v.Created, v.Updated = r.time(), r.time()
	v.Disabled, v.Destroyed = f&isDisabled != 0, f&isDestroyed != 0
	for _, t := range []struct {
		flag uint64
		to   *time.Time
	}{{hasNotBefore, &v.NotBefore}, {hasExpires, &v.Expires}, {versionDeleted, &v.Deleted}} {
		if f&t.flag != 0 {
			*t.to = r.time()
			r.bad = r.bad || t.to.IsZero()
		}
	}
	if f&hasContentType != 0 {
		v.ContentType = r.full()
	}
}

// stage saves an allocation for the stages that nearly all versions have.
func stage(b []byte) secret.Stage {
	switch string(b) {
	case string(secret.Current):
		return secret.Current
	case string(secret.Previous):
		return secret.Previous
	default:
		return secret.Stage(b)
	}
}

// sane checks what the rules rely on: numbers grow and stay below Next.
func (h *Head) sane() bool {
	last := uint64(0)
	for i := range h.Versions {
		v := &h.Versions[i]
		if v.Number <= last || v.Number >= h.Next || v.ID == "" {
			return false
		}
		last = v.Number
	}
	return h.Next > 0 && h.MaxVersions >= 0 && h.DeleteAfter >= 0
}

// A writer appends to what it is.
type writer []byte

func (w *writer) number(n uint64) { *w = binary.AppendUvarint(*w, n) }

func (w *writer) text(s string) {
	w.number(uint64(len(s)))
	*w = append(*w, s...)
}

func (w *writer) time(t time.Time) {
	*w = binary.AppendVarint(*w, t.Unix())
	w.number(uint64(t.Nanosecond())) //nolint:gosec // never negative
}

type flag struct {
	bit uint64
	on  bool
}

func (w *writer) flags(fs ...flag) {
	var all uint64
	for _, f := range fs {
		if f.on {
			all |= f.bit
		}
	}
	w.number(all)
}

func (w *writer) tags(tags map[string]string) {
	if len(tags) == 0 {
		return
	}
	w.number(uint64(len(tags)))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		w.text(k)
		w.text(tags[k])
	}
}

// A reader takes from b; bad once something does not fit.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) number() uint64 {
	n, k := binary.Uvarint(r.b)
	if k <= 0 || k > 1 && r.b[k-1] == 0 { // a longer form of the same number
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[k:]
	return n
}

// count is the number of things that follow, each of at least size bytes.
func (r *reader) count(size int) int {
	n := r.number()
	if n > uint64(len(r.b)/size) { //nolint:gosec // never negative
		r.bad, r.b = true, nil
		return 0
	}
	return int(n) //nolint:gosec // bounded above
}

func (r *reader) next(n int) []byte {
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) text() string { return string(r.next(r.count(1))) }

// full is text that is there because it is not empty.
func (r *reader) full() string {
	s := r.text()
	r.bad = r.bad || s == ""
	return s
}

func (r *reader) flags(end uint64) uint64 {
	f := r.number()
	r.bad = r.bad || f >= end
	return f
}

func (r *reader) time() time.Time {
	sec, k := binary.Varint(r.b)
	if k <= 0 || k > 1 && r.b[k-1] == 0 {
		r.bad, r.b = true, nil
		return time.Time{}
	}
	r.b = r.b[k:]
	ns := r.number()
	r.bad = r.bad || ns >= uint64(time.Second)
	if r.bad {
		return time.Time{}
	}
	return time.Unix(sec, int64(ns)).UTC() //nolint:gosec // bounded above
}

func (r *reader) tags() map[string]string {
	n := r.count(2)
	r.bad = r.bad || n == 0
	out := make(map[string]string, n)
	last := ""
	for i := range n {
		k, v := r.text(), r.text()
		r.bad = r.bad || i > 0 && k <= last
		if r.bad {
			return nil
		}
		out[k], last = v, k
	}
	return out
}
