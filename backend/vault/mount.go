package vault

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/tacit-secrets/tacit/secret"
)

// mount remembers which version of the KV engine is mounted. Callers that come
// meanwhile wait for the first one's answer.
type mount struct {
	mu      sync.Mutex
	known   int
	pending chan struct{} // closed when the one that asks is done
	agrees  atomic.Bool   // the store was asked whether the settings are right
}

// version returns the version of the engine, asked once, unless the settings
// say it.
func (b *Backend) version(ctx context.Context, n secret.Name) (int, error) {
	if v := b.settings.Version; v != 0 {
		return v, nil
	}
	m := &b.mount
	for {
		m.mu.Lock()
		if m.known != 0 {
			m.mu.Unlock()
			return m.known, nil
		}
		wait := m.pending
		if wait == nil {
			m.pending = make(chan struct{})
			m.mu.Unlock()
			return b.askVersion(ctx, n)
		}
		m.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return 0, interrupted(ctx, n)
		}
	}
}

// known returns the version of the engine without asking; 0 if nobody asked yet.
func (b *Backend) known() int {
	if v := b.settings.Version; v != 0 {
		return v
	}
	b.mount.mu.Lock()
	defer b.mount.mu.Unlock()
	return b.mount.known
}

func (b *Backend) askVersion(ctx context.Context, n secret.Name) (int, error) {
	v, err := b.preflight(ctx, n)
	if err == nil && v == 0 {
		v = 1 // a store older than the call, and than version 2
	}
	m := &b.mount
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.pending)
	m.pending = nil
	if err == nil {
		m.known = v
	}
	return v, err
}

// forget lets the next call ask again: the engine changed its version.
func (m *mount) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known = 0
}

// contradicted is the error where the engine is of another version than the
// settings say: there it looks as if nothing were kept. So it is asked for once
// nothing was found, and never where the settings say nothing. A store that does
// not tell is taken to be as it was said.
func (b *Backend) contradicted(ctx context.Context, n secret.Name) error {
	if b.settings.Version == 0 || b.mount.agrees.Load() {
		return nil
	}
	v, err := b.preflight(ctx, n)
	switch {
	case secret.KindOf(err) == secret.Invalid:
		return err
	case ctx.Err() != nil:
		return interrupted(ctx, n)
	case err == nil && v != 0 && v != b.settings.Version:
		return b.otherVersion(n, v)
	}
	b.mount.agrees.Store(true)
	return nil
}

func (b *Backend) otherVersion(n secret.Name, is int) *secret.Error {
	return secret.Errorf(secret.Invalid, n, "%s/ of %s is version %d of the KV engine, and the settings say %d\n  kv_version = %[3]d", b.settings.Mount, b.where, is, b.settings.Version)
}

// preflight asks what is mounted, as the store's own command line does before
// each of its commands. It returns 0 where the store knows no such question.
func (b *Backend) preflight(ctx context.Context, n secret.Name) (int, error) {
	path := b.settings.Mount
	r := request{method: http.MethodGet, path: "sys/internal/ui/mounts/" + path, name: n, capability: "read"}
	got, err := b.do(ctx, r)
	if err != nil {
		return 0, err
	}
	switch got.status {
	case http.StatusOK:
	case http.StatusNotFound:
		return 0, nil
	case http.StatusForbidden:
		return 0, secret.Errorf(secret.Denied, n,
			"%s does not tell what is mounted at %s/: nothing is, or the token may use nothing there\n  vault secrets list, or say kv_version = 2 beside the mount", b.where, path)
	default:
		return 0, b.classify(r, got)
	}
	var told struct {
		Path    string            `json:"path"`
		Type    string            `json:"type"`
		Options map[string]string `json:"options"`
	}
	if err := json.Unmarshal(got.Data, &told); err != nil {
		return 0, b.strange(n)
	}
	switch {
	case told.Path != path+"/":
		return 0, secret.Errorf(secret.Invalid, n, "%s lies within the mount %s of %s\n  name the mount, and say the rest as prefix", path+"/", told.Path, b.where)
	case told.Type != "kv" && told.Type != "generic":
		return 0, secret.Errorf(secret.Invalid, n, "%s/ of %s is an engine of type %q, not kv\n  vault secrets enable -path=NAME kv-v2", path, b.where, told.Type)
	case told.Options["version"] == "2":
		return 2, nil
	default:
		return 1, nil
	}
}
