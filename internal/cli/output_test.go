package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// capture makes an app whose stdout is a file, and returns how to read it.
func capture(t *testing.T) (*app, func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &app{Streams: Streams{Out: f, Err: f}, now: time.Now}, func() string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

func TestTable(t *testing.T) {
	a, out := capture(t)
	tab := &table{head: []string{"NAME", "N", "NOTE"}, right: map[int]bool{1: true}}
	tab.add("a", "10", "x")
	tab.add("ключ", "1", "")
	tab.add("世界", "1", "y")
	tab.add("e\u0301", "1", "bell\a")
	if err := a.table(tab); err != nil {
		t.Fatal(err)
	}
	const want = "NAME   N  NOTE\na     10  x\nключ   1\n世界   1  y\ne\u0301      1  bell\\u0007\n"
	if got := out(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestLongTableStreams: a long list is not kept in memory, and still has its
// columns.
func TestLongTableStreams(t *testing.T) {
	a, out := capture(t)
	tab := &table{head: []string{"NAME", "NOTE"}}
	for i := range 3*tableRows + 7 {
		if err := a.row(tab, fmt.Sprintf("name-%04d", i), "note"); err != nil {
			t.Fatal(err)
		}
		if len(tab.rows) >= tableRows {
			t.Fatalf("%d rows are kept", len(tab.rows))
		}
		if i == tableRows && strings.Count(out(), "\n") < tableRows {
			t.Fatal("nothing was printed yet")
		}
	}
	if err := a.table(tab); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(out(), "\n"), "\n")
	if len(got) != 3*tableRows+8 || got[0] != "NAME       NOTE" {
		t.Fatalf("%d lines, the first %q", len(got), got[0])
	}
	for i, line := range got[1:] {
		if want := fmt.Sprintf("name-%04d  note", i); line != want {
			t.Fatalf("line %d is %q, want %q", i+1, line, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text  string
		limit int
		want  string
	}{
		{"abcdef", 0, "abcdef"},
		{"abcdef", 6, "abcdef"},
		{"abcdef", 5, "abcd…"},
		{"世界世界", 8, "世界世界"},
		{"世界世界", 5, "世界…"},
		{"世界世界", 4, "世…"},
		{"e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"},
	} {
		got := cut(c.text, c.limit)
		if got != c.want {
			t.Errorf("%q cut to %d is %q, want %q", c.text, c.limit, got, c.want)
		}
		if c.limit > 0 && columns(got) > c.limit {
			t.Errorf("%q takes %d columns, not %d", got, columns(got), c.limit)
		}
	}
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	a := &app{now: func() time.Time { return now }}
	for _, c := range []struct {
		ago            time.Duration
		age, ago2, due string
	}{
		{0, "now", "now", "0m"},
		{59 * time.Second, "now", "now", "1m"},
		{time.Minute, "1m", "1m ago", "1m"},
		{59 * time.Minute, "59m", "59m ago", "59m"},
		{23*time.Hour + 59*time.Minute, "23h", "23h ago", "23h"},
		{24 * time.Hour, "1d", "1d ago", "1d"},
		{400 * 24 * time.Hour, "400d", "400d ago", "400d"},
	} {
		past, future := now.Add(-c.ago), now.Add(c.ago)
		if got := [3]string{a.age(past), a.ago(past), a.left(future)}; got != [3]string{c.age, c.ago2, c.due} {
			t.Errorf("%s: %q", c.ago, got)
		}
	}
	for want, m := range map[string]secret.Meta{
		"gone in 30d":                {Deleted: now, Purge: now.Add(30 * 24 * time.Hour)},
		"kept until it is destroyed": {Deleted: now},
		"gone for ever":              {},
	} {
		if got := a.gone(m); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := a.left(now.Add(30*24*time.Hour - 2*time.Second)); got != "30d" {
		t.Errorf("what was promised for 30 days two seconds ago has %s left", got)
	}
	if got := a.age(time.Time{}); got != "" {
		t.Errorf("no time is %q ago", got)
	}
}
