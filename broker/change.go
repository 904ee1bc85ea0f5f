package broker

import (
	"context"

	"github.com/tacit-secrets/tacit/secret"
)

// changed does what returns a secret's Meta.
func (b *Broker) changed(ctx context.Context, c secret.Caller, verb secret.Verb, r secret.Ref, f func(ctx context.Context, back secret.Backend, full secret.Name) (secret.Meta, error)) (secret.Meta, error) {
	if err := plain(r); err != nil {
		return secret.Meta{}, err
	}
	q, err := b.prepareWrite(ctx, c, verb, r)
	if err != nil {
		return secret.Meta{}, err
	}
	return do(q, currentOf, func(ctx context.Context, back secret.Backend) (secret.Meta, error) {
		m, err := f(ctx, back, q.full)
		return q.named(m), err
	})
}

// Create makes a secret that has no version yet.
func (b *Broker) Create(ctx context.Context, c secret.Caller, r secret.Ref, a secret.Annotations) (secret.Meta, error) {
	return b.changed(ctx, c, secret.Put, r, func(ctx context.Context, back secret.Backend, full secret.Name) (secret.Meta, error) {
		x, err := can[secret.Creator](back, r.Name, "keeps no secrets without a value")
		if err != nil {
			return secret.Meta{}, err
		}
		return x.Create(ctx, full, a)
	})
}

// Delete makes all versions unreadable: until Undelete where the store can.
func (b *Broker) Delete(ctx context.Context, c secret.Caller, r secret.Ref, opts *secret.DeleteOptions) (secret.Meta, error) {
	return b.changed(ctx, c, secret.Delete, r, func(ctx context.Context, back secret.Backend, full secret.Name) (secret.Meta, error) {
		return back.Delete(ctx, full, opts)
	})
}

// Undelete brings a deleted secret back.
func (b *Broker) Undelete(ctx context.Context, c secret.Caller, r secret.Ref) (secret.Meta, error) {
	return b.changed(ctx, c, secret.Undelete, r, func(ctx context.Context, back secret.Backend, full secret.Name) (secret.Meta, error) {
		x, err := can[secret.Undeleter](back, r.Name, "brings nothing back")
		if err != nil {
			return secret.Meta{}, err
		}
		return x.Undelete(ctx, full)
	})
}

// Destroy removes a secret with all versions, for ever.
func (b *Broker) Destroy(ctx context.Context, c secret.Caller, r secret.Ref) error {
	_, err := b.changed(ctx, c, secret.Destroy, r, func(ctx context.Context, back secret.Backend, full secret.Name) (secret.Meta, error) {
		if x, ok := back.(secret.Undeleter); ok {
			return secret.Meta{}, x.Destroy(ctx, full)
		}
		return back.Delete(ctx, full, nil)
	})
	return err
}

// RemoveVersions deletes, undeletes or destroys single versions, as the verb
// says.
func (b *Broker) RemoveVersions(ctx context.Context, c secret.Caller, verb secret.Verb, r secret.Ref, at ...secret.At) error {
	_, err := b.changed(ctx, c, verb, r, func(ctx context.Context, back secret.Backend, full secret.Name) (secret.Meta, error) {
		x, err := can[secret.VersionRemover](back, r.Name, "removes no single versions")
		if err != nil {
			return secret.Meta{}, err
		}
		switch verb {
		case secret.Delete:
			err = x.DeleteVersions(ctx, full, at...)
		case secret.Undelete:
			err = x.UndeleteVersions(ctx, full, at...)
		case secret.Destroy:
			err = x.DestroyVersions(ctx, full, at...)
		default:
			err = secret.Errorf(secret.Invalid, r.Name, "versions are deleted, undeleted or destroyed")
		}
		return secret.Meta{}, err
	})
	return err
}

// A StageMove says where a stage is and where it goes; an empty From or To is
// no version.
type StageMove struct {
	Stage    secret.Stage
	From, To secret.VersionID
}

// MoveStage moves a stage by compare-and-swap.
func (b *Broker) MoveStage(ctx context.Context, c secret.Caller, r secret.Ref, m StageMove) (secret.Meta, error) {
	return b.changed(ctx, c, secret.Put, r, func(ctx context.Context, back secret.Backend, full secret.Name) (secret.Meta, error) {
		x, err := can[secret.Stager](back, r.Name, "has no stages to move")
		if err != nil {
			return secret.Meta{}, err
		}
		return x.MoveStage(ctx, full, m.Stage, m.From, m.To)
	})
}

// Annotate changes a secret's description and tags.
func (b *Broker) Annotate(ctx context.Context, c secret.Caller, r secret.Ref, change secret.Change) (secret.Meta, error) {
	return b.changed(ctx, c, secret.Put, r, func(ctx context.Context, back secret.Backend, full secret.Name) (secret.Meta, error) {
		x, err := can[secret.Annotator](back, r.Name, "keeps no tags and descriptions")
		if err != nil {
			return secret.Meta{}, err
		}
		return x.Annotate(ctx, full, change)
	})
}

// AnnotateVersion changes the attributes of the version r.At.
func (b *Broker) AnnotateVersion(ctx context.Context, c secret.Caller, r secret.Ref, change secret.AttributeChange) (secret.Version, error) {
	if err := whole(r); err != nil {
		return secret.Version{}, err
	}
	q, err := b.prepareWrite(ctx, c, secret.Put, r)
	if err != nil {
		return secret.Version{}, err
	}
	return do(q, itself, func(ctx context.Context, back secret.Backend) (secret.Version, error) {
		x, err := can[secret.VersionAnnotator](back, q.name, "keeps no attributes of versions")
		if err != nil {
			return secret.Version{}, err
		}
		return x.AnnotateVersion(ctx, q.full, r.At, change)
	})
}

// Limit sets the limits of a secret.
func (b *Broker) Limit(ctx context.Context, c secret.Caller, r secret.Ref, l secret.Limits) error {
	_, err := b.changed(ctx, c, secret.Put, r, func(ctx context.Context, back secret.Backend, full secret.Name) (secret.Meta, error) {
		x, err := can[secret.Limiter](back, r.Name, "keeps no limits")
		if err != nil {
			return secret.Meta{}, err
		}
		return secret.Meta{}, x.Limit(ctx, full, l)
	})
	return err
}

// Backup packs a secret with all its versions into a sealed blob. The verb is
// get: the values leave tacit.
func (b *Broker) Backup(ctx context.Context, c secret.Caller, r secret.Ref) ([]byte, error) {
	if err := plain(r); err != nil {
		return nil, err
	}
	q, err := b.prepare(ctx, c, secret.Get, r)
	if err != nil {
		return nil, err
	}
	return do(q, noVersion, func(ctx context.Context, back secret.Backend) ([]byte, error) {
		x, err := can[secret.Archiver](back, q.name, "makes no backups of a secret")
		if err != nil {
			return nil, err
		}
		return x.Backup(ctx, q.full)
	})
}

// Restore unpacks what Backup made.
func (b *Broker) Restore(ctx context.Context, c secret.Caller, r secret.Ref, blob []byte) (secret.Meta, error) {
	return b.changed(ctx, c, secret.Put, r, func(ctx context.Context, back secret.Backend, full secret.Name) (secret.Meta, error) {
		x, err := can[secret.Archiver](back, r.Name, "makes no backups of a secret")
		if err != nil {
			return secret.Meta{}, err
		}
		return x.Restore(ctx, full, blob)
	})
}
