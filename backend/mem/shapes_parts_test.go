package mem_test

import (
	"context"
	"iter"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// The optional promises of a shape.
type (
	keepsVersions   struct{ p shape }
	swaps           struct{ p shape }
	readsBatches    struct{ p shape }
	keepsAttributes struct{ p shape }
	creates         struct{ p shape }
	undeletes       struct{ p shape }
	annotates       struct{ p shape }
	moves           struct{ p shape }
	packs           struct{ p shape }
)

func (k keepsVersions) Versions(ctx context.Context, n secret.Name) iter.Seq2[secret.Version, error] {
	return func(yield func(secret.Version, error) bool) {
		if err := k.p.check(n); err != nil {
			yield(secret.Version{}, err)
			return
		}
		for v, err := range k.p.s.Versions(ctx, n) {
			if !yield(k.p.out(v), err) {
				return
			}
		}
	}
}

func (k swaps) Swap(ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	if err := k.p.refuse(n, v, o); err != nil {
		return secret.Version{}, err
	}
	out, err := k.p.s.Swap(ctx, n, k.p.in(ctx, n, old), v, o)
	return k.p.out(out), err
}

func (k readsBatches) GetBatch(ctx context.Context, names []secret.Name) []secret.Result {
	out := k.p.s.GetBatch(ctx, names)
	for i := range out {
		if err := k.p.check(names[i]); err != nil {
			out[i].Err = err
		}
		out[i].Version = k.p.out(out[i].Version)
	}
	return out
}

func (k keepsAttributes) AnnotateVersion(ctx context.Context, n secret.Name, at secret.At, c secret.AttributeChange) (secret.Version, error) {
	if err := k.p.check(n); err != nil {
		return secret.Version{}, err
	}
	v, err := k.p.s.AnnotateVersion(ctx, n, k.p.in(ctx, n, at), c)
	return k.p.out(v), err
}

// told is what a change answers.
func (p shape) told(n secret.Name, change func() (secret.Meta, error)) (secret.Meta, error) {
	if err := p.check(n); err != nil {
		return secret.Meta{}, err
	}
	m, err := change()
	return p.meta(m), err
}

func (k creates) Create(ctx context.Context, n secret.Name, a secret.Annotations) (secret.Meta, error) {
	return k.p.told(n, func() (secret.Meta, error) { return k.p.s.Create(ctx, n, a) })
}

func (k undeletes) Undelete(ctx context.Context, n secret.Name) (secret.Meta, error) {
	return k.p.told(n, func() (secret.Meta, error) { return k.p.s.Undelete(ctx, n) })
}

func (k undeletes) Destroy(ctx context.Context, n secret.Name) error {
	_, err := k.p.told(n, func() (secret.Meta, error) { return secret.Meta{}, k.p.s.Destroy(ctx, n) })
	return err
}

func (k annotates) Annotate(ctx context.Context, n secret.Name, c secret.Change) (secret.Meta, error) {
	return k.p.told(n, func() (secret.Meta, error) { return k.p.s.Annotate(ctx, n, c) })
}

func (k moves) MoveStage(ctx context.Context, n secret.Name, st secret.Stage, from, to secret.VersionID) (secret.Meta, error) {
	return k.p.told(n, func() (secret.Meta, error) { return k.p.s.MoveStage(ctx, n, st, from, to) })
}

func (k packs) Backup(ctx context.Context, n secret.Name) (out []byte, err error) {
	_, err = k.p.told(n, func() (secret.Meta, error) {
		out, err = k.p.s.Backup(ctx, n)
		return secret.Meta{}, err
	})
	return out, err
}

func (k packs) Restore(ctx context.Context, n secret.Name, blob []byte) (secret.Meta, error) {
	return k.p.told(n, func() (secret.Meta, error) { return k.p.s.Restore(ctx, n, blob) })
}

// away is a store whose kind keeps versions and more, and which is configured
// not to: each method but the plain ones answers Unsupported.
type away struct{}

func (away) no(n secret.Name) error {
	return secret.Errorf(secret.Unsupported, n, "this store has no versions")
}

func (a away) Versions(_ context.Context, n secret.Name) iter.Seq2[secret.Version, error] {
	return func(yield func(secret.Version, error) bool) { yield(secret.Version{}, a.no(n)) }
}

func (a away) Swap(_ context.Context, n secret.Name, _ secret.At, _ secret.Value, _ *secret.PutOptions) (secret.Version, error) {
	return secret.Version{}, a.no(n)
}

func (a away) Create(_ context.Context, n secret.Name, _ secret.Annotations) (secret.Meta, error) {
	return secret.Meta{}, a.no(n)
}

func (a away) Undelete(_ context.Context, n secret.Name) (secret.Meta, error) {
	return secret.Meta{}, a.no(n)
}
func (a away) Destroy(_ context.Context, n secret.Name) error { return a.no(n) }
func (a away) Annotate(_ context.Context, n secret.Name, _ secret.Change) (secret.Meta, error) {
	return secret.Meta{}, a.no(n)
}

func (a away) DeleteVersions(_ context.Context, n secret.Name, _ ...secret.At) error { return a.no(n) }

func (a away) UndeleteVersions(_ context.Context, n secret.Name, _ ...secret.At) error {
	return a.no(n)
}

func (a away) DestroyVersions(_ context.Context, n secret.Name, _ ...secret.At) error { return a.no(n) }

func (a away) Limit(_ context.Context, n secret.Name, _ secret.Limits) error { return a.no(n) }

func (a away) Limits(context.Context) (secret.Limits, error) { return secret.Limits{}, a.no("") }

func (a away) Issue(_ context.Context, n secret.Name, _ time.Duration) (secret.Lease, error) {
	return secret.Lease{}, a.no(n)
}

func (a away) Renew(context.Context, string, time.Duration) (secret.Lease, error) {
	return secret.Lease{}, a.no("")
}
func (a away) Revoke(context.Context, string) error { return a.no("") }
