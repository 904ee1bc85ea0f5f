package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) manCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "man [COMMAND...]",
		Short: "Print the manual page of a command, or write them all",
		Long: `Print the manual page of a command to stdout, as the program man reads it. With --out,
write those of all commands into a folder: for packages, and for a folder of your own
that MANPATH names.`,
		Example: `  tacit man put | man -l -
  tacit man --out ~/.local/share/man/man1`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeCommands,
		RunE: func(c *cobra.Command, args []string) error {
			if dir != "" && len(args) > 0 {
				return secret.Errorf(secret.Invalid, "", "--out writes the pages of all commands: leave %s out", strings.Join(args, " "))
			}
			if dir != "" {
				return a.writeMan(c.Root(), dir)
			}
			at, err := findCommand(c.Root(), args)
			if err != nil {
				return err
			}
			return a.print(manPage(at))
		},
	}
	c.Flags().StringVarP(&dir, "out", "o", "", "write all pages into this `folder`")
	return c
}

// writeMan writes the pages of root and of all commands below it.
func (a *app) writeMan(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // pages are read by everyone
		return secret.Errorf(secret.Unavailable, "", "the pages cannot be written: %s", err)
	}
	n := 0
	var write func(c *cobra.Command) error
	write = func(c *cobra.Command) error {
		if !c.IsAvailableCommand() && c.HasParent() {
			return nil
		}
		n++
		path := filepath.Join(dir, manName(c)+".1")
		if err := os.WriteFile(path, []byte(manPage(c)), 0o644); err != nil { //nolint:gosec // pages are read by everyone
			return secret.Errorf(secret.Unavailable, "", "the page cannot be written: %s", err)
		}
		for _, sub := range c.Commands() {
			if err := write(sub); err != nil {
				return err
			}
		}
		return nil
	}
	if err := write(root); err != nil {
		return err
	}
	a.done("wrote", dir, "%s", count(n, "page"))
	return nil
}

// manName is what a command's page is called: tacit-store-key-add.
func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage writes what helpText says as a page for man(1), in man(7).
func manPage(c *cobra.Command) string {
	var b roff
	version, date := built()
	b.line(`.TH "%s" 1 "%s" "tacit %s" "tacit manual"`, roffText(strings.ToUpper(manName(c))), date, roffText(version))
	b.line(".nh\n.ad l") // neither hyphens nor stretched lines: much is to be copied
	b.section("NAME")
	b.line(`%s \- %s`, roffText(manName(c)), roffText(c.Short))
	b.section("SYNOPSIS")
	b.line(".B %s", roffText(strings.TrimSpace(usageLines(c))))
	b.section("DESCRIPTION")
	b.paragraphs(about(c))
	for _, g := range append(c.Groups(), &cobra.Group{Title: "Commands"}) {
		b.commands(c, g)
	}
	b.flags("OPTIONS", c.LocalNonPersistentFlags())
	b.flags("OPTIONS OF EVERY COMMAND", c.Root().PersistentFlags())
	b.section("EXAMPLES")
	b.line(".nf\n%s\n.fi", roffLines(c.Example))
	if !c.HasParent() {
		b.settings()
	}
	b.section("EXIT STATUS")
	b.paragraphs(exitStatus)
	b.section("SEE ALSO")
	b.line("%s", strings.Join(seeAlso(c), ",\n"))
	return b.String()
}

// exitStatus tells the codes of exit.go.
const exitStatus = `0 if all went well, 2 for what was asked wrongly, 3 for what is denied, 4 for what is not there, 5 for what may
work later, 6 for a conflict, 1 for the rest. "tacit run" exits as its command does.`

// seeAlso names the page above, and those below.
func seeAlso(c *cobra.Command) []string {
	var out []string
	add := func(c *cobra.Command) { out = append(out, ".BR "+roffText(manName(c))+" (1)") }
	if c.HasParent() {
		add(c.Parent())
	}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			add(sub)
		}
	}
	for i := range out[:len(out)-1] {
		out[i] += ","
	}
	return out
}

// built returns the version of this binary, and the day of the commit it was
// built from: the same source makes the same pages. What is unknown is empty.
func built() (version, day string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return versionOf(nil), ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			day, _, _ = strings.Cut(s.Value, "T")
		}
	}
	return versionOf(info), day
}

// A roff is a page in the making.
type roff struct{ bytes.Buffer }

func (b *roff) line(format string, args ...any) { _, _ = fmt.Fprintf(b, format+"\n", args...) }

func (b *roff) section(title string) { b.line(".SH %s", title) }

// paragraphs writes text whose paragraphs stand apart by an empty line.
func (b *roff) paragraphs(text string) {
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.line(".PP")
		}
		b.line("%s", roffLines(p))
	}
}

func (b *roff) commands(c *cobra.Command, g *cobra.Group) {
	first := true
	b.line(".PD 0") // a list, without empty lines
	for _, sub := range c.Commands() {
		if sub.GroupID != g.ID || !sub.IsAvailableCommand() {
			continue
		}
		if first {
			b.section(roffText(strings.ToUpper(g.Title)))
		}
		first = false
		b.line(".TP 12\n.B %s\n%s", roffText(sub.Name()), roffText(sub.Short))
	}
	b.line(".PD")
}

func (b *roff) flags(title string, fs *pflag.FlagSet) {
	if !fs.HasAvailableFlags() {
		return
	}
	b.section(title)
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, usage := flagWords(f)
		b.line(".TP\n.B %s\n%s", roffText(strings.TrimSpace(name)), roffText(usage))
	})
}

// settings writes what the environment says.
func (b *roff) settings() {
	b.section("ENVIRONMENT")
	for _, s := range config.Settings() {
		if s.Var != "" {
			b.line(".TP\n.B %s\n%s", roffText(s.Var), roffText(s.Doc))
		}
	}
	b.section("FILES")
	for _, f := range [][2]string{
		{config.FileName, "what the project declares; committed, and never a value"},
		{config.LocalName, "your own settings of the project; not committed"},
		{config.PolicyName, "what agents and programs may do; committed"},
		{"~/.config/tacit/config.toml", "your own settings, the only place of those that can weaken something"},
		{"~/.local/share/tacit", "the stores"},
		{"~/.local/state/tacit", "the audit logs"},
	} {
		b.line(".TP\n.I %s\n%s", roffText(f[0]), roffText(f[1]))
	}
}

// roffLines is roffText for several lines.
func roffLines(s string) string {
	lines := strings.Split(strings.Trim(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = roffText(l)
	}
	return strings.Join(lines, "\n")
}

// roffText writes one line so that roff takes nothing in it for its own. A
// hyphen is a minus, which can be copied to a command line.
func roffText(s string) string {
	var b strings.Builder
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		b.WriteString(`\&`)
	}
	for _, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '\'':
			b.WriteString(`\(aq`)
		case r == '"':
			b.WriteString(`\(dq`)
		case r == '`':
			b.WriteString(`\(ga`)
		case r == '^':
			b.WriteString(`\(ha`)
		case r == '~':
			b.WriteString(`\(ti`)
		case r > 0x7e:
			_, _ = fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
