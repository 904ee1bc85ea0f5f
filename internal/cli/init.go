package cli

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/seal"
)

func (a *app) initCommand() *cobra.Command {
	var recovery string
	var keyFile bool
	c := &cobra.Command{
		Use:   "init",
		Short: "Make a project of this folder: store, audit log, tacit.toml",
		Long: `Make a project of this folder: a new encrypted store, unlocked by the keyring of the
login session or by a key file, its audit log, and tacit.toml with the environment dev.

On a terminal a recovery key is offered: it opens the store when everything else is
lost, is shown once and kept nowhere.`,
		Example: "  tacit init\n  tacit init --recovery age1…",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.init(cmd.Context(), recovery, keyFile)
		},
	}
	c.Flags().StringVar(&recovery, "recovery", "", "an age `recipient` that can open the store, too")
	c.Flags().BoolVar(&keyFile, "key-file", false, "a key file, even where there is a keyring")
	return c
}

// initJSON is what init prints with --json.
type initJSON struct {
	Project  string `json:"project"`
	Store    string `json:"store"`
	Key      string `json:"key"`
	AuditKey string `json:"audit_key"`
}

func (a *app) init(ctx context.Context, recovery string, keyFile bool) error {
	if err := a.refuseAgent(ctx, "make a store"); err != nil {
		return err
	}
	opts := config.InitOptions{Options: a.options(), Recovery: recovery}
	opts.NoKeyring = keyFile
	identity, err := a.offerRecovery(ctx, &opts)
	if err != nil {
		return err
	}
	m, err := config.Init(ctx, a.sys, opts)
	if err != nil {
		return err
	}
	if a.flags.json {
		return a.object(initJSON{m.Project, m.StoreID, m.KeyPlace, m.AuditKey})
	}
	if m.Wrote {
		a.say("created", config.FileName, "project %s, environment dev (embedded)", m.Project)
	}
	a.madeStore(m)
	if m.Left != "" {
		a.say("left", "store "+m.Left[:4]+"…", "this folder used it before; it is kept")
		a.hint("to have it back:  tacit trust --store %s", m.Left)
	}
	switch {
	case identity != "":
		a.showRecovery(identity)
	case recovery == "":
		a.say("recovery", "none yet", "make one:  tacit store key add --recovery")
	}
	return nil
}

// madeStore tells of a new store.
func (a *app) madeStore(m config.Made) {
	place := strings.Replace(m.KeyPlace, a.sys.Home+string(filepath.Separator), "~/", 1)
	a.say("created", "store "+m.StoreID[:4]+"…", "key in %s", place)
	if m.Passed != "" {
		a.hint("%s", m.Passed)
		a.hint("once it is open:  tacit store key add --keyring")
	}
	a.say("audit", "first key", "%s", m.AuditKey)
	a.hint("keep that key somewhere else: it proves the log later")
	if m.Ignored {
		a.say("ignored", config.LocalName, "in .gitignore")
	}
}

// offerRecovery makes a recovery key, on a terminal and if a person wants one.
func (a *app) offerRecovery(ctx context.Context, opts *config.InitOptions) (identity string, err error) {
	if opts.Recovery != "" || !a.interactive() || a.flags.yes || a.flags.json {
		return "", nil
	}
	if yes, err := a.wants(ctx, "make a recovery key, shown once"); err != nil || !yes {
		return "", err
	}
	key, recipient, err := seal.NewRecovery()
	if err != nil {
		return "", err
	}
	opts.Recovery = recipient
	return string(key.Reveal()), nil
}
