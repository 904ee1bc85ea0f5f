package cli

import (
	"context"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

type envAddFlags struct {
	backend   string
	prefix    string
	protected bool
	given     bool // a flag says how: nothing is asked
	prefixed  bool // --prefix was given, perhaps empty
}

func (a *app) envAddCommand() *cobra.Command {
	var f envAddFlags
	c := &cobra.Command{
		Use:   "add [NAME]",
		Short: "Add an environment to tacit.toml",
		Long: `Add an environment to tacit.toml, and trust that edit. On a terminal the few questions
are asked, unless flags answer them.`,
		Example:           "  tacit env add staging\n  tacit env add prod --protected",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions, // a new name
		RunE: func(cmd *cobra.Command, args []string) error {
			f.prefixed = cmd.Flags().Changed("prefix")
			f.given = f.prefixed || cmd.Flags().Changed("backend") || cmd.Flags().Changed("protected")
			return a.envAdd(cmd.Context(), strings.Join(args, ""), f)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.backend, "backend", config.BackendLocal, "the `kind` of store: local; others are not built yet")
	fs.StringVar(&f.prefix, "prefix", "", "what stands before its names in the store (default NAME/)")
	fs.BoolVar(&f.protected, "protected", false, "writes ask first, and agents are refused")
	return c
}

func (a *app) envAdd(ctx context.Context, name string, f envAddFlags) error {
	if err := a.refuseAgent(ctx, "add an environment"); err != nil {
		return err
	}
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	e := config.NewEnv{Name: name, Backend: f.backend, Protected: f.protected}
	if f.prefixed {
		e.Prefix = &f.prefix
	}
	if name == "" {
		if !a.interactive() {
			return secret.Errorf(secret.Invalid, "", "which environment is to be added?\n  tacit env add NAME")
		}
		if e.Name, err = a.ask(ctx, "name of the environment"); err != nil {
			return err
		}
	}
	if err := o.CheckNewEnv(e); err != nil {
		return err
	}
	if a.interactive() && !f.given && !a.flags.yes {
		if e.Protected, err = a.wants(ctx, "protect it: writes ask first, and agents are refused"); err != nil {
			return err
		}
	}
	if err := o.AddEnv(ctx, e); err != nil {
		return err
	}
	if a.flags.json {
		return a.object(envJSON{Env: e.Name, Backend: e.Backend, Protected: e.Protected, Prefix: prefixOf(e)})
	}
	a.done("added", e.Name, "in %s", config.FileName)
	return nil
}

func prefixOf(e config.NewEnv) string {
	if e.Prefix != nil {
		return *e.Prefix
	}
	return e.Name + "/"
}

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
	caps, err := o.Broker.Capabilities(ctx, e.Name)
	if err != nil {
		return err
	}
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
