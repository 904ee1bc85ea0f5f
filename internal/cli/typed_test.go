package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// feedAll gives keys to a hidden prompt, cut into pieces of n bytes.
func feedAll(keys string, n int) (string, bool, error) {
	var t typed
	for b := []byte(keys); len(b) > 0; b = b[min(n, len(b)):] {
		if done, err := t.feed(b[:min(n, len(b))]); done || err != nil {
			return string(t.value), done, err
		}
	}
	return string(t.value), false, nil
}

func TestTyped(t *testing.T) {
	for _, c := range []struct{ name, keys, want string }{
		{"enter", "sesame\r", "sesame"},
		{"newline", "sesame\n", "sesame"},
		{"backspace", "sesamé\x7fe\r", "sesame"},
		{"backspace at the beginning", "\x7f\b\x7fa\r", "a"},
		{"control-U", "wrong\x15right\r", "right"},
		{"control-D after some", "sesame\x04", "sesame"},
		{"control-Z does not stop", "ses\x1aame\r", "sesame"},
		{"arrows", "se\x1b[Dsa\x1b[1;5Cm\x1bOHe\r", "sesame"},
		{"escape, then enter", "sesame\x1b\r", "sesame"},
		{"a tab", "a\tb\r", "a\tb"},
		{"pasted", "\x1b[200~sesame\x1b[201~\r", "sesame"},
		{"pasted with its newline", "\x1b[200~sesame\r\x1b[201~\r", "sesame"},
		{"several lines pasted", "\x1b[200~a\rb\r\x1b[201~\r", "a\nb\n"},
		{"other ends of line pasted", "\x1b[200~a\r\nb\nc\x1b[201~\r", "a\nb\nc"},
		{"control bytes pasted", "\x1b[200~a\x03\x7f\x1b[Ab\x1b[201~\r", "a\x03\x7f\x1b[Ab"},
		{"typed and pasted", "a\x1b[200~b\x1b[201~c\r", "abc"},
		{"a long line", strings.Repeat("x", 100_000) + "\r", strings.Repeat("x", 100_000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range []int{1, 7, 4096} {
				if got, done, err := feedAll(c.keys, n); err != nil || !done || got != c.want {
					t.Errorf("in pieces of %d: %d bytes, done %v, %v", n, len(got), done, err)
				}
			}
		})
	}
}

func TestTypedRefused(t *testing.T) {
	for _, c := range []struct {
		name, keys string
		kind       secret.Kind
	}{
		{"control-C", "ses\x03", secret.Unavailable},
		{"control-D alone", "\x04", secret.Invalid},
		{"several lines from a terminal that marks no paste", "-----BEGIN\rrest\r", secret.Invalid},
		{"more than any store takes", strings.Repeat("x", maxInput+2), secret.Invalid},
		{"a paste that is larger", pasteBegins + strings.Repeat("x", maxInput+2), secret.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := feedAll(c.keys, 1<<20); !errors.Is(err, c.kind) {
				t.Errorf("got %v, want %s", err, c.kind)
			}
		})
	}
}

// FuzzTyped: whatever is typed, nothing panics, and a paste comes through byte
// for byte where it has no carriage return and no single newline at its end.
func FuzzTyped(f *testing.F) {
	f.Add([]byte("a\x1b[201"), "\x1b[A\x7f")
	f.Fuzz(func(t *testing.T, paste []byte, before string) {
		var fed typed
		_, _ = fed.feed([]byte(before))
		if bytes.Contains(append(paste, pasteEnds[:5]...), []byte(pasteEnds)) || bytes.ContainsAny(paste, "\r\n") {
			return
		}
		got, done, err := feedAll(pasteBegins+string(paste)+pasteEnds+"\r", 3)
		if err != nil || !done || got != string(paste) {
			t.Errorf("pasted %q, got %q, done %v, %v", paste, got, done, err)
		}
	})
}
