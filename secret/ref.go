package secret

import (
	"strconv"
	"strings"
)

// A Ref points at a secret, a field, a version. Its text is
//
//	[env:]name[#field][@version]
//
// where version is a number, a version's identity (32 to 64 characters) or the
// word "previous". The characters ":", "#" and "@" within a part are written
// %3A, %23 and %40, and a "%" before one of those codes (or before 25) as %25;
// other percent codes are part of the name itself. References are safe to log.
type Ref struct {
	Env   string
	Name  Name
	Field string
	At    At
}

// MaxRefBytes is the length of the longest reference, in bytes.
const MaxRefBytes = 4096

// ParseRef reads a reference, from the right. The error is of kind [Invalid].
func ParseRef(s string) (Ref, error) {
	if len(s) > MaxRefBytes {
		return Ref{}, Errorf(Invalid, "", "a reference has at most %d bytes, this one has %d", MaxRefBytes, len(s))
	}
	var r Ref
	rest := s
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		at, err := parseAt(decodePart(rest[i+1:]))
		if err != nil {
			return Ref{}, err
		}
		r.At, rest = at, rest[:i]
	}
	if i := strings.LastIndexByte(rest, '#'); i >= 0 {
		r.Field, rest = decodePart(rest[i+1:]), rest[:i]
		if err := checkField(r.Field); err != nil {
			return Ref{}, err
		}
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		r.Env, rest = decodePart(rest[:i]), rest[i+1:]
		if err := CheckEnv(r.Env); err != nil {
			return Ref{}, err
		}
	}
	if strings.ContainsAny(rest, "@#") {
		return Ref{}, Errorf(Invalid, "", "a reference is [env:]name[#field][@version]\n  write # and @ within a name as %%23 and %%40")
	}
	var err error
	r.Name, err = ParseName(decodePart(rest))
	if err != nil {
		return Ref{}, err
	}
	return r, nil
}

// String writes a reference that [ParseRef] reads back. Of a version that is
// selected in several ways it writes one: the identity, else the number. A
// stage other than current and previous has no text and is left out.
func (r Ref) String() string {
	var b strings.Builder
	if r.Env != "" {
		b.WriteString(encodePart(r.Env) + ":")
	}
	b.WriteString(encodePart(string(r.Name)))
	if r.Field != "" {
		b.WriteString("#" + encodePart(r.Field))
	}
	switch {
	case r.At.ID != "":
		b.WriteString("@" + encodePart(string(r.At.ID)))
	case r.At.Number != 0:
		b.WriteString("@" + strconv.FormatUint(r.At.Number, 10))
	case r.At.Stage == Previous:
		b.WriteString("@" + string(Previous))
	}
	return b.String()
}

// CheckEnv reports what is wrong with the name of an environment: it has 1 to
// 64 letters, digits, ".", "_" and "-", and begins with a letter or digit.
func CheckEnv(s string) error {
	ok := s != "" && len(s) <= 64 && !strings.HasPrefix(s, ".") && !strings.HasPrefix(s, "-") && !strings.HasPrefix(s, "_")
	for _, c := range []byte(s) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._-", c) >= 0)
	}
	if !ok {
		return Errorf(Invalid, "", "an environment's name has 1 to 64 letters, digits, \".\", \"_\", \"-\" and begins with a letter or digit")
	}
	return nil
}

func checkField(s string) error {
	if s == "" || len(s) > MaxNameBytes || strings.ContainsFunc(s, invisible) || strings.ToValidUTF8(s, "") != s {
		return Errorf(Invalid, "", "a reference's field is empty, too long, or not printable text")
	}
	return nil
}

func parseAt(s string) (At, error) {
	if s == string(Previous) {
		return At{Stage: Previous}, nil
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil && n > 0 && s[0] != '0' && s[0] != '+' {
		return At{Number: n}, nil
	}
	if VersionID(s).Check() == nil {
		return At{ID: VersionID(s)}, nil
	}
	return At{}, Errorf(Invalid, "", "a reference's version is a number, a version's id (32 to 64 characters) or \"previous\"\n  other stages: --stage")
}

// codes are the only percent codes that mean something in a reference, and
// what they stand for.
func codes() [4][2]string {
	return [...][2]string{{"%25", "%"}, {"%3A", ":"}, {"%23", "#"}, {"%40", "@"}}
}

func decodePart(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for s != "" {
		n := 1
		out := s[:1]
		for _, c := range codes() {
			if strings.HasPrefix(s, c[0]) {
				n, out = len(c[0]), c[1]
			}
		}
		b.WriteString(out)
		s = s[n:]
	}
	return b.String()
}

func encodePart(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == ':':
			b.WriteString("%3A")
		case c == '#':
			b.WriteString("%23")
		case c == '@':
			b.WriteString("%40")
		case c == '%' && codeFollows(s[i:]):
			b.WriteString("%25")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func codeFollows(s string) bool {
	for _, c := range codes() {
		if strings.HasPrefix(s, c[0]) {
			return true
		}
	}
	return false
}
