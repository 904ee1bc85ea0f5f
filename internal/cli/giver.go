package cli

import (
	"context"
	"strings"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// A giver reads what a command is given, and tells where the store could not be
// reached and a last known value was given.
type giver struct {
	*app
	from *broker.Broker
	last bool // whether last known values may be given
}

// GetAll implements config.Getter.
func (g giver) GetAll(ctx context.Context, c secret.Caller, refs []secret.Ref) []secret.Result {
	given, kept := g.from.GiveAll(ctx, c, refs, g.last)
	if kept != nil {
		g.warn("what was read is not kept for when the store cannot be reached:\n  %s", kept)
	}
	out := make([]secret.Result, len(given))
	old := map[string][]int{}
	for i := range given {
		out[i] = given[i].Result
		if given[i].Unreached != nil {
			old[refs[i].Env] = append(old[refs[i].Env], i)
		}
	}
	for _, env := range g.from.Envs() {
		if at := old[env]; len(at) > 0 {
			g.tell(env, given, refs, at)
		}
	}
	return out
}

// tell names the last known values of an environment, and how old each is.
func (g giver) tell(env string, given []broker.Given, refs []secret.Ref, at []int) {
	var b strings.Builder
	first, _, _ := strings.Cut(given[at[0]].Unreached.Error(), "\n")
	b.WriteString(env + " cannot be reached: " + count(len(at), "last known value") + plural(len(at), " is", " are") + " given\n  " + first)
	for _, i := range at {
		b.WriteString("\n  " + refs[i].String() + "  read " + g.ago(g.now().Add(-given[i].Age)))
	}
	g.warn("%s", b.String())
}
