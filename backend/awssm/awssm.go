// Package awssm keeps secrets in AWS Secrets Manager.
//
// It reads no configuration: [Settings] say all but what the AWS credential
// chain finds by itself. Policy, audit, caching and prefixes are the Broker's.
// It signs in when it is first used, never follows an endpoint that the
// environment or a profile names, logs nothing, and keeps no value.
//
// What AWS cannot do in one step is done so that an error in between loses
// nothing, and the error says which part was done.
package awssm

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// MaxValueBytes is the size of the largest value that AWS takes.
const MaxValueBytes = 65536

// A Backend is AWS Secrets Manager in one account and region. The zero Backend
// is not usable: see [New].
type Backend struct {
	settings Settings
	rt       http.RoundTripper
	backoff  time.Duration // the longest wait between two tries
	steady   bool          // for tests whose faults come faster than any store's: throttling slows nothing down

	mu     sync.Mutex
	opened *session // nil until the first use

	batch batchRight
}

var (
	_ secret.Backend     = (*Backend)(nil)
	_ secret.Versioner   = (*Backend)(nil)
	_ secret.Swapper     = (*Backend)(nil)
	_ secret.Creator     = (*Backend)(nil)
	_ secret.Undeleter   = (*Backend)(nil)
	_ secret.Stager      = (*Backend)(nil)
	_ secret.Annotator   = (*Backend)(nil)
	_ secret.BatchGetter = (*Backend)(nil)
	_ secret.Prober      = (*Backend)(nil)
	_ secret.Grantor     = (*Backend)(nil)
)

// New returns a backend. It does not reach the network and reads no
// environment; the first use signs in. The error is Invalid: a setting cannot
// be meant, or a file of it cannot be read.
func New(s Settings) (*Backend, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	rt, err := wire.NewTransport(s.TLS)
	if err != nil {
		return nil, err
	}
	return &Backend{settings: s, rt: rt, backoff: 5 * time.Second}, nil
}

// Close lets go of connections that wait.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c, ok := b.rt.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
	return nil
}

// ready is where each call about one secret begins: it returns the session and
// what AWS calls the secret.
func (b *Backend) ready(ctx context.Context, n secret.Name) (*session, string, error) {
	id, err := secretID(n)
	if err != nil {
		return nil, "", err
	}
	s, err := b.session(ctx)
	if err != nil {
		return nil, "", named(err, n)
	}
	return s, id, nil
}

// window is how long a deleted secret can be restored.
func (b *Backend) window() time.Duration {
	if b.settings.Window != 0 {
		return b.settings.Window
	}
	return defaultWindow
}
