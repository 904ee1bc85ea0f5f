package move

import (
	"context"
	"iter"

	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// recognise finds secrets whose value the target has under another identity:
// that of a version is told to some stores after its value, and a copy that was
// killed in between would write it again. So values are compared where the
// target's version is the newer one, or nothing tells which is, and where the
// caller may read both. A place whose store keeps no identities is compared so
// as well.
func (c *Copy) recognise(ctx context.Context, steps []Step) ([]Step, error) {
	var maybe []Step
	var at []int
	for i, s := range steps {
		if c.mayBeThere(s) {
			maybe, at = append(maybe, s), append(at, i)
		}
	}
	if len(maybe) == 0 {
		return steps, nil
	}
	theirs := c.Broker.GetAll(ctx, c.writer(), targets(maybe))
	ours := c.values(ctx, maybe)
	for i, s := range maybe {
		err := firstOf(theirs[i].Err, ours[i].Err)
		if ends(ctx, err) {
			return nil, err
		}
		there, _ := s.target.Current()
		if err != nil || theirs[i].Version.ID != there.ID || !theirs[i].Version.Value.Equal(ours[i].Version.Value) {
			continue // the copy meets it, if it matters
		}
		if s.Action = Same; c.differs(s.source, s.target) {
			s.Action = Annotate
		}
		steps[at[i]] = s
	}
	return steps, nil
}

func (c *Copy) mayBeThere(s Step) bool {
	if s.Action != Update {
		return false
	}
	current, _ := s.source.Current()
	there, ok := s.target.Current()
	if !ok || !there.Created.IsZero() && there.Created.Before(current.Created) {
		return false
	}
	return c.Broker.Explain(policy.Request{Caller: c.Caller, Verb: secret.Get, Env: s.To.Env, Name: s.To.Name}).Allowed
}

func targets(steps []Step) []secret.Ref {
	out := make([]secret.Ref, len(steps))
	for i, s := range steps {
		out[i] = s.To
	}
	return out
}

// chunked passes steps through f, some at a time.
func chunked(steps iter.Seq2[Step, error], f func([]Step) ([]Step, error)) iter.Seq2[Step, error] {
	return func(yield func(Step, error) bool) {
		var wait []Step
		flush := func() bool {
			out, err := f(wait)
			for _, s := range out {
				if !yield(s, nil) {
					return false
				}
			}
			if wait = wait[:0]; err != nil {
				yield(Step{}, err)
			}
			return err == nil
		}
		for s, err := range steps {
			if err != nil {
				if flush() {
					yield(Step{}, err)
				}
				return
			}
			if wait = append(wait, s); len(wait) == readChunk && !flush() {
				return
			}
		}
		flush()
	}
}
