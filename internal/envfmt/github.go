package envfmt

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"io"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// githubEntry reads NAME=value or NAME<<DELIMITER, as the runner does.
func githubEntry(t *text) (name string, value []byte, why string) {
	line := t.restOfLine()
	if len(line) == 0 {
		return "", nil, ""
	}
	if bytes.HasSuffix(line, []byte("\r")) {
		return "", nil, "a carriage return, which the runner takes for a part of the value"
	}
	equal, here := bytes.IndexByte(line, '='), bytes.Index(line, []byte("<<"))
	if here >= 0 && (equal < 0 || here < equal) {
		name = string(line[:here])
		value, why = t.heredoc(line[here+2:])
	} else if equal >= 0 {
		name, value = string(line[:equal]), bytes.Clone(line[equal+1:])
	} else {
		return "", nil, "neither NAME=value nor NAME<<DELIMITER"
	}
	if !variable(name) {
		return "", nil, whyName
	}
	return name, value, why
}

// heredoc reads lines up to the one that is the delimiter.
func (t *text) heredoc(delimiter []byte) (value []byte, why string) {
	if len(delimiter) == 0 {
		return nil, "no delimiter after <<"
	}
	start := t.at
	for !t.done() {
		end := t.at
		if bytes.Equal(t.restOfLine(), delimiter) {
			return bytes.Clone(t.b[start:max(start, end-1)]), ""
		}
	}
	return nil, "its delimiter does not come"
}

// shortMask is the length under which a line of a longer value is not masked:
// masking every brace of a JSON text would make the log unreadable and tell
// where they are.
const shortMask = 4

// writeMasks tells the runner, on its standard output, what to replace in the
// log: each line for itself, since the log is searched line by line, and
// without the blanks around it. A value of one line is masked however short it
// is; lines under 4 bytes of a longer one are not.
func writeMasks(w io.Writer, v secret.Value) error {
	lines := strings.FieldsFunc(string(v.Reveal()), func(r rune) bool { return r == '\n' || r == '\r' })
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || len(lines) > 1 && len(line) < shortMask {
			continue
		}
		if _, err := io.WriteString(w, "::add-mask::"+strings.ReplaceAll(line, "%", "%25")+"\n"); err != nil {
			return unwritten(err)
		}
	}
	return nil
}

// delimiter returns 256 random bits as text that b does not hold.
func delimiter(b []byte) string {
	for {
		var r [32]byte
		_, _ = rand.Read(r[:]) // never fails: crypto/rand ends the process instead
		d := "tacit_" + hex.EncodeToString(r[:])
		if !bytes.Contains(b, []byte(d)) {
			return d
		}
	}
}
