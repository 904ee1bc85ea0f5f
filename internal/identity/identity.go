// Package identity says who asks: the operating system's user, lowered to an
// agent where a mark shows one.
//
// A mark is a variable of the environment, or an ancestor process that is a
// live tacit session. Marks only ever lower: they take rights away and give
// none, so anyone may set them. That they are absent proves nothing: a hostile
// process of the same user can remove every one. The package authenticates
// nobody; how a principal is known stands in each audit record.
package identity

import (
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// The variables that mark an agent.
const (
	VarSession     = "TACIT_SESSION"             // agent:NAME/SESSION, set by tacit itself
	VarClaude      = "CLAUDECODE"                // set by Claude Code for what it runs
	VarClaudeChild = "CLAUDE_CODE_CHILD_SESSION" // set for what its sub-agents run
	// VarClaudeSession is no mark by itself; it names the session in records.
	VarClaudeSession = "CLAUDE_CODE_SESSION_ID"
)

// The agents that marks stand for.
const (
	claudeCode = secret.Principal("agent:claude-code")
	unknown    = secret.Principal("agent:unknown")
)

// Inputs are what the machine tells about the caller.
type Inputs struct {
	Login     string              // from the system's accounts, never from a variable
	Env       func(string) string // the environment
	Ancestors func() []Process    // of this process, nearest first; nil: not known
	Sessions  []Session           // the live tacit sessions
}

// A Process is told from another one of the same number by when it started.
type Process struct {
	PID   int
	Start uint64 // in the system's own units
}

// A Session is an agent's session that tacit started.
type Session struct {
	Process
	Principal secret.Principal
	ID        string // empty: the agent names it, if it does
}

// Local returns the caller of a command. An ancestor that is a live session
// says more than a variable, which what runs in the session may set: a
// variable can name a session that has no name of its own, and its sub-agent,
// but no other agent. A variable that is empty is no mark.
func Local(in Inputs) secret.Caller {
	env := in.Env
	if env == nil {
		env = func(string) string { return "" }
	}
	marked, isMarked := fromEnv(env)
	if s, ok := in.session(); ok {
		if isMarked && marked.Principal == s.Principal && (s.ID == "" || marked.Session == s.ID) {
			return marked
		}
		return secret.Caller{Principal: s.Principal, How: secret.ByMark, Session: s.ID}
	}
	if isMarked {
		return marked
	}
	return secret.Caller{Principal: secret.Principal(secret.User + ":" + in.Login), How: secret.ByUID}
}

// fromEnv returns the agent that the environment marks, if it does.
func fromEnv(env func(string) string) (secret.Caller, bool) {
	if text := env(VarSession); text != "" {
		c := ParseSession(text)
		if id := env(VarClaudeSession); c.Principal == claudeCode && c.Session == "" && isID(id) {
			c.Session = id
		}
		return c, true
	}
	if env(VarClaude) == "" && env(VarClaudeChild) == "" {
		return secret.Caller{}, false
	}
	c := secret.Caller{Principal: claudeCode, How: secret.ByMark}
	if id := env(VarClaudeSession); isID(id) {
		c.Session = id
	}
	return c, true
}

// session returns the live session among the ancestors, if there is one.
func (in *Inputs) session() (Session, bool) {
	if in.Ancestors == nil || len(in.Sessions) == 0 {
		return Session{}, false
	}
	for _, p := range in.Ancestors() {
		for _, s := range in.Sessions {
			if s.Process == p {
				if _, _, ok := s.Principal.Split(); !ok || !s.Principal.IsAgent() {
					s.Principal = unknown
				}
				if !isID(s.ID) {
					s.ID = ""
				}
				return s, true
			}
		}
	}
	return Session{}, false
}

// ParseSession reads the value of [VarSession]: agent:NAME/SESSION, or
// agent:NAME/SESSION/SUBAGENT. What cannot be read still marks an agent, and
// never a user.
func ParseSession(text string) secret.Caller {
	c := secret.Caller{Principal: unknown, How: secret.ByMark}
	parts := strings.SplitN(text, "/", 3)
	p := secret.Principal(parts[0])
	if _, _, ok := p.Split(); !ok || !p.IsAgent() {
		return c
	}
	c.Principal = p
	for i, to := range []*string{&c.Session, &c.Agent} {
		if len(parts) > i+1 && isID(parts[i+1]) {
			*to = parts[i+1]
		}
	}
	return c
}

// FormatSession writes what [ParseSession] reads.
func FormatSession(c secret.Caller) string {
	s := string(c.Principal) + "/" + c.Session
	if c.Agent != "" {
		s += "/" + c.Agent
	}
	return s
}

func isID(s string) bool {
	return s != "" && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' })
}

// Login returns the name that the system's accounts have for a user, or the
// number as text where they have none. Variables such as USER are never asked:
// os/user.Current would fall back on them.
func Login(uid int) string {
	number := strconv.Itoa(uid)
	u, err := user.LookupId(number)
	if err != nil {
		return number
	}
	if _, _, ok := secret.Principal(secret.User + ":" + u.Username).Split(); !ok {
		return number
	}
	return u.Username
}

// KnownAgent tells whether a program is an agent that people run, by the name
// of its file, and as which principal's name it is known. One that is started
// through another program (env, npx, a shell) is not seen.
func KnownAgent(argv0 string) (name string, ok bool) {
	switch base := strings.TrimSuffix(strings.ToLower(filepath.Base(argv0)), ".exe"); base {
	case "claude", "claude-code":
		return "claude-code", true
	default:
		if !slices.Contains(KnownAgents(), base) {
			return "", false
		}
		return base, true
	}
}

// KnownAgents returns the names that KnownAgent gives.
func KnownAgents() []string {
	return []string{"aider", "amp", "claude-code", "codex", "copilot", "cursor-agent", "gemini", "goose", "opencode"}
}
