package secret_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

func kinds() []secret.Kind {
	return []secret.Kind{
		secret.Invalid, secret.Unauthenticated, secret.Denied, secret.NotFound,
		secret.Conflict, secret.Unsupported, secret.Unavailable, secret.Corrupt,
	}
}

func states() []secret.State {
	return []secret.State{secret.Deleted, secret.Destroyed, secret.Disabled, secret.NoVersion}
}

// has returns the kinds and states that errors.Is finds.
func has(err error) (ks []secret.Kind, ss []secret.State) {
	for _, k := range kinds() {
		if errors.Is(err, k) {
			ks = append(ks, k)
		}
	}
	for _, s := range states() {
		if errors.Is(err, s) {
			ss = append(ss, s)
		}
	}
	return ks, ss
}

func TestErrorHasOneKindAndState(t *testing.T) {
	for _, k := range kinds() {
		for _, s := range append(states(), 0) {
			for _, err := range []error{
				&secret.Error{Kind: k, State: s},
				fmt.Errorf("outer: %w", &secret.Error{Kind: k, State: s, Name: "a", Text: "text"}),
				errors.Join(errors.New("other"), &secret.Error{Kind: k, State: s}),
			} {
				ks, ss := has(err)
				if len(ks) != 1 || ks[0] != k || secret.KindOf(err) != k {
					t.Errorf("%v: kinds %v, KindOf %v, want %v", err, ks, secret.KindOf(err), k)
				}
				if s == 0 && len(ss) != 0 || s != 0 && (len(ss) != 1 || ss[0] != s) || secret.StateOf(err) != s {
					t.Errorf("%v: states %v, StateOf %v, want %v", err, ss, secret.StateOf(err), s)
				}
			}
		}
	}
}

// A cause with a kind of its own must not turn one answer into two: code that
// asks for NotFound would take a corrupt store for an empty one.
func TestCauseLendsNoKind(t *testing.T) {
	inner := &secret.Error{Kind: secret.NotFound, State: secret.Deleted, Err: context.Canceled}
	for _, cause := range []error{inner, fmt.Errorf("wrapped: %w", inner), errors.Join(inner, fs.ErrExist)} {
		err := error(&secret.Error{Kind: secret.Corrupt, Name: "a", Err: cause})
		if ks, ss := has(err); len(ks) != 1 || ks[0] != secret.Corrupt || len(ss) != 0 {
			t.Errorf("kinds %v, states %v", ks, ss)
		}
		if e, ok := errors.AsType[*secret.Error](errors.Unwrap(err)); ok {
			t.Errorf("behind the outer error: %+v", e)
		}
		if !errors.Is(err, context.Canceled) || errors.Unwrap(err).Error() != cause.Error() {
			t.Errorf("the cause is lost: %v", errors.Unwrap(err))
		}
	}
	path := &fs.PathError{Op: "open", Err: inner}
	if got, ok := errors.AsType[*fs.PathError](&secret.Error{Kind: secret.Corrupt, Err: path}); !ok || got != path {
		t.Error("the type of the cause is lost")
	}
	bare := &secret.Error{Kind: secret.Corrupt, Err: secret.NotFound}
	if ks, _ := has(bare); len(ks) != 1 {
		t.Errorf("a bare kind as the cause: %v", ks)
	}
	if k, ok := errors.AsType[secret.Kind](bare); ok {
		t.Errorf("a bare kind is found: %v", k)
	}
}

func TestKindOf(t *testing.T) {
	for _, tt := range []struct {
		err   error
		kind  secret.Kind
		state secret.State
	}{
		{nil, 0, 0},
		{errors.New("other"), 0, 0},
		{context.Canceled, 0, 0},
		{secret.Denied, secret.Denied, 0},
		{fmt.Errorf("x: %w", secret.Denied), secret.Denied, 0},
		{secret.Errorf(secret.Conflict, "", "x"), secret.Conflict, 0},
		{&secret.Error{}, 0, 0},
		{&secret.Error{Kind: secret.Denied, Err: secret.NotFound}, secret.Denied, 0},
	} {
		if k, s := secret.KindOf(tt.err), secret.StateOf(tt.err); k != tt.kind || s != tt.state {
			t.Errorf("%v: %v, %v", tt.err, k, s)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  secret.Error
		want string
	}{
		{secret.Error{Kind: secret.NotFound}, "not found"},
		{secret.Error{Kind: secret.NotFound, Name: "a"}, "a: not found"},
		{secret.Error{Kind: secret.NotFound, State: secret.Deleted, Name: "a"}, "a: deleted"},
		{secret.Error{Kind: secret.NotFound, State: secret.NoVersion}, "no such version"},
		{secret.Error{Kind: secret.Denied, State: secret.Disabled, Name: "a", Text: "text\n  next"}, "a: text\n  next"},
		{secret.Error{Kind: secret.Unavailable, Text: "text", Err: errors.New("hunter2")}, "text"}, // a cause is asked for, never told
		{secret.Error{}, "unclassified"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	if got := secret.Errorf(secret.Invalid, "a", "%d of %s", 1, "b").Error(); got != "a: 1 of b" {
		t.Errorf("%q", got)
	}
}

// No text of an error can hold a value, not even where one is given by mistake.
func TestErrorTellsNoValue(t *testing.T) {
	v := secret.Text(canary)
	for _, err := range []error{
		secret.Errorf(secret.Invalid, "a", "%v %s %q %x %+v %#v", v, v, v, v, &v, []secret.Value{v}),
		fmt.Errorf("%w: %v", secret.Errorf(secret.Invalid, "a", "%v", v), v),
		&secret.Error{Kind: secret.Invalid, Text: fmt.Sprint(v), Err: fmt.Errorf("%v", v)},
	} {
		for e := err; e != nil; e = errors.Unwrap(e) {
			for _, s := range []string{e.Error(), fmt.Sprintf("%+v", e), fmt.Sprintf("%#v", e)} {
				if form := leaks(s); form != "" {
					t.Errorf("%s: %s", form, s)
				}
			}
		}
	}
}

func TestKindsAndStatesHaveTexts(t *testing.T) {
	want := []string{
		"invalid", "unauthenticated", "denied", "not found", "conflict", "unsupported", "unavailable", "corrupt",
		"deleted", "destroyed", "disabled", "no such version",
	}
	var got []error
	for _, k := range kinds() {
		got = append(got, k)
	}
	for _, s := range states() {
		got = append(got, s)
	}
	for i, err := range got {
		if err.Error() != want[i] {
			t.Errorf("%q, want %q", err, want[i])
		}
	}
	if secret.Kind(99).Error() != "unclassified" || secret.State(0).Error() != "" || secret.State(99).Error() != "" {
		t.Error("what is no kind or state has another text")
	}
}
