package config

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

func TestLastKnownAndTheStoreItself(t *testing.T) {
	t.Run("rekey-wraps-them-anew", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		o.run(t, "prod:app/key")
		a, err := OpenStore(t.Context(), stackSystem(o.dir), stackOptions, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Rekey(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		o.far.down = true
		o.gives(t, 0)
	})
	t.Run("backup-holds-none", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		o.run(t, "prod:app/key")
		x := o.stack.open(t)
		defer closeIt(t, x)
		var whole, b bytes.Buffer
		if err := x.db.Backup(t.Context(), &whole, nil); err != nil {
			t.Fatal(err)
		}
		if err := x.db.Backup(t.Context(), &b, withoutLast); err != nil {
			t.Fatal(err)
		}
		opts := &state.Options{Unlock: unlocker(x.sys, x.user, x.opts).Unlock}
		for _, c := range []struct {
			from *bytes.Buffer
			rows int
		}{{&whole, 1}, {&b, 0}} {
			in, err := state.Receive(t.Context(), t.TempDir(), c.from, opts)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := lastRows(t.Context(), in.DB())
			if err != nil || len(rows) != c.rows {
				t.Errorf("%d in the backup, want %d: %v", len(rows), c.rows, err)
			}
			r, err := in.DB().Check(t.Context())
			if err != nil || int(r.Values) != 1+c.rows {
				t.Errorf("%+v, %v", r, err)
			}
			if err := in.Close(); err != nil {
				t.Error(err)
			}
		}
		if n := o.kept(t); n != 1 {
			t.Errorf("%d are kept in the store after a backup", n)
		}
	})
	t.Run("new-epoch-forgets-them", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		o.run(t, "prod:app/key")
		x := o.stack.open(t)
		if _, err := x.anew(t.Context(), "a test"); err != nil {
			t.Fatal(err)
		}
		closeIt(t, x)
		if n := o.kept(t); n != 0 {
			t.Errorf("%d are back with the older store", n)
		}
	})
	t.Run("check-sweeps", func(t *testing.T) {
		o := newOutage(t, offlineTOML)
		o.run(t, "prod:app/key")
		opts := stackOptions
		opts.Now = func() time.Time { return o.now.Add(25 * time.Hour) }
		a, err := OpenStore(t.Context(), stackSystem(o.dir), opts, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if n := o.kept(t); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

func TestOfflineSetting(t *testing.T) {
	for text, ok := range map[string]bool{"24h": true, "1m": true, "7d": true, "59s": false, "8d": false, "forever": false, "-1h": false} {
		_, err := ParseFile(FileName, []byte("[env.prod]\nbackend = \"vault\"\noffline = \""+text+"\"\n"))
		if (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	_, err := ParseFile(FileName, []byte("[env.dev]\nbackend = \"local\"\noffline = \"24h\"\n"))
	if secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), "offline belongs to vault, awssm, azurekv") {
		t.Errorf("the embedded store: %v", err)
	}
	main, err := ParseFile(FileName, []byte("[env.prod]\nbackend = \"vault\"\nprotected = true\n"))
	if err != nil {
		t.Fatal(err)
	}
	local, err := ParseFile(LocalName, []byte("[env.prod]\noffline = \"24h\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewProject("x", main, &local); secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), "env.prod.offline") {
		t.Errorf("tacit.local.toml turned it on for a protected environment: %v", err)
	}
	before, err := NewProject("x", main, nil)
	if err != nil {
		t.Fatal(err)
	}
	main.Env["prod"] = Env{Backend: main.Env["prod"].Backend, Protected: main.Env["prod"].Protected, Offline: local.Env["prod"].Offline}
	now, err := NewProject("x", main, nil)
	if err != nil {
		t.Fatal(err)
	}
	asked := snapshot{FileName: []byte("[env.prod]\nbackend = \"vault\"\noffline = \"90m\"\n")}
	if text := asked.asks("x"); !strings.Contains(text, "last known values to be kept here (env.prod, 90m)") {
		t.Errorf("the files ask for %q", text)
	}
	if w := weakened(before, now); len(w) != 1 || w[0] != "env.prod keeps last known values, for 24h" {
		t.Errorf("trust is asked for %q", w)
	}
}

func FuzzParseLastRow(f *testing.F) {
	f.Add(lastRow{Read: 1, Until: 2, Value: "00ff", Version: "v", Number: 3, Created: 4, Binary: true}.marshal())
	f.Add([]byte(`{"read":1,"until":2}`))
	f.Add([]byte(`{"read":1,"until":2,"read":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseLastRow(b)
		if err != nil {
			if secret.KindOf(err) != secret.Corrupt {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(r.marshal(), b) {
			t.Fatalf("%q is read, and written as %q", b, r.marshal())
		}
	})
}
