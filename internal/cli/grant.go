package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

type grantFlags struct {
	hosts, methods, paths []string
	until                 string
	approved              bool
}

// requests reports whether the flags are about outgoing requests.
func (f grantFlags) requests() bool { return len(f.hosts)+len(f.methods)+len(f.paths) > 0 }

func (a *app) grantCommand() *cobra.Command {
	var f grantFlags
	c := &cobra.Command{
		Use:   "grant PRINCIPAL VERB[,VERB] TARGET",
		Short: "Let a principal do something: writes policy.cedar",
		Long: `Write a policy into policy.cedar that lets a principal do something. The target is
one secret (dev:app/db), a folder (dev:app/*) or an environment (dev:*).

"get" hands the value over; "use" only has tacit put it into requests.`,
		Example: `  tacit grant agent:claude-code use 'dev:claude/*' --host api.anthropic.com
  tacit grant agent:reviewer get dev:app/db --until 7d
  tacit grant app:deploy get,list 'prod:*'`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error { return a.grant(cmd.Context(), args, f) },
	}
	fs := c.Flags()
	fs.StringSliceVar(&f.hosts, "host", nil, "only in requests to this `host`")
	fs.StringSliceVar(&f.methods, "method", nil, "only in requests with this `method`")
	fs.StringSliceVar(&f.paths, "path", nil, "only in requests with this `path`; ** stands for anything")
	fs.StringVar(&f.until, "until", "", "only for so `long`, or up to this time")
	fs.BoolVar(&f.approved, "approved", false, "only what a person approved, each time")
	return c
}

// parseGrant reads principal, verbs and target.
func (a *app) parseGrant(o *config.Opened, args []string) (policy.Grant, error) {
	target := args[2]
	if !strings.Contains(target, ":") {
		target = o.Env + ":" + target
	}
	g, err := policy.ParseTarget(target)
	if err != nil {
		return g, err
	}
	g.Principal = secret.Principal(args[0])
	for v := range strings.SplitSeq(args[1], ",") {
		g.Verbs = append(g.Verbs, secret.Verb(v))
	}
	return g, nil
}

func (a *app) grant(ctx context.Context, args []string, f grantFlags) error {
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	g, err := a.parseGrant(o, args)
	if err != nil {
		return err
	}
	if _, err := o.Project.Environment(g.Env); err != nil {
		return err
	}
	if f.requests() && slices.ContainsFunc(g.Verbs, func(v secret.Verb) bool { return v != secret.Use }) {
		return secret.Errorf(secret.Invalid, "", "host, method and path are those of a request, which only use makes\n  grant the other verbs apart, without them")
	}
	g.Hosts, g.Methods, g.Paths, g.Approved = f.hosts, f.methods, f.paths, f.approved
	if f.until != "" {
		if g.Until, err = a.untilTime(f.until); err != nil {
			return err
		}
	}
	what := "grant " + args[1] + " on " + g.Target() + " to " + args[0]
	if err := o.EditPolicy(ctx, g, what, func(text []byte) ([]byte, error) { return policy.AddGrant(text, g) }); err != nil {
		return err
	}
	a.edited("granted", args[0], args[1]+" "+g.Target()+", in "+config.PolicyName)
	return nil
}

// edited tells of an edit of policy.cedar. An agent's counts for nothing yet.
func (a *app) edited(verb, who, what string) {
	if !a.agent() {
		a.done(verb, who, "%s", what)
		return
	}
	a.say("proposed", who, "%s", what)
	a.hint("written and not trusted: until a person runs  tacit trust  every agent and app is denied")
}

func (a *app) ungrantCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "ungrant PRINCIPAL VERB[,VERB] TARGET",
		Short:   "Take a grant back",
		Example: "  tacit ungrant agent:reviewer get dev:app/db",
		Args:    cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			g, err := a.parseGrant(o, args)
			if err != nil {
				return err
			}
			what := "ungrant " + args[1] + " on " + g.Target() + " from " + args[0]
			if err := o.EditPolicy(cmd.Context(), g, what, func(text []byte) ([]byte, error) { return policy.RemoveGrant(text, g) }); err != nil {
				return err
			}
			a.edited("ungranted", args[0], args[1]+" "+g.Target())
			return nil
		},
	}
}

// grantJSON is what grants prints with --json.
type grantJSON struct {
	Principal secret.Principal `json:"principal"`
	Verbs     []secret.Verb    `json:"verbs"`
	Target    string           `json:"target"`
	Condition string           `json:"condition,omitempty"`
	Policy    string           `json:"policy"`
}

func (a *app) grantsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "grants",
		Short:   "List the grants of policy.cedar",
		Example: "  tacit grants",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.grants(cmd.Context()) },
	}
}

func (a *app) grants(ctx context.Context) error {
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	all, others, err := o.Grants()
	if err != nil {
		return err
	}
	t := &table{head: []string{"PRINCIPAL", "VERBS", "TARGET", "POLICY", "CONDITION"}}
	for _, g := range all {
		if a.flags.json {
			if err := a.object(grantJSON{g.Principal, g.Verbs, g.Target(), g.Condition, g.Position}); err != nil {
				return err
			}
			continue
		}
		var verbs []string
		for _, v := range g.Verbs {
			verbs = append(verbs, string(v))
		}
		t.add(string(g.Principal), strings.Join(verbs, ","), g.Target(), g.Position, g.Condition)
	}
	if len(t.rows) > 0 {
		if err := a.table(t); err != nil {
			return err
		}
	}
	if others > 0 && !a.flags.json {
		a.warn("%s has %d more %s, no %s: read %s there", config.PolicyName, others, plural(others, "policy", "policies"), plural(others, "grant", "grants"), plural(others, "it", "them"))
	}
	if o.Standing < config.Trusted {
		a.warn("the files here are not trusted, so none of this holds\n  read them, then:  tacit trust")
	}
	return nil
}
