package vault

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// limiting remembers that the token may not read the limits of the mount.
type limiting struct{ denied atomic.Bool }

// Limit sets the limits of a secret; with the empty name, of the mount. The
// store counts time in seconds, and of two times to delete it takes the shorter
// one, whosever it is.
func (b *Backend) Limit(ctx context.Context, n secret.Name, l secret.Limits) error {
	path := b.settings.Mount + "/config"
	var err error
	if n == "" {
		if err = interrupted(ctx, ""); err == nil {
			err = b.versionedMount(ctx)
		}
	} else {
		path = b.metadataPath(n)
		err = b.versioned(ctx, n)
	}
	if err != nil {
		return err
	}
	if l.MaxVersions < 0 || l.DeleteAfter < 0 {
		return secret.Errorf(secret.Invalid, n, "a limit is not negative")
	}
	seconds := (l.DeleteAfter + time.Second - 1) / time.Second
	fields := map[string]any{"max_versions": l.MaxVersions, "cas_required": l.SwapOnly, "delete_version_after": int64(seconds)}
	if n == "" {
		_, err := b.send(ctx, request{method: http.MethodPut, path: path, body: jsonBody(fields), capability: "update"})
		return err
	}
	m, err := b.living(ctx, n)
	for try := 0; err == nil; try++ {
		if err = b.tellMeta(ctx, n, m, fields); secret.KindOf(err) != secret.Conflict || try == maxRounds {
			return err
		}
		if err := b.stepAside(ctx, n, try); err != nil {
			return err
		}
		m, err = b.living(ctx, n)
	}
	return err
}

func (b *Backend) versionedMount(ctx context.Context) error {
	v, err := b.version(ctx, "")
	if err == nil && v == 1 {
		return b.unsupported("")
	}
	return err
}

// Limits returns those of the mount.
func (b *Backend) Limits(ctx context.Context) (secret.Limits, error) {
	if err := interrupted(ctx, ""); err != nil {
		return secret.Limits{}, err
	}
	if err := b.versionedMount(ctx); err != nil {
		return secret.Limits{}, err
	}
	return b.mountLimits(ctx, "")
}

func (b *Backend) mountLimits(ctx context.Context, n secret.Name) (secret.Limits, error) {
	got, absent, err := b.get(ctx, request{method: http.MethodGet, path: b.settings.Mount + "/config", name: n, capability: "read"})
	if err != nil {
		return secret.Limits{}, err
	}
	if absent {
		return secret.Limits{}, b.strange(n)
	}
	var told struct {
		MaxVersions int    `json:"max_versions"`
		SwapOnly    bool   `json:"cas_required"`
		DeleteAfter string `json:"delete_version_after"`
	}
	if err := json.Unmarshal(got.Data, &told); err != nil {
		return secret.Limits{}, b.strange(n)
	}
	return secret.Limits{MaxVersions: told.MaxVersions, SwapOnly: told.SwapOnly, DeleteAfter: duration(told.DeleteAfter)}, nil
}

// ownMax is how many versions the engine keeps where nobody said.
const ownMax = 10

// keeps is how many versions of a secret are kept, whose own limit is given: the
// mount's, if that is higher. Where the token may not read that, the own one is
// what is known.
func (b *Backend) keeps(ctx context.Context, n secret.Name, own int) int {
	if b.limiting.denied.Load() {
		return own
	}
	l, err := b.mountLimits(ctx, n)
	if err != nil {
		return own
	}
	return cmp.Or(max(own, l.MaxVersions), ownMax)
}

// refusesPut tells whether the mount takes swaps alone. The store itself lets
// every write of ours pass, since each one compares. A token that may not read
// the limits of the mount is not held back by them.
func (b *Backend) refusesPut(ctx context.Context, n secret.Name) error {
	if b.limiting.denied.Load() {
		return nil
	}
	l, err := b.mountLimits(ctx, n)
	switch {
	case secret.KindOf(err) == secret.Denied:
		b.limiting.denied.Store(true)
		return nil
	case err == nil && l.SwapOnly:
		return swapOnly(n)
	default:
		return err
	}
}
