package vault

import (
	"context"
	"maps"
	"net/http"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// customChange says what becomes of custom metadata: a nil text is removed,
// what is not named stays.
type customChange map[string]*string

func (c customChange) set(k, v string) { c[k] = &v }

// applied is what custom metadata are after the change.
func (c customChange) applied(custom map[string]string) map[string]string {
	out := maps.Clone(custom)
	if out == nil {
		out = map[string]string{}
	}
	for k, v := range c {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = *v
		}
	}
	return out
}

// describe replaces the description.
func (c customChange) describe(custom map[string]string, description string) {
	for _, k := range ownKeys(custom, keyDescription) {
		c[k] = nil
	}
	for k, v := range split(description) {
		c.set(k, v)
	}
}

// clear removes all tags.
func (c customChange) clear(custom map[string]string) {
	for k := range custom {
		if !strings.HasPrefix(k, keyOwn) {
			c[k] = nil
		}
	}
}

// replace puts annotations in the place of those that there are.
func (c customChange) replace(custom map[string]string, a secret.Annotations) {
	c.describe(custom, a.Description)
	c.clear(custom)
	for k, v := range a.Tags {
		c.set(k, storable(v))
	}
}

// keepID remembers the identity of a new version, and forgets those of versions
// that are gone.
func (c customChange) keepID(m *metadata, number uint64, id secret.VersionID) {
	for _, k := range ownKeys(m.Custom, keyID) {
		if _, ok := m.Versions[strings.TrimPrefix(k, keyID)]; !ok {
			c[k] = nil
		}
	}
	c.set(idKey(number), string(id))
}

// Annotate changes description and tags, each for itself: what others change
// meanwhile is kept.
func (b *Backend) Annotate(ctx context.Context, n secret.Name, c secret.Change) (secret.Meta, error) {
	if err := b.versioned(ctx, n); err != nil {
		return secret.Meta{}, err
	}
	if err := checkTags(n, c.Tags.Set); err != nil {
		return secret.Meta{}, err
	}
	m, err := b.living(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	change := customChange{}
	if c.Description != nil {
		change.describe(m.Custom, *c.Description)
	}
	if c.Tags.Clear {
		change.clear(m.Custom)
	}
	for _, k := range c.Tags.Remove {
		if _, ok := m.Custom[k]; ok && !strings.HasPrefix(k, keyOwn) {
			change[k] = nil
		}
	}
	for k, v := range c.Tags.Set {
		change.set(k, storable(v))
	}
	if err := checkCustom(n, change.applied(m.Custom)); err != nil {
		return secret.Meta{}, err
	}
	if len(change) == 0 {
		return b.meta(n, m), nil
	}
	if m.Custom, err = b.tellCustom(ctx, n, m, change); err != nil {
		return secret.Meta{}, err
	}
	return b.afterwards(ctx, n, m), nil
}

// afterwards tells what a secret is after a change that was made: where it
// cannot be looked at any more, what is known of it. An error would make the
// caller try again.
func (b *Backend) afterwards(ctx context.Context, n secret.Name, known *metadata) secret.Meta {
	if now, seen := b.glance(ctx, n); seen && now != nil {
		known = now
	}
	return b.meta(n, known)
}

// glance looks at a secret where it is no harm if that fails.
func (b *Backend) glance(ctx context.Context, n secret.Name) (m *metadata, seen bool) {
	m, err := b.metadata(ctx, n)
	return m, err == nil
}

// Create makes a secret that has no version yet.
func (b *Backend) Create(ctx context.Context, n secret.Name, a secret.Annotations) (secret.Meta, error) {
	if err := b.versioned(ctx, n); err != nil {
		return secret.Meta{}, err
	}
	if err := checkTags(n, a.Tags); err != nil {
		return secret.Meta{}, err
	}
	m, err := b.metadata(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	if m != nil {
		if m.deleted() {
			return secret.Meta{}, deleted(secret.Conflict, n)
		}
		return secret.Meta{}, secret.Errorf(secret.Conflict, n, "it exists already")
	}
	change := customChange{}
	change.replace(nil, a)
	custom := change.applied(nil)
	if err := checkCustom(n, custom); err != nil {
		return secret.Meta{}, err
	}
	// OpenBao refuses where another writer was faster; Vault cannot.
	body := map[string]any{"custom_metadata": custom, "metadata_cas": 0}
	got, err := b.send(ctx, request{method: http.MethodPut, path: b.metadataPath(n), body: jsonBody(body), name: n, capability: "create"})
	if err != nil {
		return secret.Meta{}, err
	}
	return b.afterwards(ctx, n, &metadata{Created: got.at, Updated: got.at, Custom: custom, at: got.at}), nil
}

// tellCustom changes custom metadata and returns what they are then. Entries
// that the change does not name are left to the store, so that writers of other
// entries lose nothing; where the store or the policy has no way for that, all
// are written.
func (b *Backend) tellCustom(ctx context.Context, n secret.Name, m *metadata, c customChange) (map[string]string, error) {
	r := request{method: http.MethodPatch, path: b.metadataPath(n), body: jsonBody(map[string]any{"custom_metadata": c}), name: n, capability: "patch"}
	_, err := b.send(ctx, r)
	if err == nil {
		return c.applied(m.Custom), nil
	}
	if k := secret.KindOf(err); k != secret.Denied && k != secret.Unsupported && k != secret.Conflict {
		return nil, err
	}
	for try := 0; ; try++ {
		custom := c.applied(m.Custom)
		err := b.tellMeta(ctx, n, m, map[string]any{"custom_metadata": custom})
		if secret.KindOf(err) != secret.Conflict || try == maxRounds {
			return custom, err
		}
		if err := b.stepAside(ctx, n, try); err != nil {
			return nil, err
		}
		if m, err = b.living(ctx, n); err != nil {
			return nil, err
		}
	}
}

// tellMeta writes fields of the metadata. OpenBao refuses it with Conflict if
// they were changed since they were read.
func (b *Backend) tellMeta(ctx context.Context, n secret.Name, m *metadata, fields map[string]any) error {
	if m.Count != nil {
		fields["metadata_cas"] = *m.Count
	}
	_, err := b.send(ctx, request{method: http.MethodPut, path: b.metadataPath(n), body: jsonBody(fields), name: n, capability: "update"})
	return err
}
