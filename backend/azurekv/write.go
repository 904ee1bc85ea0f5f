package azurekv

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// Put makes a new version current. It reads the versions before, for what is
// carried along, and after, for other writers: one that replaced the same
// version is a Conflict, though this value is kept as a version of its own.
// Puts of one backend to one name wait for each other.
func (b *Backend) Put(ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	if o == nil {
		o = &secret.PutOptions{}
	}
	c, err := b.begin(ctx, n)
	if err != nil {
		return secret.Version{}, err
	}
	h, value, err := c.prepare(v, o)
	if err != nil {
		return secret.Version{}, err
	}
	done, err := b.busy.take(ctx, n)
	if err != nil {
		return secret.Version{}, err
	}
	defer done()
	before, err := c.history(ctx)
	if err != nil && (secret.KindOf(err) != secret.NotFound || errors.Is(err, secret.Deleted)) {
		return secret.Version{}, c.buriedInTheWay(err)
	}
	if o.ID != "" {
		if old := find(before, secret.At{ID: o.ID}); old != nil {
			return c.again(ctx, old, v)
		}
	}
	return c.put(ctx, &h, value, before, o.Annotations)
}

// prepare checks what is to be put, before anything is sent.
func (c call) prepare(v secret.Value, o *secret.PutOptions) (held, string, error) {
	var h held
	if o.Attributes != nil {
		h.attrs = *o.Attributes
	}
	value, contentType, err := pack(c.n, v, h.attrs.ContentType)
	if err != nil {
		return h, "", err
	}
	h.attrs.ContentType = contentType
	h.attrs.Tags = maps.Clone(h.attrs.Tags)
	if len(o.Stages) > 0 {
		return h, "", secret.Errorf(secret.Unsupported, c.n, "Key Vault has no stages: its newest version is the current one")
	}
	if o.ID != "" {
		if err := o.ID.Check(); err != nil {
			return h, "", err
		}
		h.id = o.ID
	}
	if err := checkUser(c.n, h.attrs.Tags); err != nil {
		return h, "", err
	}
	if o.Annotations != nil {
		if err := checkUser(c.n, o.Annotations.Tags); err != nil {
			return h, "", err
		}
	}
	return h, value, nil
}

// buriedInTheWay makes the error of a put of that of a look.
func (c call) buriedInTheWay(err error) error {
	if errors.Is(err, secret.Deleted) {
		return c.conflict("ObjectIsDeletedButRecoverable")
	}
	return err
}

// put writes, with what is carried along from the version before.
func (c call) put(ctx context.Context, h *held, value string, before []held, about *secret.Annotations) (secret.Version, error) {
	h.own, h.writer = true, rand.Text()
	h.number = uint64(max(c.b.tune.now().UnixMilli(), 1))
	if !c.whole {
		h.name = c.n
	}
	if len(before) > 0 {
		h.parent, h.about = before[0].az, before[0].about
	}
	for _, old := range before {
		h.number = max(h.number, old.number+1)
	}
	if about != nil {
		h.about = *about
	}
	tags, err := h.writeTags(c.n)
	if err != nil {
		return secret.Version{}, err
	}
	p := azsecrets.SetSecretParameters{Value: &value, SecretAttributes: sent(h.attrs), Tags: tags}
	if h.attrs.ContentType != "" {
		p.ContentType = to.Ptr(h.attrs.ContentType)
	}
	made, err := c.send(ctx, h.writer, p)
	if err != nil {
		return secret.Version{}, err
	}
	return c.unrivalled(ctx, made, before)
}

// send makes one version. A request whose answer is lost may have made it: it
// is looked for, by its writer, before it is sent again.
func (c call) send(ctx context.Context, writer string, p azsecrets.SetSecretParameters) (*held, error) {
	var open atomic.Bool
	once := c.once(ctx, &open)
	for try := int32(1); ; try++ {
		var r azsecrets.SetSecretResponse
		err := c.settle(ctx, func() (err error) {
			r, err = c.c.SetSecret(once, c.az, p, nil)
			return err
		})
		if err == nil && idVersion(r.ID) != "" {
			made := hold(r.ID, r.Attributes, r.ContentType, r.Tags)
			made.current = true
			return &made, nil
		}
		switch {
		case ctx.Err() != nil && open.Load():
			return nil, c.perhaps(c.classify(ctx, err, actSet))
		case err != nil && !lost(err) || ctx.Err() != nil:
			return nil, c.classify(ctx, err, actSet)
		}
		made, looked := c.written(ctx, writer)
		switch {
		case made != nil:
			return made, nil
		case looked != nil:
			return nil, c.perhaps(looked)
		case try > c.b.tune.retries/2:
			if err == nil {
				err = errNoVault
			}
			return nil, c.classify(ctx, err, actSet)
		}
		if c.pause(ctx, try) != nil {
			return nil, interrupted(ctx, c.n)
		}
	}
}

// once makes requests that are not sent again, unless the vault refused them for
// their number. open tells that one is on its way, and was not refused.
func (c call) once(ctx context.Context, open *atomic.Bool) context.Context {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { open.Store(true) }})
	return policy.WithRetryOptions(ctx, policy.RetryOptions{
		MaxRetries: c.b.tune.retries, RetryDelay: c.b.tune.retryDelay, MaxRetryDelay: maxRetryDelay,
		ShouldRetry: func(r *http.Response, err error) bool {
			if err == nil && r.StatusCode >= http.StatusBadRequest && !broken(r.StatusCode) {
				open.Store(false)
			}
			return err == nil && r.StatusCode == http.StatusTooManyRequests
		},
	})
}

// lost tells errors after which a version may have been made all the same.
func lost(err error) bool {
	if s := status(err); s != 0 {
		return broken(s)
	}
	return !final(err) && !wire.Unsent(err)
}

// broken tells answers of a vault that is out of order.
func broken(status int) bool {
	return status >= http.StatusInternalServerError && status != http.StatusNotImplemented || status == http.StatusRequestTimeout
}

// written looks for the version of a writer; nil if there is none.
func (c call) written(ctx context.Context, writer string) (*held, error) {
	all, err := c.history(ctx)
	if err != nil && (secret.KindOf(err) != secret.NotFound || errors.Is(err, secret.Deleted)) {
		return nil, err
	}
	for i := range all {
		if all[i].writer == writer {
			return &all[i], nil
		}
	}
	return nil, nil //nolint:nilnil // not there, and that is known
}

// perhaps is the error of a write of which nobody can tell.
func (c call) perhaps(err error) error {
	return &secret.Error{
		Kind: secret.Unavailable, Name: c.n, Err: errors.Unwrap(err),
		Text: "Key Vault " + c.b.vault + " did not say whether it took the value, and cannot be asked\n  look before you put it again:  tacit history " + string(c.n),
	}
}

// pause waits between tries, longer each time.
func (c call) pause(ctx context.Context, try int32) error {
	select {
	case <-time.After(c.b.tune.retryDelay << (try - 1)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unrivalled looks whether another writer was there between the look before
// and the look after. Of two who replaced the same version the later one sees
// the earlier, always; so at least one is told.
func (c call) unrivalled(ctx context.Context, made *held, before []held) (secret.Version, error) {
	after, err := c.history(ctx)
	if err != nil {
		e := &secret.Error{Kind: secret.Unavailable, Name: c.n, Version: secret.VersionID(made.az), Err: errors.Unwrap(err)}
		e.Text = "the value is put, but whether another writer came in between is not known\n  tacit history " + string(c.n)
		return secret.Version{}, e
	}
	known := map[string]bool{made.az: true} // made before, here, or from here on
	for _, h := range before {
		known[h.az] = true
	}
	ours := map[string]bool{made.az: true}
	slices.SortFunc(after, func(a, b held) int { return cmp.Compare(a.number, b.number) })
	for i := range after {
		h := &after[i]
		switch {
		case known[h.az]:
		case h.writer == made.writer: // a request repeated by the transport
			ours[h.az] = true
		case ours[h.parent]: // came after, and knew of it
			ours[h.az] = true
		default:
			other := h.version()
			return secret.Version{}, &secret.Error{
				Kind: secret.Conflict, Name: c.n, Version: other.ID,
				Text: "another writer replaced the same version at the same time; both values are kept, this one as version " + made.az + "\n  look which one is to be current:  tacit history " + string(c.n),
			}
		}
	}
	return made.told(), nil
}

// again is a put whose identity is taken: nothing happens if the value is the
// same.
func (c call) again(ctx context.Context, old *held, v secret.Value) (secret.Version, error) {
	taken := &secret.Error{Kind: secret.Conflict, Name: c.n, Version: old.version().ID, Text: "there is a version of this identity, with another value"}
	if !old.enabled {
		return secret.Version{}, taken
	}
	_, value, err := c.value(ctx, old.az)
	if err != nil {
		return secret.Version{}, err
	}
	if !value.Equal(v) {
		return secret.Version{}, taken
	}
	return old.told(), nil
}

// settle repeats what meets a transition under way, until it is over.
func (c call) settle(ctx context.Context, f func() error) error {
	return c.until(ctx, func() (bool, error) {
		err := f()
		return !moving(err), err
	})
}

// until repeats a look until it says that it is done, and returns its last
// error.
func (c call) until(ctx context.Context, look func() (done bool, err error)) error {
	end := time.Now().Add(c.b.tune.settle)
	for pause := c.b.tune.poll; ; pause = min(2*pause, 10*c.b.tune.poll) {
		done, err := look()
		if done || time.Now().Add(pause).After(end) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Annotate changes the tags of the current version, where the secret's own
// stand among them.
func (b *Backend) Annotate(ctx context.Context, n secret.Name, change secret.Change) (secret.Meta, error) {
	c, err := b.begin(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	if err := checkUser(n, change.Tags.Set); err != nil {
		return secret.Meta{}, err
	}
	done, err := b.busy.take(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	defer done()
	all, err := c.history(ctx)
	if err != nil {
		return secret.Meta{}, err
	}
	next := all[0]
	next.about.Tags = changed(next.about.Tags, change.Tags)
	if change.Description != nil {
		next.about.Description = *change.Description
	}
	if next.about.Description != all[0].about.Description || !maps.Equal(next.about.Tags, all[0].about.Tags) {
		if all[0], err = c.update(ctx, &all[0], &next, azsecrets.UpdateSecretPropertiesParameters{}); err != nil {
			return secret.Meta{}, err
		}
	}
	return c.meta(all), nil
}

// AnnotateVersion changes the attributes of one version.
func (b *Backend) AnnotateVersion(ctx context.Context, n secret.Name, at secret.At, change secret.AttributeChange) (secret.Version, error) {
	c, err := b.begin(ctx, n)
	if err != nil {
		return secret.Version{}, err
	}
	if err := checkUser(n, change.Tags.Set); err != nil {
		return secret.Version{}, err
	}
	done, err := b.busy.take(ctx, n)
	if err != nil {
		return secret.Version{}, err
	}
	defer done()
	all, err := c.history(ctx)
	if err != nil {
		return secret.Version{}, err
	}
	h := find(all, at)
	if h == nil {
		return secret.Version{}, c.noVersion()
	}
	next, p, err := c.amended(h, change)
	if err != nil {
		return secret.Version{}, err
	}
	if p.ContentType == nil && p.SecretAttributes == nil && maps.Equal(next.attrs.Tags, h.attrs.Tags) {
		return h.told(), nil
	}
	made, err := c.update(ctx, h, &next, p)
	if err != nil {
		return secret.Version{}, err
	}
	return made.told(), nil
}
