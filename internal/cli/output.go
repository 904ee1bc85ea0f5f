package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/secret"
)

// say prints what happened: a verb, the thing concerned, and details.
func (a *app) say(verb, thing, format string, args ...any) {
	line := fmt.Sprintf("%-9s %-21s %s", verb, audit.Printable(thing), audit.Printable(fmt.Sprintf(format, args...)))
	_, _ = fmt.Fprintln(a.Err, strings.TrimRight(line, " "))
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
	_, _ = fmt.Fprintln(a.Err, "  "+audit.Printable(fmt.Sprintf(format, args...)))
}

// object prints one line of JSON to stdout.
func (a *app) object(v any) error {
	e := json.NewEncoder(a.Out)
	e.SetEscapeHTML(false)
	return written(e.Encode(v))
}

// value prints a value as it is; a terminal gets a newline after it.
func (a *app) value(b []byte) error {
	if _, err := a.Out.Write(b); err != nil {
		return written(err)
	}
	if terminal(a.Out) && (len(b) == 0 || b[len(b)-1] != '\n') {
		_, err := io.WriteString(a.Out, "\n")
		return written(err)
	}
	return nil
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
	head  []string
	right map[int]bool // columns aligned to the right
	rows  [][]string
}

func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = audit.Printable(cells[i])
	}
	t.rows = append(t.rows, cells)
}

func (a *app) table(t *table) error {
	widths := make([]int, len(t.head))
	all := append([][]string{t.head}, t.rows...)
	for _, row := range all {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	limit := width(a.Out)
	var b strings.Builder
	for _, row := range all {
		b.WriteString(t.line(row, widths, limit) + "\n")
	}
	_, err := io.WriteString(a.Out, b.String())
	return written(err)
}

func (t *table) line(row []string, widths []int, limit int) string {
	var b strings.Builder
	for i, c := range row {
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
		switch {
		case i > 0:
			b.WriteString("  ")
			fallthrough
		default:
			if t.right[i] {
				c, pad = pad+c, ""
			}
			b.WriteString(c + pad)
		}
	}
	return cut(strings.TrimRight(b.String(), " "), limit)
}

// cut shortens a line to limit columns; 0 is no limit.
func cut(s string, limit int) string {
	if limit == 0 || utf8.RuneCountInString(s) <= limit {
		return s
	}
	r := []rune(s)
	return string(r[:limit-1]) + "…"
}

// age tells how long ago t was, in the largest unit that fits.
func (a *app) age(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := a.now().Sub(t)
	switch {
	case d < time.Minute:
		return "now"
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

// line prints one line to stdout.
func (a *app) line(s string) error {
	_, err := fmt.Fprintln(a.Out, audit.Printable(s))
	return written(err)
}
