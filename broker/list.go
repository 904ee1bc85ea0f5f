package broker

import (
	"context"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

// List yields the secrets of an environment that the caller may list. One
// record, with the prefix, is durable before the first item; each name is
// decided by itself, so who may list nothing is shown nothing. A folder of a
// shallow list is shown if something in it may be.
func (b *Broker) List(ctx context.Context, c secret.Caller, envName string, opts *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	return func(yield func(secret.Meta, error) bool) {
		var o secret.ListOptions
		if opts != nil {
			o = *opts
		}
		q, err := b.prepareList(ctx, c, envName, &o)
		if err != nil {
			yield(secret.Meta{}, err)
			return
		}
		recorded(q, func(ctx context.Context, back secret.Backend) iter.Seq2[secret.Meta, error] {
			return q.list(ctx, back, o)
		}, yield)
	}
}

// prepareList is prepare for a listing, which is not decided as a whole. It
// turns the options into those that the store understands.
func (b *Broker) prepareList(ctx context.Context, c secret.Caller, envName string, o *secret.ListOptions) (*call, error) {
	if len(o.Prefix) > secret.MaxNameBytes || !utf8.ValidString(o.Prefix) {
		return nil, secret.Errorf(secret.Invalid, "", "a prefix is UTF-8 and has at most %d bytes", secret.MaxNameBytes)
	}
	q, err := b.newCall(ctx, Action{Verb: secret.List, Env: envName}, c)
	if err != nil {
		return nil, err
	}
	q.prefix = o.Prefix
	if _, _, ok := c.Principal.Split(); !ok {
		q.decision = b.decision(q.request(""))
		return nil, b.refuse(ctx, q, q.denied())
	}
	q.decision.Allowed = true
	o.Prefix = q.env.Prefix + o.Prefix
	if o.After, err = q.env.cursorIn(o.After); err != nil {
		return nil, err
	}
	return q, nil
}

// list yields what the caller may see, in the caller's words.
func (q *call) list(ctx context.Context, back secret.Backend, o secret.ListOptions) iter.Seq2[secret.Meta, error] {
	if _, ok := back.(secret.Undeleter); !ok && o.Deleted != secret.NotDeleted {
		return failing[secret.Meta](secret.Errorf(secret.Unsupported, "", "this store brings nothing back, so it lists nothing deleted"))
	}
	return func(yield func(secret.Meta, error) bool) {
		for m, err := range back.List(ctx, &o) {
			if err != nil {
				yield(secret.Meta{}, err)
				return
			}
			show, err := q.shows(ctx, back, m, o.Deleted)
			if err != nil {
				yield(secret.Meta{}, err)
				return
			}
			if !show {
				continue
			}
			m.Name, _ = q.env.own(m.Name)
			m.Cursor = q.env.cursorOut(m.Cursor)
			if !yield(m, nil) {
				return
			}
		}
	}
}

// shows reports whether the caller may list a secret, or anything in a folder.
func (q *call) shows(ctx context.Context, back secret.Backend, m secret.Meta, d secret.Deletion) (bool, error) {
	if !m.Prefix {
		return q.mayList(m.Name), nil
	}
	for below, err := range back.List(ctx, &secret.ListOptions{Prefix: string(m.Name), Names: true, Deleted: d}) {
		if err != nil || q.mayList(below.Name) {
			return err == nil, err
		}
	}
	return false, nil
}

func (q *call) mayList(full secret.Name) bool {
	n, ok := q.env.own(full)
	return ok && n.Check() == nil && q.b.decision(q.request(n)).Allowed
}

// Cursors are the store's own, and may begin with the prefix. The first byte
// tells whether it was taken away.
const cursorStripped, cursorWhole = "~", "="

func (e *env) cursorOut(s string) string {
	if e.Prefix == "" || s == "" {
		return s
	}
	if own, ok := strings.CutPrefix(s, e.Prefix); ok {
		return cursorStripped + own
	}
	return cursorWhole + s
}

func (e *env) cursorIn(s string) (string, error) {
	if e.Prefix == "" || s == "" {
		return s, nil
	}
	if own, ok := strings.CutPrefix(s, cursorStripped); ok {
		return e.Prefix + own, nil
	}
	if whole, ok := strings.CutPrefix(s, cursorWhole); ok {
		return whole, nil
	}
	return "", secret.Errorf(secret.Invalid, "", "this is no cursor of a list of %s", e.name)
}
