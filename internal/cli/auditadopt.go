package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) auditCheckpointCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "Print the newest checkpoint, to be kept elsewhere",
		Long: `Print the newest signed checkpoint. Kept where nobody can change it, it shows later
that no record before it was changed or cut off, even together with the store.`,
		Example: "  tacit audit checkpoint > kept-elsewhere.txt",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			return o.ReadLog(cmd.Context(), "checkpoint", func(dir string) error {
				head, key := o.LogHead()
				r, err := audit.Verify(cmd.Context(), dir, audit.VerifyOptions{FirstKey: key, Head: &head, KeyDir: o.LogKeyDir()})
				if err != nil {
					return err
				}
				if !r.Sound() {
					return secret.Errorf(secret.Corrupt, "", "the audit log is damaged\n  tacit audit verify")
				}
				_, err = a.Out.WriteString(r.Checkpoint)
				return written(err)
			})
		},
	}
}

func (a *app) auditAdoptCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "adopt",
		Short: "Begin a new log where the old one is missing or was replaced",
		Long: `Begin a new log, or take the one that is there, when it is missing or contradicts what
the store remembers, and you know why. What the store remembers of the old log is
recorded, and verification reports the break for ever.`,
		Example: "  tacit audit adopt",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := a.refuseAgent(cmd.Context(), "adopt a log"); err != nil {
				return err
			}
			s, err := config.OpenStore(cmd.Context(), a.sys, a.options(), true)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			if err := a.confirm(cmd.Context(), "begin the audit log anew"); err != nil {
				return err
			}
			key, err := s.Adopt(cmd.Context())
			if err != nil {
				return err
			}
			a.say("adopted", "first key", "%s", key)
			return nil
		},
	}
}
