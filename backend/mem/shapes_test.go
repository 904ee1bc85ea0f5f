package mem_test

import (
	"context"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

// Backends keep different promises. The suite must be fair to each: so mem is
// narrowed to the shapes that other stores have, and each shape passes.

// A shape is what a store keeps; what it does not keep it refuses.
type shape struct {
	s                                         *mem.Store
	versions, stages, annotations, attributes bool
	undelete                                  bool
	byTime                                    bool // numbers are creation times in milliseconds
}

func (p shape) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	v, err := p.s.Get(ctx, n, p.in(ctx, n, at))
	return p.out(v), err
}

func (p shape) Describe(ctx context.Context, n secret.Name) (secret.Meta, error) {
	m, err := p.s.Describe(ctx, n)
	return p.meta(m), err
}

func (p shape) Put(ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	if err := p.refuse(n, o); err != nil {
		return secret.Version{}, err
	}
	out, err := p.s.Put(ctx, n, v, o)
	return p.out(out), err
}

func (p shape) Delete(ctx context.Context, n secret.Name, o *secret.DeleteOptions) (secret.Meta, error) {
	m, err := p.s.Delete(ctx, n, o)
	if err == nil && !p.undelete {
		err = p.s.Destroy(ctx, n)
	}
	return p.meta(m), err
}

func (p shape) List(ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	return func(yield func(secret.Meta, error) bool) {
		if o != nil && o.Deleted != secret.NotDeleted && !p.undelete {
			yield(secret.Meta{}, secret.Errorf(secret.Unsupported, "", "nothing comes back here"))
			return
		}
		for m, err := range p.s.List(ctx, o) {
			if !yield(p.meta(m), err) {
				return
			}
		}
	}
}

func (p shape) refuse(n secret.Name, o *secret.PutOptions) error {
	if o == nil || (p.versions || o.ID == "") && (p.stages || o.Stages == nil) && (p.annotations || o.Annotations == nil) && (p.attributes || o.Attributes == nil) {
		return nil
	}
	return secret.Errorf(secret.Unsupported, n, "this store does not keep that")
}

// in translates a number that was given out.
func (p shape) in(ctx context.Context, n secret.Name, at secret.At) secret.At {
	if !p.byTime || at.Number == 0 {
		return at
	}
	given := at.Number
	at.Number = 1 << 62
	for v, err := range p.s.Versions(ctx, n) {
		if err == nil && uint64(v.Created.UnixMilli()) == given {
			at.Number = v.Number
		}
	}
	return at
}

func (p shape) out(v secret.Version) secret.Version {
	switch {
	case !p.versions:
		v.ID, v.Number = "", 0
	case p.byTime && v.Number != 0:
		v.Number = uint64(v.Created.UnixMilli())
	}
	return v
}

func (p shape) meta(m secret.Meta) secret.Meta {
	m.Versions = slices.Clone(m.Versions)
	for i, v := range m.Versions {
		m.Versions[i] = p.out(v)
	}
	if !p.versions {
		m.Versions = slices.DeleteFunc(m.Versions, func(v secret.Version) bool { return !slices.Contains(v.Stages, secret.Current) })
	}
	return m
}

// The optional promises that tell or take versions.
type (
	keepsVersions   struct{ p shape }
	swaps           struct{ p shape }
	readsBatches    struct{ p shape }
	keepsAttributes struct{ p shape }
)

func (k keepsVersions) Versions(ctx context.Context, n secret.Name) iter.Seq2[secret.Version, error] {
	return func(yield func(secret.Version, error) bool) {
		for v, err := range k.p.s.Versions(ctx, n) {
			if !yield(k.p.out(v), err) {
				return
			}
		}
	}
}

func (k swaps) Swap(ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	if err := k.p.refuse(n, o); err != nil {
		return secret.Version{}, err
	}
	out, err := k.p.s.Swap(ctx, n, k.p.in(ctx, n, old), v, o)
	return k.p.out(out), err
}

func (k readsBatches) GetBatch(ctx context.Context, names []secret.Name) []secret.Result {
	out := k.p.s.GetBatch(ctx, names)
	for i := range out {
		out[i].Version = k.p.out(out[i].Version)
	}
	return out
}

func (k keepsAttributes) AnnotateVersion(ctx context.Context, n secret.Name, at secret.At, c secret.AttributeChange) (secret.Version, error) {
	v, err := k.p.s.AnnotateVersion(ctx, n, k.p.in(ctx, n, at), c)
	return k.p.out(v), err
}

func shapes() map[string]func(*mem.Store) (secret.Backend, []string) {
	return map[string]func(*mem.Store) (secret.Backend, []string){
		// A store without versions, as Vault's first key-value engine.
		"flat": func(s *mem.Store) (secret.Backend, []string) { return shape{s: s}, nil },
		// Numbers that count, versions that are removed one by one.
		"counted": func(s *mem.Store) (secret.Backend, []string) {
			p := shape{s: s, versions: true, annotations: true, undelete: true}
			return struct {
				shape
				keepsVersions
				swaps
				secret.Creator
				secret.Undeleter
				secret.Annotator
				secret.VersionRemover
				secret.Limiter
			}{p, keepsVersions{p}, swaps{p}, s, s, s, s, s}, []string{"versions", "swap", "create", "undelete", "remove versions", "annotations", "limits"}
		},
		// Numbers that are times, stages that move.
		"staged": func(s *mem.Store) (secret.Backend, []string) {
			p := shape{s: s, versions: true, stages: true, annotations: true, undelete: true, byTime: true}
			return struct {
				shape
				keepsVersions
				swaps
				readsBatches
				secret.Creator
				secret.Undeleter
				secret.Annotator
				secret.Stager
			}{p, keepsVersions{p}, swaps{p}, readsBatches{p}, s, s, s, s}, []string{"versions", "swap", "create", "undelete", "stages", "annotations", "batch"}
		},
		// Numbers that are times, attributes of versions, no compare-and-swap.
		"attributed": func(s *mem.Store) (secret.Backend, []string) {
			p := shape{s: s, versions: true, annotations: true, attributes: true, undelete: true, byTime: true}
			return struct {
				shape
				keepsVersions
				keepsAttributes
				secret.Undeleter
				secret.Annotator
				secret.Archiver
			}{p, keepsVersions{p}, keepsAttributes{p}, s, s, s}, []string{"versions", "undelete", "annotations", "attributes", "backup"}
		},
	}
}

func TestSuiteIsFairToOtherShapes(t *testing.T) {
	for name, wrap := range shapes() {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			_, cfg.Capabilities = wrap(mem.New(nil))
			cfg.New = func(_ backendtest.TB, now func() time.Time) secret.Backend {
				b, _ := wrap(mem.New(now))
				return b
			}
			asked := strings.Join(backendtest.Run(t, cfg), "\n") + "\n"
			golden := "testdata/shape-" + name + ".golden"
			if os.Getenv("TACIT_TEST_UPDATE") != "" {
				if err := os.WriteFile(golden, []byte(asked), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(golden); err != nil || string(want) != asked {
				t.Errorf("the cases asked are not those of %s (%v): look, then TACIT_TEST_UPDATE=1", golden, err)
			}
		})
	}
}
