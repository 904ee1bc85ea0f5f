package policy

import (
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/tacit-secrets/tacit/secret"
)

// A Request is what is to be decided.
type Request struct {
	Caller             secret.Caller
	Verb               secret.Verb
	Env                string
	Name               secret.Name // empty: the environment itself
	Host, Method, Path string      // of the outgoing request, for use; Host without port, Path already without "..", "." and needless percent codes
	Time               time.Time
	Approved           bool // a person approved this very request
}

// A Decision says whether a request is allowed, and why.
type Decision struct {
	Allowed    bool
	Policy     string // the deciding one: "owner", "protected", "policy.cedar:3"; empty: none
	Reason     string // in words, without values
	Remedy     string // a way out, as "in words:  command"; empty if there is none
	Considered []Considered
}

// Considered is a policy that was about this principal, and why it did or did
// not count.
type Considered struct {
	Policy string // "policy.cedar:3"
	Text   string // "permits use, not get"
}

// A Decider decides. It is safe for concurrent use.
type Decider interface {
	Decide(r Request) Decision
}

// The entity types of the schema.
const (
	typeUser   = types.EntityType("User")
	typeAgent  = types.EntityType("Agent")
	typeApp    = types.EntityType("App")
	typeAction = types.EntityType("Action")
	typeFolder = types.EntityType("Folder")
	typeSecret = types.EntityType("Secret")
)

// principalOf returns the entity of a principal; ok is false if it has not
// the form of one.
func principalOf(p secret.Principal) (types.EntityUID, bool) {
	kind, id, ok := p.Split()
	if !ok {
		return types.EntityUID{}, false
	}
	t := typeApp
	switch kind {
	case secret.User:
		t = typeUser
	case secret.Agent:
		t = typeAgent
	}
	return types.NewEntityUID(t, types.String(id)), true
}

func actionOf(v secret.Verb) types.EntityUID { return types.NewEntityUID(typeAction, types.String(v)) }

// resourceOf returns the entity of a name, or of its environment.
func resourceOf(env string, n secret.Name) types.EntityUID {
	if n == "" {
		return folderOf(env, "")
	}
	return types.NewEntityUID(typeSecret, types.String(env+":"+string(n)))
}

func folderOf(env, folder string) types.EntityUID {
	return types.NewEntityUID(typeFolder, types.String(env+":"+folder))
}

// parentOf returns the folder that an entity lies in; ok is false for an
// environment and for what lies in no folder.
func parentOf(e types.EntityUID) (types.EntityUID, bool) {
	if e.Type != typeFolder && e.Type != typeSecret {
		return types.EntityUID{}, false
	}
	env, name, ok := strings.Cut(string(e.ID), ":")
	if !ok || name == "" {
		return types.EntityUID{}, false
	}
	folder := ""
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		folder = name[:i]
	}
	return folderOf(env, folder), true
}

// within reports whether e is, or lies in, the folder.
func within(e, folder types.EntityUID) bool {
	for ok := true; ok; e, ok = parentOf(e) {
		if e == folder {
			return true
		}
	}
	return false
}

// tree tells Cedar which folder an entity lies in. It is made from the name,
// so that no request depends on what exists.
type tree struct{}

// Get implements [types.EntityGetter].
func (tree) Get(uid types.EntityUID) (types.Entity, bool) {
	e := types.Entity{UID: uid}
	if parent, ok := parentOf(uid); ok {
		e.Parents = types.NewEntityUIDSet(parent)
	}
	return e, true
}

// cedarRequest puts a request into Cedar's terms, all but the context.
func cedarRequest(r Request, principal types.EntityUID) cedar.Request {
	return cedar.Request{Principal: principal, Action: actionOf(r.Verb), Resource: resourceOf(r.Env, r.Name)}
}

// contextOf is what conditions look at: every attribute of the schema is there.
func contextOf(r Request) types.Record {
	return types.NewRecord(types.RecordMap{
		"host":     types.String(hostOf(r.Host)),
		"method":   types.String(upper(r.Method)),
		"path":     types.String(r.Path),
		"time":     types.NewDatetime(r.Time),
		"approved": types.Boolean(r.Approved),
		"depth":    types.Long(r.Caller.Depth),
		"how":      types.String(r.Caller.How),
		"session":  types.String(r.Caller.Session),
		"agent":    types.String(r.Caller.Agent),
	})
}

// hostOf writes a host in the one form that is compared: ASCII letters in lower
// case, no dot at the end. Other letters stay: folding them would make "K", the
// sign for Kelvin, a "k".
func hostOf(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, strings.TrimSuffix(s, "."))
}

// upper writes a method as it is compared, so that no forbid of DELETE lets a
// "delete" pass.
func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r + 'A' - 'a'
		}
		return r
	}, s)
}
