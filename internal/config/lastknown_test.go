package config

import (
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

func TestLastKnownValuesOutliveTheProcess(t *testing.T) {
	o := newOutage(t, offlineTOML)
	raw := []byte{0, 0xff, '\n', 0x80}
	if _, err := o.far.Put(t.Context(), "prod/app/raw", secret.Binary(raw), nil); err != nil {
		t.Fatal(err)
	}
	first := o.run(t, "prod:app/key", "prod:app/db#password", "prod:app/raw")
	o.far.down = true
	o.now = o.now.Add(3 * time.Hour)
	for i, g := range o.run(t, "prod:app/key", "prod:app/db#password", "prod:app/raw") {
		was := first[i].Version
		if g.Err != nil || g.Age != 3*time.Hour || !g.Version.Value.Equal(was.Value) || g.Version.Value.IsBinary() != was.Value.IsBinary() {
			t.Errorf("%d: %+v, %v", i, g, g.Err)
		}
		if g.Version.ID != was.ID || g.Version.Number != was.Number || !g.Version.Created.Equal(was.Created) {
			t.Errorf("%d: of version %+v, was %+v", i, g.Version, was)
		}
	}
	// The field that nothing was given of is not kept.
	if g := o.run(t, "prod:app/db#user")[0]; g.Err == nil || !strings.Contains(g.Err.Error(), "no last known value is kept") {
		t.Errorf("%+v", g)
	}
	x := o.stack.open(t)
	defer closeIt(t, x)
	if _, err := x.db.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if metas := listed(t, x); metas != 1 {
		t.Errorf("%d secrets are listed: last known values are none", metas)
	}
}

func listed(t *testing.T, x *Opened) (n int) {
	t.Helper()
	for _, err := range x.Broker.List(t.Context(), x.Caller, "dev", nil) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// A name and a password of two versions would not fit each other.
func TestLastKnownFieldsAreOfOneVersion(t *testing.T) {
	o := newOutage(t, offlineTOML)
	o.run(t, "prod:app/db#user", "prod:app/db#password", "prod:app/db#user@1")
	if _, err := o.far.Put(t.Context(), "prod/app/db", secret.Text(`{"user":"app2","password":"`+abuseValue+`2"}`), nil); err != nil {
		t.Fatal(err)
	}
	o.now = o.now.Add(time.Hour)
	o.run(t, "prod:app/db#user")
	o.far.down = true
	g := o.run(t, "prod:app/db#user", "prod:app/db#password", "prod:app/db#user@1")
	if g[0].Err != nil || string(g[0].Version.Value.Reveal()) != "app2" || g[1].Err == nil || g[2].Err != nil {
		t.Errorf("%+v", g)
	}
}

// What was read lately is not written again; what is older is.
func TestLastKnownValuesAreRenewed(t *testing.T) {
	o := newOutage(t, offlineTOML)
	x, b := o.open(t)
	giveTo(t, b, x.Caller, "prod:app/key")
	was := x.db.Generation()
	giveTo(t, b, x.Caller, "prod:app/key")
	if now := x.db.Generation(); now != was {
		t.Errorf("it was written again: generation %d after %d", now, was)
	}
	closeIt(t, x)
	o.now = o.now.Add(time.Hour)
	o.run(t, "prod:app/key")
	if n := o.kept(t); n != 1 {
		t.Errorf("%d are kept of one", n)
	}
	o.far.down = true
	o.now = o.now.Add(time.Hour)
	o.gives(t, time.Hour)
}

// To ask whether there is something to give is not to give it: the clock that
// giving sets stays.
func TestLastKnownHoldsWhatLastWouldReturn(t *testing.T) {
	o := newOutage(t, offlineTOML)
	o.run(t, "prod:app/key")
	x, _ := o.open(t)
	defer closeIt(t, x)
	e, err := x.Project.Environment("prod")
	if err != nil {
		t.Fatal(err)
	}
	k, was := x.lastKnown(e), x.db.Generation()
	key, other := broker.Part{Name: "prod/app/key"}, broker.Part{Name: "prod/app/db"}
	for _, tt := range []struct {
		later time.Duration
		parts []broker.Part
		want  bool
	}{
		{0, []broker.Part{key}, true},
		{0, []broker.Part{key, other}, false},
		{24 * time.Hour, []broker.Part{key}, false},
		{-time.Hour, []broker.Part{key}, false},
	} {
		if got := k.Holds(t.Context(), o.now.Add(tt.later), tt.parts); got != tt.want {
			t.Errorf("%v later, of %d: %v, want %v", tt.later, len(tt.parts), got, tt.want)
		}
	}
	if now := x.db.Generation(); now != was {
		t.Errorf("it wrote: generation %d after %d", now, was)
	}
}

func TestAbuseLastKnown(t *testing.T) {
	t.Run("revoked-value-comes-back-at-most-for-the-duration", func(t *testing.T) {
		// Revoked in the store itself, and the network blocked at once.
		o := newOutage(t, offlineTOML)
		o.run(t, "prod:app/key")
		o.far.down = true
		o.now = o.now.Add(24*time.Hour - time.Second)
		o.gives(t, 24*time.Hour-time.Second)
		o.gives(t, 24*time.Hour-time.Second) // to be given does not renew it
		o.now = o.now.Add(time.Second)
		x, b := o.open(t)
		if n := o.kept(t); n != 0 {
			t.Errorf("%d are left after their time", n)
		}
		if g := giveTo(t, b, x.Caller, "prod:app/key")[0]; secret.KindOf(g.Err) != secret.Unavailable {
			t.Errorf("%+v", g)
		}
		closeIt(t, x)
	})
	t.Run("too-old-is-refused-also-before-it-is-swept", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		x, b := o.open(t)
		giveTo(t, b, x.Caller, "prod:app/key")
		o.far.down = true
		o.now = o.now.Add(24 * time.Hour)
		g := giveTo(t, b, x.Caller, "prod:app/key")[0]
		if secret.KindOf(g.Err) != secret.Unavailable || !strings.Contains(g.Err.Error(), `too old: offline = "24h"`) {
			t.Errorf("%+v", g)
		}
	})
	t.Run("clock-set-back-uses-nothing", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		o.run(t, "prod:app/key")
		o.far.down = true
		o.now = o.now.Add(23 * time.Hour)
		o.gives(t, 23*time.Hour)
		o.now = o.now.Add(-2 * time.Hour) // behind when it was given, after when it was read
		o.refuses(t, "the clock is behind")
	})
	t.Run("clock-that-was-ahead-is-forgotten-when-the-store-answers", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		o.now = o.now.Add(1000 * time.Hour)
		o.run(t, "prod:app/key", "prod:app/db")
		o.now = o.now.Add(-1000 * time.Hour)
		o.far.down = true
		o.refuses(t, "the clock is behind")
		o.far.down = false
		o.run(t, "prod:app/key")
		if n := o.kept(t); n != 1 {
			t.Errorf("%d are kept: the one of the wrong time too", n)
		}
		o.far.down = true
		o.gives(t, 0)
	})
	t.Run("denied-caller-gets-no-last-known-value", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		x, b := o.open(t)
		giveTo(t, b, x.Caller, "prod:app/key")
		o.far.down = true
		if g := giveTo(t, b, agent, "prod:app/key")[0]; secret.KindOf(g.Err) != secret.Denied || !g.Version.Value.IsZero() {
			t.Errorf("%+v", g)
		}
	})
	t.Run("agent-that-may-get-is-given-it-by-policy", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		o.write(t, PolicyName, `permit (principal == Agent::"reviewer", action == Action::"get", resource in Folder::"prod:app");`)
		o.trust(t, "")
		x, b := o.open(t)
		giveTo(t, b, x.Caller, "prod:app/key")
		o.far.down = true
		if g := giveTo(t, b, agent, "prod:app/key")[0]; g.Err != nil || g.Unreached == nil {
			t.Errorf("%+v", g)
		}
	})
	t.Run("value-swapped-between-names", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		o.run(t, "prod:app/key", "prod:app/db")
		o.far.down = true
		swapLastValues(t, stackSystem(o.dir), o)
		g := o.run(t, "prod:app/key")[0]
		if secret.KindOf(g.Err) != secret.Corrupt || !g.Version.Value.IsZero() {
			t.Errorf("%+v", g)
		}
	})
	t.Run("protected-environment-needs-the-users-own-setting", func(t *testing.T) {
		o := newOutage(t, strings.Replace(offlineTOML, `offline =`, "protected = true\noffline =", 1))
		o.run(t, "prod:app/key")
		if n := o.kept(t); n != 0 {
			t.Fatalf("%d are kept", n)
		}
		o.far.down = true
		o.refuses(t, "prod is protected")
		o.far.down = false
		o.userSettings(t, "[offline]\nprotected = true\n")
		o.run(t, "prod:app/key")
		o.far.down = true
		o.gives(t, 0)
		o.userSettings(t, "")
		o.refuses(t, "prod is protected")
		if n := o.kept(t); n != 0 {
			t.Errorf("%d are left where they are not allowed any more", n)
		}
	})
	t.Run("untrusted-bytes-use-no-last-known-value", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		o.run(t, "prod:app/key")
		o.write(t, FileName, offlineTOML+"# changed\n")
		x, err := Open(t.Context(), stackSystem(o.dir), stackOptions)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range []Environment{{Name: "prod", Backend: BackendVault, Offline: time.Hour}} {
			if k := x.lastKnown(e); k != nil {
				t.Error("there are last known values for files that nobody trusts")
			}
		}
		if _, err := x.Declarations(); secret.KindOf(err) != secret.Denied {
			t.Errorf("%v", err)
		}
		closeIt(t, x)
		o.write(t, FileName, offlineTOML)
		o.far.down = true
		o.gives(t, 0) // and they could not take it away either
	})
	t.Run("environment-moved-elsewhere-gives-nothing-of-before", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		o.run(t, "prod:app/key")
		o.far.down = true
		o.write(t, FileName, strings.Replace(offlineTOML, "vault.example.com", "vault.other.example.com", 1))
		o.trust(t, "")
		o.refuses(t, "no last known value")
		if n := o.kept(t); n != 0 {
			t.Errorf("%d of the other store are left", n)
		}
	})
	t.Run("offline-turned-off-forgets", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		o.run(t, "prod:app/key")
		o.write(t, FileName, strings.Replace(offlineTOML, `offline = "24h"`, "", 1))
		o.trust(t, "")
		o.far.down = true
		o.run(t, "prod:app/key")
		if n := o.kept(t); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
	t.Run("shortened-offline-counts-at-once", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		o.run(t, "prod:app/key")
		o.write(t, FileName, strings.Replace(offlineTOML, "24h", "1h", 1))
		o.trust(t, "")
		o.far.down = true
		o.now = o.now.Add(time.Hour)
		o.refuses(t, `too old: offline = "1h"`)
	})
	t.Run("changed-through-another-environment-is-dropped", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		o.run(t, "prod:app/key")
		x, _ := o.open(t)
		e, err := x.Project.Environment("prod")
		if err != nil {
			t.Fatal(err)
		}
		e.Name, e.Offline, e.Prefix = "ops", 0, ""
		if err := x.lastKnown(e).Drop(t.Context(), o.now, "prod/app/key"); err != nil {
			t.Fatal(err)
		}
		closeIt(t, x)
		o.far.down = true
		o.refuses(t, "no last known value")
	})
	t.Run("read-before-a-change-is-not-kept-after-it", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		x, _ := o.open(t)
		e, err := x.Project.Environment("prod")
		if err != nil {
			t.Fatal(err)
		}
		k, part := x.lastKnown(e), broker.Part{Name: "prod/app/key"}
		for _, tt := range []struct {
			read time.Time
			kept bool
		}{{o.now.Add(-time.Second), false}, {o.now, false}, {o.now.Add(time.Second), true}} {
			if err := k.Drop(t.Context(), o.now, part.Name); err != nil {
				t.Fatal(err)
			}
			late := broker.Kept{Part: part, Version: secret.Version{Number: 1, Value: secret.Text(abuseValue)}, Read: tt.read}
			if err := k.Keep(t.Context(), o.now.Add(2*time.Second), []broker.Kept{late}); err != nil {
				t.Fatal(err)
			}
			got, err := k.Last(t.Context(), o.now.Add(2*time.Second), []broker.Part{part})
			if err != nil || got[0].Read.IsZero() == tt.kept {
				t.Errorf("read at %v: %+v, %v", tt.read, got, err)
			}
		}
	})
	t.Run("no-more-than-the-bound-are-kept", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		x, _ := o.open(t)
		e, err := x.Project.Environment("prod")
		if err != nil {
			t.Fatal(err)
		}
		many := make([]broker.Kept, maxLast+1)
		for i := range many {
			many[i] = broker.Kept{Part: broker.Part{Name: "a", At: secret.At{Number: uint64(i) + 1}}, Read: o.now}
		}
		if err := x.lastKnown(e).Keep(t.Context(), o.now, many); secret.KindOf(err) != secret.Unavailable {
			t.Errorf("%v", err)
		}
	})
}
