package mem_test

import (
	"context"
	"iter"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

// A broken store is mem with one promise broken. Fields that are nil keep it.
type broken struct {
	*mem.Store
	get      func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At) (secret.Version, error)
	put      func(s *mem.Store, ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error)
	swap     func(s *mem.Store, ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error)
	delete   func(s *mem.Store, ctx context.Context, n secret.Name, o *secret.DeleteOptions) (secret.Meta, error)
	describe func(s *mem.Store, ctx context.Context, n secret.Name) (secret.Meta, error)
	list     func(s *mem.Store, ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error]
	undelete func(s *mem.Store, ctx context.Context, n secret.Name) (secret.Meta, error)
	move     func(s *mem.Store, ctx context.Context, n secret.Name, st secret.Stage, from, to secret.VersionID) (secret.Meta, error)
	annotate func(s *mem.Store, ctx context.Context, n secret.Name, c secret.Change) (secret.Meta, error)
	restore  func(s *mem.Store, ctx context.Context, n secret.Name, blob []byte) (secret.Meta, error)
	batch    func(s *mem.Store, ctx context.Context, names []secret.Name) []secret.Result
	versions func(s *mem.Store, ctx context.Context, n secret.Name) iter.Seq2[secret.Version, error]
	watch    func(s *mem.Store, ctx context.Context, prefix string) iter.Seq2[secret.Name, error]
	destroy  func(s *mem.Store, ctx context.Context, n secret.Name) error
	limit    func(s *mem.Store, ctx context.Context, n secret.Name, l secret.Limits) error
	remove   func(s *mem.Store, ctx context.Context, n secret.Name, at ...secret.At) error

	create    func(s *mem.Store, ctx context.Context, n secret.Name, a secret.Annotations) (secret.Meta, error)
	undeleteV func(s *mem.Store, ctx context.Context, n secret.Name, at ...secret.At) error
	destroyV  func(s *mem.Store, ctx context.Context, n secret.Name, at ...secret.At) error
	annotateV func(s *mem.Store, ctx context.Context, n secret.Name, at secret.At, c secret.AttributeChange) (secret.Version, error)
	limits    func(s *mem.Store, ctx context.Context) (secret.Limits, error)
	backup    func(s *mem.Store, ctx context.Context, n secret.Name) ([]byte, error)
	putBatch  func(s *mem.Store, ctx context.Context, puts []secret.Putting) ([]secret.Version, error)
	rename    func(s *mem.Store, ctx context.Context, from, to secret.Name) (secret.Meta, error)
}

func (b broken) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	if b.get != nil {
		return b.get(b.Store, ctx, n, at)
	}
	return b.Store.Get(ctx, n, at)
}

func (b broken) Put(ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	if b.put != nil {
		return b.put(b.Store, ctx, n, v, o)
	}
	return b.Store.Put(ctx, n, v, o)
}

func (b broken) Swap(ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	if b.swap != nil {
		return b.swap(b.Store, ctx, n, old, v, o)
	}
	return b.Store.Swap(ctx, n, old, v, o)
}

func (b broken) Delete(ctx context.Context, n secret.Name, o *secret.DeleteOptions) (secret.Meta, error) {
	if b.delete != nil {
		return b.delete(b.Store, ctx, n, o)
	}
	return b.Store.Delete(ctx, n, o)
}

func (b broken) Describe(ctx context.Context, n secret.Name) (secret.Meta, error) {
	if b.describe != nil {
		return b.describe(b.Store, ctx, n)
	}
	return b.Store.Describe(ctx, n)
}

func (b broken) List(ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	if b.list != nil {
		return b.list(b.Store, ctx, o)
	}
	return b.Store.List(ctx, o)
}

func (b broken) Undelete(ctx context.Context, n secret.Name) (secret.Meta, error) {
	if b.undelete != nil {
		return b.undelete(b.Store, ctx, n)
	}
	return b.Store.Undelete(ctx, n)
}

func (b broken) MoveStage(ctx context.Context, n secret.Name, st secret.Stage, from, to secret.VersionID) (secret.Meta, error) {
	if b.move != nil {
		return b.move(b.Store, ctx, n, st, from, to)
	}
	return b.Store.MoveStage(ctx, n, st, from, to)
}

func (b broken) Annotate(ctx context.Context, n secret.Name, c secret.Change) (secret.Meta, error) {
	if b.annotate != nil {
		return b.annotate(b.Store, ctx, n, c)
	}
	return b.Store.Annotate(ctx, n, c)
}

func (b broken) Restore(ctx context.Context, n secret.Name, blob []byte) (secret.Meta, error) {
	if b.restore != nil {
		return b.restore(b.Store, ctx, n, blob)
	}
	return b.Store.Restore(ctx, n, blob)
}

func (b broken) GetBatch(ctx context.Context, names []secret.Name) []secret.Result {
	if b.batch != nil {
		return b.batch(b.Store, ctx, names)
	}
	return b.Store.GetBatch(ctx, names)
}

func (b broken) Versions(ctx context.Context, n secret.Name) iter.Seq2[secret.Version, error] {
	if b.versions != nil {
		return b.versions(b.Store, ctx, n)
	}
	return b.Store.Versions(ctx, n)
}

func (b broken) Watch(ctx context.Context, prefix string) iter.Seq2[secret.Name, error] {
	if b.watch != nil {
		return b.watch(b.Store, ctx, prefix)
	}
	return b.Store.Watch(ctx, prefix)
}

func (b broken) Destroy(ctx context.Context, n secret.Name) error {
	if b.destroy != nil {
		return b.destroy(b.Store, ctx, n)
	}
	return b.Store.Destroy(ctx, n)
}

func (b broken) Limit(ctx context.Context, n secret.Name, l secret.Limits) error {
	if b.limit != nil {
		return b.limit(b.Store, ctx, n, l)
	}
	return b.Store.Limit(ctx, n, l)
}

func (b broken) DeleteVersions(ctx context.Context, n secret.Name, at ...secret.At) error {
	if b.remove != nil {
		return b.remove(b.Store, ctx, n, at...)
	}
	return b.Store.DeleteVersions(ctx, n, at...)
}

func (b broken) Create(ctx context.Context, n secret.Name, a secret.Annotations) (secret.Meta, error) {
	if b.create != nil {
		return b.create(b.Store, ctx, n, a)
	}
	return b.Store.Create(ctx, n, a)
}

func (b broken) UndeleteVersions(ctx context.Context, n secret.Name, at ...secret.At) error {
	if b.undeleteV != nil {
		return b.undeleteV(b.Store, ctx, n, at...)
	}
	return b.Store.UndeleteVersions(ctx, n, at...)
}

func (b broken) DestroyVersions(ctx context.Context, n secret.Name, at ...secret.At) error {
	if b.destroyV != nil {
		return b.destroyV(b.Store, ctx, n, at...)
	}
	return b.Store.DestroyVersions(ctx, n, at...)
}

func (b broken) AnnotateVersion(ctx context.Context, n secret.Name, at secret.At, c secret.AttributeChange) (secret.Version, error) {
	if b.annotateV != nil {
		return b.annotateV(b.Store, ctx, n, at, c)
	}
	return b.Store.AnnotateVersion(ctx, n, at, c)
}

func (b broken) Limits(ctx context.Context) (secret.Limits, error) {
	if b.limits != nil {
		return b.limits(b.Store, ctx)
	}
	return b.Store.Limits(ctx)
}

func (b broken) Backup(ctx context.Context, n secret.Name) ([]byte, error) {
	if b.backup != nil {
		return b.backup(b.Store, ctx, n)
	}
	return b.Store.Backup(ctx, n)
}

func (b broken) PutBatch(ctx context.Context, puts []secret.Putting) ([]secret.Version, error) {
	if b.putBatch != nil {
		return b.putBatch(b.Store, ctx, puts)
	}
	return b.Store.PutBatch(ctx, puts)
}

func (b broken) Rename(ctx context.Context, from, to secret.Name) (secret.Meta, error) {
	if b.rename != nil {
		return b.rename(b.Store, ctx, from, to)
	}
	return b.Store.Rename(ctx, from, to)
}

func text() secret.Value { return secret.Text("x") }
