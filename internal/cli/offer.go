package cli

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/envfmt"
	"github.com/tacit-secrets/tacit/internal/foreign"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/secret"
)

// This file offers what completes a command line. It opens no store: completion
// must be fast, must not ask for a passphrase, and must not reveal names that
// are not in plain sight anyway. And what is offered may come from files that
// nobody trusted.

// What may stand in the place of a name.
const (
	offerName    = iota
	offerVersion // and a field, or @previous
	offerPlace   // or a version, or an environment or a folder
	offerTarget  // of a grant: with its environment, and * for all below
)

// completeNames offers declared names for the first argument.
func (a *app) completeNames(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.offerRefs(offerName, typed)
}

// completeArguments offers for each argument what the usage of the command
// calls it.
func (a *app) completeArguments(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	words := strings.Fields(c.Use)[1:]
	if len(args) >= len(words) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	switch word, _, _ := strings.Cut(strings.Trim(words[len(args)], "[]"), "["); word {
	case "NAME", "OLD", "NEW":
		return a.offerRefs(offerName, typed)
	case "REFERENCE":
		return a.offerRefs(offerVersion, typed)
	case "PREFIX", "FROM", "TO", "A", "B":
		return a.offerRefs(offerPlace, typed)
	case "TARGET":
		return a.offerRefs(offerTarget, typed)
	case "PRINCIPAL":
		return half(startingWith(append(agents(), secret.App+":", secret.User+":"), typed))
	case "VERB":
		return behindCommas(verbs(), typed), cobra.ShellCompDirectiveNoFileComp
	case "FILE", "FILE|-":
		return completeFiles(nil, nil, typed)
	default:
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFiles leaves it to the shell.
func completeFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// offerRefs offers references. Those of other environments come once theirs is
// named.
func (a *app) offerRefs(what int, typed string) ([]string, cobra.ShellCompDirective) {
	refs, env := config.DeclaredRefs(a.sys, a.flags.dir)
	env = cmp.Or(a.flags.env, env)
	named, _, whole := strings.Cut(typed, ":")
	var all []string
	for _, r := range refs {
		if r.Env == env && !whole && what != offerTarget {
			r.Env = ""
		}
		if r.Env == "" || whole && r.Env == named {
			all = append(all, forms(r, what, typed)...)
		}
	}
	for _, e := range config.DeclaredEnvs(a.sys, a.flags.dir) {
		switch {
		case what == offerTarget:
			all = append(all, e+":", e+":*")
		case what == offerPlace || e != env:
			all = append(all, e+":")
		}
	}
	return offerable(all, typed)
}

// offerable returns what of all may follow what is typed.
func offerable(all []string, typed string) ([]string, cobra.ShellCompDirective) {
	all = slices.DeleteFunc(all, func(s string) bool {
		return s == typed && unfinished(s) || !strings.HasPrefix(s, typed) || !plainForShells(s)
	})
	slices.Sort(all)
	return half(slices.Compact(all))
}

// half adds no blank behind what is only the beginning of an argument.
func half(all []string) ([]string, cobra.ShellCompDirective) {
	d := cobra.ShellCompDirectiveNoFileComp
	if !slices.ContainsFunc(all, func(s string) bool {
		return !strings.HasSuffix(s, ":") && !strings.HasSuffix(s, "/") && !strings.HasSuffix(s, "=")
	}) {
		d |= cobra.ShellCompDirectiveNoSpace
	}
	return all, d
}

func unfinished(s string) bool { return strings.HasSuffix(s, ":") || strings.HasSuffix(s, "/") }

// forms returns how a reference may be written on. Fields and versions come only
// behind their marks: who wants the secret itself is done with its name.
func forms(r secret.Ref, what int, typed string) []string {
	whole := secret.Ref{Env: r.Env, Name: r.Name}
	out := []string{whole.String()}
	if what == offerVersion || what == offerPlace {
		if strings.Contains(typed, "#") && r.Field != "" {
			out = append(out, r.String())
		}
		if strings.Contains(typed, "@") {
			r.At.Stage, whole.At.Stage = secret.Previous, secret.Previous
			out = append(out, r.String(), whole.String())
		}
	}
	if what == offerPlace || what == offerTarget {
		name := out[0]
		for i, c := range name {
			if c != '/' {
				continue
			}
			out = append(out, name[:i+1])
			if what == offerTarget {
				out = append(out, name[:i+1]+"*")
			}
		}
	}
	return out
}

// plainForShells reports whether no shell takes s for anything but itself, a *
// at its end aside. Bash puts what several candidates have in common on the
// line without quotes, and runs $(…) there at the next press of the key: a
// stranger's tacit.toml would run commands.
func plainForShells(s string) bool {
	for _, r := range strings.TrimSuffix(s, "*") {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-./:#@%+=,", r) {
			return false
		}
	}
	return true
}

// completeVars offers the variables that are declared, one after the other
// behind commas, with what they are for.
func (a *app) completeVars(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var all []string
	for _, d := range config.DeclaredVars(a.sys, a.flags.dir, a.flags.env) {
		about, _, _ := strings.Cut(d.Description, "\n")
		all = append(all, d.Var+"\t"+audit.Printable(about))
	}
	return behindCommas(all, typed), cobra.ShellCompDirectiveNoFileComp
}

// completeVarRef offers references behind VAR=.
func (a *app) completeVarRef(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	v, ref, ok := strings.Cut(typed, "=")
	if !ok {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, d := a.offerRefs(offerVersion, ref)
	for i := range all {
		all[i] = v + "=" + all[i]
	}
	return all, d
}

func (a *app) completeEnvs(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeEnvFlag(nil, nil, typed)
}

func (a *app) completeEnvFlag(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return startingWith(config.DeclaredEnvs(a.sys, a.flags.dir), typed), cobra.ShellCompDirectiveNoFileComp
}

func verbs() []string {
	var out []string
	for _, v := range secret.Verbs() {
		out = append(out, string(v))
	}
	return out
}

// agents are the agents that people run, as principals.
func agents() []string {
	var out []string
	for _, name := range config.KnownAgents() {
		out = append(out, secret.Agent+":"+name)
	}
	return out
}

func startingWith(all []string, typed string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !strings.HasPrefix(s, typed) })
}

// behindCommas offers what continues a list. What is offered behind a comma has
// no description: beside one, bash finds nothing that has a comma in it.
func behindCommas(all []string, typed string) []string {
	before := typed[:strings.LastIndexByte(typed, ',')+1]
	var out []string
	for _, s := range all {
		word, _, _ := strings.Cut(s, "\t")
		if strings.HasPrefix(before+word, typed) && !slices.Contains(strings.Split(before, ","), word) {
			if before != "" {
				s = before + word
			}
			out = append(out, s)
		}
	}
	return out
}

// fixedFlags are the flags whose values are known, whichever command has them;
// lists may be several of them, with commas between.
func fixedFlags() (one, lists map[string][]string) {
	var formats []string
	for _, f := range envfmt.Formats() {
		formats = append(formats, string(f))
	}
	one = map[string][]string{
		"as": agents(), "backend": config.Backends(), "format": formats, "from": tools(), "generate": generators(),
		"on-change": {"restart", "signal:HUP"},
		"outcome":   {"ok", "denied", "not found", "conflict", "invalid", "unavailable", "unsupported", "corrupt"},
		"stage":     {string(secret.Current), string(secret.Previous)}, "verb": verbs(),
	}
	lists = map[string][]string{"lossy": move.Losses(), "method": {"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"}}
	return one, lists
}

// complete says what stands behind the arguments and the flags of a command,
// and of those below it.
func (a *app) complete(c *cobra.Command) {
	if c.ValidArgsFunction == nil && c.ValidArgs == nil && !c.HasSubCommands() {
		c.ValidArgsFunction = a.completeArguments
	}
	a.completeFlags(c)
	for _, sub := range c.Commands() {
		a.complete(sub)
	}
}

// plainFlags takes the marks around the name of a flag's argument away, which
// completion would show.
func plainFlags(c *cobra.Command) {
	plain := func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") }
	c.Flags().VisitAll(plain)
	c.PersistentFlags().VisitAll(plain)
	for _, sub := range c.Commands() {
		plainFlags(sub)
	}
}

// tools are those whose references import reads.
func tools() []string {
	var out []string
	for _, t := range foreign.Tools() {
		out = append(out, string(t))
	}
	return out
}

func (a *app) completeFlags(c *cobra.Command) {
	register := func(name string, f cobra.CompletionFunc) {
		if c.LocalFlags().Lookup(name) != nil {
			_ = c.RegisterFlagCompletionFunc(name, f)
		}
	}
	one, lists := fixedFlags()
	if c.Name() == "login" {
		one["method"] = []string{"oidc", "userpass", "ldap", "github", "saml"}
		delete(lists, "method")
	}
	for name, values := range one {
		register(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	for name, values := range lists {
		register(name, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return behindCommas(values, typed), cobra.ShellCompDirectiveNoFileComp
		})
	}
	for _, name := range []string{"checkpoint", "env-file", "file", "out", "proof", "ssh"} {
		register(name, completeFiles)
	}
	for _, name := range []string{"dir", "log"} {
		register(name, cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
	}
	register("only", a.completeVars)
	register("declare", a.completeVars)
	register("environment", a.completeEnvFlag)
	if c.Name() == "export" {
		register("for", cobra.FixedCompletions([]string{string(envfmt.ForDocker), string(envfmt.ForNode), string(envfmt.ForPython)}, cobra.ShellCompDirectiveNoFileComp))
	}
	if c.Name() == "run" {
		register("env", a.completeVarRef)
	} else {
		register("env", a.completeEnvFlag)
	}
}
