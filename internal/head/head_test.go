package head

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/secret"
)

// copyOf copies a head through its own encoding.
func copyOf(t *rapid.T, h *Head) *Head {
	b, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	out, err := Unmarshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTransitions makes random changes: none touches the head it began with,
// and each leaves a head that keeps the rules.
func TestTransitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		h := empty(now)
		store := secret.Limits{MaxVersions: rapid.IntRange(0, 4).Draw(t, "store's limit")}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(time.Second)
			before := copyOf(t, h)
			next, err := step(t, h, now, store)
			if !reflect.DeepEqual(copyOf(t, h), before) {
				t.Fatalf("the head was changed: %+v, then %+v", before, h)
			}
			if err != nil {
				if secret.KindOf(err) == 0 || next != nil {
					t.Fatalf("an error with %v: %v", next, err)
				}
				continue
			}
			if check(t, next); len(next.Versions) > len(h.Versions) { // limits are kept on each put
				checkLimit(t, next, store.MaxVersions)
			}
			h = next
		}
	})
}

// step makes one change.
func step(t *rapid.T, h *Head, now time.Time, store secret.Limits) (*Head, error) {
	stages := []secret.Stage{secret.Current, secret.Pending, "green"}
	at := secret.At{}
	if n := len(h.Versions); n > 0 {
		at.ID = h.Versions[rapid.IntRange(0, n-1).Draw(t, "version")].ID
	}
	switch what := rapid.IntRange(0, 9).Draw(t, "what"); what {
	case 0, 1, 2, 3:
		o := &secret.PutOptions{}
		if what > 1 {
			o.Stages = []secret.Stage{rapid.SampledFrom(stages).Draw(t, "stage")}
		}
		r, err := Put(h, now, "n", Putting{Opts: o, Store: store})
		return r.Head, err
	case 4:
		return h.Delete(now, "n", time.Hour)
	case 5:
		return h.Undelete(now, "n")
	case 6:
		how := rapid.SampledFrom([]Removal{DeleteVersions, UndeleteVersions, DestroyVersions}).Draw(t, "how")
		next, _, err := h.Remove(now, "n", how, store, at)
		return next, err
	case 7:
		s := rapid.SampledFrom(stages).Draw(t, "stage")
		from := secret.VersionID("")
		if i := h.Index(secret.At{Stage: s}); i >= 0 {
			from = h.Versions[i].ID
		}
		return h.MoveStage(now, "n", s, from, at.ID)
	case 8:
		return h.Annotate(now, "n", secret.Change{Tags: secret.TagChange{Set: map[string]string{"k": "v"}}})
	default:
		next, _, err := h.AnnotateVersion(now, "n", at, secret.AttributeChange{Tags: secret.TagChange{Clear: true, Set: map[string]string{"k": "v"}}})
		return next, err
	}
}

// check demands the rules that hold at all times.
func check(t *rapid.T, h *Head) {
	seen := map[secret.Stage]int{}
	for _, v := range h.Versions {
		if !slices.IsSorted(v.Stages) {
			t.Fatalf("stages are not sorted: %q", v.Stages)
		}
		for _, s := range v.Stages {
			seen[s]++
		}
	}
	for s, n := range seen {
		if n > 1 {
			t.Fatalf("%d versions are %s", n, s)
		}
	}
	if (seen[secret.Current] == 1) != (len(h.Versions) > 0) {
		t.Fatalf("%d of %d versions are current", seen[secret.Current], len(h.Versions))
	}
	if !h.sane() {
		t.Fatalf("%+v", h)
	}
}

// checkLimit demands that nothing is kept beyond a limit but what has a stage.
func checkLimit(t *rapid.T, h *Head, limit int) {
	held := 0
	for _, v := range h.Versions {
		if slices.ContainsFunc(v.Stages, func(s secret.Stage) bool { return s != secret.Previous }) {
			held++
		}
	}
	if limit > 0 && len(h.Versions) > max(limit, held) {
		t.Fatalf("%d versions are kept, %d with a stage, the limit is %d", len(h.Versions), held, limit)
	}
}

// The number of current is what a writer compares with, not the highest: a
// pending version is newer and is not served.
func TestCurrentIsNotNewest(t *testing.T) {
	now := time.Now()
	one := put(t, nil, now, nil)
	two := put(t, one.Head, now, &secret.PutOptions{Stages: []secret.Stage{secret.Pending}})
	v, err := two.Head.Find(now, "n", secret.At{})
	if err != nil || v.Number != 1 {
		t.Errorf("served is %d, %v", v.Number, err)
	}
	if _, err := Put(two.Head, now, "n", Putting{Old: &secret.At{Number: 2}}); !errors.Is(err, secret.Conflict) {
		t.Errorf("the highest number is taken for current: %v", err)
	}
	if r, err := Put(two.Head, now, "n", Putting{Old: &secret.At{Number: 1}}); err != nil || r.Version.Number != 3 {
		t.Errorf("%+v, %v", r.Version, err)
	}
}

func put(t *testing.T, h *Head, now time.Time, o *secret.PutOptions) PutResult {
	t.Helper()
	r, err := Put(h, now, "n", Putting{Opts: o})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A head is bounded however often it is written.
func TestBounds(t *testing.T) {
	now := time.Now()
	long := strings.Repeat("x", MaxText)
	h := put(t, nil, now, nil).Head
	id := h.Versions[0].ID
	tags := func(kv ...string) map[string]string { return map[string]string{kv[0]: kv[1]} }
	many := make([]secret.Stage, MaxStages+1)
	for i := range many {
		many[i] = secret.Stage(fmt.Sprint("s", i))
	}
	putting := func(o secret.PutOptions) error { _, err := Put(h, now, "n", Putting{Opts: &o}); return err }
	moving := func(s secret.Stage) error { _, err := h.MoveStage(now, "n", s, "", id); return err }
	annotating := func(c secret.Change) error { _, err := h.Annotate(now, "n", c); return err }
	creating := func(a secret.Annotations) error { _, err := Create(now, "n", a); return err }
	attributing := func(c secret.AttributeChange) error {
		_, _, err := h.AnnotateVersion(now, "n", secret.At{}, c)
		return err
	}
	for what, err := range map[string]error{
		"a stage of 257 bytes":         moving(secret.Stage(strings.Repeat("s", MaxStageBytes+1))),
		"a stage with a newline":       moving("a\nb"),
		"a stage that is not UTF-8":    moving("\xff"),
		"no stage":                     moving(""),
		"put with a bad stage":         putting(secret.PutOptions{Stages: []secret.Stage{"\x1b"}}),
		"put with too many stages":     putting(secret.PutOptions{Stages: many}),
		"an id with a newline":         putting(secret.PutOptions{ID: secret.VersionID(strings.Repeat("x", 32) + "\n")}),
		"an id that is too long":       putting(secret.PutOptions{ID: secret.VersionID(strings.Repeat("x", 65))}),
		"a long description":           putting(secret.PutOptions{Annotations: &secret.Annotations{Description: long + "x"}}),
		"long tags":                    putting(secret.PutOptions{Attributes: &secret.Attributes{Tags: tags("k", long)}}),
		"annotate: a long tag":         annotating(secret.Change{Tags: secret.TagChange{Set: tags(long, "v")}}),
		"annotate: not UTF-8":          annotating(secret.Change{Tags: secret.TagChange{Set: tags("k", "\xff")}}),
		"create: a long description":   creating(secret.Annotations{Description: long, Tags: tags("k", "")}),
		"attributes: a long tag":       attributing(secret.AttributeChange{Tags: secret.TagChange{Set: tags("k", long)}}),
		"attributes: a bad type":       attributing(secret.AttributeChange{ContentType: ptr("\xff")}),
		"current to no version":        errOf(h.MoveStage(now, "n", secret.Current, id, "")),
		"previous":                     moving(secret.Previous),
		"a negative number":            errOf(h.Limit(now, "n", secret.Limits{MaxVersions: -1})),
		"a negative time":              errOf(h.Limit(now, "n", secret.Limits{DeleteAfter: -1})),
		"as many stages, step by step": stepwise(h, now, many),
	} {
		if !errors.Is(err, secret.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := creating(secret.Annotations{Description: long}); err != nil {
		t.Errorf("as long as can be: %v", err)
	}
}

// A window is a hint; the end that is told can be written down.
func TestWindow(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for asked, want := range map[time.Duration]time.Duration{0: DefaultWindow, -1: DefaultWindow, time.Hour: time.Hour, math.MaxInt64: MaxWindow} {
		h, err := empty(now).Delete(now, "n", asked)
		if err != nil || !h.Purge.Equal(now.Add(want)) || !time.Unix(0, h.Purge.UnixNano()).Equal(h.Purge) {
			t.Errorf("%s: until %s, %v", asked, h.Purge, err)
		}
	}
}

func ptr[T any](x T) *T { return &x }

func errOf[T any](_ T, err error) error { return err }

func stepwise(h *Head, now time.Time, stages []secret.Stage) error {
	for _, s := range stages {
		next, err := h.MoveStage(now, "n", s, "", h.Versions[0].ID)
		if err != nil {
			return err
		}
		h = next
	}
	return nil
}

// What the suites of the backends cannot see from outside.
func TestInside(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h := put(t, nil, now, nil).Head
	id := h.Versions[0].ID
	destroyed, gone, err := h.Remove(now, "n", DestroyVersions, secret.Limits{}, secret.At{}, secret.At{ID: id})
	if err != nil || !slices.Equal(gone, []secret.VersionID{id}) {
		t.Errorf("values to forget: %q, %v", gone, err)
	}
	same := func(secret.VersionID) (bool, error) { return true, nil } // a store that still has the value
	if _, err := Put(destroyed, now, "n", Putting{Opts: &secret.PutOptions{ID: id}, Same: same}); !errors.Is(err, secret.Conflict) {
		t.Errorf("a destroyed version is put again: %v", err)
	}
	deleted, err := h.Delete(now, "n", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if deleted.Gone(now.Add(time.Hour-1)) || !deleted.Gone(now.Add(time.Hour)) {
		t.Error("it is not gone exactly when it was told")
	}
	if _, err := deleted.Find(now, "n", secret.At{Number: 99}); !errors.Is(err, secret.Deleted) || errors.Is(err, secret.NoVersion) {
		t.Errorf("a missing version of a deleted secret: %v", err)
	}
}
