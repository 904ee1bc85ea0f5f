package head

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// The encoding of a head is one byte, the format, and JSON with a fixed order
// of keys.
const (
	format   = 1
	maxBytes = 64 << 20
)

type storedHead struct {
	UID         string            `json:"uid"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	MaxVersions int               `json:"max_versions,omitempty"`
	DeleteAfter time.Duration     `json:"delete_after,omitempty"` // nanoseconds
	SwapOnly    bool              `json:"swap_only,omitempty"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
	Deleted     time.Time         `json:"deleted,omitzero"`
	Purge       time.Time         `json:"purge,omitzero"`
	Next        uint64            `json:"next"`
	Versions    []storedVersion   `json:"versions,omitempty"`
}

type storedVersion struct {
	ID          secret.VersionID  `json:"id"`
	Number      uint64            `json:"number"`
	Stages      []secret.Stage    `json:"stages,omitempty"`
	Disabled    bool              `json:"disabled,omitempty"`
	NotBefore   time.Time         `json:"not_before,omitzero"`
	Expires     time.Time         `json:"expires,omitzero"`
	ContentType string            `json:"content_type,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
	Deleted     time.Time         `json:"deleted,omitzero"`
	Destroyed   bool              `json:"destroyed,omitempty"`
}

// Marshal encodes a head for storage.
func (h *Head) Marshal() ([]byte, error) {
	s := storedHead{
		UID: h.UID, Description: h.Description, Tags: h.Tags, MaxVersions: h.MaxVersions, DeleteAfter: h.DeleteAfter, SwapOnly: h.SwapOnly,
		Created: h.Created.UTC(), Updated: h.Updated.UTC(), Deleted: h.Deleted.UTC(), Purge: h.Purge.UTC(), Next: h.Next,
	}
	for _, v := range h.Versions {
		s.Versions = append(s.Versions, storedVersion{
			v.ID, v.Number, v.Stages, v.Disabled, v.NotBefore.UTC(), v.Expires.UTC(), v.ContentType, v.Tags,
			v.Created.UTC(), v.Updated.UTC(), v.Deleted.UTC(), v.Destroyed,
		})
	}
	var b bytes.Buffer
	b.WriteByte(format)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "what is known about the secret cannot be stored: %s", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Unmarshal reads what Marshal wrote; anything else is [secret.Corrupt].
func Unmarshal(b []byte) (*Head, error) {
	corrupt := secret.Errorf(secret.Corrupt, "", "what is known about a secret cannot be read")
	if len(b) < 2 || len(b) > maxBytes || b[0] != format {
		return nil, corrupt
	}
	d := json.NewDecoder(bytes.NewReader(b[1:]))
	d.DisallowUnknownFields()
	var s storedHead
	if d.Decode(&s) != nil {
		return nil, corrupt
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, corrupt
	}
	h := &Head{
		UID: s.UID, Annotations: secret.Annotations{Description: s.Description, Tags: s.Tags},
		Limits:  secret.Limits{MaxVersions: s.MaxVersions, DeleteAfter: s.DeleteAfter, SwapOnly: s.SwapOnly},
		Created: s.Created, Updated: s.Updated, Deleted: s.Deleted, Purge: s.Purge, Next: s.Next,
	}
	for _, v := range s.Versions {
		h.Versions = append(h.Versions, secret.Version{
			ID: v.ID, Number: v.Number, Stages: v.Stages, Created: v.Created, Updated: v.Updated, Deleted: v.Deleted, Destroyed: v.Destroyed,
			Attributes: secret.Attributes{Disabled: v.Disabled, NotBefore: v.NotBefore, Expires: v.Expires, ContentType: v.ContentType, Tags: v.Tags},
		})
	}
	if !h.sane() {
		return nil, corrupt
	}
	return h, nil
}

// sane checks what the rules rely on: numbers grow and stay below Next.
func (h *Head) sane() bool {
	last := uint64(0)
	for _, v := range h.Versions {
		if v.Number <= last || v.Number >= h.Next || v.ID == "" {
			return false
		}
		last = v.Number
	}
	return h.Next > 0 && h.MaxVersions >= 0 && h.DeleteAfter >= 0
}
