package cli

import (
	"strings"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/secret"
)

// place reads "dev:", "dev:app/" or "dev:app/db": an environment, the part of
// one below a prefix, or one secret.
func place(o *config.Opened, s string) (move.Place, error) {
	p := move.Place{Env: o.Env}
	rest := s
	if before, after, found := strings.Cut(s, ":"); found {
		p.Env, rest = before, after
	}
	if err := secret.CheckEnv(p.Env); err != nil {
		return p, err
	}
	if _, err := o.Project.Environment(p.Env); err != nil {
		return p, err
	}
	switch {
	case rest == "" && s == "":
		return p, secret.Errorf(secret.Invalid, "", "a place is ENV:, PREFIX/ or NAME, not nothing")
	case rest == "":
		return p, nil
	case strings.HasSuffix(rest, "/"):
		p.Prefix = rest
		return p, secret.Name(strings.TrimSuffix(rest, "/")).Check()
	}
	r, err := secret.ParseRef(rest)
	if err != nil {
		return p, err
	}
	if r.Field != "" || r.At != (secret.At{}) {
		return p, secret.Errorf(secret.Invalid, r.Name, "a whole secret is meant here: give its name without # or @")
	}
	p.Name = r.Name
	return p, nil
}
