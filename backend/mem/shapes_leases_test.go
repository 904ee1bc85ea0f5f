package mem_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// issuer issues credentials for the name "creds/app", in memory.
type issuer struct {
	mu   *sync.Mutex
	left map[string]time.Time
	n    *int
}

const issued secret.Name = "creds/app"

func newIssuer() issuer {
	return issuer{mu: new(sync.Mutex), left: map[string]time.Time{}, n: new(int)}
}

func done(ctx context.Context, n secret.Name) error {
	if ctx.Err() != nil {
		return &secret.Error{Kind: secret.Unavailable, Name: n, Text: "interrupted", Err: ctx.Err()}
	}
	return nil
}

func (i issuer) Issue(ctx context.Context, n secret.Name, ttl time.Duration) (secret.Lease, error) {
	if err := n.Check(); err != nil {
		return secret.Lease{}, err
	}
	if err := done(ctx, n); err != nil {
		return secret.Lease{}, err
	}
	if n != issued {
		return secret.Lease{}, secret.Errorf(secret.NotFound, n, "no rules of that name")
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	*i.n++
	id := fmt.Sprintf("%s/%d", n, *i.n)
	i.left[id] = time.Now().Add(ttl)
	return secret.Lease{ID: id, Name: n, Value: secret.Text("password of " + id), Expires: i.left[id], Renewable: true}, nil
}

func (i issuer) Renew(ctx context.Context, id string, ttl time.Duration) (secret.Lease, error) {
	if err := done(ctx, ""); err != nil {
		return secret.Lease{}, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.left[id].IsZero() {
		return secret.Lease{}, secret.Errorf(secret.NotFound, "", "no such lease")
	}
	i.left[id] = time.Now().Add(ttl)
	return secret.Lease{ID: id, Name: issued, Expires: i.left[id], Renewable: true}, nil
}

func (i issuer) Revoke(ctx context.Context, id string) error {
	if err := done(ctx, ""); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.left, id)
	return nil
}

// keeper tells how it is kept, and writes rules in a language of its own.
type keeper struct{}

func (keeper) Posture(ctx context.Context) ([]secret.Finding, error) {
	return []secret.Finding{
		{Check: "kept", Status: secret.FindingBad, Evidence: "in memory", Remedy: "use another store"},
		{Check: "own", Status: secret.FindingOK, Evidence: "one process"},
	}, done(ctx, "")
}

func (keeper) Rules(names []secret.Name, verbs ...secret.Verb) ([]secret.Rule, error) {
	var b strings.Builder
	for _, n := range names {
		if err := n.Check(); err != nil {
			return nil, err
		}
		for _, v := range verbs {
			if v != secret.Get && v != secret.Put {
				return nil, secret.Errorf(secret.Unsupported, n, "no rule for %s", v)
			}
			fmt.Fprintf(&b, "allow %s %q\n", v, n)
		}
	}
	if b.Len() == 0 {
		return nil, secret.Errorf(secret.Invalid, "", "rules of nothing")
	}
	return []secret.Rule{{Language: "text", Text: b.String()}}, nil
}
