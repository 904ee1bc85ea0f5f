package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tacit-secrets/tacit/internal/config"
)

// TestConfigurationPage compares the tables of docs/configuration.md, and the
// schema beside it, with the list of settings: make docs writes them anew.
func TestConfigurationPage(t *testing.T) {
	const file, schemaFile = "../../docs/configuration.md", "../../docs/tacit.schema.json"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := text
	for name, rows := range settingTables() {
		begin, end := []byte("<!-- settings: "+name+" -->\n"), []byte("<!-- end -->\n")
		before, rest, ok := bytes.Cut(want, begin)
		_, after, ended := bytes.Cut(rest, end)
		if !ok || !ended {
			t.Fatalf("%s has no place for the settings of %s", file, name)
		}
		want = bytes.Join([][]byte{before, begin, []byte(rows), end, after}, nil)
	}
	schema, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(schemaFile, schema, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(text, want) {
		t.Error("docs/configuration.md is not what the code says: make docs")
	}
	if got, err := os.ReadFile(schemaFile); err != nil || !bytes.Equal(got, schema) {
		t.Errorf("docs/tacit.schema.json is not what the code says: make docs (%v)", err)
	}
}

// settingTables are the rows of each table, by what the page calls it.
func settingTables() map[string]string {
	row := func(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }
	code := func(s, prefix string) string {
		if s == "" {
			return ""
		}
		return "`" + prefix + s + "`"
	}
	out := map[string]string{
		"tacit.toml":  row("setting", "says") + row("---", "---"),
		"config.toml": row("setting", "says") + row("---", "---"),
		"variables":   row("variable", "flag", "says") + row("---", "---", "---"),
		"stores":      row("variable", "says") + row("---", "---"),
	}
	for _, s := range config.StoreVariables() {
		out["stores"] += row(code(s.Var, ""), s.Doc)
	}
	for _, s := range config.FileSettings() {
		if strings.HasPrefix(s.Name, "env.*.secrets.*") {
			continue // as secrets.*
		}
		name := strings.ReplaceAll(strings.ReplaceAll(s.Name, "env.*", "env.ENV"), "secrets.*", "secrets.VAR")
		out["tacit.toml"] += row(code(name, ""), strings.ReplaceAll(s.Doc, "|", `\|`))
	}
	for _, s := range config.Settings() {
		if s.Name != "" {
			out["config.toml"] += row(code(s.Name, ""), s.Doc)
			continue
		}
		out["variables"] += row(code(s.Var, ""), code(s.Flag, "--"), s.Doc)
	}
	return out
}

// No flag sets what weakens, and each setting with a flag has it everywhere,
// with its variable as the default.
func TestFlagsOfSettings(t *testing.T) {
	vars := map[string]string{}
	for _, s := range config.Settings() {
		if s.Flag != "" {
			vars[s.Var] = "value-of-" + s.Flag
		}
	}
	a := &app{sys: config.NewSystem(t.TempDir(), t.TempDir(), "mia", vars)}
	root := a.root()
	for _, s := range config.Settings() {
		if s.Flag == "" {
			continue
		}
		if f := root.PersistentFlags().Lookup(s.Flag); f == nil || f.DefValue != vars[s.Var] {
			t.Errorf("--%s: %+v", s.Flag, f)
		}
	}
	seen := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			seen++
			for _, s := range config.Settings() {
				if s.Weakens && strings.ReplaceAll(s.Name, ".", "-") == f.Name {
					t.Errorf("%s --%s sets what weakens", c.CommandPath(), f.Name)
				}
			}
		})
		for _, below := range c.Commands() {
			walk(below)
		}
	}
	walk(root)
	if seen == 0 {
		t.Error("no flag seen")
	}
}
