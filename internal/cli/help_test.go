package cli

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

var update = flag.Bool("update", false, "write docs/commands.md anew")

// testRoot makes the tree of commands on a machine without any settings.
func testRoot(t *testing.T) *cobra.Command {
	t.Helper()
	dir := t.TempDir()
	a := &app{sys: config.NewSystem(dir, dir, "mia", nil), now: time.Now}
	return a.root()
}

// eachCommand walks the tree.
func eachCommand(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, f)
	}
}

// TestHelpIsWhole: each command says what it does, has an example that its own
// parser accepts, and fits a terminal of 80 columns.
func TestHelpIsWhole(t *testing.T) {
	eachCommand(testRoot(t), func(c *cobra.Command) {
		t.Run(c.CommandPath(), func(t *testing.T) {
			if s := c.Short; s == "" || strings.HasSuffix(s, ".") || strings.ContainsAny(s, "!\n") {
				t.Errorf("short: %q", s)
			}
			if c.HasParent() && !c.Parent().HasParent() && c.GroupID == "" {
				t.Error("it is in no group of tacit --help")
			}
			if c.Example == "" {
				t.Error("it has no example")
			}
			for line := range strings.SplitSeq(c.Example, "\n") {
				if err := parses(testRoot(t), line); err != nil {
					t.Errorf("example %q: %v", line, err)
				}
			}
			for _, wide := range []int{helpColumns, 40} {
				for line := range strings.SplitSeq(helpText(c, wide), "\n") {
					// A word longer than the line, and an example, cannot be broken.
					if columns(line) > helpColumns || strings.HasSuffix(line, " ") {
						t.Errorf("at %d: %q", wide, line)
					}
				}
			}
		})
	})
}

// parses finds a command in a line of an example and has the tree of commands
// look at its arguments, without running it.
func parses(root *cobra.Command, line string) error {
	_, line, ok := strings.Cut(line, "tacit ")
	if !ok {
		return errors.New("it does not call tacit")
	}
	for _, end := range []string{" | ", " < ", " > ", ")"} {
		line, _, _ = strings.Cut(line, end)
	}
	args := strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(line))
	c, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	if c.HasSubCommands() && len(c.Flags().Args()) > 0 {
		return errors.New("there is no such command")
	}
	return c.ValidateArgs(c.Flags().Args())
}

func TestExamplesAreLookedAt(t *testing.T) {
	for _, line := range []string{"  tacit frobnicate", "  tacit env frobnicate", "  tacit list --frobnicate", "  tacit get", "  ls"} {
		root := testRoot(t)
		if err := parses(root, line); err == nil {
			t.Errorf("%q was accepted", line)
		}
	}
}

func TestFlow(t *testing.T) {
	for _, c := range []struct {
		text string
		wide int
		want string
	}{
		{"a b c", 3, "a b\nc\n"},
		{"a\nb", 80, "a b\n"},
		{"a\n\nb", 80, "a\n\nb\n"},
		{"a\n  keep   this\nb", 5, "a\n  keep   this\nb\n"},
		{"longword a", 3, "longword\na\n"},
		{"ééé é", 5, "ééé é\n"},
		{"世界 é", 4, "世界\né\n"},
	} {
		if got := flow(c.text, c.wide); got != c.want {
			t.Errorf("%q in %d columns: %q", c.text, c.wide, got)
		}
	}
}

// TestCommandsPage compares docs/commands.md with the commands: make docs
// writes it anew.
func TestCommandsPage(t *testing.T) {
	const file = "../../docs/commands.md"
	page := commandsPage(testRoot(t))
	if *update {
		if err := os.WriteFile(file, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, page) {
		t.Errorf("docs/commands.md is not what the commands say: make docs (%v)", err)
	}
}

func commandsPage(root *cobra.Command) []byte {
	var b bytes.Buffer
	b.WriteString("# Commands\n\nWhat `tacit COMMAND --help` says, written by `make docs`.\n\n")
	for _, g := range root.Groups() {
		b.WriteString("- " + g.Title + ":")
		for _, c := range root.Commands() {
			if c.GroupID == g.ID {
				b.WriteString(" [" + c.Name() + "](#" + strings.ReplaceAll(c.CommandPath(), " ", "-") + ")")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\nFlags of every command:\n\n```\n" + flagLines(root.PersistentFlags(), helpColumns) + "\n```\n")
	eachCommand(root, func(c *cobra.Command) {
		if c.HasParent() {
			b.WriteString("\n## " + c.CommandPath() + "\n\n```\n" + ownHelp(c, helpColumns) + "```\n")
		}
	})
	return b.Bytes()
}

// TestJSONKeysPage compares the table of docs/exit-codes.md with what is
// printed.
func TestJSONKeysPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/exit-codes.md")
	if err != nil {
		t.Fatal(err)
	}
	for commands, printed := range map[string]any{
		"`put`, `rollback`, `delete`, `undelete`, `destroy`": changeJSON{}, "`get`": valueJSON{}, "`list`": listJSON{}, "`history`": versionJSON{},
		"`check`": checkJSON{}, "`env list`": envJSON{}, "`grants`": grantJSON{}, "`policy explain`": decisionJSON{}, "`whoami`": whoamiJSON{},
		"`init`": initJSON{}, "`store key list`": slotJSON{}, "`version`": versionInfo{},
	} {
		var keys []string
		for f := range reflect.TypeOf(printed).Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			keys = append(keys, "`"+key+"`")
		}
		row := "\n| " + commands + " | " + strings.Join(keys, ", ") + " |\n"
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/exit-codes.md lacks%s", row)
		}
	}
}

// TestUsageErrors: what the parser of arguments refuses is invalid, says so in
// one line, and names a way out. A value is never repeated.
func TestUsageErrors(t *testing.T) {
	for _, c := range []struct {
		args, want string
	}{
		{"frobnicate", "tacit has no command \"frobnicate\"\n  tacit --help"},
		{"lst", "tacit has no command \"lst\"\n  did you mean:  tacit list"},
		{"env frobnicate", "tacit env has no command \"frobnicate\"\n  tacit env --help"},
		{"audit vrify", "tacit audit has no command \"vrify\"\n  did you mean:  tacit audit verify"},
		{"store key", ""},
		{"help frobnicate", "tacit has no command \"frobnicate\"\n  tacit --help"},
		{"help env list", ""},
		{"get", "get takes REFERENCE, and none was given\n  tacit get --help"},
		{"get a b", "get takes REFERENCE, and 2 were given\n  tacit get --help"},
		{"init a", "init takes no argument, and 1 was given\n  tacit init --help"},
		{"put a sk-canary", "put takes no value as an argument, where others could see it\n  it asks for one, or reads stdin:  tacit put REFERENCE < FILE"},
		{"list --frobnicate", "list: unknown flag: --frobnicate\n  tacit list --help"},
		{"--frobnicate", "unknown flag: --frobnicate\n  tacit --help"},
		{"put a --if-version x", "put: invalid argument \"x\" for \"--if-version\" flag\n  tacit put --help"},
		{"put a --if-version=-2", "--if-version takes the number of a version, or 0 for none"},
		{"get a --stage", "get: flag needs an argument: --stage\n  tacit get --help"},
		{"completion tcsh", "there is no completion for \"tcsh\"\n  it is made for bash, zsh, fish and powershell"},
	} {
		t.Run(c.args, func(t *testing.T) {
			dir := t.TempDir()
			out, err := os.Create(dir + "/out")
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			a := &app{Streams: Streams{Out: out, Err: out}, sys: config.NewSystem(dir, dir, "mia", nil), now: time.Now}
			err = a.run(t.Context(), strings.Fields(c.args))
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, secret.Invalid) || err.Error() != c.want || exitCode(err) != exitInvalid {
				t.Errorf("got %v", err)
			}
		})
	}
}
