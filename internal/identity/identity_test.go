package identity

import (
	"os"
	"path/filepath"
	"strconv"
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
		{"variable names another agent than the ancestor", Inputs{Env: env(map[string]string{VarSession: "agent:deployer/s1"}), Ancestors: above(Process{7, 70}), Sessions: sessions}, secret.Caller{Principal: "agent:reviewer", How: secret.ByMark, Session: "s1"}},
		{"variable names the ancestor's sub-agent", Inputs{Env: env(map[string]string{VarSession: "agent:reviewer/s1/sub"}), Ancestors: above(Process{7, 70}), Sessions: sessions}, secret.Caller{Principal: "agent:reviewer", How: secret.ByMark, Session: "s1", Agent: "sub"}},
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
			text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "agent:a/b", "user:root/x", "agent:", "agent:a\x1b/b", "app:x", "agent:reviewer/s/sub"}))
			vars := map[string]string{}
			for _, v := range []string{VarSession, VarClaude, VarClaudeChild, VarClaudeSession, "USER", "LOGNAME"} {
				vars[v] = text.Draw(t, v)
			}
			bare := Inputs{Login: "mia", Env: env(nil)}
			if rapid.Bool().Draw(t, "ancestor") {
				p := rapid.OneOf(text, rapid.Just("agent:reviewer")).Draw(t, "principal")
				bare.Sessions = []Session{{Process{7, 70}, secret.Principal(p), "s"}}
				bare.Ancestors = func() []Process { return []Process{{7, 70}} }
			}
			in := bare
			in.Env = env(vars)
			c, without := Local(in), Local(bare)
			if without.Principal.IsAgent() && c.Principal != without.Principal {
				t.Fatalf("the environment makes %s of %s", c.Principal, without.Principal)
			}
			marked := vars[VarSession]+vars[VarClaude]+vars[VarClaudeChild] != "" || in.Sessions != nil
			if marked != c.Principal.IsAgent() || marked != (c.How == secret.ByMark) || !marked && c.Principal != "user:mia" {
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

// An agent's session that tacit did not name is named by the agent itself.
func TestUnnamedSession(t *testing.T) {
	above := Process{PID: 7, Start: 1}
	in := Inputs{
		Login: "mia", Ancestors: func() []Process { return []Process{above} },
		Sessions: []Session{{above, claudeCode, ""}},
	}
	for _, c := range []struct {
		vars map[string]string
		want secret.Caller
	}{
		{nil, secret.Caller{Principal: claudeCode, How: secret.ByMark}},
		{map[string]string{VarClaude: "1", VarClaudeSession: "s1"}, secret.Caller{Principal: claudeCode, How: secret.ByMark, Session: "s1"}},
		{map[string]string{VarSession: "agent:other/s1"}, secret.Caller{Principal: claudeCode, How: secret.ByMark}},
	} {
		in.Env = func(k string) string { return c.vars[k] }
		if got := Local(in); got != c.want {
			t.Errorf("%v: %+v", c.vars, got)
		}
	}
}

func TestSessionRoundTrip(t *testing.T) {
	for _, c := range []secret.Caller{{Principal: "agent:a", Session: "s", How: secret.ByMark}, {Principal: "agent:a", Session: "s", Agent: "b", How: secret.ByMark}} {
		if got := ParseSession(FormatSession(c)); got != c {
			t.Errorf("%+v became %+v", c, got)
		}
	}
}

func TestRegisterRefusesWhatIsNoAgent(t *testing.T) {
	for _, c := range []secret.Caller{{}, {Principal: "user:mia", Session: "s"}, {Principal: "agent:", Session: "s"}, {Principal: "agent:x", Session: "a/b"}} {
		if _, err := Register(t.TempDir(), c); secret.KindOf(err) != secret.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestRegisterSweepsTheDeadAndKeepsTheLiving(t *testing.T) {
	self, ok := Self()
	if !ok {
		t.Skip("this system does not tell processes apart")
	}
	dir := t.TempDir()
	dead := []byte(`{"PID":` + strconv.Itoa(self.PID) + `,"Start":1,"Principal":"agent:old","ID":"s"}`) // the number is used again
	if err := os.WriteFile(filepath.Join(dir, "old.json"), dead, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"s1", "s2"} {
		if _, err := Register(dir, secret.Caller{Principal: "agent:x", Session: id}); err != nil {
			t.Fatal(err)
		}
	}
	if got := Sessions(dir); len(got) != 2 || got[0].Process != self || got[1].Process != self {
		t.Errorf("%+v", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestLoginAsksNoVariable(t *testing.T) {
	t.Setenv("USER", "root-by-wish")
	t.Setenv("LOGNAME", "root-by-wish")
	if got := Login(987654321); got != "987654321" {
		t.Errorf("an unknown number is %q", got)
	}
	if got := Login(os.Getuid()); got == "root-by-wish" || got == "" {
		t.Errorf("this user is %q", got)
	}
}

func TestKnownAgent(t *testing.T) {
	for argv0, want := range map[string]string{"claude": "claude-code", "/usr/bin/claude": "claude-code", "Claude.exe": "claude-code", "./codex": "codex", "sh": "", "": "", "claudette": ""} {
		if got, ok := KnownAgent(argv0); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %t", argv0, got, ok)
		}
	}
}

func FuzzParseSession(f *testing.F) {
	for _, s := range []string{"agent:a/b", "agent:a/b/c", "user:a/b", "agent:/", "agent:a//"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := ParseSession(text)
		if !c.Principal.IsAgent() || c.How != secret.ByMark {
			t.Fatalf("%+v", c)
		}
		if c.Session != "" && ParseSession(FormatSession(c)) != c {
			t.Fatalf("%+v does not come back", c)
		}
	})
}
