package mem_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

// A lease or a posture with one promise broken; what is nil is kept.
type brokenKind struct {
	ofVault
	issue   func(i secret.Lessor, ctx context.Context, n secret.Name) (secret.Lease, error)
	renew   func(i secret.Lessor, ctx context.Context, id string) (secret.Lease, error)
	revoke  func(i secret.Lessor, ctx context.Context, id string) error
	posture func(b secret.Backend) ([]secret.Finding, error)
	rules   func(names []secret.Name, verbs []secret.Verb) ([]secret.Rule, error)
}

func (b brokenKind) Issue(ctx context.Context, n secret.Name, ttl time.Duration) (secret.Lease, error) {
	if b.issue != nil {
		return b.issue(b.Lessor, ctx, n)
	}
	return b.Lessor.Issue(ctx, n, ttl)
}

func (b brokenKind) Renew(ctx context.Context, id string, ttl time.Duration) (secret.Lease, error) {
	if b.renew != nil {
		return b.renew(b.Lessor, ctx, id)
	}
	return b.Lessor.Renew(ctx, id, ttl)
}

func (b brokenKind) Revoke(ctx context.Context, id string) error {
	if b.revoke != nil {
		return b.revoke(b.Lessor, ctx, id)
	}
	return b.Lessor.Revoke(ctx, id)
}

func (b brokenKind) Posture(ctx context.Context) ([]secret.Finding, error) {
	if b.posture != nil && ctx.Err() == nil {
		return b.posture(b.ofVault)
	}
	return b.keeper.Posture(ctx)
}

func (b brokenKind) Rules(names []secret.Name, verbs ...secret.Verb) ([]secret.Rule, error) {
	if b.rules != nil {
		return b.rules(names, verbs)
	}
	return b.keeper.Rules(names, verbs...)
}

func brokenKinds() map[string]brokenKind {
	finding := func(f secret.Finding) func(secret.Backend) ([]secret.Finding, error) {
		return func(secret.Backend) ([]secret.Finding, error) { return []secret.Finding{f}, nil }
	}
	write := func(text string) []secret.Rule { return []secret.Rule{{Language: "text", Text: text}} }
	var always secret.Lease
	return map[string]brokenKind{
		"issue makes a credential of its own each time": {issue: func(i secret.Lessor, ctx context.Context, n secret.Name) (secret.Lease, error) {
			if l, err := i.Issue(ctx, n, time.Hour); always.ID == "" || err != nil {
				always = l
				return l, err
			}
			return always, nil
		}},
		"renew tells a later end and no value": {renew: func(i secret.Lessor, ctx context.Context, id string) (secret.Lease, error) {
			l, err := i.Renew(ctx, id, time.Hour)
			l.Value = secret.Text("again")
			return l, err
		}},
		"revoked lease is over, and revoked again is no error": {revoke: func(i secret.Lessor, ctx context.Context, id string) error {
			_, err := i.Renew(ctx, id, time.Hour)
			if err == nil {
				err = i.Revoke(ctx, id)
			}
			return err
		}},
		"unknown lease is not found, and revoked all the same": {renew: func(i secret.Lessor, ctx context.Context, id string) (secret.Lease, error) {
			l, err := i.Renew(ctx, id, time.Hour)
			if secret.KindOf(err) == secret.NotFound {
				err = secret.Errorf(secret.Denied, "", "no")
			}
			return l, err
		}},
		"each promise: bad names are invalid": {issue: func(i secret.Lessor, ctx context.Context, n secret.Name) (secret.Lease, error) {
			if n.Check() != nil {
				return secret.Lease{}, secret.Errorf(secret.NotFound, "", "none")
			}
			return i.Issue(ctx, n, time.Hour)
		}},
		"posture tells evidence or a remedy, in a fixed order": {posture: finding(secret.Finding{Check: "kept", Status: "fine", Evidence: "x"})},
		"posture tells no value and changes nothing": {posture: func(b secret.Backend) ([]secret.Finding, error) {
			_, err := b.Put(context.Background(), "app/db", text(), nil)
			return []secret.Finding{{Check: "kept", Status: secret.FindingOK, Evidence: "x"}}, err
		}},
		"rules are written for each name and verb, the same each time": {rules: func(names []secret.Name, verbs []secret.Verb) ([]secret.Rule, error) {
			_, err := keeper{}.Rules(names, verbs...)
			return write("allow " + string(verbs[0]) + " to all"), err
		}},
		"rules of bad names and unknown verbs are refused": {rules: func(names []secret.Name, verbs []secret.Verb) ([]secret.Rule, error) {
			if len(names) == 0 || len(verbs) == 0 {
				return nil, nil
			}
			return write(string(names[0]) + string(verbs[0])), nil
		}},
		"rules of nothing allow nothing": {rules: func(names []secret.Name, verbs []secret.Verb) ([]secret.Rule, error) {
			if len(names) == 0 {
				return write("allow all"), nil
			}
			return keeper{}.Rules(names, verbs...)
		}},
	}
}

// careless is the AWS shape without its checks.
type careless struct{ ofAWS }

func (c careless) Put(ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	out, err := c.s.Put(ctx, n, v, o)
	return c.out(out), err
}

// half is Vault's first engine, which makes one promise all the same.
type half struct{ flat }

func (h half) Annotate(ctx context.Context, n secret.Name, c secret.Change) (secret.Meta, error) {
	return h.s.Annotate(ctx, n, c)
}

// TestSuiteFindsBrokenShapes: the cases that mem is not asked fail too where
// the promise is broken.
func TestSuiteFindsBrokenShapes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	finds := func(cfg backendtest.Config, c string) {
		t.Helper()
		failed := backendtest.Failures(t, cfg)
		if !slices.Contains(failed, c) || len(failed) > 12 {
			t.Errorf("%q does not fail, or too much does: %q", c, failed)
		}
		seen[c] = true
	}
	all := shapes()
	for c, b := range brokenKinds() {
		cfg := all["vault"]
		cfg.MaxValueBytes = mem.MaxValueBytes
		cfg.New = func(_ backendtest.TB, now func() time.Time) secret.Backend {
			b.ofVault, _ = newVault(now).(ofVault)
			return b
		}
		finds(cfg, c)
	}
	for _, c := range []string{"names that the store cannot hold are invalid", "empty value is refused"} {
		cfg := all["aws"]
		cfg.New = func(_ backendtest.TB, now func() time.Time) secret.Backend {
			b, _ := newAWS(now).(ofAWS)
			return careless{b}
		}
		finds(cfg, c)
	}
	cfg := all["flat"]
	cfg.MaxValueBytes = mem.MaxValueBytes
	cfg.New = func(_ backendtest.TB, now func() time.Time) secret.Backend {
		b, _ := newFlat(now).(flat)
		return half{b}
	}
	finds(cfg, "what is configured away is unsupported")
	seen["deleted is for ever without undelete"] = true // TestSuiteFindsBrokenStores
	known, err := os.ReadFile("testdata/cases.golden")
	if err != nil {
		t.Fatal(err)
	}
	for name := range all {
		asked, err := os.ReadFile("testdata/shape-" + name + ".golden")
		if err != nil {
			t.Fatal(err)
		}
		for c := range strings.Lines(string(asked)) {
			if !strings.Contains(string(known), c) && !seen[strings.TrimSpace(c)] {
				t.Errorf("no broken store makes %q fail", strings.TrimSpace(c))
			}
		}
	}
}
