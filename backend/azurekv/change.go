package azurekv

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/tacit-secrets/tacit/secret"
)

// amended is a version with changed attributes, and what is to be sent.
func (c call) amended(h *held, change secret.AttributeChange) (held, azsecrets.UpdateSecretPropertiesParameters, error) {
	next, p := *h, azsecrets.UpdateSecretPropertiesParameters{}
	attrs := &azsecrets.SecretAttributes{NotBefore: sentTime(change.NotBefore), Expires: sentTime(change.Expires)}
	if change.Disabled != nil {
		next.attrs.Disabled, attrs.Enabled = *change.Disabled, to.Ptr(!*change.Disabled)
	}
	if change.NotBefore != nil {
		next.attrs.NotBefore = *change.NotBefore
	}
	if change.Expires != nil {
		next.attrs.Expires = *change.Expires
	}
	if *attrs != (azsecrets.SecretAttributes{}) {
		p.SecretAttributes = attrs
	}
	next.attrs.Tags = changed(h.attrs.Tags, change.Tags)
	if t := change.ContentType; t != nil {
		f, _ := kept(h.attrs.ContentType)
		if other, _ := kept(*t); other != plain || utf8.RuneCountInString(keep(f, *t)) > maxContentType {
			return next, p, secret.Errorf(secret.Invalid, c.n, "Key Vault keeps a content type of at most %d characters, and one that ends in %q says how the value is written", maxContentType, endBytes)
		}
		next.attrs.ContentType = keep(f, *t)
		p.ContentType = to.Ptr(next.attrs.ContentType)
	}
	return next, p, nil
}

// update sends changed properties of a version, with all of its tags, and
// compares the answer with what was wanted: that a vault takes tags and dates
// away is not written anywhere.
func (c call) update(ctx context.Context, h, next *held, p azsecrets.UpdateSecretPropertiesParameters) (held, error) {
	tags, err := next.writeTags(c.n)
	if err != nil {
		return held{}, err
	}
	p.Tags = tags
	r, err := c.c.UpdateSecretProperties(ctx, c.az, h.az, p, nil)
	if err != nil {
		return held{}, c.classify(ctx, err, actUpdate)
	}
	made := hold(r.ID, r.Attributes, r.ContentType, r.Tags)
	made.current, made.previous = h.current, h.previous
	same := func(a, b time.Time) bool { return a.Unix() == b.Unix() || a.IsZero() && b.IsZero() }
	if !same(made.attrs.Expires, next.attrs.Expires) || !same(made.attrs.NotBefore, next.attrs.NotBefore) ||
		!maps.Equal(made.attrs.Tags, next.attrs.Tags) || !maps.Equal(made.about.Tags, next.about.Tags) {
		return held{}, secret.Errorf(secret.Unsupported, c.n, "Key Vault %s kept a date or a tag that was to be taken away\n  put a new version without it:  tacit put %s", c.b.vault, c.n)
	}
	return made, nil
}

// Delete makes all versions unreadable, for as long as the vault keeps deleted
// secrets. It waits until the vault is done with it.
func (b *Backend) Delete(ctx context.Context, n secret.Name, _ *secret.DeleteOptions) (secret.Meta, error) {
	c, err := b.begin(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	done, err := b.busy.take(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	defer done()
	if err := c.surely(ctx); err != nil {
		return secret.Meta{}, err
	}
	return c.delete(ctx)
}

// surely looks whose a secret is, before something is done that does not tell
// it: only where the vault's name may be a shortened one.
func (c call) surely(ctx context.Context) error {
	if !shortened(c.az) {
		return nil
	}
	_, err := c.history(ctx)
	return err
}

func (c call) delete(ctx context.Context) (secret.Meta, error) {
	var r azsecrets.DeleteSecretResponse
	tries, lost := watched(ctx)
	err := c.settle(ctx, func() (err error) {
		r, err = c.c.DeleteSecret(tries, c.az, nil)
		return err
	})
	if err != nil {
		err = c.classify(ctx, err, actDelete)
		if secret.KindOf(err) != secret.NotFound {
			return secret.Meta{}, err
		}
		if lost.Load() { // a try whose answer was lost deleted it
			if _, m, unseen := c.buried(ctx); unseen == nil {
				return m, nil
			}
		}
		_, err = c.gone(ctx, err)
		return secret.Meta{}, err
	}
	_, m := c.grave(r.DeletedSecret)
	err = c.until(ctx, func() (bool, error) {
		_, err := c.c.GetDeletedSecret(ctx, c.az, nil)
		return status(err) != http.StatusNotFound, nil // there, or not to be seen
	})
	if ctx.Err() != nil {
		return secret.Meta{}, after("it is being deleted, but the vault is not done: ", interrupted(ctx, c.n))
	}
	return m, err
}

// Undelete brings a deleted secret back, with all its versions, and waits until
// they are there.
func (b *Backend) Undelete(ctx context.Context, n secret.Name) (secret.Meta, error) {
	c, err := b.begin(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	done, err := b.busy.take(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	defer done()
	if shortened(c.az) {
		if _, _, err := c.buried(ctx); err != nil && secret.KindOf(err) != secret.NotFound {
			return secret.Meta{}, err
		}
	}
	tries, lost := watched(ctx)
	err = c.settle(ctx, func() error {
		_, err := c.c.RecoverDeletedSecret(tries, c.az, nil)
		return err
	})
	if err != nil {
		err = c.classify(ctx, err, actRecover)
		if secret.KindOf(err) != secret.NotFound {
			return secret.Meta{}, err
		}
		return c.undeleted(ctx, err, lost.Load())
	}
	var m secret.Meta
	err = c.until(ctx, func() (bool, error) {
		var all []held
		all, err := c.history(ctx)
		if err == nil {
			m = c.meta(all)
		}
		return secret.KindOf(err) != secret.NotFound, err
	})
	if err != nil && ctx.Err() != nil {
		err = interrupted(ctx, n)
	}
	return m, after("it is recovered, but ", err)
}

// undeleted is what is told of an undelete of what is not deleted: where a try
// of it had no answer, that one undeleted it.
func (c call) undeleted(ctx context.Context, missing error, lost bool) (secret.Meta, error) {
	all, err := c.history(ctx)
	switch {
	case err != nil:
		return secret.Meta{}, missing
	case lost:
		return c.meta(all), nil
	default:
		return secret.Meta{}, secret.Errorf(secret.Conflict, c.n, "it is not deleted")
	}
}

// Destroy removes a secret for ever, deleted or not.
func (b *Backend) Destroy(ctx context.Context, n secret.Name) error {
	c, err := b.begin(ctx, n)
	if err != nil {
		return err
	}
	done, err := b.busy.take(ctx, n)
	if err != nil {
		return err
	}
	defer done()
	all, err := c.history(ctx)
	live := err == nil
	var level, until string
	switch {
	case live:
		level = all[0].level
	case errors.Is(err, secret.Deleted):
		h, m, err := c.buried(ctx)
		if err != nil {
			return err
		}
		level, until = h.level, m.Purge.Format(time.DateOnly)
	default:
		return err
	}
	if level != "" && !strings.Contains(level, "Purgeable") {
		return c.protected(until)
	}
	if live {
		if _, err := c.delete(ctx); err != nil {
			return err
		}
	}
	return c.purge(ctx, live)
}

// purge ends a deleted secret. Where it was deleted for that, an error says
// that this much is done.
func (c call) purge(ctx context.Context, deletedHere bool) error {
	tries, lost := watched(ctx)
	err := c.settle(ctx, func() error {
		_, err := c.c.PurgeDeletedSecret(tries, c.az, nil)
		return err
	})
	if err == nil {
		return nil
	}
	err = c.classify(ctx, err, actPurge)
	switch {
	case lost.Load() && secret.KindOf(err) == secret.NotFound: // a try whose answer was lost purged it
		return nil
	case deletedHere:
		return after("it is deleted, but not destroyed: ", err)
	default:
		return err
	}
}

// after says in an error what was done before it.
func after(done string, err error) error {
	e, ok := errors.AsType[*secret.Error](err)
	if !ok {
		return err
	}
	told := *e
	told.Text = done + e.Text
	return &told
}
