package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tacit-secrets/tacit/secret"
)

// helpColumns is how wide a help text is at most.
const helpColumns = 80

// groups are the headings under which tacit --help lists the commands.
func groups() []*cobra.Group {
	return []*cobra.Group{
		{ID: "secrets", Title: "Secrets"},
		{ID: "projects", Title: "Projects and processes"},
		{ID: "rights", Title: "Who may do what"},
		{ID: "proof", Title: "The log and the store"},
		{ID: "more", Title: "More"},
	}
}

// helpText is what tacit COMMAND --help prints, in so many columns.
func helpText(c *cobra.Command, columns int) string {
	return ownHelp(c, columns) + "\nFlags of every command:\n" + flagLines(c.Root().PersistentFlags(), columns) + "\n"
}

// ownHelp is the help text without the flags that all commands have.
func ownHelp(c *cobra.Command, columns int) string {
	var b strings.Builder
	b.WriteString(flow(about(c), columns))
	section := func(title, text string) {
		if text = strings.TrimRight(text, "\n"); text != "" {
			b.WriteString("\n" + title + ":\n" + text + "\n")
		}
	}
	section("Usage", usageLines(c))
	section("Examples", c.Example)
	for _, g := range append(c.Groups(), &cobra.Group{Title: "Commands"}) {
		section(g.Title, commandLines(c, g.ID, columns))
	}
	section("Flags", flagLines(c.LocalNonPersistentFlags(), columns))
	return b.String()
}

// about is the long text of a command, or the short one as a sentence.
func about(c *cobra.Command) string {
	if c.Long != "" {
		return c.Long
	}
	return c.Short + "."
}

func usageLines(c *cobra.Command) string {
	if c.HasAvailableSubCommands() {
		return "  " + c.CommandPath() + " COMMAND"
	}
	line := "  " + c.UseLine()
	if c.LocalNonPersistentFlags().HasAvailableFlags() && !strings.Contains(line, "[flags]") {
		line += " [flags]"
	}
	return line
}

// commandLines lists the commands of a group below c.
func commandLines(c *cobra.Command, group string, columns int) string {
	var left, right []string
	wide := 0
	for _, sub := range c.Commands() {
		wide = max(wide, len(sub.Name())+2)
		if sub.GroupID == group && sub.IsAvailableCommand() {
			left, right = append(left, "  "+sub.Name()), append(right, sub.Short)
		}
	}
	return sideBySide(left, right, wide, columns)
}

// flagLines describes flags, with their defaults.
func flagLines(fs *pflag.FlagSet, columns int) string {
	var left, right []string
	wide := 0
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, usage := flagWords(f)
		left, right = append(left, name), append(right, usage)
		wide = max(wide, len(name))
	})
	return sideBySide(left, right, wide, columns)
}

// flagWords returns how a flag is written, and what it does.
func flagWords(f *pflag.Flag) (name, usage string) {
	kind, usage := pflag.UnquoteUsage(f)
	name = "      --" + f.Name
	if f.Shorthand != "" {
		name = "  -" + f.Shorthand + ", --" + f.Name
	}
	if kind != "" {
		name += " " + kind
	}
	switch f.DefValue {
	case "", "0", "false", "[]":
	default:
		usage += " (default " + f.DefValue + ")"
	}
	return name, usage
}

// sideBySide prints what things are called on the left, and what they are on
// the right, or below where the right is too narrow.
func sideBySide(left, right []string, wide, columns int) string {
	var b strings.Builder
	at, first := wide+2, ""
	if columns-at < 24 {
		at, first = 10, "\n"+strings.Repeat(" ", 10)
	}
	for i, l := range left {
		lines := strings.Split(strings.TrimSpace(flow(right[i], columns-at)), "\n")
		if first == "" {
			l = fmt.Sprintf("%-*s", at, l)
		}
		b.WriteString(l + first + strings.Join(lines, "\n"+strings.Repeat(" ", at)) + "\n")
	}
	return b.String()
}

// flow breaks each paragraph into lines of so many columns. Lines that begin
// with a blank stay as they are.
func flow(text string, limit int) string {
	var b strings.Builder
	at := 0
	end := func() {
		if at > 0 {
			b.WriteString("\n")
		}
		at = 0
	}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(line) == "" || line[0] == ' ' {
			end()
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			continue
		}
		for word := range strings.FieldsSeq(line) {
			switch {
			case at > 0 && at+1+columns(word) > limit:
				end()
			case at > 0:
				b.WriteString(" ")
				at++
			}
			b.WriteString(word)
			at += columns(word)
		}
	}
	end()
	return b.String()
}

// polish gives every command the help, the errors and the completion that all
// have in common.
func (a *app) polish(c *cobra.Command) {
	c.DisableFlagsInUseLine = true
	if c.HasSubCommands() {
		c.Args, c.RunE = cobra.ArbitraryArgs, a.group
	}
	if fits := c.Args; fits != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			err := fits(c, args)
			if err == nil || secret.KindOf(err) != 0 {
				return err
			}
			return wrongArguments(c, args)
		}
	}
	for _, sub := range c.Commands() {
		a.polish(sub)
	}
}

// group is the command above others: alone it shows its help.
func (a *app) group(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	return unknownCommand(c, args[0])
}

func unknownCommand(c *cobra.Command, name string) error {
	if near := nearCommand(c, name); near != "" {
		return secret.Errorf(secret.Invalid, "", "%s has no command %q\n  did you mean:  %s %s", c.CommandPath(), name, c.CommandPath(), near)
	}
	return secret.Errorf(secret.Invalid, "", "%s has no command %q\n  %s --help", c.CommandPath(), name, c.CommandPath())
}

// nearCommand returns the command that was meant: of those that differ in two
// letters at most, the one that begins most alike. It is empty if there is none.
func nearCommand(c *cobra.Command, name string) string {
	c.SuggestionsMinimumDistance = 2
	best, alike := "", -1
	for _, s := range c.SuggestionsFor(name) {
		n := 0
		for n < min(len(s), len(name)) && s[n] == name[n] {
			n++
		}
		if n > alike {
			best, alike = s, n
		}
	}
	return best
}

// wrongArguments tells what a command takes. What was given is not repeated:
// it may be a value that should have come from elsewhere.
func wrongArguments(c *cobra.Command, args []string) error {
	_, takes, ok := strings.Cut(c.Use, " ")
	if !ok {
		takes = "no argument"
	}
	given := "none was given"
	if n := len(args); n > 0 {
		given = fmt.Sprintf("%d %s given", n, plural(n, "was", "were"))
	}
	return secret.Errorf(secret.Invalid, "", "%s takes %s, and %s\n  %s --help", shortPath(c), takes, given, c.CommandPath())
}

// wrongFlag words what the parser of flags does not understand.
func wrongFlag(c *cobra.Command, err error) error {
	text, _, _ := strings.Cut(err.Error(), ": strconv.")
	if c.HasParent() {
		text = shortPath(c) + ": " + text
	}
	return secret.Errorf(secret.Invalid, "", "%s\n  %s --help", text, c.CommandPath())
}

// shortPath names a command after "tacit: ".
func shortPath(c *cobra.Command) string {
	return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
}

func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show the help of a command",
		Example: "  tacit help\n  tacit help put",

		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			at, err := findCommand(c.Root(), args)
			if err != nil {
				return err
			}
			return at.Help()
		},
		ValidArgsFunction: completeCommands,
	}
}

// findCommand returns the command that names lead to.
func findCommand(root *cobra.Command, names []string) (*cobra.Command, error) {
	at := root
	for _, name := range names {
		next := subCommand(at, name)
		if next == nil {
			return nil, unknownCommand(at, name)
		}
		at = next
	}
	return at, nil
}

// completeCommands offers the commands below those that were named.
func completeCommands(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	at, err := findCommand(c.Root(), args)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, sub := range at.Commands() {
		if sub.IsAvailableCommand() {
			out = append(out, sub.Name()+"\t"+sub.Short)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

func subCommand(c *cobra.Command, name string) *cobra.Command {
	for _, sub := range c.Commands() {
		if sub.Name() == name {
			return sub
		}
	}
	return nil
}
