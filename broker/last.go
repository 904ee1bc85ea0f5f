package broker

import (
	"context"
	"errors"
	"time"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/secret"
)

// A LastKnown keeps what was read in one environment, for when its store cannot
// be reached. It decides nothing: the Broker asks the policy anew each time.
// Its errors are the keeper's own; a changed byte is Corrupt.
type LastKnown interface {
	// Keep remembers what was read from the store. A secret that was dropped
	// after it was read is not kept.
	Keep(ctx context.Context, now time.Time, all []Kept) error
	// Last returns one Kept for each part, in order. One that is too old, or not
	// there, has a zero Read, and Why says so.
	Last(ctx context.Context, now time.Time, parts []Part) ([]Kept, error)
	// Holds reports whether Last would return all of parts. It changes nothing.
	Holds(ctx context.Context, now time.Time, parts []Part) bool
	// Drop forgets all parts of secrets, because they changed.
	Drop(ctx context.Context, now time.Time, names ...secret.Name) error
}

// A Part is what a reference points at: a version of a secret, or a field of it.
type Part struct {
	Name  secret.Name // as the store knows it
	At    secret.At
	Field string
}

// A Kept is a Part as it was read from the store.
type Kept struct {
	Part
	Version secret.Version // with the value of the part
	Read    time.Time      // when the store was asked; zero: nothing is kept
	Why     string         // nothing is kept, or may be used: why, in a line or two
}

// A Given is a Result of [Broker.GiveAll].
type Given struct {
	secret.Result
	// Unreached says why the store could not be asked: the value is the last
	// known one, read Age ago. Nil: it was read now.
	Unreached error
	Age       time.Duration
}

// GiveAll is GetAll for a command that is about to be given the values: what was
// read is kept where the environment keeps last known values. With last, one of
// these is given where the store could not be reached, and only then: not to
// whom the policy denies it now, and not where the store answered that the
// secret is denied, gone or changed its mind about who asks. The record says so.
//
// The error says that what was read could not be kept; the answers are good.
func (b *Broker) GiveAll(ctx context.Context, c secret.Caller, refs []secret.Ref, last bool) ([]Given, error) {
	r := b.reading(ctx, c, secret.Get, refs)
	if last {
		r.hurry()
	}
	r.fetch()
	if last {
		r.recall()
	}
	if !r.record() {
		return r.out, nil
	}
	return r.out, r.keep()
}

// LastWait is how long a store is waited for where last known values of all that
// is asked of it are there: much longer than it takes to answer, and not as long
// as where nothing can be had without it.
const LastWait = 10 * time.Second

// hurry has stores waited for less long whose last known values are all there.
// With one of them missing the command does not start, and the store gets all the
// time there is.
func (r *reading) hurry() {
	for e, at := range r.byKeeper(func(int) bool { return true }) {
		if !e.Last.Holds(r.ctx, r.b.now(), r.parts(at)) {
			continue
		}
		for _, i := range at {
			r.calls[i].patience = min(LastWait, e.Timeout)
		}
	}
}

// recall gives the last known value of what could not be asked for.
func (r *reading) recall() {
	if r.ctx.Err() != nil {
		return // the caller went away: that says nothing about the store
	}
	for e, at := range r.byKeeper(func(i int) bool { return secret.KindOf(r.out[i].Err) == secret.Unavailable }) {
		kept, err := e.Last.Last(r.ctx, r.b.now(), r.parts(at))
		if err == nil && len(kept) != len(at) {
			err = secret.Errorf(secret.Corrupt, "", "there are %d last known values for %d references", len(kept), len(at))
		}
		for n, i := range at {
			switch {
			case err != nil:
				r.out[i].Err = unreadable(r.out[i].Err, e.outside(err, r.calls[i].name))
			case kept[n].Read.IsZero():
				r.out[i].Err = alsoSays(r.out[i].Err, kept[n].Why)
			default:
				r.out[i] = Given{
					Result:    secret.Result{Version: kept[n].Version},
					Unreached: r.out[i].Err, Age: max(0, r.b.now().Sub(kept[n].Read)),
				}
			}
		}
	}
}

// unreadable is the error of a reference whose store is out of reach and whose
// last known value cannot be read either: that one is the graver.
func unreadable(unreached, err error) error {
	return &secret.Error{Kind: secret.KindOf(err), Text: unreached.Error() + "\n  its last known value: " + err.Error(), Err: err}
}

// alsoSays adds a line to an error.
func alsoSays(err error, why string) error {
	e, ok := errors.AsType[*secret.Error](err)
	if !ok || why == "" {
		return err
	}
	out := *e
	out.Text += "\n  " + why
	return &out
}

// keep remembers what was read, and forgets what is gone or may not be read any
// more.
func (r *reading) keep() error {
	var first error
	for e, at := range r.byKeeper(func(i int) bool { return r.out[i].Unreached == nil }) {
		var kept []Kept
		var gone []secret.Name
		for _, i := range at {
			switch secret.KindOf(r.out[i].Err) {
			case 0:
				kept = append(kept, Kept{Part: r.part(i), Version: r.out[i].Version, Read: r.calls[i].start})
			case secret.NotFound, secret.Denied:
				gone = append(gone, r.calls[i].full)
			default: // it says nothing about the secret
			}
		}
		var err error
		if len(gone) > 0 {
			err = e.Last.Drop(r.ctx, r.b.now(), gone...)
		}
		if err == nil && len(kept) > 0 {
			err = e.Last.Keep(r.ctx, r.b.now(), kept)
		}
		if err != nil && first == nil {
			first = e.outside(err, "")
		}
	}
	return first
}

// byKeeper groups the references that were decided, by environments that keep
// last known values.
func (r *reading) byKeeper(fits func(i int) bool) map[*env][]int {
	out := map[*env][]int{}
	for i, q := range r.calls {
		if q != nil && q.env.Last != nil && fits(i) {
			out[q.env] = append(out[q.env], i)
		}
	}
	return out
}

func (r *reading) part(i int) Part {
	return Part{Name: r.calls[i].full, At: r.refs[i].At, Field: r.refs[i].Field}
}

func (r *reading) parts(at []int) []Part {
	out := make([]Part, len(at))
	for n, i := range at {
		out[n] = r.part(i)
	}
	return out
}

// lastKnown says in a record that the store was not asked.
func (g *Given) lastKnown(r *audit.Record) {
	if g.Unreached != nil {
		r.Reason = "last known value, " + g.Age.Round(time.Second).String() + " old: " + firstLine(g.Unreached).Error()
	}
}

// changing forgets the last known values of what is about to be changed: if
// tacit is killed after the change, none of it is left.
func (t many) changing() error {
	q := t[0]
	if q.env.Last == nil {
		return nil
	}
	return q.env.outside(q.env.Last.Drop(q.ctx, q.b.now(), t.names()...), q.name)
}

// changed forgets what was under way about what changed, and what was kept of it
// meanwhile.
func (t many) changed() error {
	for _, q := range t {
		q.env.flights.forget(q.full)
	}
	q := t[0]
	if q.env.Last == nil {
		return nil
	}
	if err := q.env.Last.Drop(context.WithoutCancel(q.ctx), q.b.now(), t.names()...); err != nil {
		return unrecorded(err, q.env.name+": the change may have been made, but the last known value could not be dropped")
	}
	return nil
}

func (t many) names() []secret.Name {
	out := make([]secret.Name, len(t))
	for i, q := range t {
		out[i] = q.full
	}
	return out
}
