package vault

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// What the store takes as custom metadata.
const (
	maxKeys       = 64
	maxKeyBytes   = 128
	maxValueBytes = 512
)

// storable is the form in which a text is custom metadata: itself where the
// store takes it, else quoted as in Go. The store takes neither an empty text
// nor what cannot be printed.
func storable(s string) string {
	if s == "" || strings.HasPrefix(s, `"`) || !printable(s) {
		return strconv.Quote(s)
	}
	return s
}

// readable undoes storable. What it did not make is kept.
func readable(s string) string {
	if !strings.HasPrefix(s, `"`) {
		return s
	}
	if text, err := strconv.Unquote(s); err == nil && storable(text) == s {
		return text
	}
	return s
}

// split cuts a description into pieces that the store takes, by their keys:
// the first is "tacit-description", the next "tacit-description-2".
func split(description string) map[string]string {
	out := map[string]string{}
	if description == "" {
		return out
	}
	rest := storable(description)
	for i := 1; rest != ""; i++ {
		end := min(len(rest), maxValueBytes)
		for end < len(rest) && rest[end]&0xC0 == 0x80 { // not within a character
			end--
		}
		out[descriptionKey(i)], rest = rest[:end], rest[end:]
	}
	return out
}

func descriptionKey(i int) string {
	if i == 1 {
		return keyDescription
	}
	return fmt.Sprintf("%s-%d", keyDescription, i)
}

// joined undoes split.
func joined(custom map[string]string) string {
	var all strings.Builder
	for i := 1; i <= maxKeys; i++ {
		piece, ok := custom[descriptionKey(i)]
		if !ok {
			break
		}
		all.WriteString(piece)
	}
	return readable(all.String())
}

// checkTags refuses tags that the store cannot hold.
func checkTags(n secret.Name, tags map[string]string) error {
	for k, v := range tags {
		switch {
		case k == "" || len(k) > maxKeyBytes || !printable(k):
			return secret.Errorf(secret.Invalid, n, "the name of a tag has 1 to %d bytes that can be printed", maxKeyBytes)
		case strings.HasPrefix(k, keyOwn):
			return secret.Errorf(secret.Invalid, n, "tags that begin with %q are tacit's own", keyOwn)
		case len(storable(v)) > maxValueBytes:
			return secret.Errorf(secret.Invalid, n, "the tag %s has at most %d bytes, as the store keeps it", k, maxValueBytes)
		}
	}
	return nil
}

// checkCustom refuses more than a secret holds.
func checkCustom(n secret.Name, custom map[string]string) error {
	if len(custom) > maxKeys {
		return secret.Errorf(secret.Invalid, n, "the store keeps %d entries of custom metadata for a secret, and this would make %d", maxKeys, len(custom))
	}
	return nil
}

// A mark says that a secret was deleted as a whole: which version was current
// then, and which ones had been deleted before, one by one. They stay so when
// the secret comes back.
type mark struct {
	current uint64
	before  []uint64 // ascending
}

// String is the mark as custom metadata: "5", or "5 1-3,4".
func (m mark) String() string {
	out := strconv.FormatUint(m.current, 10)
	for i := 0; i < len(m.before); {
		j := i
		for j+1 < len(m.before) && m.before[j+1] == m.before[j]+1 {
			j++
		}
		sep := ","
		if i == 0 {
			sep = " "
		}
		out += sep + strconv.FormatUint(m.before[i], 10)
		if j > i {
			out += "-" + strconv.FormatUint(m.before[j], 10)
		}
		i = j + 1
	}
	return out
}

// parseMark reads a mark; false if it is none.
func parseMark(s string) (mark, bool) {
	if s == "" || len(s) > maxValueBytes {
		return mark{}, false
	}
	first, ranges, more := strings.Cut(s, " ")
	m := mark{}
	var ok bool
	if m.current, ok = natural(first); !ok {
		return mark{}, false
	}
	if !more {
		return m, true
	}
	last := uint64(0)
	for r := range strings.SplitSeq(ranges, ",") {
		from, to, ok := span(r)
		if !ok || from <= last || to > m.current {
			return mark{}, false
		}
		for last = from; last <= to; last++ {
			m.before = append(m.before, last)
		}
		last = to
	}
	return m, true
}

// span reads "3" or "1-3"; false if it is none of them, or a span of more
// versions than a store keeps.
func span(s string) (from, to uint64, ok bool) {
	a, z, wide := strings.Cut(s, "-")
	if from, ok = natural(a); !ok {
		return 0, 0, false
	}
	if to = from; wide {
		to, ok = natural(z)
	}
	return from, to, ok && from > 0 && to >= from && to-from < 1<<16
}

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }

func natural(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	return n, err == nil && strconv.FormatUint(n, 10) == s
}
