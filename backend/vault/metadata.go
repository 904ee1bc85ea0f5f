package vault

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// Keys of custom metadata that are this package's own. No tag has them.
const (
	keyOwn         = "tacit-"
	keyDescription = keyOwn + "description"
	keyDeleted     = keyOwn + "deleted"
	keyID          = keyOwn + "id-" // and a version's number
)

// aVersion is what the store tells of a version.
type aVersion struct {
	Created   time.Time `json:"created_time"`
	Deleted   instant   `json:"deletion_time"`
	Destroyed bool      `json:"destroyed"`
}

// instant is a time; the store writes none as an empty text.
type instant struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (i *instant) UnmarshalJSON(b []byte) error {
	if string(b) == `""` {
		i.Time = time.Time{}
		return nil
	}
	return i.Time.UnmarshalJSON(b)
}

// over tells whether a version is no longer served at a time. A time of
// deletion that lies ahead makes it one that ends, not one that is deleted.
func (v *aVersion) over(at time.Time) bool {
	return v.Destroyed || !v.Deleted.IsZero() && !at.Before(v.Deleted.Time)
}

// metadata is what the store tells of a secret.
type metadata struct {
	Created     time.Time         `json:"created_time"`
	Updated     time.Time         `json:"updated_time"`
	Current     uint64            `json:"current_version"`
	MaxVersions int               `json:"max_versions"`
	SwapOnly    bool              `json:"cas_required"`
	DeleteAfter string            `json:"delete_version_after"`
	Custom      map[string]string `json:"custom_metadata"`
	// Count is of changes of the metadata themselves. OpenBao tells it, and
	// refuses a change of others.
	Count    *int64              `json:"current_metadata_version"`
	Versions map[string]aVersion `json:"versions"`

	at time.Time // of the store, when it said so
}

func parseMetadata(data []byte, at time.Time) (*metadata, error) {
	m := &metadata{at: at}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, err
	}
	for k := range m.Versions {
		if n, err := strconv.ParseUint(k, 10, 64); err != nil || n == 0 || n > maxNumber || strconv.FormatUint(n, 10) != k {
			return nil, errStrange
		}
	}
	if m.Current > maxNumber || m.Created.IsZero() {
		return nil, errStrange
	}
	return m, nil
}

func (b *Backend) metadataPath(n secret.Name) string {
	return b.settings.Mount + "/metadata/" + string(n)
}
func (b *Backend) dataPath(n secret.Name) string { return b.settings.Mount + "/data/" + string(n) }

// metadata reads what is known about a secret; nil if there is none.
func (b *Backend) metadata(ctx context.Context, n secret.Name) (*metadata, error) {
	got, absent, err := b.get(ctx, request{method: http.MethodGet, path: b.metadataPath(n), name: n, capability: "read"})
	if err != nil || absent {
		return nil, err
	}
	m, err := parseMetadata(got.Data, got.at)
	if err != nil {
		return nil, b.strange(n)
	}
	return m, nil
}

// living reads the metadata of a secret that is there and not deleted.
func (b *Backend) living(ctx context.Context, n secret.Name) (*metadata, error) {
	m, err := b.metadata(ctx, n)
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return nil, missing(n)
	case m.deleted():
		return nil, deleted(secret.NotFound, n)
	default:
		return m, nil
	}
}

// numbers returns the versions that there are, newest first.
func (m *metadata) numbers() []uint64 {
	out := make([]uint64, 0, len(m.Versions))
	for k := range m.Versions {
		n, _ := strconv.ParseUint(k, 10, 64) // looked at when parsed
		out = append(out, n)
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out
}

func (m *metadata) of(number uint64) (aVersion, bool) {
	v, ok := m.Versions[strconv.FormatUint(number, 10)]
	return v, ok
}

// deleted tells whether the secret as a whole is deleted: it was marked as such,
// no version was written since, and none is served. A single version that the
// store's own client deleted makes no deleted secret.
func (m *metadata) deleted() bool {
	mark, ok := parseMark(m.Custom[keyDeleted])
	if !ok || mark.current != m.Current {
		return false
	}
	for _, v := range m.Versions {
		if !v.over(m.at) {
			return false
		}
	}
	return true
}

// when is the time at which a deleted secret was deleted.
func (m *metadata) when() time.Time {
	last := time.Time{}
	for _, v := range m.Versions {
		if !v.Destroyed && v.Deleted.After(last) {
			last = v.Deleted.Time
		}
	}
	if last.IsZero() { // all versions are destroyed, or there is none
		return m.Updated
	}
	return last
}

// meta says it in the words of the contract.
func (b *Backend) meta(n secret.Name, m *metadata) secret.Meta {
	out := secret.Meta{
		Name: n, Annotations: annotations(m.Custom), Created: m.Created, Updated: m.Updated,
		Limits: secret.Limits{MaxVersions: m.MaxVersions, DeleteAfter: duration(m.DeleteAfter), SwapOnly: m.SwapOnly}, Complete: true,
	}
	if m.deleted() {
		out.Deleted = m.when()
	}
	for _, number := range m.numbers() {
		v, _ := m.of(number)
		out.Versions = append(out.Versions, b.told(n, number, v, m.Custom, m.stages(number)))
	}
	return out
}

// stages of a version: the store serves the newest, and knows no other stage.
func (m *metadata) stages(number uint64) []secret.Stage {
	switch number {
	case m.Current:
		return []secret.Stage{secret.Current}
	case m.Current - 1:
		return []secret.Stage{secret.Previous}
	default:
		return nil
	}
}

// told says what is known of a version in the words of the contract.
func (b *Backend) told(n secret.Name, number uint64, v aVersion, custom map[string]string, stages []secret.Stage) secret.Version {
	id := secret.VersionID(custom[idKey(number)])
	if id.Check() != nil {
		id = versionID(b.settings.Mount, n, v.Created, number)
	}
	return secret.Version{
		ID: id, Number: number, Stages: stages, Created: v.Created, Updated: v.Created,
		Deleted: v.Deleted.Time, Destroyed: v.Destroyed,
	}
}

// find returns the number of the version that all of at fits; 0 if none.
func (b *Backend) find(n secret.Name, m *metadata, at secret.At) uint64 {
	if at == (secret.At{}) {
		at.Stage = secret.Current
	}
	for _, number := range m.numbers() {
		v, _ := m.of(number)
		t := b.told(n, number, v, m.Custom, m.stages(number))
		if (at.ID == "" || at.ID == t.ID) && (at.Number == 0 || at.Number == number) && (at.Stage == "" || slices.Contains(t.Stages, at.Stage)) {
			return number
		}
	}
	return 0
}

// duration reads the store's form, "1h0m0s"; 0 if it is none.
func duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0
	}
	return d
}

// annotations are what custom metadata say, without what is our own.
func annotations(custom map[string]string) secret.Annotations {
	out := secret.Annotations{Description: joined(custom)}
	for k, v := range custom {
		if strings.HasPrefix(k, keyOwn) {
			continue
		}
		if out.Tags == nil {
			out.Tags = map[string]string{}
		}
		out.Tags[k] = readable(v)
	}
	return out
}

// ownKeys are the keys of custom metadata that begin with ours.
func ownKeys(custom map[string]string, prefix string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(custom)), func(k string) bool { return !strings.HasPrefix(k, prefix) })
}
