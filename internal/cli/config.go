package cli

import (
	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
)

func (a *app) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "config",
		Short:   "What tacit.toml may say",
		Example: "  tacit config schema > tacit.schema.json",
	}
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
