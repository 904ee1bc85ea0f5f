package envfmt

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// A Format is a way to write names and values down. The zero Format is none.
type Format string

// The formats.
const (
	Dotenv     Format = "dotenv"     // as python-dotenv reads it with interpolate=False
	JSON       Format = "json"       // one object
	YAML       Format = "yaml"       // one document, a mapping, no anchors and tags
	TOML       Format = "toml"       //
	Shell      Format = "shell"      // export lines for bash, dash and every POSIX shell
	Docker     Format = "docker"     // docker run --env-file: a line is taken as it is
	Systemd    Format = "systemd"    // EnvironmentFile=
	GitHub     Format = "github"     // the file $GITHUB_ENV; masks go to standard output
	Kubernetes Format = "kubernetes" // the manifest of a Secret
)

// Formats lists all formats.
func Formats() []Format {
	return []Format{Dotenv, JSON, YAML, TOML, Shell, Docker, Systemd, GitHub, Kubernetes}
}

// ParseFormat returns the format of that name; an unknown one is
// [secret.Invalid].
func ParseFormat(s string) (Format, error) {
	if f := Format(s); slices.Contains(Formats(), f) {
		return f, nil
	}
	return "", secret.Errorf(secret.Invalid, "", "%.40q is no format\n  one of: %s", s, strings.Join(formatNames(), ", "))
}

func formatNames() []string {
	var names []string
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return names
}

// Variables reports whether names in this format are variables of a process,
// and not names of secrets or keys.
func (f Format) Variables() bool { return f.variables() }

// variables reports whether names in this format are variables of a process.
func (f Format) variables() bool {
	switch f {
	case JSON, YAML, TOML, Kubernetes:
		return false
	default:
		return true
	}
}

// Detect tells the format of a file from its name (empty if it has none) and
// the beginning of its text, of which a few kilobytes are enough. Docker's and
// systemd's files look like .env files and are only found when asked for. The
// error is [secret.Invalid]: nobody can tell.
func Detect(name string, head []byte) (Format, error) {
	if f := byName(path.Base(strings.ReplaceAll(name, `\`, "/")), head); f != "" {
		return f, nil
	}
	if f := byText(head); f != "" {
		return f, nil
	}
	return "", secret.Errorf(secret.Invalid, "", "the format is not to be told from name and text\n  say it: --format %s", strings.Join(formatNames(), "|"))
}

func byName(name string, head []byte) Format {
	name = strings.ToLower(name)
	switch ext := path.Ext(name); {
	case name == ".envrc" || ext == ".sh" || ext == ".bash":
		return Shell
	case name == ".env" || strings.HasPrefix(name, ".env.") || ext == ".env":
		return Dotenv
	case ext == ".json" || ext == ".yaml" || ext == ".yml":
		if manifest(head) {
			return Kubernetes
		}
		if ext == ".json" {
			return JSON
		}
		return YAML
	case ext == ".toml":
		return TOML
	default:
		return ""
	}
}

// manifest reports whether a YAML or JSON text is the manifest of a Secret.
func manifest(head []byte) bool {
	flat := strings.NewReplacer(" ", "", "\t", "", `"`, "", "'", "", "\r", "").Replace(string(head))
	return hasLine(flat, "kind:Secret") && strings.Contains(flat, "apiVersion:v1")
}

// hasLine reports whether key stands alone on a line, or as a member.
func hasLine(text, key string) bool {
	for _, end := range []string{"\n", ",", "}", "#"} {
		if strings.Contains(text+"\n", key+end) {
			return true
		}
	}
	return false
}

// byText looks at the first line that says anything, and for shell at all
// lines that begin an assignment.
func byText(head []byte) Format {
	for line := range bytes.Lines(head) {
		s := strings.TrimSpace(string(line))
		if s == "" || strings.HasPrefix(s, "#") || strings.HasPrefix(s, "---") {
			continue
		}
		switch f := byLine(s); {
		case f == YAML && manifest(head), f == JSON && manifest(head):
			return Kubernetes
		default:
			return f
		}
	}
	return ""
}

func byLine(s string) Format {
	if s[0] == '{' {
		return JSON
	}
	if s[0] == '[' && s[len(s)-1] == ']' {
		return TOML
	}
	exported := strings.HasPrefix(s, "export ")
	s = strings.TrimPrefix(s, "export ")
	end := strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(nameBytes+"-./\"'", r) })
	if end <= 0 {
		return ""
	}
	if variable(s[:end]) {
		return byVariable(s[end:], exported)
	}
	return byKey(s[end:])
}

// byVariable looks at what follows a name that may be a variable's.
func byVariable(rest string, exported bool) Format {
	switch {
	case exported && rest[0] == '=':
		return Shell
	case rest[0] == '=':
		return Dotenv
	case strings.HasPrefix(rest, "<<"):
		return GitHub
	default:
		return byKey(rest)
	}
}

// byKey looks at what follows a key.
func byKey(rest string) Format {
	switch {
	case strings.HasPrefix(strings.TrimLeft(rest, " \t"), "="):
		return TOML
	case rest == ":" || strings.HasPrefix(rest, ": "):
		return YAML
	default:
		return ""
	}
}
