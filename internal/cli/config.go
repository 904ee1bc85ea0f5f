package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tacit-secrets/tacit/internal/config"
)

func (a *app) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "config",
		Short:   "Settings: what may be said, what holds here, and why",
		Example: "  tacit config list\n  tacit config schema > tacit.schema.json",
	}
	c.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List every setting with its value and where that is from",
		Long: `List every setting: those of the environment and of flags, of your own config.toml,
and of the project's files. No store is opened for it. Declared secrets are what
"tacit check" lists.`,
		Example: "  tacit config list\n  tacit config list --json",
		Args:    cobra.NoArgs,
		RunE:    a.configList,
	})
	c.AddCommand(&cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of tacit.toml, for editors",
		Long: `Print the JSON Schema of tacit.toml and tacit.local.toml. Editors that know TOML
complete and check the files with it. Nothing is opened.`,
		Example: "  tacit config schema > tacit.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = a.Out.Write(b)
			return written(err)
		},
	})
	return c
}

// settingJSON is what config list prints with --json.
type settingJSON struct {
	Setting string `json:"setting"`
	Value   string `json:"value"`
	Source  string `json:"source"`
}

func (a *app) configList(cmd *cobra.Command, _ []string) error {
	flags := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) { flags[f.Name] = f.Value.String() })
	all, err := config.Effectives(a.sys, a.flags.dir, flags)
	if err != nil {
		return err
	}
	t := &table{head: []string{"SETTING", "VALUE", "SOURCE"}}
	for _, e := range all {
		if a.flags.json {
			if err := a.object(settingJSON(e)); err != nil {
				return err
			}
			continue
		}
		t.add(e.Setting, e.Value, e.Source)
	}
	if a.flags.json {
		return nil
	}
	return a.table(t)
}
