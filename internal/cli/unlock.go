package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/seal"
)

// heldJSON is what unlock and lock print with --json.
type heldJSON struct {
	Store string    `json:"store"`
	Until time.Time `json:"until,omitzero"`
}

func (a *app) unlockCommand() *cobra.Command {
	var long string
	c := &cobra.Command{
		Use:   "unlock",
		Short: "Hold the store's key, so that a passphrase is asked once",
		Long: `Hold the store's key for a while, in the kernel's keyring (Linux) or the keychain of the
system, so that a passphrase is asked once. Every process of yours can use it meanwhile.`,
		Example: "  tacit unlock --for 8h",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := config.ParseSpan(long)
			if err == nil { // before anybody is asked for a passphrase
				err = seal.CheckHold(d)
			}
			if err != nil {
				return err
			}
			return a.withStore(cmd.Context(), "unlock the store", false, func(s *config.StoreAdmin) error {
				if err := s.Hold(cmd.Context(), d); err != nil {
					return err
				}
				if a.flags.json {
					return a.object(heldJSON{s.StoreID(), a.now().Add(d).UTC().Truncate(time.Second)})
				}
				a.done("unlocked", "store "+s.StoreID()[:4]+"…", "for %s", long)
				return nil
			})
		},
	}
	c.Flags().StringVar(&long, "for", "8h", "for so `long`, at most 7d")
	return c
}

func (a *app) lockCommand() *cobra.Command {
	return &cobra.Command{
		Use: "lock", Short: "Forget a key that unlock holds", Example: "  tacit lock", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			id, err := config.Drop(cmd.Context(), a.sys, a.options())
			if err != nil {
				return err
			}
			if a.flags.json {
				return a.object(heldJSON{Store: id})
			}
			a.done("locked", "store "+id[:4]+"…", "")
			return nil
		},
	}
}
