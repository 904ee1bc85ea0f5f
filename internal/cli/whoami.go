package cli

import (
	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/secret"
)

// whoamiJSON is what whoami prints with --json.
type whoamiJSON struct {
	Principal secret.Principal `json:"principal"`
	How       secret.How       `json:"how"`
	Session   string           `json:"session,omitempty"`
	Agent     string           `json:"agent,omitempty"`
}

func (a *app) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "whoami",
		Short: "Say as whom tacit sees you, and why",
		Long: `Say as which principal a command run here is decided and recorded, and how that
is known: "uid" is the operating system's user; "mark" means that the environment or
an ancestor process shows an agent.`,
		Example: "  tacit whoami",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c := a.sys.Caller()
			if a.flags.json {
				return a.object(whoamiJSON{c.Principal, c.How, c.Session, c.Agent})
			}
			return a.line(string(c.Principal) + "  known by " + string(c.How))
		},
	}
}
