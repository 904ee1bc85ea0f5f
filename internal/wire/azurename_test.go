package wire

import (
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/secret"
)

func TestAzureName(t *testing.T) {
	for name, want := range map[string]string{
		"claude/api":     "claude--api",
		"claude-api-key": "claude-api-key",
		"a----b":         "a----b",
		"a--b":           "a---2d-b",
		"A":              "---41",
		"app/DB":         "app-----44---42",
		"a-/b":           "a---2d--b",
		"a/-b":           "a-----2db",
		"-":              "-",
		"--":             "--",
		"a-":             "a-",
		"é":              "---c3---a9",
		"a.b_c":          "a---2eb---5fc",
		"a---2db":        "a---2db", // would be the name "a-b", which is written otherwise
		"a---2d---2db":   "a---2d---2db",
		"a---2d-b":       "a---2d---2d-2d-b",
	} {
		got, whole := AzureName(name)
		if got != want || !whole || AzureNameOf(got) != name {
			t.Errorf("%q is encoded as %q, want %q; that decodes to %q", name, got, want, AzureNameOf(got))
		}
	}
}

// names are what ParseName lets through, with what is likely to collide made
// likely.
func names() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{"-", "--", "---", "2d", "2f", "---2d", "---2f", "---61", "/", "a", "A", "b", "x", ".", "0", "é", "_", "--x"}),
		rapid.StringN(1, 4, -1),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return norm.NFC.String(strings.Join(rapid.SliceOfN(piece, 1, 12).Draw(t, "pieces"), ""))
	}).Filter(func(s string) bool { return secret.Name(s).Check() == nil })
}

// vaultNames are the lower-case names that Azure takes.
func vaultNames() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		s := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"-", "--", "---", "2d", "2f", "2e", "41", "c3", "a9", "a", "b", "0", "x", "---2d", "---5f"}), 1, 30).Draw(t, "pieces"), "")
		return s[:min(len(s), MaxAzureName)]
	})
}

func TestAzureNameIsABijection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := names().Draw(t, "name")
		encoded, whole := AzureName(name)
		if !vaultTakes(encoded) {
			t.Fatalf("%q is encoded as %q, which no vault takes", name, encoded)
		}
		if whole && AzureNameOf(encoded) != name {
			t.Fatalf("%q is encoded as %q, and that decodes to %q", name, encoded, AzureNameOf(encoded))
		}
	})
	rapid.Check(t, func(t *rapid.T) { bothWays(t, vaultNames().Draw(t, "vault name")) })
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func bothWays(t fataler, encoded string) {
	name := AzureNameOf(encoded)
	if back, whole := AzureName(name); !whole || back != encoded {
		t.Fatalf("%q decodes to %q, and that is encoded as %q", encoded, name, back)
	}
}

// vaultTakes is the rule of Azure, in lower case.
func vaultTakes(s string) bool {
	return s != "" && len(s) <= MaxAzureName && strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyz-") == ""
}

// TestAbuseAzureEncodedNameCollision: no two names meet in a vault, whichever
// way they are written, folded or cut.
func TestAbuseAzureEncodedNameCollision(t *testing.T) {
	long := strings.Repeat("a", 200)
	groups := [][]string{
		{"a/b", "a--b", "a---2fb", "a-/b", "a/-b", "a/B", "A/b", "a---2d---2db", "a---2d2db", "a-----62"},
		{"claude/api", "claude--api", "Claude/api", "CLAUDE/API", "claude/Api", "claude---2fapi", "claude-api", "claude_api", "claude.api"},
		{long, long + "a", long + "b", strings.ToUpper(long), long + "/", long + "-", strings.Repeat("a", 127), strings.Repeat("a", 128)},
		{strings.Repeat("a/", 100) + "b", strings.Repeat("a/", 100) + "c", strings.Repeat("a--", 100) + "b"},
		{"é", "e\u0301", "É", "---c3---a9", "---C3---A9"},
	}
	for _, group := range groups {
		seen := map[string]string{}
		for _, name := range group {
			encoded, _ := AzureName(name)
			if !vaultTakes(encoded) {
				t.Errorf("no vault takes %q", encoded)
			}
			if other, twice := seen[strings.ToLower(encoded)]; twice {
				t.Errorf("%q and %q meet in %q", name, other, encoded)
			}
			seen[strings.ToLower(encoded)] = name
		}
	}
	// The short form of a long name is a name of its own too: the two are told
	// apart by the tag that keeps the long one.
	short, whole := AzureName(long)
	if whole || len(short) != MaxAzureName || AzureNameOf(short) == long {
		t.Errorf("%q, %v", short, whole)
	}
	bothWays(t, short)
}

// TestAzureNamesShortAndComplete tries every vault name of up to seven of the
// characters that matter.
func TestAzureNamesShortAndComplete(t *testing.T) {
	const letters = "-2dfa"
	level := []string{""}
	for range 7 {
		var next []string
		for _, s := range level {
			for _, c := range letters {
				next = append(next, s+string(c))
			}
		}
		for _, s := range next {
			bothWays(t, s)
		}
		level = next
	}
}

func FuzzAzureName(f *testing.F) {
	for _, s := range []string{"claude--api", "a----b", "a---2d---2db", "---", "-----2d", "a---41", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if vaultTakes(s) {
			bothWays(t, s)
		}
		if n := secret.Name(s); n.Check() == nil {
			if encoded, whole := AzureName(s); !vaultTakes(encoded) || whole && AzureNameOf(encoded) != s {
				t.Fatalf("%q is encoded as %q, and that decodes to %q", s, encoded, AzureNameOf(encoded))
			}
		}
	})
}
