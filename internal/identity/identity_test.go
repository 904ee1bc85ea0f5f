package identity

import (
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/secret"
)

func env(vars map[string]string) func(string) string {
	return func(k string) string { return vars[k] }
}

func TestLocal(t *testing.T) {
	sessions := []Session{{Process{7, 70}, "agent:reviewer", "s1"}}
	above := func(p ...Process) func() []Process { return func() []Process { return p } }
	tests := []struct {
		name string
		in   Inputs
		want secret.Caller
	}{
		{"user", Inputs{Env: env(nil)}, secret.Caller{Principal: "user:mia", How: secret.ByUID}},
		{"claude", Inputs{Env: env(map[string]string{VarClaude: "1"})}, secret.Caller{Principal: "agent:claude-code", How: secret.ByMark}},
		{"claude child", Inputs{Env: env(map[string]string{VarClaudeChild: "0"})}, secret.Caller{Principal: "agent:claude-code", How: secret.ByMark}},
		{"session", Inputs{Env: env(map[string]string{VarSession: "agent:x/abc/sub", VarClaude: "1"})}, secret.Caller{Principal: "agent:x", How: secret.ByMark, Session: "abc", Agent: "sub"}},
		{"bad session", Inputs{Env: env(map[string]string{VarSession: "user:mia/abc"})}, secret.Caller{Principal: "agent:unknown", How: secret.ByMark}},
		{"ancestor", Inputs{Env: env(nil), Ancestors: above(Process{9, 1}, Process{7, 70}), Sessions: sessions}, secret.Caller{Principal: "agent:reviewer", How: secret.ByMark, Session: "s1"}},
		{"number used again", Inputs{Env: env(nil), Ancestors: above(Process{7, 71}), Sessions: sessions}, secret.Caller{Principal: "user:mia", How: secret.ByUID}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Login = "mia"
			if got := Local(tt.in); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestAbuse(t *testing.T) {
	t.Run("mark-lowers-never-raises", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "agent:a/b", "user:root/x", "agent:", "agent:a\x1b/b", "app:x"}))
			vars := map[string]string{VarSession: text.Draw(t, "session"), VarClaude: text.Draw(t, "claude"), VarClaudeChild: text.Draw(t, "child")}
			in := Inputs{Login: "mia", Env: env(vars)}
			if rapid.Bool().Draw(t, "ancestor") {
				in.Sessions = []Session{{Process{7, 70}, secret.Principal(text.Draw(t, "principal")), "s"}}
				in.Ancestors = func() []Process { return []Process{{7, 70}} }
			}
			marked := vars[VarSession]+vars[VarClaude]+vars[VarClaudeChild] != "" || in.Sessions != nil
			c := Local(in)
			if marked != c.Principal.IsAgent() || !marked && c.Principal != "user:mia" {
				t.Fatalf("marked %t, caller %+v", marked, c)
			}
			if _, _, ok := c.Principal.Split(); !ok {
				t.Fatalf("no principal: %+v", c)
			}
		})
	})
}

func TestRegisterIsSeenByDescendants(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sessions")
	done, err := Register(dir, secret.Caller{Principal: "agent:x", Session: "s"})
	if err != nil {
		t.Fatal(err)
	}
	self, ok := Self()
	if !ok {
		t.Skip("this system does not tell processes apart")
	}
	got := Sessions(dir)
	if len(got) != 1 || got[0] != (Session{self, "agent:x", "s"}) {
		t.Fatalf("%+v", got)
	}
	done()
	if got := Sessions(dir); len(got) != 0 {
		t.Errorf("still there: %+v", got)
	}
	if above := Ancestors(); len(above) == 0 || above[0].PID != os.Getppid() {
		t.Errorf("ancestors: %+v", above)
	}
}

func TestSessionRoundTrip(t *testing.T) {
	for _, c := range []secret.Caller{{Principal: "agent:a", Session: "s", How: secret.ByMark}, {Principal: "agent:a", Session: "s", Agent: "b", How: secret.ByMark}} {
		if got := ParseSession(FormatSession(c)); got != c {
			t.Errorf("%+v became %+v", c, got)
		}
	}
}
