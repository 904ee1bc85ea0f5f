package awssm

import (
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// nameBytes are those that AWS takes in a name.
const nameBytes = letters + digits + "/_+=.@!-"

// secretID returns what AWS calls a secret. A name of tacit is the name in
// AWS, but for "%2F" and "%2E", which stand for a "/" and a "." that a name of
// tacit cannot have there: "%2Fprod/db" is "/prod/db". Names of AWS hold no
// "%", so this is a bijection between the names that AWS takes and those that
// this function takes.
func secretID(n secret.Name) (string, error) {
	if err := n.Check(); err != nil {
		return "", err
	}
	id := unescape(string(n))
	if !made(id, nameBytes) {
		return "", secret.Errorf(secret.Invalid, n, "AWS takes only letters, digits and /_+=.@!- in a name\n  write it like:  %s", suggestion(n))
	}
	if back := nameOf(id); back != n {
		return "", secret.Errorf(secret.Invalid, n, "this name is spelled another way here\n  it is:  %s", back)
	}
	return id, nil
}

func unescape(s string) string { return strings.NewReplacer("%2F", "/", "%2E", ".").Replace(s) }

// suggestion is the last part of a name, as AWS takes it: what stands before may
// be the environment's prefix, which the caller does not know.
func suggestion(n secret.Name) string {
	last := string(n[strings.LastIndexByte(string(n), '/')+1:])
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(nameBytes, r) {
			return r
		}
		return '-'
	}, last)
}

// nameOf returns the name of a secret of AWS.
func nameOf(id string) secret.Name {
	var b strings.Builder
	for rest := id; rest != ""; {
		segment, after, more := strings.Cut(rest, "/")
		// What would be a segment that is no name joins the next one.
		for segment == "" && more {
			b.WriteString("%2F")
			segment, after, more = strings.Cut(after, "/")
		}
		switch segment {
		case ".", "..":
			b.WriteString(strings.Repeat("%2E", len(segment)))
		default:
			b.WriteString(segment)
		}
		switch {
		case more && after == "":
			b.WriteString("%2F") // at the end
		case more:
			b.WriteString("/")
		}
		rest = after
	}
	return secret.Name(b.String())
}

// prefixOf returns the longest prefix in AWS of all names that begin with the
// prefix, and false if AWS has no such names.
func prefixOf(prefix string) (string, bool) {
	for _, part := range []string{"%2", "%"} {
		if strings.HasSuffix(prefix, part) {
			prefix = strings.TrimSuffix(prefix, part)
			break
		}
	}
	prefix = unescape(prefix)
	return prefix, made(prefix, nameBytes)
}

// Labels of AWS with a meaning of their own.
const (
	labelCurrent  = "AWSCURRENT"
	labelPrevious = "AWSPREVIOUS"
	labelPending  = "AWSPENDING"
	// labelSwap is on a version that Swap is about to make current. It is one
	// for all, so that what a killed process leaves behind never adds up to
	// the twenty labels of a secret. It is no stage.
	labelSwap = "tacit-swap"
)

// labelOf returns the label of a stage. A stage that begins with "=" is the
// label behind it, which reads like a stage of tacit's own.
func labelOf(s secret.Stage) (string, bool) {
	switch s {
	case secret.Current:
		return labelCurrent, true
	case secret.Previous:
		return labelPrevious, true
	case secret.Pending:
		return labelPending, true
	}
	label := strings.TrimPrefix(string(s), "=")
	back, shown := stageOf(label)
	return label, shown && back == s && label != ""
}

// stageOf returns the stage of a label, and false if it is tacit's own mark.
func stageOf(label string) (secret.Stage, bool) {
	switch label {
	case labelCurrent:
		return secret.Current, true
	case labelPrevious:
		return secret.Previous, true
	case labelPending:
		return secret.Pending, true
	case labelSwap:
		return "", false
	case string(secret.Current), string(secret.Previous), string(secret.Pending):
		return secret.Stage("=" + label), true
	}
	if strings.HasPrefix(label, "=") {
		return secret.Stage("=" + label), true
	}
	return secret.Stage(label), true
}
