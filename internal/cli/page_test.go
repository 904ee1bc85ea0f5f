package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// This file reads pages of the guide: what is to be run, and whether what came
// is what the page shows. docs/README.md tells writers the same.

// A page is the runnable part of a Markdown file, in order.
type page struct {
	file  string
	steps []pageStep
	types []string // what is typed at prompts, in order
	needs []string // programs without which it cannot be run
	store string   // a store elsewhere that it talks to; empty: none
}

// A pageStep is a command with what the page shows of it, or a file to write.
type pageStep struct {
	line    int
	command string
	want    []string
	file    string // to be written instead of a command
	text    string
}

var (
	fenceLine = regexp.MustCompile("^```([a-z]*)(?: (.*))?$")
	typesLine = regexp.MustCompile(`^<!-- types: (.*) -->$`)
	storeLine = regexp.MustCompile(`^<!-- store: (.*) -->$`)
	needsLine = regexp.MustCompile(`^<!-- needs: (.*) -->$`)
)

// readPage finds the blocks ```console run and ```LANGUAGE file=NAME, and the
// comments that say what is typed.
func readPage(file, text string) (page, error) {
	p := page{file: file}
	info, begin := "", 0
	var block []string
	for i, line := range strings.Split(text, "\n") {
		fence := fenceLine.FindStringSubmatch(line)
		switch {
		case begin == 0 && fence != nil:
			info, begin, block = strings.TrimSpace(fence[1]+" "+fence[2]), i+1, nil
		case begin == 0:
			if typed := typesLine.FindStringSubmatch(line); typed != nil {
				p.types = append(p.types, typed[1])
			}
			if needs := needsLine.FindStringSubmatch(line); needs != nil {
				p.needs = append(p.needs, strings.Fields(needs[1])...)
			}
			if store := storeLine.FindStringSubmatch(line); store != nil {
				p.store = store[1]
			}
		case line == "```":
			if err := p.add(info, begin, block); err != nil {
				return p, err
			}
			begin = 0
		default:
			block = append(block, line)
		}
	}
	if begin != 0 {
		return p, fmt.Errorf("%s:%d: the block does not end", file, begin)
	}
	return p, nil
}

func (p *page) add(info string, begin int, block []string) error {
	if _, name, ok := strings.Cut(info, " file="); ok {
		p.steps = append(p.steps, pageStep{line: begin, file: name, text: strings.Join(block, "\n") + "\n"})
		return nil
	}
	if info != "console run" {
		return nil
	}
	first := len(p.steps)
	for i, line := range block {
		at := begin + 1 + i
		switch last := len(p.steps) - 1; {
		case strings.HasPrefix(line, "$ "):
			p.steps = append(p.steps, pageStep{line: at, command: line[2:]})
		case last < first:
			return fmt.Errorf("%s:%d: a block that runs begins with a command: $ …", p.file, at)
		case strings.HasPrefix(line, "> ") && len(p.steps[last].want) == 0:
			p.steps[last].command += "\n" + line[2:]
		default:
			p.steps[last].want = append(p.steps[last].want, line)
		}
	}
	return nil
}

// likeness are the words that differ each time: both sides are written alike
// before they are compared.
var likeness = []struct {
	re *regexp.Regexp
	as string
}{
	{regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}T[0-9:.]+(Z|[+-]\d{2}:\d{2})`), "TIME"},
	{regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}\b`), "DATE"},
	{regexp.MustCompile(`\b\d{2}:\d{2}(:\d{2})?\b`), "CLOCK"},
	{regexp.MustCompile(`\bstore [0-9a-f]{4}…`), "store ID"},
	{regexp.MustCompile(`\b([0-9a-f]{32}|[0-9a-f]{16})\b`), "ID"},
	{regexp.MustCompile(`\btacit\+[0-9a-f]{4,8}\+[A-Za-z0-9+/]+=*…?`), "KEY"},
	{regexp.MustCompile(`\bAGE-SECRET-KEY-(PQ-)?1[0-9A-Z]*…?`), "IDENTITY"},
	{regexp.MustCompile(`\bage1[0-9a-z]*…?`), "RECIPIENT"},
	{regexp.MustCompile(`\buser:[^ "]+`), "USER"},
	{regexp.MustCompile(`(\S)  +`), "$1  "}, // columns are as wide as what was replaced
}

func alike(line string) string {
	line = strings.TrimRight(line, " ")
	for _, l := range likeness {
		line = l.re.ReplaceAllString(line, l.as)
	}
	return line
}

// shows reports whether a page's lines are what came. … stands for anything
// within a line, and alone on a line for any number of lines.
func shows(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if strings.TrimSpace(want[0]) == "…" {
		for skip := range len(got) + 1 {
			if shows(want[1:], got[skip:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && lineShows(want[0], got[0]) && shows(want[1:], got[1:])
}

func lineShows(want, got string) bool {
	parts := strings.Split(alike(want), "…")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(alike(got))
}

func TestPageReader(t *testing.T) {
	p, err := readPage("x.md", "text\n<!-- needs: a b -->\n```toml file=tacit.toml\na = 1\n```\n<!-- types: y -->\n```console run\n$ one \\\n> two\nout\n\n$ three\n```\n```console\n$ not run\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.steps) != 3 || len(p.types) != 1 || p.types[0] != "y" || strings.Join(p.needs, "|") != "a|b" {
		t.Fatalf("got %+v", p)
	}
	if s := p.steps[0]; s.file != "tacit.toml" || s.text != "a = 1\n" {
		t.Errorf("got %+v", s)
	}
	if s := p.steps[1]; s.command != "one \\\ntwo" || s.line != 8 || strings.Join(s.want, "|") != "out|" {
		t.Errorf("got %+v", s)
	}
	if s := p.steps[2]; s.command != "three" || s.want != nil {
		t.Errorf("got %+v", s)
	}
	for _, bad := range []string{"```console run\n$ a\n", "```console run\nout\n```\n"} {
		if _, err := readPage("x.md", bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestPageShows(t *testing.T) {
	for _, c := range []struct {
		want, got string
		same      bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "a\nb", false},
		{"a\nb", "a", false},
		{"a…", "abc", true},
		{"a…c", "ab", false},
		{"…", "", true},
		{"…", "1\n2", true},
		{"…\nz", "1\n2\nz", true},
		{"…\nz", "1\nz\n2", false},
		{"created   store 7f3a…           key", "created   store 00ff…           key", true},
		{"14:02:11  user:mia            put   dev:a", "09:00:00  user:root           put   dev:a", true},
		{"14:02:11  user:mia            put   dev:a", "09:00:00  agent:x             put   dev:a", false},
		{"  first key  tacit+3c1e+AWp…", "  first key  tacit+ce8a6672+AZUfK3kc5/IAC3S0SdQMoX2KJOav8Nl4aPSzx8UlJ7D7", true},
		{"  hint", "hint", false},
		{"a.c", "abc", false},
	} {
		if got := shows(strings.Split(c.want, "\n"), lines(c.got)); got != c.same {
			t.Errorf("%q against %q: %v", c.want, c.got, got)
		}
	}
}

// TestIndex: docs/README.md lists every page of its folder, and no link within
// the repository leads nowhere.
func TestIndex(t *testing.T) {
	index, err := os.ReadFile("../../docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, pattern := range []string{"../../docs/*.md", "../../docs/guide/*.md", "../../docs/adr/*.md", "../../*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			name := strings.TrimPrefix(file, "../../docs/")
			if name != file && !strings.HasPrefix(name, "adr/") && name != "README.md" && !strings.Contains(string(index), "]("+name+")") {
				t.Errorf("docs/README.md does not list %s", name)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range link.FindAllStringSubmatch(string(text), -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(file), l[1])); err != nil {
					t.Errorf("%s: the link to %s leads nowhere", file, l[1])
				}
			}
		}
	}
}

// TestGuideRunsWhatItSays: each command of tacit that a page for newcomers names,
// in a table or in a sentence, is run by a block of that page.
func TestGuideRunsWhatItSays(t *testing.T) {
	files, err := filepath.Glob("../../docs/guide/*.md")
	if err != nil || len(files) == 0 {
		t.Fatal("no pages: ", err)
	}
	span := regexp.MustCompile("`(tacit [^`]+)`")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := readPage(file, string(text))
		if err != nil {
			t.Fatal(err)
		}
		var ran strings.Builder
		for _, s := range p.steps {
			ran.WriteString(s.command + "\n")
		}
		found := span.FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s names no command", file)
		}
		for _, c := range found {
			command := strings.ReplaceAll(c[1], `\|`, "|") // as a table writes it
			if !strings.Contains(ran.String(), command) {
				t.Errorf("%s: no block runs:  %s", file, command)
			}
		}
	}
}

// lines splits an output; an empty one has none.
func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}
