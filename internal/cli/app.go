package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

// Streams are the standard streams of the process, and what its hardening
// took from it that a child gets back.
type Streams struct {
	In       *os.File
	Out, Err *os.File
	Limits   child.Limits
}

// app is what the commands share.
type app struct {
	Streams
	sys    config.System
	now    func() time.Time
	flags  globals
	opened *config.Opened // by open; closed when the command ends

	toldShort bool // which values are too short to be looked for
}

// globals are the flags that every command knows.
type globals struct {
	dir    string
	env    string
	reason string
	json   bool
	yes    bool
	quiet  bool
}

// Main runs the command line args (without the program's name) and returns
// the exit code of the process.
func Main(ctx context.Context, args []string, s Streams) int {
	a := &app{Streams: s, now: time.Now}
	sys, err := config.OS()
	if err == nil {
		a.sys = sys
		err = a.run(ctx, args)
	}
	a.report(err)
	return exitCode(err)
}

func (a *app) run(ctx context.Context, args []string) (err error) {
	root := a.root()
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		// Only here: it costs a tenth of the start of a command.
		a.complete(root)
		plainFlags(root)
	}
	root.SetArgs(args)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	defer func() {
		if a.opened != nil {
			giveBack, failed := a.closeOpened()
			err = errors.Join(err, failed)
			a.givenBack(giveBack())
		}
	}()
	return usage(root.ExecuteContext(ctx))
}

// usage gives the errors of the argument parser that have none their kind.
func usage(err error) error {
	if err == nil || secret.KindOf(err) != 0 {
		return err
	}
	if _, ok := errors.AsType[*childExit](err); ok {
		return err
	}
	return secret.Errorf(secret.Invalid, "", "%s\n  tacit --help", strings.TrimSpace(err.Error()))
}

// report prints an error the way all commands do.
func (a *app) report(err error) {
	if _, ok := errors.AsType[*childExit](err); ok || err == nil {
		return
	}
	a.warn("%s", err)
}

// root makes the tree of commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "tacit",
		Short: "Secrets your agents use but never see",
		Long: `tacit keeps secrets in an encrypted store, decides every access by policy,
records it, and gives secrets to processes.`,
		Example: `  tacit init
  tacit put claude/api#claude_api_key --declare ANTHROPIC_API_KEY
  tacit run -- make test`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	f := root.PersistentFlags()
	f.StringVar(&a.flags.dir, "dir", a.sys.Var(config.VarDir), "begin in this `folder`")
	f.StringVarP(&a.flags.env, "environment", "e", a.sys.Var(config.VarEnv), "the environment `name` of references without one")
	f.BoolP("help", "h", false, "show this help")
	f.StringVar(&a.flags.reason, "reason", a.sys.Var(config.VarReason), "why: a `text` for the audit log")
	f.BoolVar(&a.flags.json, "json", false, "print JSON, one object a line")
	f.BoolVarP(&a.flags.quiet, "quiet", "q", false, "say nothing of what went well")
	f.BoolVarP(&a.flags.yes, "yes", "y", false, "answer questions with yes")
	for _, g := range groups() {
		root.AddGroup(g)
		for _, c := range a.commands(g.ID) {
			c.GroupID = g.ID
			root.AddCommand(c)
		}
	}
	root.SetHelpCommand(a.helpCommand())
	root.SetHelpCommandGroupID("more")
	root.SetHelpFunc(func(c *cobra.Command, _ []string) {
		_ = a.print(helpText(c, a.helpColumns()))
	})
	root.SetFlagErrorFunc(wrongFlag)
	a.polish(root)
	version := root.Flags().Bool("version", false, "print the version of tacit")
	root.RunE = func(c *cobra.Command, args []string) error {
		if *version {
			return a.version()
		}
		return a.group(c, args)
	}
	return root
}

// helpColumns is how wide a help text is here.
func (a *app) helpColumns() int {
	if w := width(a.Out); w != 0 {
		return min(w, helpColumns)
	}
	return helpColumns
}

// open finds the project, unlocks its store and makes the Broker. It is done
// once per command.
func (a *app) open(ctx context.Context) (*config.Opened, error) {
	if a.opened != nil {
		return a.opened, nil
	}
	o, err := config.Open(ctx, a.sys, a.options())
	if err != nil {
		return nil, err
	}
	a.opened = o
	a.sweep(ctx, o)
	return o, nil
}

// cacheBytes is what a command keeps of the store: it reads most things once.
const cacheBytes = 6 << 20

// options are what the flags say about how to open a project.
func (a *app) options() config.Options {
	return config.Options{
		Dir: a.flags.dir, Env: a.flags.env, Reason: a.flags.reason, Passphrase: a.passphrase(), Now: a.now,
		CacheBytes: cacheBytes,
	}
}

// terminal reports whether a stream is one.
func terminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

// width returns the columns of the terminal behind f; 0 if there is none.
func width(f *os.File) int {
	if !terminal(f) {
		return 0
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil || w < 20 {
		return 80
	}
	return w
}

// readAll reads at most limit bytes.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "the input cannot be read: %s", reason(err))
	}
	if int64(len(b)) > limit {
		return nil, secret.Errorf(secret.Invalid, "", "the input is larger than %d bytes", limit)
	}
	return b, nil
}
