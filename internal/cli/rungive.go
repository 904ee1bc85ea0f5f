package cli

import (
	"context"
	"slices"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

// A giving is what a child is to be given, and for whom: everything but the
// values, which are read each time anew.
type giving struct {
	caller secret.Caller
	wanted []config.Declaration
	all    []config.Declaration // what they may be composed of
	file   *envFile             // nil: there is none
}

// resolve reads the values. What is missing is an error that names all of it,
// and says what that means.
func (g *giving) resolve(ctx context.Context, from config.Getter, meaning string) ([]config.Resolved, error) {
	wanted := g.wanted
	if g.file != nil {
		wanted = append(slices.Clone(wanted), g.file.needs...)
	}
	got, missing, err := config.Resolve(ctx, from, g.caller, wanted, g.all)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, missingError(missing, meaning)
	}
	if g.file != nil {
		return g.file.fill(got)
	}
	return got, nil
}

// refs returns what the values are made of.
func (g *giving) refs() []secret.Ref {
	wanted := g.wanted
	if g.file != nil {
		wanted = append(slices.Clone(wanted), g.file.needs...)
	}
	var out []secret.Ref
	for _, d := range wanted {
		out = append(out, config.RefsOf(d, g.all)...)
	}
	return out
}
