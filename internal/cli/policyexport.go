package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

type policyExportFlags struct {
	env      string
	verbs    []string
	language string
}

// ruleJSON is what policy export prints with --json, one object a rule.
type ruleJSON struct {
	Env      string `json:"env"`
	Language string `json:"language"` // "hcl", "json", "bicep", "sh"
	Text     string `json:"text"`
}

func (a *app) policyExportCommand() *cobra.Command {
	var f policyExportFlags
	c := &cobra.Command{
		Use:   "export [NAME...]",
		Short: "Write the store's own rules for what is declared, and nothing else",
		Long: `Write rules in the language of the store of an environment (Vault HCL, an IAM policy, an
Azure role assignment) that allow the verbs on what tacit.toml declares for it, or on the
names given, and nothing else. Nothing is changed, and no store is asked.

Without --verb, secrets may be read, and leases issued, renewed and revoked: what tacit run
needs.`,
		Example: `  tacit policy export --env prod > tacit.hcl
  tacit policy export --env prod --verb get --verb put claude/api
  tacit policy export --env azure --language bicep > roles.bicep`,
		ValidArgsFunction: a.completeNames,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.policyExport(cmd.Context(), args, f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.env, "env", "", "of this environment, by `name`; as --environment")
	fs.StringArrayVar(&f.verbs, "verb", nil, "allow this `verb`; may be given more than once")
	fs.StringVar(&f.language, "language", "", "in this `language`, where the store has several: hcl, json, bicep, sh")
	return c
}

func (a *app) policyExport(ctx context.Context, args []string, f policyExportFlags) error {
	if f.env != "" {
		a.flags.env = f.env
	}
	if err := a.mayAskPolicy(ctx, "policy export"); err != nil {
		return err
	}
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	asked, err := a.asked(o, args, f.verbs)
	if err != nil {
		return err
	}
	var rules []secret.Rule
	for _, q := range asked {
		more, err := o.Broker.Rules(ctx, o.Caller, o.Env, q.names, q.verbs...)
		if err != nil {
			return err
		}
		rules = joined(rules, more)
	}
	return a.showRules(o.Env, rules, f.language)
}

// askedRules are verbs on names: of secrets, or of leases.
type askedRules struct {
	names []secret.Name
	verbs []secret.Verb
}

// asked tells apart what is asked for secrets and for leases.
func (a *app) asked(o *config.Opened, args, verbs []string) ([]askedRules, error) {
	var ofSecrets, ofLeases askedRules
	for _, v := range verbs {
		switch v := secret.Verb(v); {
		case !v.Known():
			return nil, secret.Errorf(secret.Invalid, "", "%q is no verb", v)
		case v == secret.Issue || v == secret.Renew || v == secret.Revoke:
			ofLeases.verbs = append(ofLeases.verbs, v)
		default:
			ofSecrets.verbs = append(ofSecrets.verbs, v)
		}
	}
	if len(verbs) == 0 {
		ofSecrets.verbs = []secret.Verb{secret.Get}
		if len(args) == 0 {
			ofLeases.verbs = []secret.Verb{secret.Issue, secret.Renew, secret.Revoke}
		}
	}
	var err error
	if ofSecrets.names, ofLeases.names, err = a.exportedNames(o, args); err != nil {
		return nil, err
	}
	var out []askedRules
	for _, q := range []askedRules{ofSecrets, ofLeases} {
		if len(q.names) > 0 && len(q.verbs) > 0 {
			out = append(out, q)
		}
	}
	if len(out) == 0 {
		return nil, secret.Errorf(secret.NotFound, "", "nothing is declared for %s, so there is nothing to allow\n  name the secrets:  tacit policy export --env %s NAME…", o.Env, o.Env)
	}
	return out, nil
}

// joined puts rules of one language behind each other.
func joined(rules, more []secret.Rule) []secret.Rule {
	for _, m := range more {
		i := slices.IndexFunc(rules, func(r secret.Rule) bool { return r.Language == m.Language })
		if i < 0 {
			rules = append(rules, m)
		} else {
			rules[i].Text = strings.TrimRight(rules[i].Text, "\n") + "\n" + m.Text
		}
	}
	return rules
}

// exportedNames are those given, whatever they name, or those that are
// declared: of secrets, and of leases.
func (a *app) exportedNames(o *config.Opened, args []string) (secrets, leases []secret.Name, err error) {
	if len(args) == 0 {
		if leases, err = declaredLeases(o); err != nil {
			return nil, nil, err
		}
		secrets, err = declaredNames(o, o.Env)
		return secrets, leases, err
	}
	for _, arg := range args {
		r, err := a.plainRef(o, arg)
		if err != nil {
			return nil, nil, err
		}
		if r.Env != o.Env {
			return nil, nil, secret.Errorf(secret.Invalid, "", "%s lies in another environment than %s\n  tacit policy export --env %s %s", r, o.Env, r.Env, r.Name)
		}
		if !slices.Contains(secrets, r.Name) {
			secrets = append(secrets, r.Name)
		}
	}
	return secrets, secrets, nil
}

// declaredLeases lists the leases that are declared for the environment that is
// meant, and issued in it.
func declaredLeases(o *config.Opened) ([]secret.Name, error) {
	all, err := o.Declarations()
	if err != nil {
		return nil, err
	}
	var out []secret.Name
	for _, d := range all {
		for _, r := range config.LeasesOf(d, all) {
			if r.Env == o.Env && !slices.Contains(out, r.Name) {
				out = append(out, r.Name)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// showRules prints one rule as it is, so that it can be a file: the first, or
// that of the language. The others are named.
func (a *app) showRules(env string, rules []secret.Rule, language string) error {
	if a.flags.json {
		for _, r := range rules {
			if language == "" || language == r.Language {
				if err := a.object(ruleJSON{env, r.Language, r.Text}); err != nil {
					return err
				}
			}
		}
		return nil
	}
	var others []string
	shown := -1
	for i, r := range rules {
		if shown < 0 && (language == "" || language == r.Language) {
			shown = i
		} else {
			others = append(others, r.Language)
		}
	}
	if shown < 0 {
		return secret.Errorf(secret.Invalid, "", "the store of %s has no rules in %s\n  there are: %s", env, language, strings.Join(others, ", "))
	}
	if err := a.print(strings.TrimRight(rules[shown].Text, "\n") + "\n"); err != nil {
		return err
	}
	if len(others) > 0 && language == "" && !a.flags.quiet {
		a.warn("these are the rules in %s; also:  --language %s", rules[shown].Language, strings.Join(others, ", --language "))
	}
	return nil
}
