package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

// checkedJSON is what store check prints with --json.
type checkedJSON struct {
	Store      string `json:"store"`
	Rows       uint64 `json:"rows"` // values included
	Values     uint64 `json:"values"`
	Generation uint64 `json:"generation"`
	Epoch      uint64 `json:"epoch"`
}

func (a *app) storeCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Read the whole store and prove that nothing in it was changed",
		Long: `Read the whole store and prove that nothing in it was changed. A single older row that
was put back into the file is found here, and not by each read.`,
		Example: "  tacit store check",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), "check the store", false, func(s *config.StoreAdmin) error {
				r, err := s.Check(cmd.Context())
				if err != nil {
					return err
				}
				if a.flags.json {
					return a.object(checkedJSON{s.StoreID(), r.Rows, r.Values, r.Generation, r.Epoch})
				}
				a.done("checked", count(int(r.Rows), "row"), "%d of them values, generation %d", r.Values, r.Generation) //nolint:gosec // rows fit
				return nil
			})
		},
	}
}

// backupJSON is what store backup prints with --json.
type backupJSON struct {
	Store      string   `json:"store"`
	File       string   `json:"file"`
	Recipients []string `json:"recipients"`
}

func (a *app) backupCommand() *cobra.Command {
	var recipients []string
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write the whole store to a file, encrypted to age recipients",
		Long: `Write the whole store to a new file, encrypted to age recipients. What is in it is sealed
by the store's own key besides: to restore it, one of the store's keys is needed too.
A recovery key is both. The audit log is not in it, nor the log's signing key.`,
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
	if errors.Is(err, fs.ErrExist) {
		return secret.Errorf(secret.Conflict, "", "%s: is there already, and is not overwritten", path)
	}
	if err != nil {
		return secret.Errorf(secret.Invalid, "", "%s: cannot be made: %s", path, reason(err))
	}
	err = s.Backup(ctx, f, recipients)
	if closed := errors.Join(f.Chmod(0o600), f.Sync(), f.Close()); err == nil && closed != nil {
		err = secret.Errorf(secret.Unavailable, "", "%s: cannot be written: %s", path, closed)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	if a.flags.json {
		return a.object(backupJSON{s.StoreID(), path, recipients})
	}
	a.done("backed up", path, "")
	return nil
}

// newEpochJSON is what store restore and accept-rollback print with --json.
type newEpochJSON struct {
	Store    string `json:"store"`
	AuditKey string `json:"audit_key"` // the log's new first key
}

func (a *app) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the store's place, or where there is none",
		Long: `Put a backup in the store's place, or on a new machine where there is none, and bind this
folder to it. The identities named by unlock.identities of your own config.toml decrypt
it. What was there is kept beside it, with the ending .replaced. The audit log begins a
new epoch under a new first key.`,
		Example: "  tacit store restore store.age",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.restore(cmd.Context(), args[0]) },
	}
}

func (a *app) restore(ctx context.Context, path string) (err error) {
	if err := a.refuseAgent(ctx, "restore a store"); err != nil {
		return err
	}
	f, err := os.Open(path) //nolint:gosec // the user names it
	if err != nil {
		return secret.Errorf(secret.Invalid, "", "%s: cannot be read: %s", path, reason(err))
	}
	defer func() { _ = f.Close() }()
	r, err := config.ReadBackup(ctx, a.sys, a.options(), f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := a.confirm(ctx, "%s", restoreQuestion(r, path, a.sys.User())); err != nil {
		return err
	}
	key, err := r.Apply(ctx)
	if err != nil {
		return err
	}
	if a.flags.json {
		return a.object(newEpochJSON{r.StoreID, key})
	}
	a.done("restored", "store "+r.StoreID[:4]+"…", "for %s", r.Root)
	a.say("audit", "first key", "%s", key)
	if !r.OpensHere(ctx) {
		a.hint("nothing on this machine opens it by itself yet:  tacit store key add --key-file")
	}
	return nil
}

// restoreQuestion says what a restore will do.
func restoreQuestion(r *config.Restoration, path string, user secret.Principal) string {
	q := fmt.Sprintf("restore %s as store %s… for %s", path, r.StoreID[:4], r.Root)
	if r.Replaces {
		q = fmt.Sprintf("put %s in the place of store %s…", path, r.StoreID[:4])
	}
	if r.Owner != user {
		q += fmt.Sprintf(", which was %s's", r.Owner)
	}
	return q
}

func (a *app) acceptCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "accept-rollback",
		Short: "Take the store as it is, although the log knows a later state",
		Long: `Take the store as it is, although the audit log knows a later state of it, because you know
why: you put a copy back. The log begins a new epoch under a new first key.`,
		Example: "  tacit store accept-rollback",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), "accept a rollback", true, func(s *config.StoreAdmin) error {
				if err := a.confirm(cmd.Context(), "take store %s… as it is", s.StoreID()[:4]); err != nil {
					return err
				}
				key, err := s.AcceptRollback(cmd.Context())
				if err != nil {
					return err
				}
				if a.flags.json {
					return a.object(newEpochJSON{s.StoreID(), key})
				}
				a.done("accepted", "store "+s.StoreID()[:4]+"…", "as it is")
				a.say("audit", "first key", "%s", key)
				return nil
			})
		},
	}
}
