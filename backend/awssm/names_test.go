package awssm

import (
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	for id, n := range map[string]secret.Name{
		"claude/api": "claude/api", "/prod/db": "%2Fprod/db", "a//b": "a/%2Fb", "a/": "a%2F", "/": "%2F", "//": "%2F%2F", "a/./b": "a/%2E/b",
		"..": "%2E%2E", "...": "...", "a/../": "a/%2E%2E%2F", "rds!cluster": "rds!cluster", ".": "%2E", "/.": "%2F%2E", "a///": "a/%2F%2F",
	} {
		if got := nameOf(id); got != n {
			t.Errorf("%q is named %q, want %q", id, got, n)
		}
		if got, err := secretID(n); err != nil || got != id {
			t.Errorf("%q is %q, %v", n, got, err)
		}
	}
	for _, n := range []secret.Name{"a b", "ü", "a:b", "%", "%25", "%2f", "a%2Fb", "%2Ea", "a*", "a?b", "${x}", "a\\b", `a"b`} {
		if got, err := secretID(n); secret.KindOf(err) != secret.Invalid {
			t.Errorf("%q is %q, %v", n, got, err)
		} else if !strings.Contains(err.Error(), "\n  ") {
			t.Errorf("%v says no way out", err)
		}
	}
}

// bothWays: each name that AWS takes has one name here, and the other way
// round.
func bothWays(t interface{ Fatalf(string, ...any) }, s string) {
	if s != "" && len(s) <= 170 && made(s, nameBytes) {
		n := nameOf(s)
		if err := n.Check(); err != nil {
			t.Fatalf("%q is named %q: %v", s, n, err)
		}
		if id, err := secretID(n); err != nil || id != s {
			t.Fatalf("%q is named %q, which is %q: %v", s, n, id, err)
		}
	}
	if id, err := secretID(secret.Name(s)); err == nil && nameOf(id) != secret.Name(s) {
		t.Fatalf("%q is %q, which is named %q", s, id, nameOf(id))
	}
}

func TestNamesAreABijection(t *testing.T) {
	piece := rapid.SampledFrom([]string{"/", "//", ".", "..", "a", "b", "-", "%2F", "%2E", "%", "2F", "!", "=", "/./"})
	rapid.Check(t, func(t *rapid.T) {
		bothWays(t, strings.Join(rapid.SliceOfN(piece, 1, 12).Draw(t, "pieces"), ""))
	})
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"/prod/db", "a//b", "..", "%2F%2E", "a/%2Fb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		bothWays(t, s)
		if p, possible := prefixOf(s); possible && !made(p, nameBytes) {
			t.Fatalf("%q is looked for by %q", s, p)
		}
	})
}

func TestStagesAreABijection(t *testing.T) {
	piece := rapid.SampledFrom([]string{"=", "current", "previous", "pending", "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING", "tacit-swap", "x"})
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(piece, 1, 4).Draw(t, "pieces"), "")
		if stage, shown := stageOf(s); shown {
			if label, ok := labelOf(stage); !ok || label != s {
				t.Fatalf("the label %q is the stage %q, and that the label %q", s, stage, label)
			}
		} else if s != labelSwap {
			t.Fatalf("the label %q is hidden", s)
		}
		if label, ok := labelOf(secret.Stage(s)); ok {
			if stage, shown := stageOf(label); !shown || stage != secret.Stage(s) {
				t.Fatalf("the stage %q is the label %q, and that the stage %q", s, label, stage)
			}
		}
	})
}
