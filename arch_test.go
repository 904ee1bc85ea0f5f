package tacit_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tacit-secrets/tacit"

// layers lists the folders of this module from the bottom up. A package
// imports only packages of lower layers; packages of one layer never import
// each other. "/..." covers everything below a folder; "." is the root.
// ARCHITECTURE.md draws the same picture.
var layers = [][]string{
	{"secret"},
	{"internal/seal", "internal/match", "internal/head", "internal/wire", "internal/shell", "internal/crashtest"},
	{"internal/state"},
	{"policy", "backend/...", "internal/child", "internal/clipboard", "internal/envfmt", "internal/render"},
	{"audit", "internal/identity", "internal/foreign"},
	{"broker"},
	{"internal/move", "internal/lease"},
	{"internal/config"},
	{"."},
	{"internal/cli"},
	{"cmd/tacit"},
}

// TestImportsPointDown reads the files itself: a test that ran "go list" would
// be cached when only another package changed.
func TestImportsPointDown(t *testing.T) {
	eachFile(t, func(file string, imports []string) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		from := path.Dir(file)
		if layer(from) < 0 {
			t.Errorf("%s is in no layer: give it one or do not add it", from)
		}
		for _, imp := range imports {
			to, own := strings.CutPrefix(imp+"/", module+"/")
			if !own {
				continue
			}
			to = path.Clean(to)
			if to == from || within(from, to) {
				continue
			}
			if layer(to) >= layer(from) {
				t.Errorf("%s: %s (layer %d) must not import %s (layer %d)", file, from, layer(from), to, layer(to))
			}
			if strings.HasPrefix(to, "backend/") && from != "internal/config" {
				t.Errorf("%s: only internal/config makes backends", file)
			}
		}
	})
}

// TestPictureIsTrue compares the picture in ARCHITECTURE.md with the layers:
// each package stands in it, and none below one that it may import.
func TestPictureIsTrue(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 120 {
		t.Errorf("ARCHITECTURE.md has %d lines; it has at most 120", n)
	}
	_, picture, _ := strings.Cut(string(text), "## The layers")
	_, picture, _ = strings.Cut(picture, "```\n")
	picture, _, _ = strings.Cut(picture, "```")
	lines := strings.Split(picture, "\n")
	below := len(lines)
	for _, packages := range layers {
		highest := below
		for _, p := range packages {
			name, more := strings.CutSuffix(p, "...")
			if p == "." {
				name = "tacit"
			}
			if !more {
				name += " "
			}
			at := slices.IndexFunc(lines, func(line string) bool { // names stand in columns, words in sentences
				return strings.HasPrefix(line+" ", " "+name) || strings.Contains(line+" ", "  "+name)
			})
			if at < 0 || at >= below {
				t.Errorf("%s: not in the picture, or not above what it may import", p)
				continue
			}
			highest = min(highest, at)
		}
		below = highest
	}
}

// within reports whether to is a package of from's own: in a folder below it, or
// in the "internal" folder that both are in.
func within(from, to string) bool {
	house, _, inside := strings.Cut(from, "/internal/")
	return strings.HasPrefix(to, from+"/") || inside && strings.HasPrefix(to, house+"/internal/")
}

// TestNothingReadsOutside guards two rules that a linter checks too, for those
// who do not run it: the environment has one reader and the process one exit.
func TestNothingReadsOutside(t *testing.T) {
	rules := []struct{ call, where string }{
		{"os.Getenv(", "internal/config/environ.go"},
		{"os.LookupEnv(", "internal/config/environ.go"},
		{"os.Environ(", "internal/config/environ.go"},
		{"os.Exit(", "cmd/tacit/main.go"},
	}
	eachFile(t, func(file string, _ []string) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			if file != r.where && strings.Contains(string(text), r.call) {
				t.Errorf("%s calls %s…): only %s does", file, r.call, r.where)
			}
		}
		if strings.Contains(string(text), "\nfunc init()") {
			t.Errorf("%s has an init function", file)
		}
		if n := strings.Count(string(text), "\n"); n > 600 {
			t.Errorf("%s has %d lines; a file has at most 600", file, n)
		}
	})
}

// eachFile calls f with every Go file of this module and what it imports.
func eachFile(t *testing.T, f func(file string, imports []string)) {
	t.Helper()
	seen := 0
	err := fs.WalkDir(os.DirFS("."), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && file != "." || nested(file)) {
			return fs.SkipDir
		}
		if path.Ext(file) != ".go" {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, spec := range parsed.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, imp)
		}
		seen++
		f(file, imports)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 10 {
		t.Fatalf("only %d files were read: is this the root of the module?", seen)
	}
}

// nested reports whether a folder is another module.
func nested(dir string) bool {
	_, err := os.Stat(path.Join(dir, "go.mod"))
	return dir != "." && err == nil
}

// layer returns the layer of a folder, or -1 if it has none.
func layer(dir string) int {
	return slices.IndexFunc(layers, func(l []string) bool {
		return slices.ContainsFunc(l, func(pattern string) bool {
			below, ok := strings.CutSuffix(pattern, "...")
			own, _, _ := strings.Cut(dir+"/", "/internal/")
			return pattern == dir || ok && strings.HasPrefix(dir, below) || pattern == strings.TrimSuffix(own, "/") && own != ""
		})
	})
}
