package cli

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

// findingJSON is what env check prints with --json, one object a finding. The
// connection is the first.
type findingJSON struct {
	Env      string `json:"env"`
	Check    string `json:"check"`
	Status   string `json:"status"` // "ok", "bad" or "unknown"
	Evidence string `json:"evidence"`
	Remedy   string `json:"remedy,omitempty"`
}

func (a *app) envCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [NAME]",
		Short: "Try the connection to a store, and look at how it is kept",
		Long: `Try whether the store of an environment answers and knows who asks, and look for
evidence of how it is kept: audit, rights wider than needed, rotation, recovery, expiry.
What these credentials may not see is unknown, and never ok.

The exit code is 1 if something is bad; what is unknown does not count. A store that
does not answer is an error, as everywhere.`,
		Example:           "  tacit env check\n  tacit env check prod --json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeEnvs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.envCheck(cmd.Context(), strings.Join(args, ""))
		},
	}
}

func (a *app) envCheck(ctx context.Context, name string) error {
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	if name == "" {
		name = o.Env
	}
	e, err := o.Project.Environment(name)
	if err != nil {
		return err
	}
	names, err := declaredNames(o, e.Name)
	if err != nil {
		return err
	}
	// First, since it is decided for the environment as a whole: who may not ask
	// learns nothing about the connection either.
	more, err := o.Broker.Posture(ctx, o.Caller, e.Name)
	if err != nil && secret.KindOf(err) != secret.Unsupported {
		return err
	}
	found, err := connection(ctx, attempt{o.Broker, o.Caller, e, names, "give these credentials what is declared:  tacit policy export --env " + e.Name})
	if err != nil {
		return err
	}
	return a.showFindings(e.Name, append([]secret.Finding{found}, more...))
}

// declaredNames lists the secrets that are declared for an environment and lie
// in it, each once. Under files that are not trusted there are none.
func declaredNames(o *config.Opened, env string) ([]secret.Name, error) {
	if o.Standing < config.Trusted {
		return nil, nil
	}
	all, err := o.Project.Declarations(env)
	if err != nil {
		return nil, err
	}
	var out []secret.Name
	for _, r := range config.Refs(all) {
		if r.Env == env && !slices.Contains(out, r.Name) {
			out = append(out, r.Name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// connection tries whether a store answers and knows who asks, by the least
// right that suffices: listing, then what is known about one name. Where both
// are denied, the store has answered all the same, and knows who it denies.
func connection(ctx context.Context, t attempt) (secret.Finding, error) {
	f := secret.Finding{Check: "connection", Status: secret.FindingOK}
	where := cmp.Or(t.env.Where(), "the embedded store")
	err := firstListed(ctx, t.broker, t.caller, t.env.Name)
	if err == nil {
		f.Evidence = where + " answers, and names may be listed"
		return f, nil
	}
	if secret.KindOf(err) != secret.Denied {
		return f, err
	}
	r := secret.Ref{Env: t.env.Name, Name: "tacit-connection-test"}
	if len(t.names) > 0 {
		r.Name = t.names[0]
	}
	switch _, err := t.broker.Describe(ctx, t.caller, r); secret.KindOf(err) {
	case 0, secret.NotFound:
		f.Evidence = where + " answers; names may not be listed, which reading them does not need"
	case secret.Denied:
		why, remedy, _ := strings.Cut(err.Error(), "\n")
		f.Status, f.Evidence = secret.FindingUnknown, where+" answers, and denies to list names and to describe one: "+why
		f.Remedy = cmp.Or(t.remedy, strings.TrimSpace(remedy))
	default:
		return f, err
	}
	return f, nil
}

// attempt is what a connection is tried with.
type attempt struct {
	broker *broker.Broker
	caller secret.Caller
	env    config.Environment
	names  []secret.Name // that are declared, if any are
	remedy string        // where all is denied; empty: what the store says
}

// firstListed reads no more of a listing than shows that there is one.
func firstListed(ctx context.Context, b *broker.Broker, c secret.Caller, env string) error {
	for _, err := range b.List(ctx, c, env, &secret.ListOptions{Names: true}) {
		return err
	}
	return nil
}

// showFindings prints findings; something bad is exit code 1.
func (a *app) showFindings(env string, all []secret.Finding) error {
	bad := 0
	for _, f := range all {
		if f.Status == secret.FindingBad {
			bad++
		}
		if a.flags.json {
			if err := a.object(findingJSON{env, f.Check, f.Status, f.Evidence, f.Remedy}); err != nil {
				return err
			}
		}
	}
	if !a.flags.json {
		if err := a.print(findingsText(all, width(a.Out))); err != nil {
			return err
		}
	}
	if bad == 0 {
		return nil
	}
	if !a.flags.json && !a.flags.quiet {
		a.warn("%s: %s", env, count(bad, "finding")+plural(bad, " is", " are")+" bad")
	}
	return &childExit{exitFailed}
}

// findingsText writes findings below each other: status, check and evidence,
// and the way out on a line of its own, unbroken, since it may be a command to
// paste. No limit is 0.
func findingsText(all []secret.Finding, limit int) string {
	if limit == 0 {
		limit = math.MaxInt // nothing is broken for a pipe
	}
	wide := 0
	for _, f := range all {
		wide = max(wide, columns(audit.Printable(f.Check)))
	}
	const status = "unknown  "
	at := len(status) + wide + 2
	if limit-at < 24 { // a narrow terminal
		at = len(status)
	}
	var b strings.Builder
	for _, f := range all {
		check := audit.Printable(f.Check)
		first := fmt.Sprintf("%-*s%s%s", len(status), f.Status, check, strings.Repeat(" ", wide+2-columns(check)))
		if at == len(status) {
			first = strings.TrimRight(first, " ") + "\n" + strings.Repeat(" ", at)
		}
		evidence := strings.TrimSpace(flow(audit.Printable(f.Evidence), limit-at))
		b.WriteString(first + strings.ReplaceAll(evidence, "\n", "\n"+strings.Repeat(" ", at)) + "\n")
		if f.Remedy != "" {
			b.WriteString("  " + audit.Printable(f.Remedy) + "\n")
		}
	}
	return b.String()
}
