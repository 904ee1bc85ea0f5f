package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/envfmt"
	"github.com/tacit-secrets/tacit/secret"
)

type exportFlags struct {
	format    string
	out       string
	program   string
	object    string
	namespace string
	githubEnv bool
}

func (a *app) exportCommand() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use:   "export [PREFIX]",
		Short: "Write secrets down in a format that other programs read",
		Long: `Write down the secrets that tacit.toml declares, under their variables' names; or, with
a prefix, all secrets below it, under the rest of their names (as variables in formats
that have variables, with . for / in a Kubernetes Secret).

Formats: ` + formatList() + `.

Nothing is altered: what a format cannot hold is refused, and names the formats that
can. --out writes a file that only you can read, in one step. A secret with a use section
is never handed over.`,
		Example: `  tacit export --format dotenv --out .env
  tacit export --format dotenv --for node --out .env
  tacit export dev:app/ --format json --out app.json
  tacit export --format kubernetes --object app | kubectl apply -f -
  tacit export --format github --github-env`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.export(cmd.Context(), args, f)
		},
	}
	fs := c.Flags()
	fs.StringVarP(&f.format, "format", "f", "dotenv", "the `format`, one of those above")
	fs.StringVarP(&f.out, "out", "o", "", "write this `file`, mode 0600")
	fs.StringVar(&f.program, "for", "", "the `program` that reads the .env file: node, python or docker")
	fs.StringVar(&f.object, "object", "", "the `name` of the Kubernetes Secret, instead of the project's")
	fs.StringVar(&f.namespace, "namespace", "", "the `namespace` of the Kubernetes Secret")
	fs.BoolVar(&f.githubEnv, "github-env", false, "append to the file that $GITHUB_ENV names, and print the masks")
	return c
}

func formatList() string {
	var out []string
	for _, f := range envfmt.Formats() {
		out = append(out, string(f))
	}
	return strings.Join(out, ", ")
}

// exportJSON is what export prints with --json, once it wrote a file.
type exportJSON struct {
	File    string `json:"file"`
	Format  string `json:"format"`
	Secrets int    `json:"secrets"`
}

// exporting is an export under way.
type exporting struct {
	*app
	flags   exportFlags
	format  envfmt.Format
	opened  *config.Opened
	options envfmt.Options
	count   int
	altered alterations
}

func (a *app) export(ctx context.Context, args []string, f exportFlags) error {
	format, err := envfmt.ParseFormat(f.format)
	if err != nil {
		return err
	}
	x := &exporting{app: a, flags: f, format: format}
	if err := x.checkFlags(); err != nil {
		return err
	}
	if x.opened, err = a.open(ctx); err != nil {
		return err
	}
	// Under files that nobody trusted there is no export, with or without a
	// prefix: what it writes leaves tacit for good.
	all, err := x.opened.Declarations()
	if err != nil {
		return err
	}
	if err := x.setOptions(); err != nil {
		return err
	}
	if len(args) == 0 {
		return x.declared(ctx, all)
	}
	return x.tree(ctx, args[0])
}

// checkFlags refuses what can be refused before a store is opened.
func (x *exporting) checkFlags() error {
	f := x.flags
	switch {
	case f.out != "" && f.githubEnv:
		return secret.Errorf(secret.Invalid, "", "give --out or --github-env, not both")
	case f.githubEnv && x.format != envfmt.GitHub:
		return secret.Errorf(secret.Invalid, "", "--github-env goes with --format github")
	case x.format == envfmt.GitHub && x.sys.Var(config.VarGitHubEnv) == "":
		// The masks hold the values: printed where no runner takes them away,
		// they would be shown.
		return secret.Errorf(secret.Invalid, "", "--format github writes for a step of GitHub Actions, and $%s is not set here", config.VarGitHubEnv)
	case x.flags.out == "" && !f.githubEnv && x.app.flags.json:
		return secret.Errorf(secret.Invalid, "", "--json tells what was written: give --out\n  secrets as JSON:  tacit export --format json")
	default:
		return nil
	}
}

func (x *exporting) setOptions() error {
	x.options = envfmt.Options{For: envfmt.Program(x.flags.program), Object: x.flags.object, Namespace: x.flags.namespace}
	if x.format == envfmt.Kubernetes && x.options.Object == "" {
		x.options.Object = strings.ToLower(x.opened.Project.Name)
	}
	_, err := envfmt.NewWriter(discarded{}, x.format, x.optionsWith(discarded{}))
	return err
}

// discarded is where a trial is written.
type discarded struct{}

func (discarded) Write(b []byte) (int, error) { return len(b), nil }

func (x *exporting) optionsWith(masks interface{ Write([]byte) (int, error) }) *envfmt.Options {
	o := x.options
	if x.format == envfmt.GitHub {
		o.Masks = masks
	}
	return &o
}

// declared writes what tacit.toml declares. All of it is looked at before the
// first byte is written.
func (x *exporting) declared(ctx context.Context, all []config.Declaration) error {
	for _, d := range all {
		if v := config.UseIn(d, all); v != "" {
			return secret.Errorf(secret.Unsupported, "", "%s has a use section: its value is never handed over", v)
		}
	}
	got, missing, err := config.Resolve(ctx, x.opened.Broker, x.caller(), all, all)
	switch {
	case err != nil:
		return err
	case len(missing) > 0:
		return missingError(missing, "; nothing was written")
	case len(got) == 0:
		return secret.Errorf(secret.NotFound, "", "no secret is declared for %s\n  all of them:  tacit export %s: --format %s", x.opened.Env, x.opened.Env, x.format)
	}
	var p problems
	for _, g := range got {
		p.add(x.holds(g.Var, g.Var, g.Value))
	}
	if err := p.error("nothing was written"); err != nil {
		return err
	}
	return x.write(ctx, func(w *envfmt.Writer) error {
		for _, g := range got {
			if err := x.one(w, g.Var, g.Value); err != nil {
				return err
			}
		}
		return nil
	})
}

// caller is who asks, and what for.
func (x *exporting) caller() secret.Caller {
	c := x.opened.Caller
	c.For = "export"
	if x.flags.out != "" {
		c.For += " to " + x.flags.out
	}
	return c
}

// one writes one value. What a terminal would obey is kept from it.
func (x *exporting) one(w *envfmt.Writer, name string, v secret.Value) error {
	if x.onTerminal() && !isText(v.Reveal()) {
		return secret.Errorf(secret.Invalid, "", "%s is no text, and this is a terminal\n  write a file:  --out FILE", name)
	}
	if err := w.Write(name, v); err != nil {
		return err
	}
	x.count++
	if x.format == envfmt.Dotenv && x.options.For == "" {
		x.altered.add(name, v)
	}
	return nil
}

func (x *exporting) onTerminal() bool {
	return x.flags.out == "" && !x.flags.githubEnv && terminal(x.Out)
}

// holds reports why the format cannot hold a value; thing is what the value is
// called here, and name what it is called there.
func (x *exporting) holds(thing, name string, v secret.Value) error {
	w, err := envfmt.NewWriter(discarded{}, x.format, x.optionsWith(discarded{}))
	if err != nil {
		return err
	}
	err = w.Write(name, v)
	if err == nil || secret.KindOf(err) != secret.Invalid {
		return err
	}
	var can []string
	for _, f := range envfmt.Formats() {
		if f != x.format && f != envfmt.GitHub && f.Check(nameIn(f, name), v) == nil {
			can = append(can, string(f))
		}
	}
	text := firstLine(err)
	if !strings.Contains(text, thing) {
		text = thing + ": " + text
	}
	if len(can) > 0 {
		text += "\n    formats that can: " + strings.Join(can, ", ")
	}
	return secret.Errorf(secret.Invalid, "", "%s", text)
}

// nameIn is what a secret is called in a format, by its name below the place
// that is exported.
func nameIn(f envfmt.Format, rel string) string {
	switch {
	case f == envfmt.Kubernetes:
		return strings.ReplaceAll(rel, "/", ".")
	case f.Variables():
		return variableOf(rel)
	default:
		return rel
	}
}

// variableOf makes a variable's name of a secret's: upper case, and _ for what
// no variable holds.
func variableOf(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_':
			return r
		default:
			return '_'
		}
	}, name)
}

// problems are all that is wrong with what was given, told together.
type problems struct {
	kind secret.Kind
	text []string
}

func (p *problems) add(err error) {
	if err == nil {
		return
	}
	if len(p.text) == 0 {
		p.kind = secret.KindOf(err)
	}
	p.text = append(p.text, err.Error())
}

// error is nil if there are none. One alone is told as it is.
func (p *problems) error(outcome string) error {
	if len(p.text) == 0 {
		return nil
	}
	told := p.text
	if more := len(told) - maxProblems; more > 0 {
		told = append(slices.Clip(told[:maxProblems]), "and "+count(more, "more problem"))
	}
	return secret.Errorf(p.kind, "", "%s\n  %s", outcome, strings.Join(told, "\n  "))
}

// alterations are the values that some programs would read otherwise.
type alterations struct {
	names map[envfmt.Program][]string
	count map[envfmt.Program]int
}

// maxAltered is how many names are told of each program.
const maxAltered = 5

func (l *alterations) add(name string, v secret.Value) {
	for _, p := range envfmt.Altered(v) {
		if l.names == nil {
			l.names, l.count = map[envfmt.Program][]string{}, map[envfmt.Program]int{}
		}
		if l.count[p]++; len(l.names[p]) < maxAltered {
			l.names[p] = append(l.names[p], name)
		}
	}
}

// tell names them, program by program.
func (x *exporting) tell() {
	for _, p := range [...]envfmt.Program{envfmt.ForNode, envfmt.ForPython, envfmt.ForDocker} {
		names := x.altered.names[p]
		if len(names) == 0 {
			continue
		}
		more := ""
		if n := x.altered.count[p] - len(names); n > 0 {
			more = " and " + count(n, "more")
			more = strings.TrimSuffix(more, "s")
		}
		x.warn("%s would alter %s%s\n  write it for that program, as far as that goes:  --for %s", readerOf(p), strings.Join(names, ", "), more, p)
	}
}

func readerOf(p envfmt.Program) string {
	switch p {
	case envfmt.ForNode:
		return "node --env-file"
	case envfmt.ForPython:
		return "python-dotenv, as it is usually called,"
	default:
		return "docker --env-file"
	}
}
