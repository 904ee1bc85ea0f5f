package azurekv

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/tacit-secrets/tacit/secret"
)

// Get returns one version with its value: the current one in one request,
// another one in two or more, since a vault is not asked by number or stage.
func (b *Backend) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	c, err := b.begin(ctx, n)
	if err != nil {
		return secret.Version{}, err
	}
	if at.ID == "" && at.Number == 0 && (at.Stage == "" || at.Stage == secret.Current) {
		h, value, err := c.value(ctx, "")
		h.current = true
		switch {
		case err == nil:
			v := h.told()
			v.Value = value
			return v, nil
		case errors.Is(err, secret.Disabled):
			return c.disabled(ctx, at, err)
		case secret.KindOf(err) == secret.NotFound:
			return c.gone(ctx, err)
		default:
			return secret.Version{}, err
		}
	}
	return c.other(ctx, at)
}

// value reads one version; the empty id is the current one.
func (c call) value(ctx context.Context, id string) (held, secret.Value, error) {
	r, err := c.c.GetSecret(ctx, c.az, id, nil)
	if err != nil {
		return held{}, secret.Value{}, c.classify(ctx, err, actGet)
	}
	h := hold(r.ID, r.Attributes, r.ContentType, r.Tags)
	if err := c.mine(h.name); err != nil {
		return held{}, secret.Value{}, err
	}
	if r.Value == nil || h.az == "" {
		return held{}, secret.Value{}, c.classify(ctx, errNoVault, actGet)
	}
	return h, unpack(*r.Value, h.attrs.ContentType), nil
}

// mine refuses a secret that belongs to another name: the vault's name is
// shortened, and its tag does not tell the one that was asked for.
func (c call) mine(tagged secret.Name) error {
	if c.whole && nameOf(c.az, map[string]*string{tagName: (*string)(&tagged)}) == c.n || !c.whole && tagged == c.n {
		return nil
	}
	return secret.Errorf(secret.Conflict, c.n, "%s in Key Vault %s belongs to another name, or lost the tag %s that tells it", c.az, c.b.vault, tagName)
}

// disabled tells of a version that is not served what the vault tells.
func (c call) disabled(ctx context.Context, at secret.At, refused error) (secret.Version, error) {
	all, err := c.history(ctx)
	if err != nil {
		return secret.Version{}, refused // what was asked is answered
	}
	h := find(all, at)
	if h == nil {
		return secret.Version{}, refused
	}
	return h.told(), c.denied(h)
}

func (c call) denied(h *held) error {
	v := h.version()
	return &secret.Error{
		Kind: secret.Denied, State: secret.Disabled, Name: c.n, Version: v.ID,
		Text: "the version is disabled in Key Vault " + c.b.vault + "\n  az keyvault secret set-attributes --vault-name " + c.b.vault + " --name " + c.az + " --version " + h.az + " --enabled true",
	}
}

// other reads a version that is selected by what only the list of versions
// tells.
func (c call) other(ctx context.Context, at secret.At) (secret.Version, error) {
	all, err := c.history(ctx)
	if err != nil {
		if secret.KindOf(err) == secret.Denied && at.Number == 0 && at.Stage == "" && hexadecimal(string(at.ID)) {
			return c.pinned(ctx, at, err)
		}
		return secret.Version{}, err
	}
	h := find(all, at)
	if h == nil {
		return secret.Version{}, c.noVersion()
	}
	if !h.enabled {
		return h.told(), c.denied(h)
	}
	_, value, err := c.value(ctx, h.az)
	if err != nil {
		return secret.Version{}, err
	}
	v := h.told()
	v.Value = value
	return v, nil
}

// pinned reads a version by the vault's own id, for those who may not list
// versions: its stage is not told.
func (c call) pinned(ctx context.Context, at secret.At, denied error) (secret.Version, error) {
	h, value, err := c.value(ctx, string(at.ID))
	if err != nil || h.id != "" {
		return secret.Version{}, denied // the list is what is missing
	}
	v := h.version()
	v.Value = value
	return v, nil
}

func hexadecimal(id string) bool {
	return len(id) == 32 && strings.Trim(id, "0123456789abcdef") == ""
}

func (c call) noVersion() error {
	return &secret.Error{Kind: secret.NotFound, State: secret.NoVersion, Name: c.n, Text: "Key Vault " + c.b.vault + " has no such version of it\n  tacit history " + string(c.n)}
}

// find selects a version; nil if none fits.
func find(all []held, at secret.At) *held {
	for i := range all {
		h := &all[i]
		v := h.version()
		fits := (at.ID == "" || v.ID == at.ID) && (at.Number == 0 || v.Number == at.Number)
		if at.Stage != "" {
			fits = fits && slices.Contains(v.Stages, at.Stage)
		} else if at.ID == "" && at.Number == 0 {
			fits = h.current
		}
		if fits {
			return h
		}
	}
	return nil
}

// history lists all versions, newest first, current and previous marked. Of a
// deleted secret the error is NotFound, Deleted.
func (c call) history(ctx context.Context) ([]held, error) {
	var all []held
	type page = azsecrets.ListSecretPropertiesVersionsResponse
	err := through(ctx, c, c.c.NewListSecretPropertiesVersionsPager(c.az, nil), func(p page) ([]*azsecrets.SecretProperties, *string) {
		return p.Value, p.NextLink
	}, func(p *azsecrets.SecretProperties) bool {
		all = append(all, hold(p.ID, p.Attributes, p.ContentType, p.Tags))
		return all[len(all)-1].az != ""
	})
	if secret.KindOf(err) == secret.NotFound {
		_, err = c.gone(ctx, err)
	}
	if err != nil {
		return nil, err
	}
	if len(all) == 0 { // a vault says that there is no such secret
		return nil, c.classify(ctx, errNoVault, actMetadata)
	}
	if err := c.order(ctx, all); err != nil {
		return nil, err
	}
	return all, c.mine(all[0].name)
}

// order puts the newest first. Times of whole seconds do not tell which that
// is, nor do numbers of different clocks: where tacit did not make all of the
// versions but the first, or two replaced the same one, the vault is asked which
// one it serves.
func (c call) order(ctx context.Context, all []held) error {
	slices.SortFunc(all, func(a, b held) int { return cmp.Or(cmp.Compare(b.number, a.number), cmp.Compare(a.az, b.az)) })
	if !certain(all) {
		r, err := c.c.GetSecret(ctx, c.az, "", nil)
		if err != nil && status(err) != http.StatusForbidden { // forbidden or disabled: the numbers must do
			return c.classify(ctx, err, actGet)
		}
		if err == nil && r.ID != nil {
			id := idVersion(r.ID)
			if i := slices.IndexFunc(all, func(h held) bool { return h.az == id }); i > 0 {
				served := all[i]
				copy(all[1:], all[:i])
				all[0] = served
			}
		}
	}
	all[0].current = true
	if len(all) > 1 {
		i := slices.IndexFunc(all, func(h held) bool { return h.az == all[0].parent })
		all[max(i, 1)].previous = true
	}
	return nil
}

// certain reports whether the tags prove the order: each version replaced the
// next one. Numbers alone do not: a put that waited is newer than its number.
func certain(all []held) bool {
	for i := range all[1:] {
		if !all[i].own || all[i].parent != all[i+1].az {
			return false
		}
	}
	return true
}

// gone tells a deleted secret from one that is not there: the error is the one
// given, but for its state.
func (c call) gone(ctx context.Context, missing error) (secret.Version, error) {
	h, m, err := c.buried(ctx)
	if err != nil {
		if k := secret.KindOf(err); k == secret.NotFound || k == secret.Denied {
			return secret.Version{}, missing // not there, or not to be seen
		}
		return secret.Version{}, err
	}
	v := h.version()
	v.Secret = &secret.Meta{Annotations: m.Annotations, Deleted: m.Deleted, Purge: m.Purge}
	return v, &secret.Error{Kind: secret.NotFound, State: secret.Deleted, Name: c.n, Version: v.ID, Text: "it is deleted\n  bring it back:  tacit undelete " + string(c.n)}
}

// buried reads a deleted secret.
func (c call) buried(ctx context.Context) (held, secret.Meta, error) {
	r, err := c.c.GetDeletedSecret(ctx, c.az, nil)
	if err != nil {
		return held{}, secret.Meta{}, c.classify(ctx, err, actMetadata)
	}
	h, m := c.grave(r.DeletedSecret)
	if h.az == "" {
		return h, m, c.classify(ctx, errNoVault, actMetadata)
	}
	return h, m, c.mine(h.name)
}

// grave is what is told of a deleted secret.
func (c call) grave(d azsecrets.DeletedSecret) (held, secret.Meta) {
	h := hold(d.ID, d.Attributes, d.ContentType, d.Tags)
	h.current = true
	m := c.meta([]held{h})
	m.Complete = false
	m.Deleted, m.Purge = moment(d.DeletedDate), moment(d.ScheduledPurgeDate)
	return h, m
}

// meta is what is told of a secret by its versions.
func (c call) meta(all []held) secret.Meta {
	m := secret.Meta{Name: c.n, Annotations: all[0].annotations(), Complete: true}
	for i := range all {
		h := &all[i]
		if m.Created.IsZero() || h.created.Before(m.Created) {
			m.Created = h.created
		}
		m.Updated = latest(m.Updated, h.updated, h.created)
		m.Versions = append(m.Versions, h.version())
	}
	return m
}

func latest(ts ...time.Time) time.Time { return slices.MaxFunc(ts, time.Time.Compare) }

// Describe reads no value. Of a deleted secret only the last version is told.
func (b *Backend) Describe(ctx context.Context, n secret.Name) (secret.Meta, error) {
	c, err := b.begin(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	return c.describe(ctx)
}

func (c call) describe(ctx context.Context) (secret.Meta, error) {
	all, err := c.history(ctx)
	if errors.Is(err, secret.Deleted) {
		_, m, err := c.buried(ctx)
		return m, err
	}
	if err != nil {
		return secret.Meta{}, err
	}
	return c.meta(all), nil
}

// Versions yields all versions, newest first, as they were when it began.
func (b *Backend) Versions(ctx context.Context, n secret.Name) iter.Seq2[secret.Version, error] {
	return func(yield func(secret.Version, error) bool) {
		c, err := b.begin(ctx, n)
		var all []held
		if err == nil {
			all, err = c.history(ctx)
		}
		if err != nil {
			yield(secret.Version{}, err)
			return
		}
		for i := range all {
			if ctx.Err() != nil {
				yield(secret.Version{}, interrupted(ctx, n))
				return
			}
			if !yield(all[i].version(), nil) {
				return
			}
		}
	}
}
