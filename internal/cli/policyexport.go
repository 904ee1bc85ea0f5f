package cli

import (
	"context"
	"errors"
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
Azure role assignment) that allow the verbs on the secrets that tacit.toml declares for it,
or on the names given, and nothing else; of declared leases, issue, renew and revoke.
Nothing is changed, and no store is asked.`,
		Example: `  tacit policy export --env prod > tacit.hcl
  tacit policy export --env prod --verb get --verb put claude/api
  tacit policy export --env azure --language bicep > roles.bicep`,
		ValidArgsFunction: a.completeNames,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.policyExport(cmd.Context(), args, f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.env, "env", "", "of this environment, by `name`; as --environment")
	fs.StringArrayVar(&f.verbs, "verb", []string{string(secret.Get)}, "allow this `verb`; may be given more than once")
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
	var verbs []secret.Verb
	for _, v := range f.verbs {
		if !secret.Verb(v).Known() {
			return secret.Errorf(secret.Invalid, "", "%q is no verb", v)
		}
		verbs = append(verbs, secret.Verb(v))
	}
	rules, err := a.declaredRules(ctx, o, args, verbs)
	if err != nil {
		return err
	}
	return a.showRules(o.Env, rules, f.language)
}

// declaredRules asks for the rules of what is given, or of what is declared:
// secrets with the verbs, and leases with theirs.
func (a *app) declaredRules(ctx context.Context, o *config.Opened, args []string, verbs []secret.Verb) ([]secret.Rule, error) {
	var leases []secret.Name
	if len(args) == 0 {
		var err error
		if leases, err = declaredLeases(o); err != nil {
			return nil, err
		}
	}
	names, err := a.exportedNames(o, args)
	if err != nil && (len(leases) == 0 || !errors.Is(err, secret.NotFound)) {
		return nil, err
	}
	var rules []secret.Rule
	if len(names) > 0 {
		if rules, err = o.Broker.Rules(ctx, o.Caller, o.Env, names, verbs...); err != nil {
			return nil, err
		}
	}
	if len(leases) > 0 {
		more, err := o.Broker.Rules(ctx, o.Caller, o.Env, leases, secret.Issue, secret.Renew, secret.Revoke)
		if err != nil {
			return nil, err
		}
		rules = joined(rules, more)
	}
	return rules, nil
}

// joined puts rules of one language into one text.
func joined(rules, more []secret.Rule) []secret.Rule {
	out := slices.Clone(rules)
	for _, r := range more {
		if i := slices.IndexFunc(out, func(o secret.Rule) bool { return o.Language == r.Language }); i >= 0 {
			out[i].Text += r.Text
		} else {
			out = append(out, r)
		}
	}
	return out
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

// exportedNames are those given, or those that are declared.
func (a *app) exportedNames(o *config.Opened, args []string) ([]secret.Name, error) {
	if len(args) == 0 {
		if _, err := o.Declarations(); err != nil { // not trusted
			return nil, err
		}
		names, err := declaredNames(o, o.Env)
		if err == nil && len(names) == 0 {
			err = secret.Errorf(secret.NotFound, "", "nothing is declared for %s, so there is nothing to allow\n  name the secrets:  tacit policy export --env %s NAME…", o.Env, o.Env)
		}
		return names, err
	}
	var names []secret.Name
	for _, arg := range args {
		r, err := a.plainRef(o, arg)
		if err != nil {
			return nil, err
		}
		if r.Env != o.Env {
			return nil, secret.Errorf(secret.Invalid, "", "%s lies in another environment than %s\n  tacit policy export --env %s %s", r, o.Env, r.Env, r.Name)
		}
		if !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	return names, nil
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
