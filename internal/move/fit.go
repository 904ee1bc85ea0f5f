package move

import (
	"context"
	"iter"

	"github.com/tacit-secrets/tacit/secret"
)

// fitting refuses a step whose name, tags or attributes the target's store
// cannot hold.
func (c *Copy) fitting(ctx context.Context, s Step) Step {
	if s.Action == Refuse || s.Action == Same {
		return s
	}
	current, _ := s.source.Current()
	return c.fit(ctx, s, current, secret.Value{})
}

func (c *Copy) fit(ctx context.Context, s Step, current secret.Version, v secret.Value) Step {
	options := c.putting(s, current).Options
	if s.Action == Annotate { // it does so by other calls, with the same bounds
		if c.annotationsDiffer(s.source, s.target) {
			options.Annotations = &secret.Annotations{Description: s.source.Description, Tags: s.source.Tags}
		}
	}
	if err := c.Broker.Fits(ctx, s.To, v, options); err != nil {
		return s.refuse(err)
	}
	return s
}

// narrower tells whether the source's store may hold values that the target's
// does not.
func (c *Copy) narrower(ctx context.Context) (bool, error) {
	most, err := c.Broker.MaxValueBytes(ctx, c.To.Env)
	if err != nil || most == 0 {
		return false, err
	}
	theirs, err := c.Broker.MaxValueBytes(ctx, c.From.Env)
	if err != nil || theirs == 0 || most < theirs {
		return true, err
	}
	empty := func(env string) error {
		return c.Broker.Fits(ctx, secret.Ref{Env: env, Name: "a"}, secret.Text(""), nil)
	}
	return empty(c.To.Env) != nil && empty(c.From.Env) == nil, nil
}

// weighed reads the values that would be written, some at a time, and refuses
// those that do not fit. A secret that cannot be read is left to the copy
// itself; a store that cannot be read ends it.
func (c *Copy) weighed(ctx context.Context, steps iter.Seq2[Step, error]) iter.Seq2[Step, error] {
	return chunked(steps, func(some []Step) ([]Step, error) { return c.weigh(ctx, some) })
}

func (c *Copy) weigh(ctx context.Context, steps []Step) ([]Step, error) {
	var written []Step
	var at []int
	for i, s := range steps {
		if s.Action == Create || s.Action == Update {
			written, at = append(written, s), append(at, i)
		}
	}
	if len(written) == 0 {
		return steps, nil
	}
	for i, r := range c.values(ctx, written) {
		switch {
		case r.Err == nil:
			steps[at[i]] = c.fit(ctx, written[i], r.Version, r.Version.Value)
		case ends(ctx, r.Err):
			return nil, r.Err
		}
	}
	return steps, nil
}
