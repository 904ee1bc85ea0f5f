package cli

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

// TestConfigurationPage compares the tables of docs/configuration.md, and the
// schema beside it, with the list of settings: make docs writes them anew.
func TestConfigurationPage(t *testing.T) {
	const file, schemaFile = "../../docs/configuration.md", "../../docs/tacit.schema.json"
	compareTables(t, file, settingTables())
	schema, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, schema, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(schemaFile); err != nil || !bytes.Equal(got, schema) {
		t.Errorf("docs/tacit.schema.json is not what the code says: make docs (%v)", err)
	}
}

// compareTables compares the tables of a page, each behind a comment with its
// name, with what the code says; -update writes them.
func compareTables(t *testing.T, file string, tables map[string]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := text
	for name, rows := range tables {
		begin, end := []byte("<!-- "+name+" -->\n"), []byte("<!-- end -->\n")
		before, rest, ok := bytes.Cut(want, begin)
		_, after, ended := bytes.Cut(rest, end)
		if !ok || !ended {
			t.Fatalf("%s has no place for the table %s", file, name)
		}
		want = bytes.Join([][]byte{before, begin, []byte(rows), end, after}, nil)
	}
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(text, want) {
		t.Errorf("%s is not what the code says: make docs", file)
	}
}

// TestStoresPage compares the table of what each store can do with what their
// backends implement.
func TestStoresPage(t *testing.T) {
	rows := []string{"| | " + strings.Join(coded(config.Backends()), " | ") + " |", "|" + strings.Repeat(" --- |", 1+len(config.Backends()))}
	has := map[string][]string{}
	var all []string // in the order of the one function that knows them
	for _, capability := range secret.Capabilities(everything{}) {
		all = append(all, capability)
		for _, b := range config.Backends() {
			mark := ""
			if slices.Contains(config.Capabilities(b), capability) {
				mark = "yes"
			}
			has[capability] = append(has[capability], mark)
		}
		rows = append(rows, "| "+capability+" | "+strings.Join(has[capability], " | ")+" |")
	}
	for _, b := range config.Backends() {
		if len(config.Capabilities(b)) == 0 {
			t.Errorf("%s can do nothing", b)
		}
		for _, c := range config.Capabilities(b) {
			if !slices.Contains(all, c) {
				t.Errorf("%s is no row of the table", c)
			}
		}
	}
	compareTables(t, "../../docs/stores.md", map[string]string{"capabilities": strings.Join(rows, "\n") + "\n"})
}

func coded(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = "`" + w + "`"
	}
	return out
}

// everything is a store with all promises there are.
type everything struct {
	secret.Backend
	secret.Versioner
	secret.Swapper
	secret.Creator
	secret.Undeleter
	secret.VersionRemover
	secret.Stager
	secret.Annotator
	secret.VersionAnnotator
	secret.Limiter
	secret.Archiver
	secret.BatchGetter
	secret.Batcher
	secret.Renamer
	secret.Watcher
	secret.Lessor
	secret.Prober
	secret.Grantor
}

// settingTables are the rows of each table, by what the page calls it.
func settingTables() map[string]string {
	row := func(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }
	cell := func(s, prefix string) string {
		if s == "" {
			return ""
		}
		return "`" + prefix + s + "`"
	}
	out := map[string]string{
		"settings: tacit.toml":  row("setting", "says") + row("---", "---"),
		"settings: config.toml": row("setting", "says") + row("---", "---"),
		"settings: variables":   row("variable", "flag", "says") + row("---", "---", "---"),
		"settings: stores":      row("variable", "says") + row("---", "---"),
	}
	for _, s := range config.StoreVariables() {
		out["settings: stores"] += row(cell(s.Var, ""), s.Doc)
	}
	for _, s := range config.FileSettings() {
		if strings.HasPrefix(s.Name, "env.*.secrets.*") {
			continue // as secrets.*
		}
		name := strings.ReplaceAll(strings.ReplaceAll(s.Name, "env.*", "env.ENV"), "secrets.*", "secrets.VAR")
		out["settings: tacit.toml"] += row(cell(name, ""), strings.ReplaceAll(s.Doc, "|", `\|`))
	}
	for _, s := range config.Settings() {
		if s.Name != "" {
			out["settings: config.toml"] += row(cell(s.Name, ""), s.Doc)
			continue
		}
		out["settings: variables"] += row(cell(s.Var, ""), cell(s.Flag, "--"), s.Doc)
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
