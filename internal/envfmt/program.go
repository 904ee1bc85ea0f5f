package envfmt

import (
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// A Program is one that reads .env files in its own way.
type Program string

// The programs. Each can read back fewer values than tacit writes.
const (
	// ForNode is Node's --env-file and util.parseEnv: it knows no escapes but
	// \n in double quotes, drops carriage returns and cuts at # outside quotes.
	ForNode Program = "node"
	// ForPython is python-dotenv as people call it: it expands ${NAME}, also in
	// single quotes, and before 1.2.3 it takes \\" for an escaped quote.
	ForPython Program = "python"
	// ForDocker is docker run --env-file: it knows no quotes and keeps them.
	ForDocker Program = "docker"
)

// ParseProgram returns the program of that name; an unknown one is
// [secret.Invalid].
func ParseProgram(s string) (Program, error) {
	if p := Program(s); slices.Contains(programs(), p) {
		return p, nil
	}
	return "", secret.Errorf(secret.Invalid, "", "%.40q is no program whose way of reading .env files is known\n  one of: node, python, docker", s)
}

func programs() []Program { return []Program{ForNode, ForPython, ForDocker} }

// Altered names the programs that would not read v back as it is from a
// [Dotenv] file written without [Options.For]; none if all do. A value that is
// altered may spoil the lines after it too. What Dotenv cannot hold at all,
// [Format.Check] says.
func Altered(v secret.Value) []Program {
	f := pick(string(v.Reveal()))
	var out []Program
	for _, p := range programs() {
		if !p.reads(f, string(v.Reveal())) {
			out = append(out, p)
		}
	}
	return out
}

// pick takes the form that most programs read back; Node weighs most, since
// docker has a format of its own and Python reads them all but its own faults.
func pick(v string) form {
	all := forms(v)
	return slices.MaxFunc(all, func(a, b form) int { return weight(a, v) - weight(b, v) })
}

func weight(f form, v string) int {
	n := 0
	if ForNode.reads(f, v) {
		n += 4
	}
	if oldPython(f) {
		n += 2
	}
	return n
}

// pickFor takes the first form that p reads back.
func pickFor(p Program, v string) (form, bool) {
	all := forms(v)
	i := slices.IndexFunc(all, func(f form) bool { return p.reads(f, v) })
	if i < 0 {
		return form{}, false
	}
	return all[i], true
}

// reads reports whether p reads v when it is written as f.
func (p Program) reads(f form, v string) bool {
	switch p {
	case ForNode:
		return !strings.Contains(v, "\r") && f.node() == v
	case ForPython:
		return oldPython(f) && !expands(v)
	default:
		return f.quote == 0 && len(v) < maxDockerLine-maxVariable-1
	}
}

// node returns what Node reads. It looks for the next quote of the same kind,
// whatever stands before it.
func (f form) node() string {
	switch inner := f.inner; {
	case f.quote == 0:
		value, _, _ := strings.Cut(inner, "#")
		return strings.Trim(value, " \t\r\n")
	case strings.IndexByte(inner, f.quote) >= 0:
		return strings.Split(inner, string(f.quote))[0]
	case f.quote == '"':
		return strings.ReplaceAll(inner, `\n`, "\n")
	default:
		return inner
	}
}

// oldPython reports whether python-dotenv before 1.2.3 finds the end: there a
// backslash before a quote escapes it, even if the backslash is escaped.
func oldPython(f form) bool { return f.quote == 0 || !strings.HasSuffix(f.inner, `\`) }

// expands reports whether python-dotenv finds a ${NAME} or ${NAME:-default}.
func expands(v string) bool {
	for {
		_, rest, ok := strings.Cut(v, "${")
		if !ok {
			return false
		}
		i := strings.IndexAny(rest, "}:")
		if i < 0 {
			return false
		}
		if rest[i] == '}' || strings.HasPrefix(rest[i:], ":-") && strings.Contains(rest[i:], "}") {
			return true
		}
		v = rest
	}
}
