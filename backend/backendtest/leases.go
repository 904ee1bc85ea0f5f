package backendtest

import (
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func leaseCases() []testCase {
	lessor := is[secret.Lessor]
	issues := both(lessor, func(t *T) bool { return t.cfg.Lease != "" })
	return []testCase{
		{name: "issue makes a credential of its own each time", needs: issues, ask: issue},
		{name: "renew tells a later end and no value", needs: issues, ask: renew},
		{name: "revoked lease is over, and revoked again is no error", needs: issues, ask: revoke},
		{name: "unknown lease is not found, and revoked all the same", needs: lessor, ask: unknownLease},
	}
}

func (t *T) issue() secret.Lease {
	t.Helper()
	l, err := use[secret.Lessor](t).Issue(t.Context(), t.cfg.Lease, time.Hour)
	t.ok(err)
	t.Cleanup(func() { _ = use[secret.Lessor](t).Revoke(t.TB.Context(), l.ID) })
	return l
}

func issue(t *T) {
	one, two := t.issue(), t.issue()
	for _, l := range []secret.Lease{one, two} {
		if l.ID == "" || l.Name != t.cfg.Lease || l.Value.Len() == 0 {
			t.Errorf("the lease %q of %q has %d bytes", l.ID, l.Name, l.Value.Len())
		}
		if !l.Expires.IsZero() && !l.Expires.After(t.now()) {
			t.Errorf("it ended before it began: %s", l.Expires)
		}
	}
	if one.ID == two.ID || one.Value.Equal(two.Value) {
		t.Errorf("two leases are one")
	}
}

func renew(t *T) {
	r := use[secret.Lessor](t)
	l := t.issue()
	again, err := r.Renew(t.Context(), l.ID, 2*time.Hour)
	if !l.Renewable {
		t.fails(err, secret.Unsupported, 0)
		return
	}
	t.ok(err)
	if again.ID != l.ID || !again.Value.IsZero() || !again.Expires.IsZero() && again.Expires.Before(l.Expires) {
		t.Errorf("renewed, it ends at %s instead of %s, or tells more", again.Expires, l.Expires)
	}
}

func revoke(t *T) {
	r := use[secret.Lessor](t)
	l, other := t.issue(), t.issue()
	t.ok(r.Revoke(t.Context(), l.ID))
	t.ok(r.Revoke(t.Context(), l.ID))
	_, err := r.Renew(t.Context(), l.ID, time.Hour)
	t.fails(err, secret.NotFound, 0)
	if other.Renewable {
		_, err = r.Renew(t.Context(), other.ID, time.Hour)
		t.ok(err)
	}
}

func unknownLease(t *T) {
	r := use[secret.Lessor](t)
	const none = "no/such/lease/0123456789abcdef"
	_, err := r.Renew(t.Context(), none, time.Hour)
	t.fails(err, secret.NotFound, 0)
	t.ok(r.Revoke(t.Context(), none))
}
