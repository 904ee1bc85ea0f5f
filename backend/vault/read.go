package vault

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// errAbsent says that a version or its secret is not there.
const errAbsent flaw = "absent"

// Get returns one version with its value. It takes one request, and two where
// at names a stage but Current, or an identity that a writer chose, or what is
// not there. A version read by number or identity alone does not tell its
// stages.
func (b *Backend) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	engine, err := b.engine(ctx, n)
	if err != nil {
		return secret.Version{}, err
	}
	if engine == 1 {
		return b.getPlain(ctx, n, at)
	}
	number, direct := asked(at)
	if !direct {
		return b.getFound(ctx, n, at)
	}
	v, err := b.getNumber(ctx, n, number)
	switch {
	case errors.Is(err, errAbsent), v.Number != 0 && at.ID != "" && v.ID != at.ID:
		return b.getFound(ctx, n, at)
	case number == 0 && v.Number != 0:
		v.Stages = []secret.Stage{secret.Current}
	}
	return v, err
}

// asked returns the number that at asks for, 0 for the current version; false
// if the metadata have to be looked at first.
func asked(at secret.At) (uint64, bool) {
	number := at.Number
	if at.ID != "" {
		made, ok := numberOf(at.ID)
		if !ok || number != 0 && number != made {
			return 0, false
		}
		number = made
	}
	if number > maxNumber {
		return 0, false
	}
	return number, at.Stage == "" || at.Stage == secret.Current && number == 0
}

// getFound reads the version that the metadata tell to be meant.
func (b *Backend) getFound(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	m, err := b.metadata(ctx, n)
	if err != nil {
		return secret.Version{}, err
	}
	if m == nil {
		return secret.Version{}, missing(n)
	}
	number := b.find(n, m, at)
	if number == 0 && m.deleted() {
		return secret.Version{}, deleted(secret.NotFound, n)
	}
	if number == 0 {
		return secret.Version{}, noVersion(n, at)
	}
	v, err := b.getNumber(ctx, n, number)
	if errors.Is(err, errAbsent) { // dropped meanwhile
		return secret.Version{}, noVersion(n, at)
	}
	if v.Number != 0 {
		v.Stages = m.stages(number)
	}
	return v, err
}

// getNumber reads a version by its number; 0 is the current one. The error is
// errAbsent where the store has nothing there.
func (b *Backend) getNumber(ctx context.Context, n secret.Name, number uint64) (secret.Version, error) {
	d, err := b.data(ctx, n, number)
	if err != nil {
		return secret.Version{}, err
	}
	v := b.told(n, d.Version, d.aVersion, d.Custom, nil)
	v.Secret = &secret.Meta{Annotations: annotations(d.Custom)}
	if d.withheld {
		return v, gone(n, v)
	}
	if v.Value, err = decodeValue(d.value); err != nil {
		return v, b.strange(n)
	}
	return v, nil
}

// data is what the store says of a version.
type data struct {
	aVersion
	Version uint64            `json:"version"`
	Custom  map[string]string `json:"custom_metadata"`

	value    json.RawMessage
	withheld bool // it is deleted or destroyed
	at       time.Time
}

func (d *data) sound() bool { return d.Version > 0 && d.Version <= maxNumber && !d.Created.IsZero() }

// data reads a version by its number; 0 is the current one. The error is
// errAbsent where the store has nothing there.
func (b *Backend) data(ctx context.Context, n secret.Name, number uint64) (*data, error) {
	r := request{method: http.MethodGet, path: b.dataPath(n), name: n, capability: "read"}
	if number != 0 {
		r.query = url.Values{"version": {utoa(number)}}
	}
	got, absent, err := b.get(ctx, r)
	if err != nil {
		return nil, err
	}
	if absent && (len(got.Data) == 0 || string(got.Data) == "null") {
		return nil, errAbsent
	}
	var told struct {
		Data     json.RawMessage `json:"data"`
		Metadata *data           `json:"metadata"`
	}
	if err := json.Unmarshal(got.Data, &told); err != nil || told.Metadata == nil || !told.Metadata.sound() {
		return nil, b.strange(n)
	}
	d := told.Metadata
	d.value, d.withheld, d.at = told.Data, absent, got.at
	return d, nil
}

// gone is the error of a version that is not served.
func gone(n secret.Name, v secret.Version) *secret.Error {
	if v.Destroyed {
		return &secret.Error{Kind: secret.NotFound, State: secret.Destroyed, Name: n, Version: v.ID, Text: "version " + utoa(v.Number) + " is destroyed"}
	}
	err := deleted(secret.NotFound, n)
	err.Version = v.ID
	return err
}

// Describe tells what is known about a secret, deleted or not.
func (b *Backend) Describe(ctx context.Context, n secret.Name) (secret.Meta, error) {
	engine, err := b.engine(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	if engine == 1 {
		return b.describePlain(ctx, n)
	}
	m, err := b.metadata(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	if m == nil {
		return secret.Meta{}, missing(n)
	}
	return b.meta(n, m), nil
}

// Versions yields all versions that the store still has, newest first. With
// them it tells how many there can be: by the limits of the mount too, where the
// token may read them.
func (b *Backend) Versions(ctx context.Context, n secret.Name) iter.Seq2[secret.Version, error] {
	return func(yield func(secret.Version, error) bool) {
		err := b.versioned(ctx, n)
		var m *metadata
		if err == nil {
			m, err = b.metadata(ctx, n)
		}
		if err == nil && m == nil {
			err = missing(n)
		}
		if err != nil {
			yield(secret.Version{}, err)
			return
		}
		told := b.meta(n, m)
		about := told
		about.Name, about.Versions, about.Complete = "", nil, false
		about.MaxVersions = b.keeps(ctx, n, about.MaxVersions)
		for _, v := range told.Versions {
			if err := interrupted(ctx, n); err != nil {
				yield(secret.Version{}, err)
				return
			}
			if v.Secret = &about; !yield(v, nil) {
				return
			}
		}
	}
}
