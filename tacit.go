// Package tacit is the front of the library: it opens the project of a folder
// and gives a program the secrets that its policy lets it have.
//
//	p, err := tacit.Open(ctx, ".", nil)
//	key, err := p.Get(ctx, "claude/api#claude_api_key")
//
// A program that links tacit is inside the trust boundary: it can read the key
// file itself, so policy only guides it. Every access is decided and recorded
// all the same. For more than Get and Put, use the Broker: see [Project.Broker].
package tacit

import (
	"context"
	"time"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

// Options say how a project is opened; nil is right for most programs.
type Options struct {
	// Env is the environment meant when a reference names none. Empty is the
	// project's default.
	Env string
	// Principal is as whom the program asks, like "app:deploy". Empty is the
	// operating system's user, or the agent whose mark the environment bears.
	Principal secret.Principal
	// Reason is why, for the audit log; at most 1 KiB.
	Reason string
	// Passphrase asks a person for what its text says. Nil means that nobody
	// is there, and a store that only a passphrase unlocks does not open.
	Passphrase func(ctx context.Context, text string) ([]byte, error)
	// Now tells the time; nil is time.Now.
	Now func() time.Time
}

// A Project is an open project. It is safe for concurrent use, and must be
// closed.
type Project struct{ opened *config.Opened }

// Open opens the project at or above dir, which tacit init made, and unlocks
// its store. Errors are of kind NotFound where there is no project,
// Unauthenticated where nothing unlocks the store, and Corrupt where the store
// and its audit log contradict each other.
func Open(ctx context.Context, dir string, o *Options) (*Project, error) {
	if o == nil {
		o = &Options{}
	}
	sys, err := config.OS()
	if err != nil {
		return nil, err
	}
	opts := config.Options{Dir: dir, Env: o.Env, Reason: o.Reason, Passphrase: o.Passphrase, Now: o.Now}
	if o.Principal != "" {
		opts.Caller = &secret.Caller{Principal: o.Principal, How: secret.ByOption}
	}
	x, err := config.Open(ctx, sys, opts)
	if err != nil {
		return nil, err
	}
	return &Project{x}, nil
}

// Get returns the value that a reference points at, like
// "claude/api#claude_api_key". The access is recorded before Get returns.
func (p *Project) Get(ctx context.Context, ref string) (secret.Value, error) {
	r, err := p.Ref(ref)
	if err != nil {
		return secret.Value{}, err
	}
	v, err := p.opened.Broker.Get(ctx, p.opened.Caller, r)
	return v.Value, err
}

// Put writes a value as a new version; with #field, it replaces that field of
// a JSON object and keeps the others.
func (p *Project) Put(ctx context.Context, ref string, value secret.Value) (secret.Version, error) {
	r, err := p.Ref(ref)
	if err != nil {
		return secret.Version{}, err
	}
	if r.Field != "" {
		return p.opened.Broker.Merge(ctx, p.opened.Caller, r, value, nil)
	}
	return p.opened.Broker.Put(ctx, p.opened.Caller, r, value, nil)
}

// Ref reads a reference and fills in the environment that is meant.
func (p *Project) Ref(ref string) (secret.Ref, error) {
	r, err := secret.ParseRef(ref)
	if err == nil && r.Env == "" {
		r.Env = p.opened.Env
	}
	return r, err
}

// Broker returns the one door to the project's environments. Each of its calls
// names its caller: see [Project.Caller].
func (p *Project) Broker() *broker.Broker { return p.opened.Broker }

// Caller returns as whom Get and Put ask.
func (p *Project) Caller() secret.Caller { return p.opened.Caller }

// Close gives everything back.
func (p *Project) Close() error { return p.opened.Close() }
