package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	xwidth "golang.org/x/text/width"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/secret"
)

// say prints what happened: a verb, the thing concerned, and details.
func (a *app) say(verb, thing, format string, args ...any) {
	line := fmt.Sprintf("%-9s %-21s %s", verb, audit.Printable(thing), audit.Printable(fmt.Sprintf(format, args...)))
	_, _ = fmt.Fprintln(a.Err, strings.TrimRight(line, " "))
}

// done is say for what went as it should: --quiet leaves it out.
func (a *app) done(verb, thing, format string, args ...any) {
	if !a.flags.quiet {
		a.say(verb, thing, format, args...)
	}
}

// counted tells a version by its number; where a store keeps no versions, it
// tells nothing.
func counted(v secret.Version) string {
	if v.Number == 0 {
		return ""
	}
	return fmt.Sprintf("version %d", v.Number)
}

// warn prints a message of tacit's own: its first line behind "tacit: ", the
// further ones as they are.
func (a *app) warn(format string, args ...any) {
	var lines []string
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		lines = append(lines, audit.Printable(line))
	}
	_, _ = fmt.Fprintln(a.Err, "tacit: "+strings.Join(lines, "\n"))
}

// hint prints an indented line under what was said.
func (a *app) hint(format string, args ...any) {
	_, _ = fmt.Fprintln(a.Err, strings.TrimRight("  "+audit.Printable(fmt.Sprintf(format, args...)), " "))
}

// object prints one line of JSON to stdout. Within texts, what a terminal would
// obey is escaped, which means the same.
func (a *app) object(v any) error {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return written(err)
	}
	_, err := io.WriteString(a.Out, audit.PrintableJSON(strings.TrimSuffix(b.String(), "\n"))+"\n")
	return written(err)
}

// value prints a value as it is; a terminal gets a newline after it. What is
// no text would be taken as commands there, so it is kept from it.
func (a *app) value(r secret.Ref, b []byte) error {
	if terminal(a.Out) && !isText(b) {
		return secret.Errorf(secret.Invalid, "", "%s is no text, and this is a terminal\n  tacit get %s > FILE", r, r)
	}
	if _, err := a.Out.Write(b); err != nil {
		return written(err)
	}
	if terminal(a.Out) && (len(b) == 0 || b[len(b)-1] != '\n') {
		_, err := io.WriteString(a.Out, "\n")
		return written(err)
	}
	return nil
}

// isText reports whether a terminal shows b as it is.
func isText(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			return false
		}
	}
	return true
}

// written gives an error of writing to stdout its kind.
func written(err error) error {
	if err == nil {
		return nil
	}
	return secret.Errorf(secret.Unavailable, "", "the output cannot be written: %s", err)
}

// A table prints aligned columns to stdout. On a terminal the last column is
// cut to fit.
type table struct {
	head   []string
	right  map[int]bool // columns aligned to the right
	rows   [][]string   // not printed yet
	widths []int        // set when the head is printed
}

// tableRows is how many rows decide how wide the columns are. What comes after
// them is printed at once, so that no list is too long for the memory.
const tableRows = 1000

func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = audit.Printable(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// row adds a row to a table that may be long.
func (a *app) row(t *table, cells ...string) error {
	t.add(cells...)
	if len(t.rows) < tableRows && t.widths == nil {
		return nil
	}
	return a.table(t)
}

// table prints the rows that were not printed yet, below the head.
func (a *app) table(t *table) error {
	rows := t.rows
	if t.widths == nil {
		rows = append([][]string{t.head}, rows...)
		t.widths = make([]int, len(t.head))
		for _, row := range rows {
			for i, c := range row {
				t.widths[i] = max(t.widths[i], columns(c))
			}
		}
	}
	t.rows = t.rows[:0]
	limit := width(a.Out)
	var b strings.Builder
	for _, row := range rows {
		b.WriteString(t.line(row, limit) + "\n")
	}
	_, err := io.WriteString(a.Out, b.String())
	return written(err)
}

func (t *table) line(row []string, limit int) string {
	var b strings.Builder
	for i, c := range row {
		pad := strings.Repeat(" ", max(0, t.widths[i]-columns(c)))
		if i > 0 {
			b.WriteString("  ")
		}
		if t.right[i] {
			c, pad = pad+c, ""
		}
		b.WriteString(c + pad)
	}
	return cut(strings.TrimRight(b.String(), " "), limit)
}

// columns returns how many columns of a terminal a text takes.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0 // stands on the letter before it
	case xwidth.LookupRune(r).Kind() == xwidth.EastAsianWide, xwidth.LookupRune(r).Kind() == xwidth.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

// cut shortens a line to limit columns; 0 is no limit.
func cut(s string, limit int) string {
	if limit == 0 || columns(s) <= limit {
		return s
	}
	n := 0
	for i, r := range s {
		if n += runeColumns(r); n >= limit {
			return s[:i] + "…"
		}
	}
	return s
}

// age tells how long ago t was, in the largest unit that fits.
func (a *app) age(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := a.now().Sub(t)
	if d < time.Minute {
		return "now"
	}
	return span(d)
}

// ago is age in a sentence.
func (a *app) ago(t time.Time) string {
	if s := a.age(t); s != "" && s != "now" {
		return s + " ago"
	}
	return "now"
}

// left tells how long it is until t. What was just promised for 30 days has
// 30 days left.
func (a *app) left(t time.Time) string { return span(t.Sub(a.now()) + 30*time.Second) }

// gone tells when a deleted secret is gone: some stores keep it until somebody
// destroys it.
func (a *app) gone(m secret.Meta) string {
	switch {
	case m.Deleted.IsZero():
		return "gone for ever"
	case m.Purge.IsZero():
		return "kept until it is destroyed"
	default:
		return "gone in " + a.left(m.Purge)
	}
}

// span writes a length of time in the largest unit that fits.
func span(d time.Duration) string {
	switch {
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
}

// count words a number of things: "1 record", "2 records".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// print prints text to stdout as it is.
func (a *app) print(text string) error {
	_, err := io.WriteString(a.Out, text)
	return written(err)
}

// line prints one line to stdout.
func (a *app) line(s string) error {
	_, err := fmt.Fprintln(a.Out, audit.Printable(s))
	return written(err)
}
