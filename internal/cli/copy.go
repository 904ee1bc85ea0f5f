package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/secret"
)

type copyFlags struct {
	recursive bool
	dryRun    bool
	keepGoing bool
	lossy     []string
}

func (a *app) copyCommand() *cobra.Command {
	var f copyFlags
	c := &cobra.Command{
		Use:   "copy FROM TO",
		Short: "Copy secrets within and across environments",
		Long: `Copy a secret, or with -r all secrets of an environment or below a prefix. The
current version goes with its identity, attributes and stages, and the secret's
tags and description; what was current at the target becomes previous there.

What the target has already is not written again, so a copy that was interrupted
is finished by running it again. What the target's store cannot keep is named
before anything is written; --lossy leaves it out.`,
		Example: `  tacit copy claude/api prod:
  tacit copy app/db app/db-old
  tacit copy -r dev: staging: --dry-run
  tacit copy -r dev:team/ prod:team/`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.copy(cmd.Context(), args[0], args[1], f)
		},
	}
	fs := c.Flags()
	fs.BoolVarP(&f.recursive, "recursive", "r", false, "copy all secrets below FROM")
	fs.BoolVarP(&f.dryRun, "dry-run", "n", false, "say what would be done, and do nothing")
	fs.BoolVar(&f.keepGoing, "keep-going", false, "copy the others where some cannot be copied")
	fs.StringSliceVar(&f.lossy, "lossy", nil, "leave out what the target cannot keep: attributes, stages, `tags`")
	return c
}

// copyJSON is what copy prints with --json for each secret it changes.
type copyJSON struct {
	From    string   `json:"from"`
	To      string   `json:"to"`
	Action  string   `json:"action"`
	Version uint64   `json:"version,omitempty"`
	Lost    []string `json:"lost,omitempty"`
	Outcome string   `json:"outcome"`
	Reason  string   `json:"reason,omitempty"`
	DryRun  bool     `json:"dry_run,omitempty"`
}

func (a *app) copy(ctx context.Context, from, to string, f copyFlags) error {
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	c := move.Copy{Broker: o.Broker, Caller: o.Caller, Lossy: f.lossy}
	if c.From, c.To, err = copyPlaces(o, from, to, f.recursive); err != nil {
		return err
	}
	plan, err := a.planCopy(ctx, &c, f)
	if err != nil && ctx.Err() != nil {
		return interrupted()
	}
	if err != nil || f.dryRun {
		return err
	}
	if err := a.askCopy(ctx, o, &c, plan); err != nil {
		return err
	}
	return a.runCopy(ctx, &c, plan)
}

// copyPlaces reads the arguments. A target that is a bare environment means
// the same name there.
func copyPlaces(o *config.Opened, from, to string, recursive bool) (a, b move.Place, err error) {
	if a, err = place(o, from); err != nil {
		return a, b, err
	}
	if b, err = place(o, to); err != nil {
		return a, b, err
	}
	switch {
	case a.Name == "" && !recursive:
		err = secret.Errorf(secret.Invalid, "", "%s is a tree of secrets\n  copy all of it:  tacit copy -r %s %s", a, from, to)
	case a.Name != "" && recursive:
		err = secret.Errorf(secret.Invalid, "", "%s is one secret: copy it without -r\n  what lies below it:  %s/", a, from)
	case a.Name == "" && b.Name != "":
		err = secret.Errorf(secret.Invalid, "", "a tree is copied to a tree: %s/", to)
	case a.Name != "" && b.Name == "" && b.Prefix == "":
		b.Name = a.Name
	case a.Name != "" && b.Name == "":
		err = secret.Errorf(secret.Invalid, "", "give the whole name: %s%s", b, a.Name)
	}
	return a, b, err
}

// copyPlan counts what a copy is about to do.
type copyPlan struct {
	count map[move.Action]int
	first error // of what cannot be copied
}

func (p copyPlan) total() (n int) {
	for _, c := range p.count {
		n += c
	}
	return n
}

// changes are the secrets that are written.
func (p copyPlan) changes() int { return p.total() - p.count[move.Same] - p.count[move.Refuse] }

func (p copyPlan) String() string {
	var parts []string
	for _, x := range [...]struct {
		action move.Action
		text   string
	}{
		{move.Create, "new"}, {move.Update, "changed"}, {move.Annotate, "with other tags or stages"}, {move.Same, "the same"}, {move.Refuse, "refused"},
	} {
		if n := p.count[x.action]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, x.text))
		}
	}
	return strings.Join(parts, ", ")
}

// planCopy looks what there is to do, and says it in a dry run. What cannot be
// copied is named, and stops a copy before it begins.
func (a *app) planCopy(ctx context.Context, c *move.Copy, f copyFlags) (copyPlan, error) {
	p := copyPlan{count: map[move.Action]int{}}
	bar := a.progress("looking at", 0)
	defer bar.end()
	for s, err := range c.Plan(ctx) {
		if err != nil {
			return p, err
		}
		bar.step()
		p.count[s.Action]++
		if s.Action == move.Refuse {
			if p.first == nil {
				p.first = s.Err
			}
			bar.end()
			a.uncopied(s, f.dryRun)
		} else if f.dryRun {
			bar.end()
			if err := a.wouldCopy(s); err != nil {
				return p, err
			}
		}
	}
	if n := p.count[move.Refuse]; n > 0 && !f.keepGoing {
		return p, secret.Errorf(secret.KindOf(p.first), "", "%d of %d secrets cannot be copied; nothing was written\n  copy the others:  --keep-going", n, p.total())
	}
	if f.dryRun && !a.flags.json {
		a.say("plan", c.To.String(), "%s", p)
	}
	return p, nil
}

func (a *app) uncopied(s move.Step, dryRun bool) {
	if a.flags.json {
		_ = a.copied(s, dryRun)
		return
	}
	a.warn("%s", s.Err)
}

func (a *app) wouldCopy(s move.Step) error {
	if s.Action == move.Same {
		return nil
	}
	if a.flags.json {
		return a.copied(s, true)
	}
	lost := ""
	if len(s.Lost) > 0 {
		lost = ", without " + strings.Join(s.Lost, " and ")
	}
	a.say("would "+string(s.Action), s.To.String(), "from %s%s", s.From, lost)
	return nil
}

func (a *app) copied(s move.Step, dryRun bool) error {
	out := copyJSON{
		From: s.From.String(), To: s.To.String(), Action: string(s.Action), Version: s.Version, Lost: s.Lost, DryRun: dryRun, Outcome: "ok",
	}
	if s.Err != nil {
		out.Outcome = secret.KindOf(s.Err).Error()
		out.Reason, _, _ = strings.Cut(s.Err.Error(), "\n")
	}
	return a.object(out)
}

// askCopy asks before something is overwritten, and before a protected
// environment is written to.
func (a *app) askCopy(ctx context.Context, o *config.Opened, c *move.Copy, p copyPlan) error {
	if p.changes() == 0 || a.agent() {
		return nil // agents are not asked: the policy decides
	}
	to := strings.TrimSuffix(c.To.String(), ":")
	if o.Protected(c.To.Env) {
		return a.confirm(ctx, "%s is protected: copy to %s: %s", c.To.Env, to, p)
	}
	if p.count[move.Update] > 0 {
		return a.confirm(ctx, "copy to %s: %s", to, p)
	}
	return nil
}

func (a *app) runCopy(ctx context.Context, c *move.Copy, plan copyPlan) error {
	bar := a.progress("copied", plan.total())
	done := copyPlan{count: map[move.Action]int{}}
	failed := 0
	err := c.Run(ctx, func(s move.Step) {
		bar.step()
		switch {
		case s.Action == move.Refuse:
		case s.Err != nil && ctx.Err() != nil: // told as one
		case s.Err != nil:
			failed++
			bar.end()
			a.uncopied(s, false)
		default:
			done.count[s.Action]++
			if a.flags.json && s.Action != move.Same {
				_ = a.copied(s, false)
			}
		}
	})
	bar.end()
	if !a.flags.json && done.total() > 0 {
		a.done("copied", c.To.String(), "%s", done)
	}
	if err != nil && ctx.Err() != nil {
		return secret.Errorf(secret.Unavailable, "", "interrupted: %d of %d secrets are there\n  run it again: what was copied is not written twice", done.total(), plan.total())
	}
	return a.copyEnded(err, failed, plan, done)
}

// copyEnded says how many are missing: those that failed, of which each was
// told, and those that a copy which ended early never came to.
func (a *app) copyEnded(err error, failed int, plan, done copyPlan) error {
	missing := max(failed, plan.changes()-done.changes())
	switch {
	case err == nil:
		return nil
	case missing > 0:
		if failed == 0 { // the reason is about no secret, so it was not told yet
			a.report(err)
		}
		return secret.Errorf(secret.KindOf(err), "", "%d of %d secrets were not copied\n  run it again when the reason is gone: what was copied is not written twice", missing, plan.total())
	case plan.first != nil:
		return nil //nolint:nilerr // told already, and --keep-going wants it so
	default:
		return err
	}
}
