package move

import (
	"context"
	"iter"
	"strings"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// A Place is what is moved or compared: one secret, or all whose names begin
// with a prefix.
type Place struct {
	Env  string
	Name secret.Name // one secret; empty: those below Prefix
	// Prefix is empty, for the whole environment, or ends in "/".
	Prefix string
}

// String returns the place as people write it: "dev:", "dev:app/", "dev:app/db".
func (p Place) String() string {
	if p.Name != "" {
		return p.ref(string(p.Name)).String()
	}
	return p.Env + ":" + p.Prefix
}

// ref is the secret of a name relative to the place.
func (p Place) ref(rel string) secret.Ref {
	if p.Name != "" {
		return secret.Ref{Env: p.Env, Name: p.Name}
	}
	return secret.Ref{Env: p.Env, Name: secret.Name(p.Prefix + rel)}
}

// within reports whether p holds a place whole, or is the same.
func (p Place) within(q Place) bool {
	if p.Env != q.Env {
		return false
	}
	if q.Name != "" {
		return p.Name == q.Name
	}
	if p.Name != "" {
		return strings.HasPrefix(string(p.Name), q.Prefix)
	}
	return strings.HasPrefix(p.Prefix, q.Prefix)
}

// door is the Broker, and who asks it.
type door struct {
	b *broker.Broker
	c secret.Caller
}

// list yields the secrets of a place in byte order.
func (d door) list(ctx context.Context, p Place, deleted secret.Deletion) iter.Seq2[secret.Meta, error] {
	if p.Name == "" {
		return d.b.List(ctx, d.c, p.Env, &secret.ListOptions{Prefix: p.Prefix, Deleted: deleted})
	}
	return func(yield func(secret.Meta, error) bool) {
		m, err := d.b.Describe(ctx, d.c, p.ref(""))
		if secret.KindOf(err) == secret.NotFound || err == nil && deleted == secret.NotDeleted && !m.Deleted.IsZero() {
			return
		}
		yield(m, err)
	}
}

// pair is a secret at two places; nil is none.
type pair struct {
	rel  string
	a, b *secret.Meta
}

// join walks two places at once and pairs what has the same relative name.
func (d door) join(ctx context.Context, a, b Place, deletedB secret.Deletion) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		left := newCursor(d.list(ctx, a, secret.NotDeleted), a)
		defer left.stop()
		right := newCursor(d.list(ctx, b, deletedB), b)
		defer right.stop()
		for {
			if err := firstOf(left.err, right.err); err != nil {
				yield(pair{}, err)
				return
			}
			if left.meta == nil && right.meta == nil {
				return
			}
			p := pair{}
			order := compare(left, right)
			if order <= 0 {
				p.rel, p.a = left.rel, left.meta
			}
			if order >= 0 {
				p.rel, p.b = right.rel, right.meta
			}
			if !yield(p, nil) {
				return
			}
			if order <= 0 {
				left.advance()
			}
			if order >= 0 {
				right.advance()
			}
		}
	}
}

// compare orders the heads of two lists; an ended list comes last.
func compare(a, b *cursor) int {
	switch {
	case a.meta == nil:
		return 1
	case b.meta == nil:
		return -1
	default:
		return strings.Compare(a.rel, b.rel)
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// cursor is the head of a list.
type cursor struct {
	p    Place
	next func() (secret.Meta, error, bool)
	stop func()
	meta *secret.Meta
	rel  string
	err  error
}

func newCursor(from iter.Seq2[secret.Meta, error], p Place) *cursor {
	c := &cursor{p: p}
	c.next, c.stop = iter.Pull2(from)
	c.advance()
	return c
}

func (c *cursor) advance() {
	before, began := c.rel, c.meta != nil
	m, err, ok := c.next()
	if !ok || err != nil {
		c.meta, c.err = nil, err
		return
	}
	c.rel = ""
	if c.p.Name == "" {
		c.rel = strings.TrimPrefix(string(m.Name), c.p.Prefix)
	}
	if began && c.rel <= before {
		c.meta, c.err = nil, secret.Errorf(secret.Unsupported, "", "%s does not list in order", c.p)
		return
	}
	c.meta = &m
}
