package broker

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// Get returns a version with its value; with r.Field, the value is that of the
// field. The record is durable before Get returns.
func (b *Broker) Get(ctx context.Context, c secret.Caller, r secret.Ref) (secret.Version, error) {
	q, err := b.prepare(ctx, c, secret.Get, r)
	if err != nil {
		return secret.Version{}, err
	}
	return do(q, itself, func(ctx context.Context, back secret.Backend) (secret.Version, error) {
		v, err := q.fetch(ctx, back, r.At)
		if err != nil {
			v.Value = secret.Value{}
			return v, err
		}
		return part(v, r)
	})
}

// fetch reads one version, together with whoever reads the same.
func (q *call) fetch(ctx context.Context, back secret.Backend, at secret.At) (secret.Version, error) {
	return q.env.flights.get(ctx, q.full, at, func(ctx context.Context) (secret.Version, error) {
		ctx, cancel := context.WithTimeout(ctx, q.env.Timeout)
		defer cancel()
		return back.Get(ctx, q.full, at)
	})
}

// part returns what a reference points at within a version: all or a field.
func part(v secret.Version, r secret.Ref) (secret.Version, error) {
	var err error
	v.Value, err = Field(v.Value, r)
	return v, err
}

// GetAll reads many references: one Result for each, in order. All are decided
// before the first is read; all records of the call are made durable together,
// before the first answer. The first request to a store goes alone, so that a
// login is made once; the rest follow 32 at a time.
func (b *Broker) GetAll(ctx context.Context, c secret.Caller, refs []secret.Ref) []secret.Result {
	return b.readAll(ctx, c, secret.Get, refs)
}

// Check tells for each reference whether it is there, field included: nil if
// so. No value leaves the Broker, and the verb is list.
func (b *Broker) Check(ctx context.Context, c secret.Caller, refs []secret.Ref) []error {
	out := make([]error, len(refs))
	for i, r := range b.readAll(ctx, c, secret.List, refs) {
		if out[i] = r.Err; errors.Is(r.Err, secret.NotFound) {
			out[i] = firstLine(r.Err) // the next one names the fields, to those who may get
		}
	}
	return out
}

// Describe tells what is known about a secret besides its values.
func (b *Broker) Describe(ctx context.Context, c secret.Caller, r secret.Ref) (secret.Meta, error) {
	q, err := b.prepare(ctx, c, secret.List, r)
	if err != nil {
		return secret.Meta{}, err
	}
	return do(q, currentOf, func(ctx context.Context, back secret.Backend) (secret.Meta, error) {
		m, err := back.Describe(ctx, q.full)
		return q.named(m), err
	})
}

// named gives a Meta the name that the caller knows.
func (q *call) named(m secret.Meta) secret.Meta {
	m.Name = q.name
	return m
}

// Versions yields all versions of a secret without values, newest first. One
// record is durable before the first item.
func (b *Broker) Versions(ctx context.Context, c secret.Caller, r secret.Ref) iter.Seq2[secret.Version, error] {
	return func(yield func(secret.Version, error) bool) {
		q, err := b.prepare(ctx, c, secret.List, r)
		if err != nil {
			yield(secret.Version{}, err)
			return
		}
		recorded(q, q.versions, yield)
	}
}

func (q *call) versions(ctx context.Context, back secret.Backend) iter.Seq2[secret.Version, error] {
	vs, err := can[secret.Versioner](back, q.name, "keeps no old versions")
	if err != nil {
		return failing[secret.Version](err)
	}
	return vs.Versions(ctx, q.full)
}

// recorded yields what a backend does, each step bounded in time, after a
// record that says whether it began well.
func recorded[T any](q *call, from func(context.Context, secret.Backend) iter.Seq2[T, error], yield func(T, error) bool) {
	ctx, cancel := context.WithCancelCause(q.ctx)
	defer cancel(nil)
	var zero T
	back, err := q.env.backend(ctx)
	all := failing[T](err)
	if err == nil {
		all = from(ctx, back)
	}
	limit := time.AfterFunc(q.env.Timeout, func() { cancel(context.DeadlineExceeded) })
	defer limit.Stop()
	begun := false
	record := func(err error) bool {
		if begun {
			return true
		}
		begun = true
		if failed := q.end(secret.Version{}, err); failed != nil {
			yield(zero, failed)
			return false
		}
		return true
	}
	for v, err := range all {
		limit.Stop()
		if errors.Is(err, context.Canceled) && context.Cause(ctx) == context.DeadlineExceeded { //nolint:errorlint // it is what limit gave
			err = context.DeadlineExceeded // nobody interrupted it
		}
		err = q.env.outside(err, q.name)
		if !record(err) {
			return
		}
		if err != nil {
			v = zero
		}
		if !yield(v, err) || err != nil {
			return
		}
		limit.Reset(q.env.Timeout)
	}
	record(nil)
}

// failing yields an error, or nothing if it is nil.
func failing[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if err != nil {
			var zero T
			yield(zero, err)
		}
	}
}

// firstLine drops the further lines of an error's text.
func firstLine(err error) error {
	e, ok := errors.AsType[*secret.Error](err)
	if !ok {
		return err
	}
	out := *e
	out.Text, _, _ = strings.Cut(e.Text, "\n")
	return &out
}
