package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) generateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "generate [KIND]",
		Short: "Print a new random value; keep nothing",
		Long: `Print a new random value of at least 122 bits: ` + strings.Join(generators(), ", ") + `.
A password is what is made without a KIND. Nothing is kept: "tacit put --generate" makes
a value that nobody sees.`,
		Example:   "  tacit generate\n  tacit generate uuid",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: generators(),
		RunE: func(_ *cobra.Command, args []string) error {
			kind := generators()[0]
			if len(args) == 1 {
				kind = args[0]
			}
			if !isGenerator(kind) {
				return secret.Errorf(secret.Invalid, "", "there is no value of kind %q\n  there are: %s", kind, strings.Join(generators(), ", "))
			}
			v, err := generate(kind)
			if err != nil {
				return err
			}
			if a.flags.json {
				return a.object(map[string]string{"kind": kind, "value": string(v.Reveal())})
			}
			return a.value(secret.Ref{}, v.Reveal()) // always text
		},
	}
}
