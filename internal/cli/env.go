package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
)

// envJSON is what env list prints with --json.
type envJSON struct {
	Env       string `json:"env"`
	Backend   string `json:"backend"`
	Default   bool   `json:"default"`
	Protected bool   `json:"protected"`
	Prefix    string `json:"prefix,omitempty"`
	Address   string `json:"address,omitempty"`
}

func (a *app) envCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "env",
		Short:   "Environments: dev, staging, prod",
		Example: "  tacit env list\n  tacit env show prod\n  tacit env add staging\n  tacit env check prod",
	}
	c.AddCommand(a.envAddCommand(), a.envShowCommand(), a.envLoginCommand(), a.envCheckCommand(), &cobra.Command{
		Use:     "list",
		Short:   "List the environments that tacit.toml declares",
		Example: "  tacit env list",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.envList(cmd) },
	})
	return c
}

func (a *app) envList(cmd *cobra.Command) error {
	o, err := a.open(cmd.Context())
	if err != nil {
		return err
	}
	t := &table{head: []string{"ENVIRONMENT", "BACKEND", "NOTE", "PREFIX"}}
	if a.anyElsewhere(o) {
		t.head = append(t.head, "STORE")
	}
	for _, name := range o.Project.EnvNames() {
		e, err := o.Project.Environment(name)
		if err != nil {
			return err
		}
		isDefault := name == o.Project.DefaultEnv
		if a.flags.json {
			if err := a.object(envJSON{name, e.Backend, isDefault, e.Protected, e.Prefix, e.Address}); err != nil {
				return err
			}
			continue
		}
		t.add([]string{name, e.Backend, envNote(e, isDefault), e.Prefix, e.Where()}[:len(t.head)]...)
	}
	if o.Standing < config.Trusted {
		a.warn("the files here are not trusted: these are the environments as they were\n  read them, then:  tacit trust")
	}
	if a.flags.json {
		return nil
	}
	return a.table(t)
}

// anyElsewhere reports whether an environment lies outside of the embedded
// store.
func (a *app) anyElsewhere(o *config.Opened) bool {
	return slices.ContainsFunc(o.Project.EnvNames(), func(name string) bool {
		e, err := o.Project.Environment(name)
		return err == nil && e.Backend != config.BackendLocal
	})
}

func envNote(e config.Environment, isDefault bool) string {
	var notes []string
	if isDefault {
		notes = append(notes, "default")
	}
	if e.Protected {
		notes = append(notes, "protected")
	}
	return strings.Join(notes, ", ")
}
