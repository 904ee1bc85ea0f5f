// Package shell writes words into commands that people paste. It reads and runs
// none.
package shell

import "strings"

// Word writes a text as one word of a POSIX shell, in quotes if the shell would
// take it apart otherwise.
func Word(s string) string {
	if s != "" && !strings.ContainsFunc(s, special) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// special reports whether a shell may take a character for more than itself.
func special(r rune) bool {
	plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r)
	return !plain
}
