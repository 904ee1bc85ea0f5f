package move

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// An Action is what copying does to one secret.
type Action string

// The actions.
const (
	Create   Action = "create"   // the target has none
	Update   Action = "update"   // the target has another version
	Annotate Action = "annotate" // the value is there; tags, stages or attributes differ
	Same     Action = "same"     // nothing to do
	Refuse   Action = "refuse"   // Step.Err says why
)

// A Step is one secret of a copy.
type Step struct {
	From, To secret.Ref
	Action   Action
	Lost     []string // what the target cannot hold: of Losses
	Err      error    // with Refuse, and where carrying out failed
	Version  uint64   // of the target, once it was written

	source, target *secret.Meta
}

// Losses names what a target may be unable to hold, in the words of --lossy.
func Losses() []string { return []string{"attributes", "stages", "tags"} }

// A Copy copies secrets from one place to another: their current versions with
// identity, attributes and other stages, and their annotations. What was
// current at the target becomes previous there, as with every put; older
// versions stay where they are.
type Copy struct {
	Broker   *broker.Broker
	Caller   secret.Caller
	From, To Place
	Lossy    []string // what may be lost

	holds map[string]bool // the target's capabilities
}

// Plan yields what copying would do, in byte order, and changes nothing.
// Versions are compared by their identities. Values are read only where the
// target's store is narrower than the source's, to see whether they fit: what
// cannot be held is known before anything is written; and where the target has
// a newer version of another identity, to see whether it is the same value.
func (c *Copy) Plan(ctx context.Context) iter.Seq2[Step, error] {
	return func(yield func(Step, error) bool) {
		if err := c.begin(ctx); err != nil {
			yield(Step{}, err)
			return
		}
		narrow, err := c.narrower(ctx)
		if err != nil {
			yield(Step{}, err)
			return
		}
		if narrow {
			c.weighed(ctx, c.steps(ctx))(yield)
			return
		}
		c.steps(ctx)(yield)
	}
}

// steps is the plan without a look at whether values fit.
func (c *Copy) steps(ctx context.Context) iter.Seq2[Step, error] {
	return chunked(c.listed(ctx), func(some []Step) ([]Step, error) {
		some, err := c.recognise(ctx, some)
		for i, s := range some {
			some[i] = c.fitting(ctx, s)
		}
		return some, err
	})
}

// listed is the plan without a look at values.
func (c *Copy) listed(ctx context.Context) iter.Seq2[Step, error] {
	return func(yield func(Step, error) bool) {
		found := false
		d := door{c.Broker, c.Caller}
		for p, err := range d.join(ctx, c.From, c.To, c.alsoDeleted()) {
			if err != nil {
				yield(Step{}, err)
				return
			}
			if p.a == nil {
				continue // only at the target: copying takes nothing away
			}
			found = true
			if !yield(c.step(p), nil) {
				return
			}
		}
		if !found {
			yield(Step{}, &secret.Error{Kind: secret.NotFound, Text: "nothing is at " + c.From.String() + " that you may list"})
		}
	}
}

func (c *Copy) alsoDeleted() secret.Deletion {
	if c.holds["undelete"] {
		return secret.AlsoDeleted
	}
	return secret.NotDeleted
}

// begin checks what can be known before anything is listed.
func (c *Copy) begin(ctx context.Context) error {
	if c.From.within(c.To) || c.To.within(c.From) {
		return secret.Errorf(secret.Invalid, "", "%s and %s are the same place, or one lies within the other", c.From, c.To)
	}
	for _, l := range c.Lossy {
		if !slices.Contains(Losses(), l) {
			return secret.Errorf(secret.Invalid, "", "--lossy names %s, not %q", strings.Join(Losses(), ", "), l)
		}
	}
	caps, err := c.Broker.Capabilities(ctx, c.To.Env)
	if err != nil {
		return err
	}
	c.holds = map[string]bool{}
	for _, name := range caps {
		c.holds[name] = true
	}
	return nil
}

// step decides what is to be done with a secret of the source.
func (c *Copy) step(p pair) Step {
	s := Step{From: c.From.ref(p.rel), To: c.To.ref(p.rel), source: p.a, target: p.b}
	if err := s.To.Name.Check(); err != nil {
		return s.refuse(err)
	}
	current, ok := p.a.Current()
	if s.Lost = c.lost(p.a, current); len(s.Lost) > 0 {
		for _, l := range s.Lost {
			if !slices.Contains(c.Lossy, l) {
				return s.refuse(secret.Errorf(secret.Unsupported, shown(s.To), "its store keeps no %s\n  copy without them:  --lossy %s", l, strings.Join(s.Lost, ",")))
			}
		}
	}
	switch {
	case p.b != nil && !p.b.Deleted.IsZero():
		return s.refuse(&secret.Error{Kind: secret.Conflict, State: secret.Deleted, Name: shown(s.To), Text: "it is deleted there\n  bring it back:  tacit undelete " + s.To.String()})
	case !ok:
		return s.refuse(&secret.Error{Kind: secret.NotFound, State: secret.NoVersion, Name: shown(s.From), Text: "it has no value yet"})
	case p.b == nil:
		s.Action = Create
		return s
	}
	there, ok := p.b.Current()
	switch {
	case !ok || there.ID != current.ID || current.ID == "":
		s.Action = Update
	case c.differs(p.a, p.b):
		s.Action = Annotate
	default:
		s.Action = Same
	}
	return s
}

func (s Step) refuse(err error) Step {
	s.Action, s.Err = Refuse, err
	return s
}

// shown is a reference as the name in an error.
func shown(r secret.Ref) secret.Name { return secret.Name(r.String()) }

// lost names what of a secret the target cannot hold.
func (c *Copy) lost(m *secret.Meta, current secret.Version) []string {
	var out []string
	if !c.holds["attributes"] && !plainAttributes(current.Attributes) {
		out = append(out, "attributes")
	}
	if !c.holds["stages"] && len(staged(m)) > 0 {
		out = append(out, "stages")
	}
	if !c.holds["annotations"] && (m.Description != "" || len(m.Tags) > 0) {
		out = append(out, "tags")
	}
	return out
}

func plainAttributes(a secret.Attributes) bool {
	return !a.Disabled && a.NotBefore.IsZero() && a.Expires.IsZero() && a.ContentType == "" && len(a.Tags) == 0
}

// staged returns the stages that a copy carries along besides current, and
// where they are. Previous is moved by a store alone.
func staged(m *secret.Meta) map[secret.Stage]secret.VersionID {
	out := map[secret.Stage]secret.VersionID{}
	for _, v := range m.Versions {
		for _, s := range v.Stages {
			if s != secret.Current && s != secret.Previous {
				out[s] = v.ID
			}
		}
	}
	return out
}

// differs compares what belongs to a secret besides its current value, as far
// as the target can hold it.
func (c *Copy) differs(a, b *secret.Meta) bool {
	return c.annotationsDiffer(a, b) || c.stagesDiffer(a, b) || c.attributesDiffer(a, b)
}

func (c *Copy) annotationsDiffer(a, b *secret.Meta) bool {
	return c.holds["annotations"] && (a.Description != b.Description || !maps.Equal(a.Tags, b.Tags))
}

func (c *Copy) stagesDiffer(a, b *secret.Meta) bool {
	if !c.holds["stages"] {
		return false
	}
	there := staged(b)
	for s, id := range staged(a) {
		if there[s] != id {
			return true
		}
	}
	return false
}

func (c *Copy) attributesDiffer(a, b *secret.Meta) bool {
	if !c.holds["attributes"] {
		return false
	}
	x, _ := a.Current()
	y, _ := b.Current()
	return x.Disabled != y.Disabled || !x.NotBefore.Equal(y.NotBefore) || !x.Expires.Equal(y.Expires) ||
		x.ContentType != y.ContentType || !maps.Equal(x.Tags, y.Tags)
}
