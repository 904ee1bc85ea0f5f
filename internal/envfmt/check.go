package envfmt

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

const (
	maxVariable   = 256      // bytes of the name of a variable
	maxDockerLine = 64 << 10 // docker reads lines through a buffer of that size
	maxManifest   = 1 << 20  // Kubernetes' own limit for all values of a Secret
	maxDataKey    = 253      // Kubernetes' own limit for a key of a Secret
	nameBytes     = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789"
	dataKeyBytes  = nameBytes + "-."
)

// variable reports whether s is a name that every program takes for a
// variable: [A-Za-z_][A-Za-z0-9_]*.
func variable(s string) bool {
	return s != "" && len(s) <= maxVariable && (s[0] < '0' || s[0] > '9') && only(s, nameBytes)
}

// only reports whether s is made of those bytes.
func only(s, of string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(of, r) }) < 0
}

// Check reports, as [secret.Invalid], why f cannot hold v under that name; nil
// if reading the written text returns both. The error names the name and what
// is in the way, never the value.
func (f Format) Check(name string, v secret.Value) error {
	if why := f.badName(name); why != "" {
		return secret.Errorf(secret.Invalid, "", "%.300q is %s", name, why)
	}
	if v.IsZero() {
		return secret.Errorf(secret.Invalid, "", "%s has no value", name)
	}
	why := f.badValue(name, v.Reveal())
	if why == "" {
		return nil
	}
	return secret.Errorf(secret.Invalid, "", "%s %s, which %s cannot hold\n  take another format for it: --format %s", name, why, f.article(), f.instead(v.Reveal()))
}

// badName tells what keeps name from being one in this format; it ends a
// sentence that begins "… is".
func (f Format) badName(name string) string {
	switch {
	case f.variables() && !variable(name):
		return "no name of a variable: letters, digits and _, no digit first, at most 256 bytes"
	case f == GitHub && reserved(name):
		return "a variable that GitHub does not let a step set"
	case f == Kubernetes && (len(name) > maxDataKey || !only(name, dataKeyBytes) || name == "" || name == "." || strings.HasPrefix(name, "..")):
		return "no key of a Kubernetes Secret: letters, digits, -, _ and ., at most 253 bytes"
	case secret.Name(name).Check() != nil:
		return "no name of a secret"
	default:
		return ""
	}
}

// reserved reports whether GitHub ignores or refuses an assignment.
func reserved(name string) bool {
	upper := strings.ToUpper(name)
	return upper == "NODE_OPTIONS" || strings.HasPrefix(upper, "GITHUB_") || strings.HasPrefix(upper, "RUNNER_")
}

// badValue tells what keeps b from being a value in this format.
func (f Format) badValue(name string, b []byte) string {
	switch {
	case f == Kubernetes && len(b) > maxManifest:
		return "is larger than 1 MiB"
	case f == Kubernetes:
		return ""
	case f.variables() && bytes.IndexByte(b, 0) >= 0:
		return "holds a NUL byte"
	case f != Shell && !utf8.Valid(b):
		return "holds bytes that are no UTF-8 text"
	case f == Systemd && bytes.ContainsFunc(b, noncharacter):
		return "holds a code point that is no character"
	case f == GitHub && bytes.HasSuffix(b, []byte("\r")):
		return "ends in a carriage return"
	case f == Docker:
		return badDockerLine(name, b)
	default:
		return ""
	}
}

func badDockerLine(name string, b []byte) string {
	switch {
	case bytes.IndexByte(b, '\n') >= 0:
		return "holds a newline"
	case bytes.HasSuffix(b, []byte("\r")):
		return "ends in a carriage return"
	case len(name)+1+len(b) >= maxDockerLine:
		return "is longer than 64 KiB"
	default:
		return ""
	}
}

// noncharacter reports whether Unicode reserves r for ever; systemd refuses a
// file that holds one.
func noncharacter(r rune) bool { return r&0xfffe == 0xfffe || 0xfdd0 <= r && r <= 0xfdef }

func (f Format) article() string {
	switch f {
	case Docker:
		return "a docker env-file"
	case Systemd:
		return "a systemd EnvironmentFile"
	case GitHub:
		return "GitHub's environment file"
	case Kubernetes:
		return "a Kubernetes Secret"
	case Shell:
		return "a shell variable"
	case Dotenv:
		return "a .env file"
	default:
		return strings.ToUpper(string(f))
	}
}

// instead names a format that holds b.
func (f Format) instead(b []byte) Format {
	if utf8.Valid(b) {
		return JSON
	}
	return Kubernetes
}
