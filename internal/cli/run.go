package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/identity"
	"github.com/tacit-secrets/tacit/secret"
)

type runFlags struct {
	only     []string
	env      []string
	as       string
	envFile  string
	clean    bool
	noRedact bool
	watch    bool
	onChange string
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARGUMENT...]",
		Short: "Run a command with the declared secrets",
		Long: `Run a command with the secrets that tacit.toml declares, as environment variables
or as files in memory. Its exit code, signals and terminal are its own. Output that
does not go to a terminal is searched for the values that were given, and they are
replaced by their names: against accidents, not against a hostile command.

Where tacit.toml says offline for an environment and its store cannot be reached,
the command is given the values that were read last, and that is told.

A known agent program is given what a grant lets that agent get; other commands are
given what you may get.`,
		Example: `  tacit run -- make test
  tacit run --only DATABASE_URL -- ./migrate
  tacit run --env TOKEN=ci/token#value -- ./deploy
  tacit run --env-file .env.tpl -- npm start
  tacit run --watch -- ./server
  tacit run --watch --on-change signal:HUP -- nginx -g 'daemon off;'
  tacit run --as agent:reviewer -- ./review`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault // a command, and what it takes
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.runChild(cmd.Context(), args, f) },
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return a.outcome(child.Result{}, usage(err)) })
	fs := c.Flags()
	fs.SetInterspersed(false)
	fs.StringSliceVar(&f.only, "only", nil, "give only these `variables`")
	fs.StringArrayVar(&f.env, "env", nil, "also give this one: `VAR=reference`")
	fs.StringVar(&f.envFile, "env-file", "", "also give the variables of this .env `template`")
	fs.BoolVarP(&f.watch, "watch", "w", false, "give new values when a secret changes: start the command again")
	fs.StringVar(&f.onChange, "on-change", "restart", "`what` to do with --watch: restart, or signal:HUP once its files are new")
	fs.StringVar(&f.as, "as", "", "decide and record as this `principal`, agent:NAME")
	fs.BoolVar(&f.clean, "clean-env", false, "give the command nothing else of the environment but HOME, PATH, TERM and the like")
	fs.BoolVar(&f.noRedact, "no-redact", false, "do not search the output for values")
	return c
}

// runChild runs the command, and writes what came of it where TACIT_RUN_STATUS
// says.
func (a *app) runChild(ctx context.Context, argv []string, f runFlags) error {
	if path := a.sys.Var(config.VarStatus); path != "" {
		child.ClearStatus(path)
	}
	r, err := a.runDeclared(ctx, argv, f)
	if len(argv) > 0 && !r.Started && err != nil && ctx.Err() != nil {
		// Whatever gave up first, this is why.
		err = secret.Errorf(secret.Unavailable, "", "interrupted before %s was started", argv[0])
	}
	return a.outcome(r, err)
}

// outcome reports how it went, to the status file and as an exit code.
func (a *app) outcome(r child.Result, err error) error {
	if path := a.sys.Var(config.VarStatus); path != "" {
		status := r.Status(err)
		if !r.Started && err != nil {
			status.Code = runCode(r, err)
		}
		err = errors.Join(err, child.WriteStatus(path, status))
	}
	if r.Started {
		if err != nil {
			a.report(err)
		}
		return &childExit{r.Code}
	}
	if err != nil && r.Code != 0 { // not found, or not executable
		a.report(err)
		return &childExit{r.Code}
	}
	return err
}

// runCode is what tacit exits with when the command did not start.
func runCode(r child.Result, err error) int {
	if r.Code != 0 {
		return r.Code
	}
	return exitCode(err)
}

func (a *app) runDeclared(ctx context.Context, argv []string, f runFlags) (child.Result, error) {
	if len(argv) == 0 {
		return child.Result{}, secret.Errorf(secret.Invalid, "", "no command to run\n  tacit run -- COMMAND")
	}
	o, err := a.open(ctx)
	if err != nil {
		return child.Result{}, err
	}
	caller, err := a.childCaller(o, argv, f)
	if err != nil {
		return child.Result{}, err
	}
	if f.noRedact && caller.Principal.IsAgent() {
		return child.Result{}, secret.Errorf(secret.Denied, "", "%s may not run without redaction", caller.Principal)
	}
	var signal os.Signal
	if signal, err = onChange(f.onChange); err != nil {
		return child.Result{}, err
	}
	g, err := runDeclarations(o, f)
	if err != nil {
		return child.Result{}, err
	}
	g.caller = caller
	lent := a.lend(o, f.watch, caller.For)
	defer lent.giveBack()
	got, err := g.resolve(ctx, lent, "; "+argv[0]+" was not started")
	if err != nil {
		return child.Result{}, err
	}
	lent.last = false // to what runs, a last known value is nothing new
	p := childPlan{got: got, environ: a.sys.Environ, lent: lent.any(), clean: f.clean, redact: !f.noRedact, agent: caller.Principal.IsAgent()}
	if p.agent {
		p.environ = a.withhold(o, argv[0], p)
	}
	if caller.Principal != o.Caller.Principal {
		p.mark = identity.FormatSession(caller)
		done, err := a.sys.BeginSession(caller)
		if err != nil {
			return child.Result{}, err
		}
		defer done()
	}
	if f.watch {
		w := &watched{app: a, opened: o, from: lent, lent: lent, giving: g, argv: argv, plan: p, signal: signal}
		return w.runWatched(ctx)
	}
	return a.start(ctx, argv, p)
}

// childCaller says as whom the secrets of a child are decided: --as, a known
// agent program's own name, or the caller of tacit itself.
func (a *app) childCaller(o *config.Opened, argv []string, f runFlags) (secret.Caller, error) {
	c := o.Caller
	c.For = "run " + filepath.Base(argv[0])
	as := secret.Principal(f.as)
	if as == "" {
		name, ok := config.KnownAgent(argv[0])
		if !ok {
			return c, nil
		}
		as = secret.Principal(secret.Agent + ":" + name)
	}
	kind, _, ok := as.Split()
	switch {
	case !ok || kind != secret.Agent:
		return c, secret.Errorf(secret.Invalid, "", "--as names an agent: agent:NAME")
	case c.Principal.IsAgent() && as != c.Principal:
		return c, secret.Errorf(secret.Denied, "", "%s may not run a command as %s", c.Principal, as)
	}
	c.Principal, c.How = as, secret.ByRun
	return c, nil
}

// runDeclarations selects what the child is given. Of one variable --env counts
// first, then --env-file, then what is declared.
func runDeclarations(o *config.Opened, f runFlags) (*giving, error) {
	all, err := o.Declarations()
	if err != nil {
		return nil, err
	}
	g := &giving{all: all}
	if g.wanted, err = onlyThese(all, f.only); err != nil {
		return nil, err
	}
	if f.envFile != "" {
		if g.file, err = readEnvFile(o, all, f.envFile); err != nil {
			return nil, err
		}
		g.wanted = slices.DeleteFunc(g.wanted, func(d config.Declaration) bool { return g.file.sets(d.Var) })
	}
	for _, e := range f.env {
		d, err := undeclared(o, e)
		if err != nil {
			return nil, err
		}
		g.file.drop(d.Var)
		g.wanted = append(slices.DeleteFunc(g.wanted, func(s config.Declaration) bool { return s.Var == d.Var }), d)
	}
	return g, unused(g.wanted, all)
}

// unused refuses what only the proxy may use.
func unused(wanted, all []config.Declaration) error {
	for _, d := range wanted {
		switch v := config.UseIn(d, all); v {
		case "":
		case d.Var:
			return secret.Errorf(secret.Unsupported, "", "%s has a use section: the proxy that puts it into requests is not built yet\n  leave it out with --only, or remove secrets.%s.use", v, v)
		default:
			return secret.Errorf(secret.Unsupported, "", "%s is composed of %s, which has a use section: the child would see it\n  leave it out with --only, or remove secrets.%s.use", d.Var, v, v)
		}
	}
	return nil
}

// onlyThese returns the declarations of the variables named; nil names all.
func onlyThese(all []config.Declaration, names []string) ([]config.Declaration, error) {
	if names == nil {
		return slices.Clone(all), nil
	}
	for _, v := range names {
		if !slices.ContainsFunc(all, func(d config.Declaration) bool { return d.Var == v }) {
			return nil, secret.Errorf(secret.NotFound, "", "no secret is declared as %s\n  tacit check lists them", v)
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(d config.Declaration) bool { return !slices.Contains(names, d.Var) }), nil
}

// undeclared reads --env VAR=reference.
func undeclared(o *config.Opened, s string) (config.Declaration, error) {
	v, ref, ok := strings.Cut(s, "=")
	if !ok {
		return config.Declaration{}, secret.Errorf(secret.Invalid, "", "--env is VAR=reference")
	}
	if err := child.CheckName(v); err != nil {
		return config.Declaration{}, err
	}
	if child.Dangerous(v) && o.Standing < config.Trusted {
		return config.Declaration{}, secret.Errorf(secret.Denied, "", "%s can make a program run other code, and the files here are not trusted", v)
	}
	r, err := secret.ParseRef(ref)
	if err != nil {
		return config.Declaration{}, err
	}
	if r.Env == "" {
		r.Env = o.Env
	}
	return config.Declaration{Var: v, Ref: r, Required: true}, nil
}
