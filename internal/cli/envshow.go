package cli

import (
	"context"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/internal/config"
)

func (a *app) envShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "show [NAME]",
		Short:             "Show an environment, and what its store can keep",
		Example:           "  tacit env show\n  tacit env show prod",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeEnvs,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.envShow(cmd.Context(), strings.Join(args, "")) },
	}
}

// envShowJSON is what env show prints with --json.
type envShowJSON struct {
	envJSON
	Declared     int               `json:"declared"`
	Capabilities []string          `json:"capabilities"`
	Settings     map[string]string `json:"settings,omitempty"` // what tacit.toml says besides
}

func (a *app) envShow(ctx context.Context, name string) error {
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	if name == "" {
		name = o.Env
	}
	e, err := o.Project.Environment(name)
	if err != nil {
		return err
	}
	caps := config.Capabilities(e.Backend)
	declared, err := o.Project.Declarations(e.Name)
	if err != nil {
		return err
	}
	isDefault := e.Name == o.Project.DefaultEnv
	if a.flags.json {
		return a.object(envShowJSON{envJSON{e.Name, e.Backend, isDefault, e.Protected, e.Prefix, e.Address}, len(declared), caps, settingsOf(e)})
	}
	var left, right []string
	lines := [][2]string{
		{"environment", e.Name},
		{"backend", e.Backend},
		{"address", e.Address},
		{"mount", e.Mount},
		{"prefix", e.Prefix},
	}
	for _, s := range e.Settings() {
		if s.Name == "offline" {
			s.Value = o.OfflineText(e) // where it is protected, it may not count
		}
		lines = append(lines, [2]string{s.Name, s.Value})
	}
	lines = append(lines, [][2]string{
		{"note", envNote(e, isDefault)},
		{"declared", count(len(declared), "secret")},
		{"keeps", strings.Join(caps, ", ")},
	}...)
	head := 0
	for _, l := range lines {
		if l[1] != "" {
			left, right = append(left, l[0]), append(right, audit.Printable(l[1]))
			head = max(head, len(l[0]))
		}
	}
	wide := width(a.Out)
	if wide == 0 {
		wide = math.MaxInt // nothing is broken for a pipe
	}
	return a.print(sideBySide(left, right, head, wide))
}

func settingsOf(e config.Environment) map[string]string {
	out := map[string]string{}
	for _, s := range e.Settings() {
		out[s.Name] = s.Value
	}
	return out
}
