package move

import (
	"context"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// A Rename gives a secret another name in its environment.
type Rename struct {
	Broker   *broker.Broker
	Caller   secret.Caller
	From, To secret.Ref
}

// Whole reports whether the store renames by itself, and so keeps everything.
func (r *Rename) Whole(ctx context.Context) (bool, error) {
	c := Copy{Broker: r.Broker, From: r.place(r.From), To: r.place(r.To)}
	err := c.begin(ctx)
	return c.holds["rename"], err
}

func (r *Rename) place(x secret.Ref) Place { return Place{Env: x.Env, Name: x.Name} }

// Behind returns the numbers of the versions that stay behind, with the
// deleted secret, where the store does not rename by itself: all but the
// current one and those with a stage of their own.
func (r *Rename) Behind(ctx context.Context) ([]uint64, error) {
	var out []uint64
	for v, err := range r.Broker.Versions(ctx, r.Caller, r.From) {
		if secret.KindOf(err) == secret.Unsupported {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if len(v.Stages) == 0 || len(v.Stages) == 1 && v.Stages[0] == secret.Previous {
			out = append(out, v.Number)
		}
	}
	return out, nil
}

// Run renames: in one step where the store can, else by a copy and a delete,
// which can be run again if it is interrupted between the two. lossy is what
// may be lost then: see [Losses].
func (r *Rename) Run(ctx context.Context, lossy []string) error {
	whole, err := r.Whole(ctx)
	if err != nil {
		return err
	}
	if whole {
		_, err := r.Broker.Rename(ctx, r.Caller, r.From, r.To)
		return err
	}
	c := Copy{Broker: r.Broker, Caller: r.Caller, From: r.place(r.From), To: r.place(r.To), Lossy: lossy}
	for s, err := range c.Plan(ctx) {
		if err != nil {
			return err
		}
		if s.Action == Update {
			return &secret.Error{Kind: secret.Conflict, Name: shown(r.To), Text: "it exists"}
		}
	}
	if err := c.Run(ctx, func(Step) {}); err != nil {
		return err
	}
	_, err = r.Broker.Delete(ctx, r.Caller, r.From, nil)
	return err
}
