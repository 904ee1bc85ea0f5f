package config

import (
	"context"
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

const (
	// MaxOffline bounds how old a last known value may be: what is older is no
	// bridge over an outage, but a second store.
	MaxOffline = 7 * 24 * time.Hour
	minOffline = time.Minute

	// maxLast bounds how many last known values a store holds.
	maxLast = 10_000

	// clockSlack is how far a clock may be set back and still be believed: time
	// servers do that by less than seconds.
	clockSlack = time.Minute

	// keptLately is how old what is kept may be and not be written anew.
	keptLately = time.Minute
)

// offlineProblem tells what is wrong with the setting; empty if nothing is.
func offlineProblem(s string) string {
	if d, err := ParseSpan(s); err != nil || d < minOffline || d > MaxOffline {
		return "offline is a span of time from 1m to 7d, like \"24h\""
	}
	return ""
}

// lastKnown keeps the last known values of one environment in the embedded
// store: broker.LastKnown.
type lastKnown struct {
	db    *state.DB
	of    lastOf // without a name
	bound time.Duration
	why   string // why none is kept although offline is set; empty if one is
}

// lastKnown is what keeps the values of an environment; nil for one of the
// embedded store, which is always within reach, and where the files are not
// trusted.
func (x *Opened) lastKnown(e Environment) broker.LastKnown {
	if e.Backend == BackendLocal || x.Standing < Trusted {
		return nil
	}
	k := &lastKnown{db: x.db, of: x.lastOf(e), bound: e.Offline}
	if e.Offline > 0 && e.Protected && !x.user.Offline.Protected {
		k.bound = 0
		k.why = "no last known value is kept: " + e.Name + " is protected\n  allow it in your own " + UserFileName + ":  offline.protected = true"
	}
	return k
}

// OfflineText tells for how long last known values of an environment are kept;
// empty if tacit.toml does not say offline.
func (x *Opened) OfflineText(e Environment) string {
	k, ok := x.lastKnown(e).(*lastKnown)
	switch {
	case !ok || e.Offline == 0:
		return ""
	case k.bound == 0:
		return "off: it is protected, and your own " + UserFileName + " does not say offline.protected"
	default:
		return spanText(k.bound)
	}
}

func (x *Opened) lastOf(e Environment) lastOf {
	return lastOf{folder: short(x.bindRoot), env: e.Name, settings: short(e.settingsText()), store: short(x.placed(e).storeText())}
}

func (k *lastKnown) at(n secret.Name) lastOf {
	of := k.of
	of.name = n
	return of
}

// Keep implements broker.LastKnown. Where the clock was set back behind what was
// read before, all of that is forgotten: the store was reached, and this is new.
func (k *lastKnown) Keep(ctx context.Context, now time.Time, all []broker.Kept) error {
	if k.bound == 0 || k.isKept(ctx, now, all) {
		return nil
	}
	return k.db.Update(ctx, func(tx *state.Tx) error {
		t := lastTx{tx}
		clock, err := t.clock()
		if err != nil {
			return err
		}
		rows, err := t.all()
		if err != nil {
			return err
		}
		if rows, err = t.removeIf(rows, func(r *lastFound) bool { return r.over(now) || behind(now, clock) }); err != nil {
			return err
		}
		if n := k.together(rows, all); n > maxLast {
			return secret.Errorf(secret.Unavailable, "", "the store would hold %d last known values, and %d is the most", n, maxLast)
		}
		for i := range all {
			if err := k.keep(t, &all[i], rows); err != nil {
				return err
			}
		}
		return t.put(clockKey(), lastRow{Read: now.UnixNano()})
	})
}

// together is how many there will be.
func (k *lastKnown) together(rows []lastFound, all []broker.Kept) int {
	keys := map[state.Key]bool{}
	for _, r := range rows {
		keys[r.key] = true
	}
	for _, p := range all {
		keys[k.at(p.Name).key(p.Part)] = true
	}
	return len(keys)
}

// isKept reports whether all of it is kept already, and was read lately.
func (k *lastKnown) isKept(ctx context.Context, now time.Time, all []broker.Kept) bool {
	same := false
	err := k.db.View(ctx, func(tx *state.Tx) error {
		same = false
		t := lastTx{tx}
		if clock, err := t.clock(); err != nil || behind(now, clock) {
			return err
		}
		for i := range all {
			ok, err := k.same(t, now, &all[i])
			if err != nil || !ok {
				return err
			}
		}
		same = true
		return nil
	})
	return same && err == nil
}

func (k *lastKnown) same(t lastTx, now time.Time, p *broker.Kept) (bool, error) {
	r, err := t.row(k.at(p.Name).key(p.Part))
	if err != nil || r == nil || now.Sub(r.read()) > keptLately || r.over(now) || r.Until != r.read().Add(k.bound).UnixNano() || !r.isOf(&p.Version) {
		return false, err
	}
	value, err := t.tx.GetValue(lastValues, r.Value)
	return err == nil && string(value) == string(p.Version.Value.Reveal()), err
}

func (r lastRow) isOf(v *secret.Version) bool { return r.Version == v.ID && r.Number == v.Number }

// keep puts one value in the place of what was kept before. Other parts of the
// same secret that are of another version go: a name and a password would not
// fit each other.
func (k *lastKnown) keep(t lastTx, p *broker.Kept, rows []lastFound) error {
	of := k.at(p.Name)
	if changed, err := t.row(of.mark()); err != nil || changed != nil && p.Read.UnixNano() <= changed.Read {
		return err
	}
	key := of.key(p.Part)
	if _, err := t.removeIf(rows, func(r *lastFound) bool {
		return r.key.Parent == key.Parent && (r.key == key || p.At == (secret.At{}) && r.atNow() && !r.isOf(&p.Version))
	}); err != nil {
		return err
	}
	r := lastRow{
		Read: p.Read.UnixNano(), Until: p.Read.Add(k.bound).UnixNano(),
		Value: newValueID(), Binary: p.Version.Value.IsBinary(), Version: p.Version.ID, Number: p.Version.Number,
	}
	if c := p.Version.Created; !c.IsZero() {
		r.Created = c.UnixNano()
	}
	if err := t.tx.PutValue(lastValues, r.Value, p.Version.Value.Reveal()); err != nil {
		return err
	}
	return t.put(key, r)
}

// Last implements broker.LastKnown.
func (k *lastKnown) Last(ctx context.Context, now time.Time, parts []broker.Part) ([]broker.Kept, error) {
	out, err := k.look(ctx, now, parts)
	if err != nil || !slices.ContainsFunc(out, func(p broker.Kept) bool { return !p.Read.IsZero() }) {
		return out, err
	}
	// A clock that is set back after this is noticed.
	return out, k.db.Update(ctx, func(tx *state.Tx) error { return lastTx{tx}.put(clockKey(), lastRow{Read: now.UnixNano()}) })
}

// Holds implements broker.LastKnown.
func (k *lastKnown) Holds(ctx context.Context, now time.Time, parts []broker.Part) bool {
	out, err := k.look(ctx, now, parts)
	return err == nil && !slices.ContainsFunc(out, func(p broker.Kept) bool { return p.Read.IsZero() })
}

func (k *lastKnown) look(ctx context.Context, now time.Time, parts []broker.Part) (out []broker.Kept, err error) {
	err = k.db.View(ctx, func(tx *state.Tx) error {
		out = make([]broker.Kept, len(parts))
		t := lastTx{tx}
		clock, err := t.clock()
		if err != nil {
			return err
		}
		for i, p := range parts {
			if out[i], err = k.last(t, now, clock, p); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

func (k *lastKnown) last(t lastTx, now, clock time.Time, p broker.Part) (broker.Kept, error) {
	none := broker.Kept{Part: p, Why: k.why}
	if k.bound == 0 {
		return none, nil
	}
	if behind(now, clock) {
		none.Why = "last known values are not used: the clock is behind what was read before"
		return none, nil
	}
	r, err := t.row(k.at(p.Name).key(p))
	if err != nil || r == nil {
		none.Why = "no last known value is kept"
		return none, err
	}
	if r.over(now) || now.Sub(r.read()) >= k.bound {
		none.Why = "its last known value is too old: offline = \"" + spanText(k.bound) + "\""
		return none, nil
	}
	value, err := t.tx.GetValue(lastValues, r.Value)
	if err != nil {
		return none, err
	}
	return broker.Kept{Part: p, Version: r.known(value), Read: r.read()}, nil
}

// Drop implements broker.LastKnown, for all who reach the secret.
func (k *lastKnown) Drop(ctx context.Context, now time.Time, names ...secret.Name) error {
	rows, err := lastRows(ctx, k.db)
	if err != nil || k.bound == 0 && len(rows) == 0 {
		return err
	}
	about := map[secret.Name]bool{}
	for _, n := range names {
		about[n] = true
	}
	return k.db.Update(ctx, func(tx *state.Tx) error {
		t := lastTx{tx}
		rows, err := t.all()
		if err != nil {
			return err
		}
		if _, err := t.removeIf(rows, func(r *lastFound) bool { return r.of.store == k.of.store && about[r.of.name] }); err != nil {
			return err
		}
		for n := range about {
			// It outlives every read that is under way.
			mark := lastRow{Read: now.UnixNano(), Until: now.Add(MaxOffline).UnixNano()}
			if err := t.put(k.at(n).mark(), mark); err != nil {
				return err
			}
		}
		return nil
	})
}
