package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
)

func (a *app) trustCommand() *cobra.Command {
	var store string
	c := &cobra.Command{
		Use:   "trust",
		Short: "Show what the files here ask for, and trust them as they are",
		Long: `Show what tacit.toml, tacit.local.toml and policy.cedar of this folder ask for, and
trust them: byte for byte as they were shown. Until then they may name no network
address and no command, declare no secret, and weaken nothing.

In a folder without a store, a new one is made. --store binds the folder to one that
exists; --yes never chooses one.`,
		Example: "  tacit trust\n  tacit trust --yes\n  tacit trust --store 7f3a…",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.trust(cmd.Context(), store) },
	}
	c.Flags().StringVar(&store, "store", "", "bind the folder to the store of this `id`")
	return c
}

func (a *app) trust(ctx context.Context, store string) (err error) {
	if err := a.refuseAgent(ctx, "trust files"); err != nil {
		return err
	}
	r, err := config.ReviewTrust(ctx, a.sys, a.options(), store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if r.Standing == config.Trusted {
		a.done("trusted", r.Root, "already, as the files are")
		return nil
	}
	a.review(r)
	question := "trust these files"
	if store != "" {
		question = "bind " + r.Root + " to store " + store[:min(4, len(store))] + "… and trust its files"
	}
	if err := a.confirm(ctx, "%s", question); err != nil {
		return err
	}
	caller := a.sys.Caller()
	caller.Reason = a.flags.reason
	made, err := r.Trust(ctx, caller)
	if err != nil {
		return err
	}
	a.done("trusted", r.Root, "%s", r.Summary())
	if made != nil {
		a.madeStore(*made)
	}
	return nil
}

// review shows what is about to be trusted.
func (a *app) review(r *config.Review) {
	if r.StoreID == "" {
		a.say("store", "none", "a new one will be made")
	}
	for _, o := range r.Others {
		a.say("shares", "the store with", "%s", o)
	}
	for _, w := range r.Weakening {
		a.say("weakens", w, "")
	}
	for _, addr := range r.Addresses {
		a.say("address", addr, "")
	}
	for _, s := range r.SignsIn {
		a.say("signs in", s, "")
	}
	for _, f := range r.Files {
		a.say("reads", f, "")
	}
	if len(r.Variables) > 0 {
		a.say("secrets", strings.Join(r.Variables, ", "), "")
	}
	for _, c := range r.Changed {
		a.diff(c)
	}
}

// maxDiff is how many lines of a file are shown.
const maxDiff = 200

// diff shows a file line by line: what is gone, and what is new.
func (a *app) diff(c config.Change) {
	before, after := splitLines(c.Old), splitLines(c.New)
	a.hint("%s", c.File)
	shown := 0
	show := func(mark, line string) {
		if shown++; shown <= maxDiff {
			a.hint("  %s %s", mark, line)
		}
	}
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(before) > 0 && len(after) > 0 && before[0] == after[0]:
			before, after = before[1:], after[1:]
		case len(before) > 0 && !slices.Contains(after, before[0]):
			show("-", before[0])
			before = before[1:]
		case len(after) > 0:
			show("+", after[0])
			after = after[1:]
		default:
			show("-", before[0])
			before = before[1:]
		}
	}
	if shown > maxDiff {
		a.hint("  … %d more lines: read the file", shown-maxDiff)
	}
}

func splitLines(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}
