package broker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// issuer is a store that makes leases, with ids that nobody may publish.
type issuer struct {
	traced
	asked []secret.Name
	live  map[string]bool
	stuck bool // Revoke fails
}

func (s *issuer) Issue(_ context.Context, n secret.Name, ttl time.Duration) (secret.Lease, error) {
	s.t.add("issue %s", n)
	s.asked = append(s.asked, n)
	id := string(n) + "/" + canary
	s.live[id] = true
	return secret.Lease{ID: id, Name: n, Value: secret.Text(`{"password":"` + canary + `"}`), Expires: time.Unix(1_700_000_000, 0).Add(ttl), Renewable: true}, nil
}

func (s *issuer) Renew(_ context.Context, id string, ttl time.Duration) (secret.Lease, error) {
	s.t.add("renew")
	if !s.live[id] {
		return secret.Lease{}, secret.Errorf(secret.NotFound, "", "the lease ended")
	}
	return secret.Lease{ID: id, Expires: time.Unix(1_700_000_000, 0).Add(2 * ttl), Renewable: true}, nil
}

func (s *issuer) Revoke(_ context.Context, id string) error {
	s.t.add("revoke")
	if s.stuck {
		return secret.Errorf(secret.Unavailable, "", "the store is sealed")
	}
	delete(s.live, id)
	return nil
}

func openIssuer(t *testing.T, change func(*broker.Env)) (*house, *issuer) {
	t.Helper()
	s := &issuer{live: map[string]bool{}}
	h := open(t, func(e *broker.Env) {
		e.Open = func(context.Context) (secret.Backend, error) { return s, nil }
		if change != nil {
			change(e)
		}
	})
	s.traced = traced{h.store, h.trace}
	return h, s
}

// keeper notes leases down in the trace; fail, if set, is its answer.
func (h *house) keeper(fail error) broker.Keeper {
	return func(_ context.Context, l secret.Lease) error {
		h.trace.add("keep %s", l.Name)
		if !l.Value.IsZero() {
			return errors.New("a note with a value")
		}
		return fail
	}
}

func TestLeaseOrder(t *testing.T) {
	h, s := openIssuer(t, func(e *broker.Env) { e.Prefix = "kv/"; e.Leases.Prefix = "team-" })
	r := ref(t, "database/creds/app")
	l, err := h.Issue(t.Context(), mia(), r, time.Hour, h.keeper(nil))
	if err != nil || l.Name != r.Name || !strings.Contains(string(l.Value.Reveal()), canary) || len(s.live) != 1 {
		t.Fatalf("issued %+v, %v", l, err)
	}
	wantTrace(t, h, "decide issue database/creds/app", "record issue begin", "issue team-database/creds/app", "keep database/creds/app", "record issue end ok")
	if l, err = h.Renew(t.Context(), mia(), r, l.ID, time.Hour); err != nil || l.Name != r.Name || !l.Value.IsZero() {
		t.Fatalf("renewed %+v, %v", l, err)
	}
	wantTrace(t, h, "decide renew database/creds/app", "record renew begin", "renew", "record renew end ok")
	if err := h.Revoke(t.Context(), mia(), r, l.ID); err != nil || len(s.live) != 0 {
		t.Fatalf("revoked: %v, %d left", err, len(s.live))
	}
	wantTrace(t, h, "decide revoke database/creds/app", "record revoke begin", "revoke", "record revoke end ok")
	_, err = h.Renew(t.Context(), mia(), r, l.ID, 0)
	wantKind(t, err, secret.NotFound)
	digest := broker.LeaseDigest(l.ID)
	for _, rec := range h.log.all() {
		if rec.Lease != digest && (rec.Verb != secret.Issue || rec.Phase != audit.Begin) {
			t.Errorf("a record names the lease %q: %+v", rec.Lease, rec)
		}
	}
	wantNoCanary(t, h)
}

// wantNoCanary looks for a value or a lease's id in the records.
func wantNoCanary(t *testing.T, h *house) {
	t.Helper()
	for _, r := range h.log.all() {
		if strings.Contains(strings.Join([]string{r.Name, r.Reason, r.Lease, r.For, string(r.Version)}, " "), canary) {
			t.Errorf("a record tells too much: %+v", r)
		}
	}
}

func TestLeaseDenied(t *testing.T) {
	h, s := openIssuer(t, nil)
	r := ref(t, "database/creds/app")
	_, err := h.Issue(t.Context(), eve(), r, 0, h.keeper(nil))
	wantKind(t, err, secret.Denied)
	_, err = h.Renew(t.Context(), eve(), r, "id", 0)
	wantKind(t, err, secret.Denied)
	wantKind(t, h.Revoke(t.Context(), eve(), r, "id"), secret.Denied)
	_, err = h.Issue(t.Context(), mia(), r, 0, nil)
	wantKind(t, err, secret.Invalid)
	r.Field = "password"
	_, err = h.Issue(t.Context(), mia(), r, 0, h.keeper(nil))
	wantKind(t, err, secret.Invalid)
	if len(s.asked) > 0 {
		t.Errorf("the store was asked for %q", s.asked)
	}
}

// A lease that is not noted down, or whose record fails, is revoked.
func TestLeaseOfNobodyIsRevoked(t *testing.T) {
	full := secret.Errorf(secret.Unavailable, "", "the disk is full")
	for _, c := range []struct {
		name    string
		stuck   bool
		keep    error
		noEnd   bool
		left    int
		message string
	}{
		{name: "no note", keep: full, message: "the disk is full"},
		{name: "no record", noEnd: true, message: "could not be recorded"},
		{name: "not revoked either", keep: full, stuck: true, left: 1, message: "ends by itself"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, s := openIssuer(t, nil)
			s.stuck = c.stuck
			h.log.fail = func(r audit.Record) error {
				if c.noEnd && r.Phase == audit.End {
					return full
				}
				return nil
			}
			l, err := h.Issue(t.Context(), mia(), ref(t, "database/creds/app"), 0, h.keeper(c.keep))
			wantKind(t, err, secret.Unavailable)
			if !l.Value.IsZero() || l.ID != "" || len(s.live) != c.left || !strings.Contains(err.Error(), c.message) {
				t.Errorf("got %+v, %v; %d left", l, err, len(s.live))
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error tells too much: %v", err)
			}
			if steps := h.trace.take(); !slices.Contains(steps, "revoke") {
				t.Errorf("nobody revoked it: %q", steps)
			}
			wantNoCanary(t, h)
		})
	}
}

func TestLeaseWhereThereAreNone(t *testing.T) {
	h := open(t, nil)
	_, err := h.Issue(t.Context(), mia(), ref(t, "a"), 0, h.keeper(nil))
	wantKind(t, err, secret.Unsupported)
	if !strings.Contains(err.Error(), "\n  tacit get") {
		t.Errorf("no way out: %v", err)
	}
	shared := secret.Errorf(secret.Invalid, "", "two environments share it")
	h, s := openIssuer(t, func(e *broker.Env) { e.Leases.Refused = shared })
	_, err = h.Issue(t.Context(), mia(), ref(t, "a"), 0, h.keeper(nil))
	if !errors.Is(err, shared) || len(s.asked) > 0 || h.log.last().Outcome != "invalid" {
		t.Errorf("got %v, asked %q, recorded %+v", err, s.asked, h.log.last())
	}
	_, err = h.Issue(t.Context(), eve(), ref(t, "a"), 0, h.keeper(nil))
	wantKind(t, err, secret.Denied) // first of all
}

// What is given back needs no right, and is recorded as tacit's own doing.
func TestLeaseGivenBack(t *testing.T) {
	h, s := openIssuer(t, nil)
	r := ref(t, "database/creds/app")
	l, err := h.Issue(t.Context(), mia(), r, 0, h.keeper(nil))
	if err != nil {
		t.Fatal(err)
	}
	h.trace.take()
	if err := h.GiveBack(t.Context(), r, l.ID, "its process is gone"); err != nil || len(s.live) > 0 {
		t.Fatalf("%v, %d left", err, len(s.live))
	}
	wantTrace(t, h, "record revoke begin", "revoke", "record revoke end ok")
	if last := h.log.last(); last.Principal != "app:tacit" || last.For != "its process is gone" || last.Lease != broker.LeaseDigest(l.ID) {
		t.Errorf("recorded %+v", last)
	}
	s.stuck = true
	wantKind(t, h.GiveBack(t.Context(), r, l.ID, "again"), secret.Unavailable)
}

func TestSeeLeases(t *testing.T) {
	h, _ := openIssuer(t, nil)
	refs := []secret.Ref{ref(t, "claude/creds"), ref(t, "database/creds/app"), {Env: "gone", Name: "x"}}
	for _, c := range []struct {
		caller secret.Caller
		want   []bool
	}{
		{mia(), []bool{true, true, true}},
		{secret.Caller{Principal: "agent:lister", How: secret.ByMark}, []bool{true, false, false}},
		{eve(), []bool{false, false, false}},
	} {
		before := len(h.log.all())
		got, err := h.SeeLeases(t.Context(), c.caller, refs)
		if err != nil || !slices.Equal(got, c.want) || len(h.log.all()) != before+1 || h.log.last().For != "leases" {
			t.Errorf("%s sees %v, %v; recorded %+v", c.caller.Principal, got, err, h.log.last())
		}
	}
	_, err := h.SeeLeases(t.Context(), secret.Caller{}, refs)
	wantKind(t, err, secret.Denied)
}

// TestAbuseLeaseParameters: what a policy says of the rules by which leases are
// made holds with parameters behind them too.
func TestAbuseLeaseParameters(t *testing.T) {
	lessee := secret.Caller{Principal: "agent:lessee", How: secret.ByMark}
	for _, c := range []struct {
		name string
		may  bool
	}{
		{"pki/issue/web", true},
		{"pki/issue/web?common_name=a", true},
		{"pki/issue/admin", false},
		{"pki/issue/admin?common_name=a", false},
		{"pki/issue/admin?", false},
		{"pki/issue/admin?a?b", false},
		{"aws/sts/ci?role=a", true}, // granted with its parameters, and no other
		{"aws/sts/ci?role=b", false},
		{"aws/sts/ci", false},
		{"pki/issue/?a=b", false}, // no rule has this name
	} {
		t.Run("forbidden-rules-with-parameters/"+strings.ReplaceAll(c.name, "/", "|"), func(t *testing.T) {
			h, s := openIssuer(t, nil)
			r := secret.Ref{Env: "dev", Name: secret.Name(c.name)}
			_, err := h.Issue(t.Context(), lessee, r, 0, h.keeper(nil))
			if (err == nil) != c.may || !c.may && (secret.KindOf(err) != secret.Denied || len(s.asked) > 0 || h.log.last().Outcome != audit.Denied) {
				t.Errorf("issued: %v, asked %q, recorded %+v", err, s.asked, h.log.last())
			}
			if strings.HasPrefix(c.name, "aws") {
				return
			}
			if _, err := h.Renew(t.Context(), lessee, r, "id", 0); (secret.KindOf(err) != secret.Denied) != c.may {
				t.Errorf("renewed: %v", err)
			}
			if err := h.Revoke(t.Context(), lessee, r, "id"); (secret.KindOf(err) != secret.Denied) != c.may {
				t.Errorf("revoked: %v", err)
			}
		})
	}
}
