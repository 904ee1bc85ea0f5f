package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "policy",
		Short:   "Check policies, and explain decisions",
		Example: "  tacit policy check\n  tacit policy explain agent:claude-code get dev:claude/api\n  tacit policy export --env prod",
	}
	c.AddCommand(a.policyCheckCommand(), a.policyExplainCommand(), a.policyExportCommand())
	return c
}

func (a *app) policyCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "check [FILE]",
		Short:   "Check a policy file against the schema",
		Long:    "Check policy.cedar, or another file, against the built-in schema. Nothing is opened.",
		Example: "  tacit policy check\n  tacit policy check draft.cedar",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.mayAskPolicy(cmd.Context(), "policy check"); err != nil {
				return err
			}
			path := config.PolicyName
			if a.flags.dir != "" {
				path = filepath.Join(a.flags.dir, path)
			}
			if len(args) > 0 {
				path = args[0]
			}
			text, err := os.ReadFile(path) //nolint:gosec // the user names it
			if err != nil {
				return secret.Errorf(secret.NotFound, "", "%s: cannot be read: %s", path, reason(err))
			}
			src, err := policy.Parse(path, text)
			if err != nil {
				return err
			}
			a.done("checked", path, "%d %s, no problem", src.Len(), plural(src.Len(), "policy", "policies"))
			return nil
		},
	}
}

// mayAskPolicy lets an agent look at the policy only where it may grant: what
// is refused, and why, tells how to get around it.
func (a *app) mayAskPolicy(ctx context.Context, what string) error {
	if !a.agent() {
		return nil
	}
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	return o.Broker.Do(ctx, o.Caller, broker.Action{Verb: secret.Grant, Env: o.Env, For: what}, func(context.Context) error { return nil })
}

type explainFlags struct {
	host, method, path string
	approved           bool
}

func (a *app) policyExplainCommand() *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain PRINCIPAL VERB REFERENCE",
		Short: "Explain what would be decided, and by which policy",
		Example: `  tacit policy explain agent:claude-code get dev:claude/api
  tacit policy explain agent:ci use dev:claude/api --host api.anthropic.com`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error { return a.policyExplain(cmd.Context(), args, f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.host, "host", "", "of a request to this `host`")
	fs.StringVar(&f.method, "method", "", "with this `method`")
	fs.StringVar(&f.path, "path", "", "and this `path`")
	fs.BoolVar(&f.approved, "approved", false, "as if a person approved it")
	return c
}

// decisionJSON is what policy explain prints with --json.
type decisionJSON struct {
	Allowed    bool                `json:"allowed"`
	Policy     string              `json:"policy,omitempty"`
	Reason     string              `json:"reason"`
	Considered []policy.Considered `json:"considered,omitempty"`
}

func (a *app) policyExplain(ctx context.Context, args []string, f explainFlags) error {
	if err := a.mayAskPolicy(ctx, "policy explain"); err != nil {
		return err
	}
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	r, err := a.ref(o, args[2])
	if err != nil {
		return err
	}
	verb := secret.Verb(args[1])
	if !verb.Known() {
		return secret.Errorf(secret.Invalid, "", "%q is no verb", args[1])
	}
	d := o.Broker.Explain(policy.Request{
		Caller: secret.Caller{Principal: secret.Principal(args[0]), How: secret.ByOption}, Verb: verb, Env: r.Env, Name: r.Name,
		Host: f.host, Method: f.method, Path: f.path, Approved: f.approved, Time: a.now(),
	})
	if a.flags.json {
		return a.object(decisionJSON{d.Allowed, d.Policy, d.Reason, d.Considered})
	}
	word := "denied"
	if d.Allowed {
		word = "allowed"
	}
	if err := a.line(fmt.Sprintf("%-9s %s", word, d.Reason)); err != nil {
		return err
	}
	for _, c := range d.Considered {
		if err := a.line("  " + c.Policy + "  " + c.Text); err != nil {
			return err
		}
	}
	return nil
}

// untilTime reads a time to come: "7d" from now, or a date.
func (a *app) untilTime(s string) (time.Time, error) {
	t := a.now()
	d, err := config.ParseSpan(s)
	if err == nil {
		t = t.Add(d)
	} else if t, err = a.when(s); err != nil {
		return t, err
	}
	if !t.After(a.now()) {
		err = secret.Errorf(secret.Invalid, "", "%q lies in the past: such a grant would permit nothing", s)
	}
	return t, err
}
