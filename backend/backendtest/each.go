package backendtest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// A promise is one method, called with a name and what else is harmless.
type promise struct {
	what string
	call func(ctx context.Context, n secret.Name) error
	// What it answers about a secret that is not there, and about a deleted
	// one; no kind: not asked.
	missing, deleted secret.Kind
}

// eachCases ask all methods the same question.
func eachCases() []testCase {
	return []testCase{
		{name: "each promise: done context is unavailable", ask: eachDone},
		{name: "each promise: bad names are invalid", ask: eachBadName},
		{name: "each promise: missing secret is not found, and named", ask: func(t *T) {
			for _, p := range t.promises(nil) {
				if p.missing != 0 {
					t.refuses(p, p.missing, 0)
				}
			}
			t.lists(nil)
		}},
		{name: "each promise: deleted secret is told", needs: is[secret.Undeleter], ask: eachDeleted},
		{name: "each promise: what is given is not kept", ask: givenToEach},
	}
}

// refuses expects an error about the secret "app/db".
func (t *T) refuses(p promise, k secret.Kind, s secret.State) {
	t.Helper()
	err := p.call(t.Context(), "app/db")
	if secret.KindOf(err) != k || secret.StateOf(err) != s {
		t.Errorf("%s answers %v", p.what, err)
	}
	if e, ok := errors.AsType[*secret.Error](err); !ok || e.Name != "app/db" {
		t.Errorf("%s does not name the secret: %v", p.what, err)
	}
	t.fails(err, k, s)
}

func eachDone(t *T) {
	t.put("app/db", "one")
	ctx, cancel := context.WithCancel(t.Context())
	all := t.promises(t.blob("app/db"))
	cancel()
	for _, p := range append(all, t.unnamed()...) {
		err := p.call(ctx, "app/db")
		if !errors.Is(err, context.Canceled) || secret.KindOf(err) != secret.Unavailable {
			t.Errorf("%s answers %v", p.what, err)
		}
		t.fails(err, secret.Unavailable, 0)
	}
	t.reads("app/db", secret.At{}, "one")
	t.lists(nil, "app/db")
	if m := t.describe("app/db"); len(m.Versions) != 1 {
		t.Errorf("something was changed: %+v", m)
	}
}

func eachBadName(t *T) {
	for _, p := range t.promises(nil) {
		for _, n := range []secret.Name{"", "a//b", "a\x00b", "e\u0301", "..", "\xff"} {
			if n == "" && p.what == "limit" {
				continue // the store's
			}
			if err := p.call(t.Context(), n); secret.KindOf(err) != secret.Invalid {
				t.Errorf("%s of %q answers %v", p.what, n, err)
			}
		}
	}
	t.lists(nil)
}

func eachDeleted(t *T) {
	t.put("app/db", "one")
	blob := t.blob("app/db")
	t.delete("app/db")
	for _, p := range t.promises(blob) {
		if p.deleted != 0 {
			t.refuses(p, p.deleted, secret.Deleted)
		}
	}
	if m := t.describe("app/db"); m.Deleted.IsZero() || len(m.Versions) != 1 {
		t.Errorf("something was changed: %+v", m)
	}
	_, err := use[secret.Undeleter](t).Undelete(t.Context(), "app/db")
	t.ok(err)
	t.reads("app/db", secret.At{}, "one")
}

// blob is a backup, of those who make one.
func (t *T) blob(n secret.Name) []byte {
	a, ok := as[secret.Archiver](t)
	if !ok {
		return nil
	}
	b, err := a.Backup(t.Context(), n)
	t.ok(err)
	return b
}

// of returns promises of an optional interface, none if the store makes none.
func of[I any](t *T, call func(I) []promise) []promise {
	if i, ok := as[I](t); ok {
		return call(i)
	}
	return nil
}

func errOf[A any](_ A, err error) error { return err }

func (t *T) promises(blob []byte) []promise {
	const none, missing, conflict = secret.Kind(0), secret.NotFound, secret.Conflict
	base := []promise{
		{"get", func(ctx context.Context, n secret.Name) error { return errOf(t.b.Get(ctx, n, secret.At{})) }, missing, missing},
		{"describe", func(ctx context.Context, n secret.Name) error { return errOf(t.b.Describe(ctx, n)) }, missing, none},
		{"put", func(ctx context.Context, n secret.Name) error { return errOf(t.b.Put(ctx, n, text("x"), nil)) }, none, conflict},
		{"delete", func(ctx context.Context, n secret.Name) error { return errOf(t.b.Delete(ctx, n, nil)) }, missing, missing},
	}
	return slices.Concat(base, t.writePromises(blob), t.versionPromises(), of(t, func(i secret.Annotator) []promise {
		return []promise{{"annotate", func(ctx context.Context, n secret.Name) error { return errOf(i.Annotate(ctx, n, secret.Change{})) }, missing, missing}}
	}), of(t, func(i secret.Limiter) []promise {
		return []promise{{"limit", func(ctx context.Context, n secret.Name) error { return i.Limit(ctx, n, secret.Limits{}) }, missing, missing}}
	}), of(t, func(i secret.BatchGetter) []promise {
		return []promise{{"get batch", func(ctx context.Context, n secret.Name) error { return i.GetBatch(ctx, []secret.Name{n})[0].Err }, missing, missing}}
	}), of(t, func(i secret.Renamer) []promise {
		return []promise{
			{"rename", func(ctx context.Context, n secret.Name) error { return errOf(i.Rename(ctx, n, "app/other")) }, missing, missing},
		}
	}), of(t, func(i secret.Lessor) []promise {
		return []promise{
			{"issue", func(ctx context.Context, n secret.Name) error { return errOf(i.Issue(ctx, n, time.Hour)) }, missing, none},
		}
	}))
}

func (t *T) writePromises(blob []byte) []promise {
	const none, missing, conflict = secret.Kind(0), secret.NotFound, secret.Conflict
	return slices.Concat(of(t, func(i secret.Swapper) []promise {
		return []promise{{"swap", func(ctx context.Context, n secret.Name) error {
			return errOf(i.Swap(ctx, n, secret.At{Stage: secret.Current}, text("x"), nil))
		}, conflict, conflict}}
	}), of(t, func(i secret.Batcher) []promise {
		return []promise{{"put batch", func(ctx context.Context, n secret.Name) error {
			return errOf(i.PutBatch(ctx, []secret.Putting{{Name: n, Value: text("x")}}))
		}, none, conflict}}
	}), of(t, func(i secret.Creator) []promise {
		return []promise{{"create", func(ctx context.Context, n secret.Name) error { return errOf(i.Create(ctx, n, secret.Annotations{})) }, none, conflict}}
	}), of(t, func(i secret.Undeleter) []promise {
		return []promise{
			{"undelete", func(ctx context.Context, n secret.Name) error { return errOf(i.Undelete(ctx, n)) }, missing, none},
			{"destroy", i.Destroy, missing, none},
		}
	}), of(t, func(i secret.Archiver) []promise {
		return []promise{
			{"backup", func(ctx context.Context, n secret.Name) error { return errOf(i.Backup(ctx, n)) }, missing, missing},
			{"restore", func(ctx context.Context, n secret.Name) error { return errOf(i.Restore(ctx, n, blob)) }, secret.Invalid, conflict},
		}
	}))
}

func (t *T) versionPromises() []promise {
	const none, missing = secret.Kind(0), secret.NotFound
	return slices.Concat(of(t, func(i secret.Versioner) []promise {
		return []promise{{"versions", func(ctx context.Context, n secret.Name) (first error) {
			for _, err := range i.Versions(ctx, n) {
				if err != nil {
					first = err
				}
			}
			return first
		}, missing, none}}
	}), of(t, func(i secret.VersionRemover) []promise {
		at := func(f func(context.Context, secret.Name, ...secret.At) error) func(context.Context, secret.Name) error {
			return func(ctx context.Context, n secret.Name) error { return f(ctx, n, secret.At{}) }
		}
		return []promise{
			{"delete versions", at(i.DeleteVersions), missing, missing},
			{"undelete versions", at(i.UndeleteVersions), missing, missing},
			{"destroy versions", at(i.DestroyVersions), missing, missing},
		}
	}), of(t, func(i secret.Stager) []promise {
		return []promise{{"move stage", func(ctx context.Context, n secret.Name) error { return errOf(i.MoveStage(ctx, n, "green", "", "")) }, missing, missing}}
	}), of(t, func(i secret.VersionAnnotator) []promise {
		return []promise{{"annotate version", func(ctx context.Context, n secret.Name) error {
			return errOf(i.AnnotateVersion(ctx, n, secret.At{}, secret.AttributeChange{}))
		}, missing, missing}}
	}))
}

// unnamed are the promises that are not about one secret.
func (t *T) unnamed() []promise {
	return slices.Concat(of(t, func(i secret.Limiter) []promise {
		return []promise{
			{"limits", func(ctx context.Context, _ secret.Name) error { return errOf(i.Limits(ctx)) }, 0, 0},
			{"limit of the store", func(ctx context.Context, _ secret.Name) error { return i.Limit(ctx, "", secret.Limits{MaxVersions: 1}) }, 0, 0},
		}
	}), of(t, func(i secret.Watcher) []promise {
		return []promise{{"watch", func(ctx context.Context, _ secret.Name) (first error) {
			for _, err := range i.Watch(ctx, "") {
				first = err
			}
			return first
		}, 0, 0}}
	}), of(t, func(i secret.Lessor) []promise {
		const id = "no/such/lease"
		return []promise{
			{"renew", func(ctx context.Context, _ secret.Name) error { return errOf(i.Renew(ctx, id, time.Hour)) }, 0, 0},
			{"revoke", func(ctx context.Context, _ secret.Name) error { return i.Revoke(ctx, id) }, 0, 0},
		}
	}), of(t, func(i secret.Prober) []promise {
		return []promise{{"posture", func(ctx context.Context, _ secret.Name) error { return errOf(i.Posture(ctx)) }, 0, 0}}
	}))
}
