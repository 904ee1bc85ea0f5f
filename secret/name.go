package secret

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxNameBytes is the length of the longest [Name], in bytes.
const MaxNameBytes = 512

// A Name identifies a secret within an environment, like "claude/api".
//
// It is UTF-8 in Unicode normal form C, without control or format characters,
// 1 to 512 bytes long, and made of segments that "/" separates; no segment is
// empty, "." or "..". Names are compared byte by byte, and "a" and "a/b" may
// both exist. Make one with [ParseName]; every entry of the Broker checks it
// again with [Name.Check].
type Name string

// ParseName normalises s to form C and checks it. The error is of kind
// [Invalid] and says which rule is broken.
func ParseName(s string) (Name, error) {
	if len(s) > 4*MaxNameBytes { // normalising is work: bound it first
		return "", Errorf(Invalid, "", "a name has at most %d bytes, this one has %d", MaxNameBytes, len(s))
	}
	n := Name(norm.NFC.String(s))
	if err := n.Check(); err != nil {
		return "", err
	}
	return n, nil
}

// Check reports the first rule that n breaks, as an error of kind [Invalid];
// nil if it is a name. The error never repeats what may be unsafe to print.
func (n Name) Check() error {
	s := string(n)
	switch {
	case s == "":
		return Errorf(Invalid, "", "a name is empty")
	case len(s) > MaxNameBytes:
		return Errorf(Invalid, "", "a name has at most %d bytes, this one has %d", MaxNameBytes, len(s))
	case !utf8.ValidString(s):
		return Errorf(Invalid, "", "a name is not UTF-8")
	case strings.ContainsFunc(s, invisible):
		return Errorf(Invalid, "", "a name contains control or format characters")
	case !norm.NFC.IsNormalString(s):
		return Errorf(Invalid, "", "a name is not in Unicode normal form C")
	}
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return Errorf(Invalid, "", `name %q has an empty, "." or ".." segment`, s)
		}
	}
	return nil
}

// invisible reports whether r is a character that a terminal acts on instead
// of showing it: C0, C1 and the format characters (bidirectional marks,
// joiners, tags), and the line and paragraph separators.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
