package local_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
	"pgregory.net/rapid"
)

// full is a backend with all that both stores promise.
type full interface {
	secret.Backend
	secret.Versioner
	secret.Swapper
	secret.Creator
	secret.Undeleter
	secret.VersionRemover
	secret.Stager
	secret.Annotator
	secret.VersionAnnotator
	secret.Limiter
	secret.BatchGetter
	secret.Batcher
	secret.Renamer
}

// TestLikeMem does the same to this store and to the one in memory: they
// answer the same.
func TestLikeMem(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := newClock()
		db, err := inMemoryAt(t, c.now)
		noError(t, err)
		stores := []full{db, mem.New(c.now)}
		for _, s := range stores {
			noError(t, s.Limit(t.Context(), "", secret.Limits{MaxVersions: 4}))
		}
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			c.advance(time.Duration(rapid.SampledFrom([]int{1, 1, 1, 24 * 20}).Draw(r, "hours")) * time.Hour)
			do := operation(t, r)
			a, b := do(stores[0]), do(stores[1])
			if a != b {
				r.Fatalf("local answers\n%s\nmem answers\n%s", a, b)
			}
		}
	})
}

// operation draws something to do to a store, which returns the answer as text
// without what is random in it.
func operation(t *testing.T, r *rapid.T) func(full) string {
	ctx := t.Context()
	name := secret.Name(rapid.SampledFrom([]string{"a", "a/b", "a/b/c", "b"}).Draw(r, "name"))
	at := secret.At{Number: rapid.Uint64Range(0, 6).Draw(r, "number")}
	if rapid.IntRange(0, 3).Draw(r, "staged") == 0 {
		at = secret.At{Stage: rapid.SampledFrom([]secret.Stage{secret.Current, secret.Previous, secret.Pending}).Draw(r, "stage")}
	}
	value := secret.Text(rapid.SampledFrom([]string{"", "x", "y"}).Draw(r, "value"))
	opts := putOptions(r)
	switch rapid.IntRange(0, 18).Draw(r, "what") {
	case 0, 1, 2:
		return func(s full) string { return version(s.Put(ctx, name, value, opts)) }
	case 3:
		return func(s full) string { return version(s.Swap(ctx, name, at, value, opts)) }
	case 4, 5:
		return func(s full) string { return version(s.Get(ctx, name, at)) }
	case 6:
		return func(s full) string { return meta(s.Describe(ctx, name)) }
	case 7:
		return func(s full) string { return meta(s.Delete(ctx, name, nil)) }
	case 8:
		return func(s full) string { return meta(s.Undelete(ctx, name)) }
	case 9:
		return func(s full) string { return failure(s.Destroy(ctx, name)) }
	case 10:
		return func(s full) string { return failure(s.DeleteVersions(ctx, name, at)) }
	case 11:
		return func(s full) string { return failure(s.UndeleteVersions(ctx, name, at)) }
	case 12:
		return func(s full) string { return failure(s.DestroyVersions(ctx, name, at)) }
	case 13:
		return func(s full) string {
			return meta(s.Annotate(ctx, name, secret.Change{Tags: secret.TagChange{Set: map[string]string{"k": string(name)}, Remove: []string{"d"}}}))
		}
	case 14:
		return func(s full) string { return meta(s.Create(ctx, name, secret.Annotations{Description: "d"})) }
	case 15:
		o := secret.ListOptions{Prefix: rapid.SampledFrom([]string{"", "a", "a/"}).Draw(r, "prefix"), Shallow: rapid.Bool().Draw(r, "shallow"), Deleted: secret.Deletion(rapid.IntRange(0, 2).Draw(r, "deleted"))}
		return func(s full) string { return list(s, t, &o) }
	case 16:
		to := secret.Name(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "to"))
		return func(s full) string { return meta(s.Rename(ctx, name, to)) }
	case 17:
		puts := []secret.Putting{{Name: name, Value: value, Options: opts}, {Name: "b", Value: value, Old: &at}}
		return func(s full) string { return versions(s.PutBatch(ctx, puts)) }
	default:
		off := rapid.Bool().Draw(r, "off")
		return func(s full) string {
			return version(s.AnnotateVersion(ctx, name, at, secret.AttributeChange{Disabled: &off}))
		}
	}
}

func putOptions(r *rapid.T) *secret.PutOptions {
	o := &secret.PutOptions{}
	switch rapid.IntRange(0, 5).Draw(r, "options") {
	case 0:
		o.Stages = []secret.Stage{secret.Pending}
	case 1:
		o.ID = secret.VersionID(strings.Repeat(rapid.SampledFrom([]string{"p", "q"}).Draw(r, "id"), 32))
	case 2:
		o.Annotations = &secret.Annotations{Description: "new", Tags: map[string]string{"d": "1"}}
	case 3:
		o.Attributes = &secret.Attributes{Disabled: true, ContentType: "text/plain"}
	case 4:
		return nil
	}
	return o
}

func failure(err error) string {
	return fmt.Sprint(secret.KindOf(err), "/", secret.StateOf(err))
}

func version(v secret.Version, err error) string {
	out := fmt.Sprintf("%s: %d %v %+v %v %v %v %v %q", failure(err), v.Number, v.Stages, v.Attributes, v.Created, v.Updated, v.Deleted, v.Destroyed, v.Value.Reveal())
	if v.Secret != nil {
		out += " of " + meta(*v.Secret, nil)
	}
	return out
}

func versions(vs []secret.Version, err error) string {
	out := failure(err)
	for _, v := range vs {
		out += "\n" + version(v, nil)
	}
	return out
}

func meta(m secret.Meta, err error) string {
	out := fmt.Sprintf("%s: %s %+v %+v %v %v %v %v %v %v", failure(err), m.Name, m.Annotations, m.Limits, m.Created, m.Updated, m.Deleted, m.Purge, m.Complete, m.Prefix)
	for _, v := range m.Versions {
		out += "\n" + version(v, nil)
	}
	return out
}

func list(s full, t *testing.T, o *secret.ListOptions) string {
	var out []string
	for m, err := range s.List(t.Context(), o) {
		out = append(out, meta(m, err))
	}
	for _, n := range []secret.Name{"a", "b"} {
		for v, err := range s.Versions(t.Context(), n) {
			out = append(out, version(v, err))
		}
	}
	for _, r := range s.GetBatch(t.Context(), []secret.Name{"b", "a", "none", ""}) {
		out = append(out, version(r.Version, r.Err))
	}
	return strings.Join(slices.Clip(out), "\n")
}
