package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
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
	if err := a.refuseAgent(ctx, what); err != nil {
		return err
	}
	s, err := config.OpenStore(ctx, a.sys, a.options(), noLog)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return f(s)
}

// slotJSON is what store key list and add print with --json.
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
				all, err := s.Slots(cmd.Context())
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
					t.add(x.ID, x.Kind, a.age(x.Created), x.Label, a.shortPlace(x.Place))
				}
				if a.flags.json {
					return nil
				}
				return a.table(t)
			})
		},
	}
}

// shortPlace makes a place fit a table: a post-quantum recipient has 1,959
// characters, of which --json shows all.
func (a *app) shortPlace(place string) string {
	const most = 60
	place = strings.Replace(place, a.sys.Home+string(filepath.Separator), "~/", 1)
	if r := []rune(place); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return place
}

type keyFlags struct {
	passphrase, keyFile, keyring, command, recovery bool
	credential                                      bool
	age, ssh, label                                 string
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
	fs.BoolVar(&f.credential, "credential", false, "unlock.credential of your config.toml, from systemd")
	fs.StringVar(&f.label, "label", "", "a `name` for people")
	c.MarkFlagsMutuallyExclusive("passphrase", "key-file", "keyring", "command", "recovery", "age", "ssh", "credential")
	c.MarkFlagsOneRequired("passphrase", "key-file", "keyring", "command", "recovery", "age", "ssh", "credential")
	return c
}

func (a *app) addKey(ctx context.Context, s *config.StoreAdmin, f keyFlags) error {
	m, identity, err := a.method(ctx, f)
	if err != nil {
		return err
	}
	slot, err := s.AddSlot(ctx, m)
	if err != nil {
		return err
	}
	if identity != "" {
		a.showRecovery(identity)
	}
	if a.flags.json {
		return a.object(slotJSON(slot))
	}
	a.done("added", "key "+slot.ID, "%s", slot.Kind)
	return nil
}

// method asks and reads what a new slot needs. identity is a recovery key to be
// shown once the slot is stored.
func (a *app) method(ctx context.Context, f keyFlags) (m seal.Method, identity string, err error) {
	m.Label = f.label
	switch {
	case f.keyFile:
		m.Kind = seal.KeyFile
	case f.keyring:
		m.Kind = seal.InKeyring
	case f.command:
		m.Kind = seal.Command
	case f.credential:
		m.Kind = seal.Credential
	case f.age != "":
		m.Kind, m.Recipient = seal.Age, f.age
	case f.ssh != "":
		var b []byte
		b, err = readFile(f.ssh)
		m.Kind, m.Recipient = seal.SSH, string(b)
	case f.passphrase:
		m.Kind = seal.Passphrase
		m.Passphrase, err = a.newPassphrase(ctx)
	case f.recovery:
		m.Kind, m.Label = seal.Age, "recovery"
		identity, m.Recipient, err = a.newRecovery()
	}
	return m, identity, err
}

// newRecovery makes a recovery key, if there is a person to show it to.
func (a *app) newRecovery() (identity, recipient string, err error) {
	if !a.interactive() {
		return "", "", secret.Errorf(secret.Invalid, "", "a recovery key is shown on a terminal only\n  or make one elsewhere with age-keygen, and:  tacit store key add --age RECIPIENT --label recovery")
	}
	key, recipient, err := seal.NewRecovery()
	return string(key.Reveal()), recipient, err
}

// showRecovery is the only place where a key is ever shown. Whoever calls it made
// sure that a person looks at the terminal.
func (a *app) showRecovery(identity string) {
	_, _ = fmt.Fprintf(a.Err, "recovery  %s\n          shown once, kept nowhere: write it down off this machine\n", identity)
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

// removedJSON is what store key remove prints with --json.
type removedJSON struct {
	ID      string `json:"id"`
	Removed bool   `json:"removed"`
}

func (a *app) keyRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Take a way to unlock the store away", Example: "  tacit store key remove 3f0c9a1b2d4e5f60", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd.Context(), "take a key from the store", false, func(s *config.StoreAdmin) error {
				if err := s.RemoveSlot(cmd.Context(), args[0]); err != nil {
					return err
				}
				if a.flags.json {
					return a.object(removedJSON{args[0], true})
				}
				a.done("removed", "key "+args[0], "")
				a.hint("who has read the key knows it still:  tacit store rekey")
				return nil
			})
		},
	}
}

// rekeyedJSON is what store rekey prints with --json.
type rekeyedJSON struct {
	Store   string     `json:"store"`
	Dropped []slotJSON `json:"dropped,omitempty"` // keys whose secret is not on this machine
}

func rekeyJSON(id string, dropped []config.Slot) rekeyedJSON {
	out := rekeyedJSON{Store: id}
	for _, d := range dropped {
		out.Dropped = append(out.Dropped, slotJSON(d))
	}
	return out
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
				if a.flags.json {
					return a.object(rekeyJSON(s.StoreID(), dropped))
				}
				a.done("rekeyed", "store "+s.StoreID()[:4]+"…", "")
				for _, d := range dropped {
					a.warn("%s key %s could not be made anew and is gone: its secret is not on this machine\n  tacit store key add", d.Kind, d.ID)
				}
				return nil
			})
		},
	}
}
