package move

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// What is read and written at once. A chunk of values is the most that a copy
// holds in memory.
const (
	readChunk  = 64
	writeChunk = 256
	writeBytes = 8 << 20
)

// Run carries the plan out and reports each step once it is done, or failed.
// It goes on after a secret that failed, and returns the first error then; an
// error of the store or the log ends it. Killed at any point it can be run
// again: what is there already, by its version's identity, is not written
// twice.
func (c *Copy) Run(ctx context.Context, report func(Step)) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	w := writing{Copy: c, report: report}
	for s, err := range c.steps(ctx) {
		if err != nil {
			return firstOf(err, w.first)
		}
		if err := w.add(ctx, s); err != nil {
			return err
		}
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	return w.first
}

// writing is a copy under way.
type writing struct {
	*Copy
	report func(Step)
	unread []Step    // whose values are to be read
	puts   []pending // whose values are to be written
	bytes  int
	first  error        // of a secret that failed
	row    atomic.Int32 // so many in a row were not answered
	gone   atomic.Bool  // the target's store does not answer any more
}

// A pending step is ready to be carried out.
type pending struct {
	Step
	put     broker.Putting  // none for Annotate
	written *secret.Version // what the target has of it already
}

func (w *writing) done(s Step, err error) {
	if s.Err = err; err != nil && w.first == nil {
		w.first = err
	}
	w.report(s)
}

// add takes a step up. Its error ends the copy.
func (w *writing) add(ctx context.Context, s Step) error {
	switch s.Action {
	case Same, Refuse:
		w.done(s, s.Err)
		return nil
	case Annotate:
		w.puts = append(w.puts, pending{Step: s})
		return w.whenFull(ctx)
	default:
		w.unread = append(w.unread, s)
		if len(w.unread) < readChunk {
			return nil
		}
		return w.read(ctx)
	}
}

// ends reports whether an error is not about one secret: the next one would
// likely meet it too.
func ends(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() != nil || errors.Is(err, secret.Unavailable) || errors.Is(err, secret.Unauthenticated)
}

func (w *writing) flush(ctx context.Context) error {
	if err := w.read(ctx); err != nil {
		return err
	}
	return w.write(ctx)
}

// read gets the values of the steps that wait for them.
func (w *writing) read(ctx context.Context) error {
	if len(w.unread) == 0 {
		return nil
	}
	for i, r := range w.values(ctx, w.unread) {
		s := w.unread[i]
		if r.Err != nil {
			w.done(s, r.Err)
			if ends(ctx, r.Err) {
				return r.Err
			}
			continue
		}
		w.puts = append(w.puts, pending{Step: s, put: w.putting(s, r.Version)})
		w.bytes += r.Version.Value.Len()
	}
	w.unread = w.unread[:0]
	return w.whenFull(ctx)
}

func (w *writing) whenFull(ctx context.Context) error {
	if len(w.puts) < writeChunk && w.bytes < writeBytes {
		return nil
	}
	return w.write(ctx)
}

// values reads the versions of some steps' sources that were current when they
// were listed. It asks for the current ones, which some stores give in batches,
// and singly for those that are no longer.
func (c *Copy) values(ctx context.Context, steps []Step) []secret.Result {
	caller := c.Caller
	caller.For = "copy to " + c.To.String()
	refs := make([]secret.Ref, len(steps))
	for i, s := range steps {
		refs[i] = s.From
	}
	out := c.Broker.GetAll(ctx, caller, refs)
	var again []secret.Ref
	var at []int
	for i, s := range steps {
		if current, _ := s.source.Current(); out[i].Err == nil && out[i].Version.ID != current.ID {
			refs[i].At = current.At()
			again, at = append(again, refs[i]), append(at, i)
		}
	}
	if len(again) == 0 {
		return out
	}
	for i, r := range c.Broker.GetAll(ctx, caller, again) {
		out[at[i]] = r
	}
	return out
}

// putting is what writes a secret at the target: only if nobody changed it
// since it was listed.
func (c *Copy) putting(s Step, v secret.Version) broker.Putting {
	p := broker.Putting{Ref: s.To, Value: v.Value, Options: &secret.PutOptions{}}
	if c.holds["swap"] {
		p.Old = &secret.At{}
		if s.target != nil {
			there, _ := s.target.Current()
			*p.Old = there.At()
		}
	}
	if c.holds["versions"] {
		p.Options.ID = v.ID
	}
	if c.holds["annotations"] && (s.target == nil || c.annotationsDiffer(s.source, s.target)) {
		p.Options.Annotations = &secret.Annotations{Description: s.source.Description, Tags: s.source.Tags}
	}
	if c.holds["attributes"] && !plainAttributes(v.Attributes) {
		p.Options.Attributes = &v.Attributes
	}
	return p
}

// makeCurrent moves current to a version that the target had already, under
// the same identity: writing it again changed nothing.
func (w *writing) makeCurrent(ctx context.Context, p *pending, v secret.Version) error {
	if !w.holds["stages"] || v.ID == "" || v.ID != p.put.Options.ID || slices.Contains(v.Stages, secret.Current) || p.target == nil {
		return nil
	}
	there, _ := p.target.Current()
	_, err := w.Broker.MoveStage(ctx, w.writer(), p.To, broker.StageMove{Stage: secret.Current, From: there.ID, To: v.ID})
	return err
}

// extras copies what belongs to a secret besides the current value: what a put
// did not carry along.
func (w *writing) extras(ctx context.Context, s *Step) error {
	if s.Action == Annotate && w.annotationsDiffer(s.source, s.target) {
		change := secret.Change{Description: &s.source.Description, Tags: secret.TagChange{Clear: true, Set: s.source.Tags}}
		if _, err := w.Broker.Annotate(ctx, w.writer(), s.To, change); err != nil {
			return err
		}
	}
	if s.Action == Annotate && w.attributesDiffer(s.source, s.target) {
		if err := w.attributes(ctx, s); err != nil {
			return err
		}
	}
	return w.stages(ctx, s)
}

func (w *writing) attributes(ctx context.Context, s *Step) error {
	v, _ := s.source.Current()
	there, _ := s.target.Current()
	r := s.To
	r.At = there.At()
	_, err := w.Broker.AnnotateVersion(ctx, w.writer(), r, secret.AttributeChange{
		Disabled: &v.Disabled, NotBefore: &v.NotBefore, Expires: &v.Expires, ContentType: &v.ContentType,
		Tags: secret.TagChange{Clear: true, Set: v.Tags},
	})
	return err
}

// stages copies the versions that further stages point at.
func (w *writing) stages(ctx context.Context, s *Step) error {
	if !w.holds["stages"] {
		return nil
	}
	there := map[secret.Stage]secret.VersionID{}
	if s.target != nil {
		there = staged(s.target)
	}
	all := staged(s.source)
	names := make([]secret.Stage, 0, len(all))
	for st := range all {
		names = append(names, st)
	}
	slices.Sort(names)
	for _, st := range names {
		if id := all[st]; id != there[st] {
			if err := w.stage(ctx, s, broker.StageMove{Stage: st, From: there[st], To: id}); err != nil {
				return err
			}
		}
	}
	return nil
}

// stage writes the version that a stage points at, and moves the stage to it.
func (w *writing) stage(ctx context.Context, s *Step, m broker.StageMove) error {
	if current, _ := s.source.Current(); current.ID != m.To {
		from := s.From
		from.At = secret.At{ID: m.To}
		v, err := w.Broker.Get(ctx, w.Caller, from)
		if err != nil {
			return err
		}
		put, err := w.Broker.Put(ctx, w.writer(), s.To, v.Value, &secret.PutOptions{ID: v.ID, Stages: []secret.Stage{m.Stage}, Attributes: &v.Attributes})
		if err != nil || slices.Contains(put.Stages, m.Stage) {
			return err
		}
	}
	_, err := w.Broker.MoveStage(ctx, w.writer(), s.To, m)
	return err
}
