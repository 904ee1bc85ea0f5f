package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) storeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "store",
		Short:   "The store itself: keys, rekey, check, backup, restore",
		Example: "  tacit store key list\n  tacit store check",
	}
	key := &cobra.Command{Use: "key", Short: "The ways to unlock the store", Example: "  tacit store key list"}
	key.AddCommand(a.keyListCommand(), a.keyAddCommand(), a.keyRemoveCommand())
	c.AddCommand(key, a.rekeyCommand(), a.storeCheckCommand(), a.backupCommand(), a.restoreCommand(), a.acceptCommand())
	return c
}

// withStore opens the store for administration and calls f.
func (a *app) withStore(ctx context.Context, what string, noLog bool, f func(*config.StoreAdmin) error) (err error) {
	if err := a.refuseAgent(what); err != nil {
		return err
	}
	s, err := config.OpenStore(ctx, a.sys, a.options(), noLog)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return f(s)
}

// slotJSON is what store key list prints with --json.
type slotJSON struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Label   string    `json:"label,omitempty"`
	Place   string    `json:"place"`
	Created time.Time `json:"created"`
}

func (a *app) keyListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the ways to unlock the store", Example: "  tacit store key list", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), "look at the store's keys", false, func(s *config.StoreAdmin) error {
				all, err := s.Slots()
				if err != nil {
					return err
				}
				t := &table{head: []string{"ID", "KIND", "AGE", "LABEL", "PLACE"}}
				for _, x := range all {
					if a.flags.json {
						if err := a.object(slotJSON(x)); err != nil {
							return err
						}
					}
					t.add(x.ID, x.Kind, a.age(x.Created), x.Label, x.Place)
				}
				if a.flags.json {
					return nil
				}
				return a.table(t)
			})
		},
	}
}

type keyFlags struct {
	passphrase, keyFile, keyring, command, recovery bool
	age, ssh, credential, label                     string
}

func (a *app) keyAddCommand() *cobra.Command {
	var f keyFlags
	c := &cobra.Command{
		Use:   "add",
		Short: "Add a way to unlock the store",
		Example: `  tacit store key add --passphrase
  tacit store key add --recovery
  tacit store key add --age age1… --label laptop
  tacit store key add --ssh ~/.ssh/id_ed25519.pub`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), "add a key to the store", false, func(s *config.StoreAdmin) error {
				return a.addKey(cmd.Context(), s, f)
			})
		},
	}
	fs := c.Flags()
	fs.BoolVar(&f.passphrase, "passphrase", false, "a passphrase, asked for on the terminal")
	fs.BoolVar(&f.keyFile, "key-file", false, "a new key file")
	fs.BoolVar(&f.keyring, "keyring", false, "an entry of the keyring")
	fs.BoolVar(&f.command, "command", false, "unlock.command of your config.toml")
	fs.BoolVar(&f.recovery, "recovery", false, "a new recovery key, shown once, on a terminal only")
	fs.StringVar(&f.age, "age", "", "an age `recipient`")
	fs.StringVar(&f.ssh, "ssh", "", "an SSH public key `file`")
	fs.StringVar(&f.credential, "credential", "", "a systemd credential of this `name`")
	fs.StringVar(&f.label, "label", "", "a `name` for people")
	c.MarkFlagsMutuallyExclusive("passphrase", "key-file", "keyring", "command", "recovery", "age", "ssh", "credential")
	c.MarkFlagsOneRequired("passphrase", "key-file", "keyring", "command", "recovery", "age", "ssh", "credential")
	return c
}

func (a *app) addKey(ctx context.Context, s *config.StoreAdmin, f keyFlags) error {
	m := seal.Method{Label: f.label}
	identity := ""
	switch {
	case f.keyFile:
		m.Kind = seal.KeyFile
	case f.keyring:
		m.Kind = seal.InKeyring
	case f.command:
		m.Kind = seal.Command
	case f.credential != "":
		m.Kind, m.Credential = seal.Credential, f.credential
	case f.age != "":
		m.Kind, m.Recipient = seal.Age, f.age
	case f.ssh != "":
		b, err := readFile(f.ssh)
		if err != nil {
			return err
		}
		m.Kind, m.Recipient = seal.SSH, string(b)
	case f.passphrase:
		p, err := a.newPassphrase(ctx)
		if err != nil {
			return err
		}
		m.Kind, m.Passphrase = seal.Passphrase, p
	case f.recovery:
		if !a.interactive() {
			return secret.Errorf(secret.Invalid, "", "a recovery key is shown on a terminal only\n  or make one elsewhere with age-keygen, and:  tacit store key add --age RECIPIENT --label recovery")
		}
		key, recipient, err := seal.NewRecovery()
		if err != nil {
			return err
		}
		m.Kind, m.Recipient, m.Label, identity = seal.Age, recipient, "recovery", string(key.Reveal())
	}
	slot, err := s.AddSlot(ctx, m)
	if err != nil {
		return err
	}
	a.say("added", "key "+slot.ID, "%s", slot.Kind)
	if identity != "" {
		_, _ = fmt.Fprintf(a.Err, "recovery  %s\n          shown once, kept nowhere: write it down off this machine\n", identity)
	}
	return nil
}

func (a *app) newPassphrase(ctx context.Context) (secret.Value, error) {
	if !a.interactive() {
		return secret.Value{}, secret.Errorf(secret.Invalid, "", "a passphrase is asked for on a terminal, and there is none")
	}
	first, err := a.hidden(ctx, "new passphrase")
	if err != nil {
		return secret.Value{}, err
	}
	second, err := a.hidden(ctx, "the same again")
	if err != nil {
		return secret.Value{}, err
	}
	if p := secret.Text(first); p.Equal(secret.Text(second)) {
		return p, nil
	}
	return secret.Value{}, secret.Errorf(secret.Invalid, "", "the two differ: nothing was changed")
}

func (a *app) keyRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Take a way to unlock the store away", Example: "  tacit store key remove 3f0c9a1b2d4e5f60", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd.Context(), "take a key from the store", false, func(s *config.StoreAdmin) error {
				if err := s.RemoveSlot(cmd.Context(), args[0]); err != nil {
					return err
				}
				a.say("removed", "key "+args[0], "")
				a.hint("who has read the key knows it still:  tacit store rekey")
				return nil
			})
		},
	}
}

func (a *app) rekeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rekey",
		Short: "Put a new key in the place of the store's",
		Long: `Put a new key in the place of the store's: each value's key is wrapped anew. It does
not heal a key that was read already: rotate the secrets then.`,
		Example: "  tacit store rekey",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), "rekey the store", false, func(s *config.StoreAdmin) error {
				dropped, err := s.Rekey(cmd.Context())
				if err != nil {
					return err
				}
				a.say("rekeyed", "store "+s.StoreID()[:4]+"…", "")
				for _, d := range dropped {
					a.warn("%s key %s could not be made anew and is gone: its secret is not on this machine\n  tacit store key add", d.Kind, d.ID)
				}
				return nil
			})
		},
	}
}

func (a *app) storeCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Read the whole store and prove that nothing in it was changed", Example: "  tacit store check", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), "check the store", false, func(s *config.StoreAdmin) error {
				r, err := s.Check(cmd.Context())
				if err != nil {
					return err
				}
				if a.flags.json {
					return a.object(map[string]any{"rows": r.Rows, "values": r.Values, "generation": r.Generation, "epoch": r.Epoch})
				}
				a.say("checked", fmt.Sprintf("%d rows", r.Rows), "%d of them values, generation %d", r.Values, r.Generation)
				return nil
			})
		},
	}
}

func (a *app) backupCommand() *cobra.Command {
	var recipients []string
	c := &cobra.Command{
		Use:     "backup FILE",
		Short:   "Write the whole store to a file, encrypted to age recipients",
		Long:    "Write the whole store to a new file, encrypted to age recipients. What is in it is sealed\nby the store's own key besides, so a restore needs both.",
		Example: "  tacit store backup store.age --to age1…",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(recipients) == 0 {
				return secret.Errorf(secret.Invalid, "", "a backup is encrypted to someone\n  tacit store backup %s --to RECIPIENT", args[0])
			}
			return a.withStore(cmd.Context(), "back the store up", false, func(s *config.StoreAdmin) error {
				return a.backup(cmd.Context(), s, args[0], recipients)
			})
		},
	}
	c.Flags().StringArrayVar(&recipients, "to", nil, "an age `recipient`; may be given more than once")
	return c
}

func (a *app) backup(ctx context.Context, s *config.StoreAdmin, path string, recipients []string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the user names it
	if err != nil {
		return secret.Errorf(secret.Invalid, "", "%s: cannot be made: %s", path, reason(err))
	}
	err = s.Backup(ctx, f, recipients)
	if closed := errors.Join(f.Sync(), f.Close()); err == nil && closed != nil {
		err = secret.Errorf(secret.Unavailable, "", "%s: cannot be written: %s", path, closed)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	a.say("backed up", path, "")
	return nil
}

func (a *app) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the store's place",
		Long: `Put a backup in the store's place. What the store held is kept beside it, with the ending
.replaced. The audit log begins a new epoch under a new first key.`,
		Example: "  tacit store restore store.age",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd.Context(), "restore the store", false, func(s *config.StoreAdmin) (err error) {
				f, err := os.Open(args[0])
				if err != nil {
					return secret.Errorf(secret.Invalid, "", "%s: cannot be read: %s", args[0], reason(err))
				}
				defer func() { _ = f.Close() }()
				if err := a.confirm(cmd.Context(), "put %s in the place of store %s…", args[0], s.StoreID()[:4]); err != nil {
					return err
				}
				key, err := s.Restore(cmd.Context(), f)
				if err != nil {
					return err
				}
				a.say("restored", "store "+s.StoreID()[:4]+"…", "")
				a.say("audit", "first key", "%s", key)
				return nil
			})
		},
	}
}

func (a *app) acceptCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "accept-rollback",
		Short:   "Take the store as it is, although the log knows a later state",
		Long:    "Take the store as it is, although the audit log knows a later state of it, because you know\nwhy: you restored a copy. The log begins a new epoch under a new first key.",
		Example: "  tacit store accept-rollback",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), "accept a rollback", true, func(s *config.StoreAdmin) error {
				if err := a.confirm(cmd.Context(), "take the store as it is"); err != nil {
					return err
				}
				key, err := s.AcceptRollback(cmd.Context())
				if err != nil {
					return err
				}
				a.say("accepted", "store "+s.StoreID()[:4]+"…", "as it is")
				a.say("audit", "first key", "%s", key)
				return nil
			})
		},
	}
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
			if err != nil {
				return err
			}
			return a.withStore(cmd.Context(), "unlock the store", false, func(s *config.StoreAdmin) error {
				if err := s.Hold(cmd.Context(), d); err != nil {
					return err
				}
				a.say("unlocked", "store "+s.StoreID()[:4]+"…", "for %s", long)
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
			a.say("locked", "store "+id[:4]+"…", "")
			return nil
		},
	}
}
