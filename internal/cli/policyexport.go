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
	part     int
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
	fs.IntVar(&f.part, "part", 0, "only policy `n`, where what is declared takes more than one")
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
	return a.showRules(o.Env, rules, f)
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

// joined puts the rules of leases behind those of secrets, each behind that of
// its language.
func joined(rules, more []secret.Rule) []secret.Rule {
	if len(rules) == 0 {
		return more // several of one language are several policies, and stay apart
	}
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

// showRules prints one rule as it is, so that it can be a file: that of the
// language, or of the first one. The other languages are named.
func (a *app) showRules(env string, rules []secret.Rule, f policyExportFlags) error {
	shown, others := ofLanguage(rules, f.language)
	if len(shown) == 0 {
		return secret.Errorf(secret.Invalid, "", "the store of %s has no rules in %s\n  there are: %s", env, f.language, strings.Join(others, ", "))
	}
	if f.part < 0 || f.part > len(shown) {
		return secret.Errorf(secret.Invalid, "", "there is no part %d: the rules have %s", f.part, count(len(shown), "part"))
	}
	if f.part > 0 {
		shown = shown[f.part-1 : f.part]
	}
	if a.flags.json {
		return a.rulesJSON(env, rules, shown, f)
	}
	if len(shown) > 1 {
		return secret.Errorf(secret.Invalid, "", "what is to be allowed takes %d policies: the store takes no larger one\n  one at a time:  tacit policy export --env %s --part 1", len(shown), env)
	}
	if err := a.print(strings.TrimRight(shown[0].Text, "\n") + "\n"); err != nil {
		return err
	}
	if len(others) > 0 && f.language == "" && !a.flags.quiet {
		a.warn("these are the rules in %s; also:  --language %s", shown[0].Language, strings.Join(others, ", --language "))
	}
	return nil
}

// ofLanguage parts rules into those of a language, or of the first one, and the
// other languages.
func ofLanguage(rules []secret.Rule, language string) (shown []secret.Rule, others []string) {
	if language == "" && len(rules) > 0 {
		language = rules[0].Language
	}
	for _, r := range rules {
		if r.Language == language {
			shown = append(shown, r)
		} else if !slices.Contains(others, r.Language) {
			others = append(others, r.Language)
		}
	}
	return shown, others
}

// rulesJSON prints all rules, one object each, or those of a language or a part.
func (a *app) rulesJSON(env string, rules, shown []secret.Rule, f policyExportFlags) error {
	if f.language != "" || f.part > 0 {
		rules = shown
	}
	for _, r := range rules {
		if err := a.object(ruleJSON{env, r.Language, r.Text}); err != nil {
			return err
		}
	}
	return nil
}
