package secret

import (
	"errors"
	"fmt"
)

// A Kind says what a caller can do about an error. Every error that a
// [Backend] or the Broker returns has exactly one: ask with
// errors.Is(err, secret.NotFound), or switch on [KindOf]. Kinds are constants,
// so nobody can reassign them. The zero Kind is none.
type Kind uint8

// The kinds. Only Unavailable is worth a retry.
const (
	Invalid         Kind = iota + 1 // the request itself is wrong, or too large for the store
	Unauthenticated                 // the store does not know who asks
	Denied                          // a policy, tacit's or the store's, forbids it
	NotFound                        // no such secret, version or field, or it is deleted
	Conflict                        // the state is not the expected one
	Unsupported                     // this store, as configured, cannot do it; nothing was changed
	Unavailable                     // no answer now; worth a retry
	Corrupt                         // stored bytes failed an integrity check
)

// Error returns the kind as text, like "not found".
func (k Kind) Error() string {
	switch k {
	case Invalid:
		return "invalid"
	case Unauthenticated:
		return "unauthenticated"
	case Denied:
		return "denied"
	case NotFound:
		return "not found"
	case Conflict:
		return "conflict"
	case Unsupported:
		return "unsupported"
	case Unavailable:
		return "unavailable"
	case Corrupt:
		return "corrupt"
	default:
		return "unclassified"
	}
}

// A State is an error that tells more about a [Kind]: errors.Is(err, Deleted)
// says that the thing can come back. The zero State says nothing.
type State uint8

// The states.
const (
	Deleted   State = iota + 1 // can be undeleted: NotFound on get, Conflict on put
	Destroyed                  // the version is gone for ever: NotFound
	Disabled                   // the version is not served: Denied
	NoVersion                  // the secret exists, this version does not: NotFound
)

// Error returns the state as text.
func (s State) Error() string {
	switch s {
	case Deleted:
		return "deleted"
	case Destroyed:
		return "destroyed"
	case Disabled:
		return "disabled"
	case NoVersion:
		return "no such version"
	default:
		return ""
	}
}

// An Error says what happened, to what, and what to do next. It never holds a
// value. errors.Is finds its Kind and its State.
type Error struct {
	Kind    Kind
	State   State     // zero where the kind says it all
	Name    Name      // the secret concerned; empty if none
	Version VersionID // the version in the way; empty if none
	Text    string    // what happened; a second line, if any, is the next step
	Err     error     // the cause, free of values; nil if none
}

// Error returns the text, or what the kind, state and name say without one.
func (e *Error) Error() string {
	what := e.Text
	if what == "" {
		what = e.Kind.Error()
		if e.State != 0 {
			what = e.State.Error()
		}
	}
	if e.Name == "" {
		return what
	}
	return string(e.Name) + ": " + what
}

// Unwrap returns the cause. A kind or state that the cause has of its own is
// hidden, so that errors.Is finds one kind in each error: who asks a corrupt
// store for NotFound must not be told that it is empty.
func (e *Error) Unwrap() error {
	if KindOf(e.Err) == 0 && StateOf(e.Err) == 0 {
		return e.Err
	}
	return cause{e.Err}
}

// Is reports whether target is the kind or the state of e.
func (e *Error) Is(target error) bool {
	return target == error(e.Kind) || e.State != 0 && target == error(e.State)
}

// Errorf makes an [Error] of a kind about a secret; n may be empty. No
// argument may be a value.
func Errorf(k Kind, n Name, format string, args ...any) *Error {
	return &Error{Kind: k, Name: n, Text: fmt.Sprintf(format, args...)}
}

// KindOf returns the kind of err; zero if it is nil or has none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	k, _ := errors.AsType[Kind](err)
	return k
}

// StateOf returns the state of err; zero if it has none.
func StateOf(err error) State {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.State
	}
	return 0
}

// A cause is an error with a kind, as the cause of another one: everything but
// kind and state is found in it.
type cause struct{ error }

// Is reports whether target is in the cause; no kind and no state is.
func (c cause) Is(target error) bool {
	switch target.(type) {
	case Kind, State:
		return false
	default:
		return errors.Is(c.error, target)
	}
}

// As finds a type in the cause, but for those that tell a kind or state.
func (c cause) As(target any) bool {
	switch target.(type) {
	case *Kind, *State, **Error:
		return false
	default:
		return errors.As(c.error, target)
	}
}
