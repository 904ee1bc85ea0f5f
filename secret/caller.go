package secret

import (
	"strings"
	"unicode/utf8"
)

// A Caller is who asks, and how that is known. Every call of the Broker names
// its Caller; the zero Caller is denied.
type Caller struct {
	Principal Principal
	How       How
	Session   string // the agent session; empty if none or unknown
	Agent     string // the sub-agent within the session; empty if none or unknown
	Depth     int    // how often the caller's token was narrowed; 0: not at all
	Reason    string // the caller's own words for the audit log, at most 1 KiB
	For       string // what tacit does on the caller's behalf, like "run make"; empty if nothing
}

// A Principal names who asks: "user:mia", "agent:claude-code", "app:deploy".
type Principal string

// The kinds of principals.
const (
	User  = "user"
	Agent = "agent"
	App   = "app"
)

// Split returns the kind and the identity of p; ok is false if p has not the
// form kind:identity with a known kind and an identity of at most 256 bytes
// that can be printed.
func (p Principal) Split() (kind, id string, ok bool) {
	kind, id, ok = strings.Cut(string(p), ":")
	switch kind {
	case User, Agent, App:
	default:
		return "", "", false
	}
	if !ok || id == "" || len(id) > 256 || !utf8.ValidString(id) || strings.ContainsFunc(id, invisible) {
		return "", "", false
	}
	return kind, id, true
}

// IsAgent reports whether p is an agent.
func (p Principal) IsAgent() bool { return strings.HasPrefix(string(p), Agent+":") }

// How says how a principal is known; it stands in each audit record.
type How string

// The ways a principal is known.
const (
	ByUID    How = "uid"    // the operating system's user
	ByMark   How = "mark"   // lowered to an agent by a mark in the environment or an ancestor process
	ByOption How = "option" // a program that links tacit said so
	ByRun    How = "run"    // the child of a tacit run
)
