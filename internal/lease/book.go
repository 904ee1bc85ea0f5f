package lease

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// A Door is where leases are asked for; *broker.Broker is one.
type Door interface {
	Issue(ctx context.Context, c secret.Caller, r secret.Ref, ttl time.Duration, keep broker.Keeper) (secret.Lease, error)
	Renew(ctx context.Context, c secret.Caller, r secret.Ref, id string, ttl time.Duration) (secret.Lease, error)
	Revoke(ctx context.Context, c secret.Caller, r secret.Ref, id string) error
	GiveBack(ctx context.Context, r secret.Ref, id, why string) error
}

// Rows keeps notes by their names, sealed. What Put returned for is durable.
type Rows interface {
	Put(ctx context.Context, name string, b []byte) error
	Delete(ctx context.Context, name string) error
	All(ctx context.Context) (map[string][]byte, error)
}

// A Book holds the notes of one store's leases. It is safe for concurrent use,
// by many processes too.
type Book struct {
	door Door
	rows Rows
	now  func() time.Time
	self *owner
	// place tells which store an environment is now; empty: none, or not known.
	place func(env string) string
}

// New makes a Book. dir is a folder of the user's own, where processes mark
// that they live; now may be nil.
func New(door Door, rows Rows, dir string, now func() time.Time) *Book {
	if now == nil {
		now = time.Now
	}
	return &Book{door: door, rows: rows, now: now, self: &owner{dir: dir}}
}

// Place says how to tell which store an environment is, before the Book is
// used. A lease is renewed and revoked at the store that issued it alone: to
// another one it would be unknown, which looks like ended.
func (b *Book) Place(place func(env string) string) { b.place = place }

// moved is the error of a lease whose environment is another store by now: of
// kind Conflict.
func (b *Book) moved(n Note) error {
	if b.place == nil || n.Store == "" {
		return nil
	}
	if now := b.place(n.Env); now == "" || now == n.Store {
		return nil
	}
	return secret.Errorf(secret.Conflict, "", "%s is another store now than the one that issued lease %s, which is not asked there\n  name the store as before, or end the lease with its own client", n.Env, n.ID)
}

// Close tells the other processes that this one revokes nothing any more. What
// it did not revoke is theirs.
func (b *Book) Close() { b.self.close() }

// Issued is a lease that was just made, with its value.
type Issued struct {
	Note
	Value secret.Value
}

// Issue has a lease made for a caller. If tied, it belongs to this process:
// when that is gone, another one revokes the lease. If not, it is kept until
// somebody revokes it.
func (b *Book) Issue(ctx context.Context, c secret.Caller, r secret.Ref, ttl time.Duration, tied bool) (Issued, error) {
	// While it is being made it is this process's in any case: killed now, it
	// would leave a lease that nobody was given.
	self, err := b.self.name()
	if err != nil {
		return Issued{}, err
	}
	n := Note{ID: newID(), Env: r.Env, Name: r.Name, Issued: b.now().UTC(), For: c.Principal, Owner: self}
	if b.place != nil {
		n.Store = b.place(r.Env)
	}
	if err := b.put(ctx, n); err != nil {
		return Issued{}, err
	}
	made := false
	l, err := b.door.Issue(ctx, c, r, ttl, func(ctx context.Context, l secret.Lease) error {
		made = true
		n.Lease, n.Expires, n.Renewable = l.ID, l.Expires.UTC(), l.Renewable
		if l.Expires.IsZero() {
			n.Expires = time.Time{}
		}
		return b.put(ctx, n)
	})
	if err != nil {
		return Issued{}, errors.Join(err, b.unmade(ctx, n, made, err))
	}
	if !tied {
		n.Owner = ""
	}
	if err := b.settle(ctx, n, tied); err != nil {
		return Issued{}, err
	}
	return Issued{n, l.Value}, nil
}

// settle notes down whose a lease is that is handed out now. One that the store
// gives no id to cannot be revoked or renewed: nothing is noted of it.
func (b *Book) settle(ctx context.Context, n Note, tied bool) error {
	switch {
	case n.Lease == "":
		return b.rows.Delete(ctx, n.ID)
	case tied:
		return nil
	default:
		return b.put(ctx, n)
	}
}

// unmade settles the note of a lease that is handed out to nobody. Only where
// the store did not answer may there be one all the same.
func (b *Book) unmade(ctx context.Context, n Note, made bool, why error) error {
	ctx = context.WithoutCancel(ctx)
	if made { // the Broker revoked it, or tried to
		n.Due = true
		return b.put(ctx, n)
	}
	if errors.Is(why, secret.Unavailable) {
		return nil // the note stays, for the next start to tell of
	}
	return b.rows.Delete(ctx, n.ID)
}

// Renew makes a lease end later, by the right of a caller.
func (b *Book) Renew(ctx context.Context, c secret.Caller, n Note, ttl time.Duration) (Note, error) {
	if err := b.moved(n); err != nil {
		return n, err
	}
	l, err := b.door.Renew(ctx, c, n.Ref(), n.Lease, ttl)
	if err != nil {
		return n, err
	}
	n.Expires, n.Renewable = l.Expires.UTC(), l.Renewable
	// Whoever looks at the note after a kill must not take the lease for ended.
	return n, b.put(ctx, n)
}

// Revoke ends a lease, by the right of a caller. If the store cannot, it stays
// noted, and is revoked at a next start.
func (b *Book) Revoke(ctx context.Context, c secret.Caller, n Note) error {
	if err := b.moved(n); err != nil {
		return err
	}
	err := b.door.Revoke(ctx, c, n.Ref(), n.Lease)
	switch {
	case err == nil, errors.Is(err, secret.Unavailable), errors.Is(err, secret.Unauthenticated):
		return b.revoked(ctx, n, err)
	default: // who may not revoke it must not have tacit do it later
		return err
	}
}

// GiveBack ends a lease whose holder is gone, as tacit's own doing.
func (b *Book) GiveBack(ctx context.Context, n Note, why string) error {
	if n.Lease == "" {
		return b.rows.Delete(ctx, n.ID)
	}
	if err := b.moved(n); err != nil {
		return err
	}
	return b.revoked(ctx, n, b.door.GiveBack(ctx, n.Ref(), n.Lease, why))
}

// revoked notes down what came of a revocation.
func (b *Book) revoked(ctx context.Context, n Note, err error) error {
	ctx = context.WithoutCancel(ctx)
	if err == nil {
		return b.rows.Delete(ctx, n.ID)
	}
	n = b.newest(ctx, n)
	n.Due, n.Tried = true, b.now().UTC()
	n.Tries++
	return errors.Join(err, b.put(ctx, n))
}

// newest returns a note as it was written last: it may have been renewed since
// the caller read it, and must not be taken for ended.
func (b *Book) newest(ctx context.Context, n Note) Note {
	all, err := b.All(ctx)
	if err != nil {
		return n
	}
	if i := slices.IndexFunc(all, func(m Note) bool { return m.ID == n.ID }); i >= 0 {
		return all[i]
	}
	return n
}

// All returns the notes, the ones that end first first.
func (b *Book) All(ctx context.Context) ([]Note, error) {
	rows, err := b.rows.All(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Note, 0, len(rows))
	for _, row := range rows {
		n, err := parseNote(row)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	slices.SortFunc(out, func(x, y Note) int {
		return cmp.Or(x.Expires.Compare(y.Expires), x.Issued.Compare(y.Issued), strings.Compare(x.ID, y.ID))
	})
	return out, nil
}

// Find returns the note that a person means: by its id or the beginning of it.
func (b *Book) Find(ctx context.Context, id string) (Note, error) {
	all, err := b.All(ctx)
	if err != nil {
		return Note{}, err
	}
	var found []Note
	for _, n := range all {
		if id != "" && strings.HasPrefix(n.ID, id) {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Note{}, secret.Errorf(secret.NotFound, "", "no lease %q is noted here\n  which are:  tacit lease list", id)
	default:
		return Note{}, secret.Errorf(secret.Invalid, "", "%d leases begin with %q\n  which are:  tacit lease list", len(found), id)
	}
}

// Lives reports whether a note's process is there to revoke its lease.
func (b *Book) Lives(n Note) bool { return b.self.lives(n.Owner) }

func (b *Book) put(ctx context.Context, n Note) error {
	row, err := n.marshal()
	if err != nil {
		return err
	}
	return b.rows.Put(ctx, n.ID, row)
}
