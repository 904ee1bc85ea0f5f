package envfmt

import (
	"bytes"
	"strings"
	"unicode"
)

// docker reads lines as docker run --env-file does: what stands behind the
// first = is the value, quotes and blanks included.
func (s *set) docker(b []byte) {
	n := 0
	for line := range bytes.Lines(b) {
		n++
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) >= maxDockerLine {
			s.problem(n, "a line of 64 KiB or more, which docker does not read")
			continue
		}
		line = bytes.TrimLeftFunc(line, unicode.IsSpace)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(string(line), "=")
		switch {
		case !ok:
			s.problem(n, "no = after a name; docker would take its own variable of that name")
		case !variable(name):
			s.problem(n, whyName)
		default:
			s.add(n, name, []byte(value))
		}
	}
}
