package config

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

const offlineTOML = trustedDev + `
[env.prod]
backend = "vault"
address = "https://vault.example.com:8200"
prefix = "prod/"
offline = "24h"
`

// far is a store that can be out of reach.
type far struct {
	*mem.Store
	down bool
}

func (s *far) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	if s.down {
		return secret.Version{}, secret.Errorf(secret.Unavailable, "", "no route to host")
	}
	return s.Store.Get(ctx, n, at)
}

func (s *far) GetBatch(ctx context.Context, names []secret.Name) []secret.Result {
	out := make([]secret.Result, len(names))
	for i, n := range names {
		out[i].Version, out[i].Err = s.Get(ctx, n, secret.At{})
	}
	return out
}

// outage is a project whose environment prod lies in a store that can be out of
// reach; everything else is as it always is. The time is what the test says.
type outage struct {
	stack
	far *far
	now time.Time
}

func newOutage(t *testing.T, toml string) *outage {
	t.Helper()
	o := &outage{stack: victimTrusting(t, toml), far: &far{Store: mem.New(nil)}, now: time.Now()}
	for name, value := range map[secret.Name]string{"prod/app/db": `{"user":"app","password":"` + abuseValue + `"}`, "prod/app/key": abuseValue} {
		if _, err := o.far.Put(t.Context(), name, secret.Text(value), nil); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func (o *outage) open(t *testing.T) (*Opened, *broker.Broker) {
	t.Helper()
	opts := stackOptions
	opts.Now = func() time.Time { return o.now }
	x, err := Open(t.Context(), stackSystem(o.dir), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	decider, err := x.decider()
	if err != nil {
		t.Fatal(err)
	}
	e, err := x.Project.Environment("prod")
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.New(broker.Config{
		Envs: map[string]broker.Env{"prod": {
			Prefix: e.Prefix, Last: x.lastKnown(e),
			Open: func(context.Context) (secret.Backend, error) { return o.far, nil },
		}},
		Policy: decider, Log: x.appender, Now: opts.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return x, b
}

// run is what tacit run does with the values.
func (o *outage) run(t *testing.T, refs ...string) []broker.Given {
	t.Helper()
	x, b := o.open(t)
	defer closeIt(t, x)
	return giveTo(t, b, x.Caller, refs...)
}

func giveTo(t *testing.T, b *broker.Broker, c secret.Caller, refs ...string) []broker.Given {
	t.Helper()
	var all []secret.Ref
	for _, r := range refs {
		all = append(all, mustRef(t, r))
	}
	given, err := b.GiveAll(t.Context(), c, all, true)
	if err != nil {
		t.Fatal(err)
	}
	return given
}

// refuses demands that no last known value is given, and that the error says why.
func (o *outage) refuses(t *testing.T, why string) {
	t.Helper()
	g := o.run(t, "prod:app/key")[0]
	if secret.KindOf(g.Err) != secret.Unavailable || !strings.Contains(g.Err.Error(), why) || !g.Version.Value.IsZero() {
		t.Errorf("want a refusal with %q: %+v", why, g)
	}
}

// gives demands that the last known value is given.
func (o *outage) gives(t *testing.T, age time.Duration) {
	t.Helper()
	g := o.run(t, "prod:app/key")[0]
	if g.Err != nil || string(g.Version.Value.Reveal()) != abuseValue || g.Unreached == nil || g.Age != age {
		t.Errorf("want one %v old: %+v", age, g)
	}
}

// kept is how many last known values the store holds.
func (o *outage) kept(t *testing.T) int {
	t.Helper()
	x, _ := o.open(t)
	defer closeIt(t, x)
	rows, err := lastRows(t.Context(), x.db)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range rows {
		if r.Value != "" {
			n++
		}
	}
	return n
}

func (s stack) userSettings(t *testing.T, text string) {
	t.Helper()
	sys := stackSystem(s.dir)
	if err := mkdirs(sys.configDir()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(sys.configDir(), UserFileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// swapLastValues puts the sealed bytes of two last known values in each other's
// place, behind tacit's back.
func swapLastValues(t *testing.T, s System, o *outage) {
	t.Helper()
	x := o.stack.open(t)
	file := s.storeFile(x.StoreID)
	closeIt(t, x)
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.Query("SELECT key, wrapped, sealed FROM value WHERE substr(key, 1, 33) IN (SELECT substr(key, 1, 33) FROM value GROUP BY 1 HAVING count(*) = 2)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var all [][3][]byte
	for rows.Next() {
		var r [3][]byte
		if err := rows.Scan(&r[0], &r[1], &r[2]); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if err := rows.Err(); err != nil || len(all) != 2 {
		t.Fatalf("%d values, %v", len(all), err)
	}
	for i, r := range all {
		if _, err := db.Exec("UPDATE value SET wrapped = ?, sealed = ? WHERE key = ?", all[1-i][1], all[1-i][2], r[0]); err != nil {
			t.Fatal(err)
		}
	}
}
