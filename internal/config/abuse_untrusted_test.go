package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// Under bytes that are not trusted nothing of them counts: the user goes on
// with what was trusted, by explicit names, and no one else does anything.
func TestAbuseUntrusted(t *testing.T) {
	t.Run("default-under-untrusted-bytes", func(t *testing.T) {
		s := victim(t, trustedDev)
		s.write(t, FileName, trustedDev+"[secrets.PATH]\ndefault = \"/evil\"\n")
		x := s.open(t)
		defer closeIt(t, x)
		if all, err := x.Declarations(); secret.KindOf(err) != secret.Denied || len(all) != 0 {
			t.Errorf("declarations %v, %v", all, err)
		}
	})
	t.Run("prefix-changed-leads-nowhere", func(t *testing.T) {
		s := victim(t, trustedDev+"[env.prod]\n")
		s.write(t, FileName, "default_env = \"prod\"\n[env.prod]\nprefix = \"dev/\"\n[env.dev]\nprefix = \"prod/\"\n")
		x := s.open(t)
		defer closeIt(t, x)
		if x.Env != "dev" {
			t.Errorf("the environment meant is %q", x.Env)
		}
		v, err := x.Broker.Get(t.Context(), x.Caller, mustRef(t, "dev:app/db"))
		if err != nil || string(v.Value.Reveal()) != abuseValue {
			t.Errorf("%v", err)
		}
		if _, err := x.Broker.Get(t.Context(), x.Caller, mustRef(t, "prod:app/db")); secret.KindOf(err) != secret.NotFound {
			t.Errorf("prod turned into dev: %v", err)
		}
	})
	t.Run("protected-removed-still-asks", func(t *testing.T) {
		s := victim(t, trustedDev+"protected = true\n")
		s.write(t, FileName, trustedDev)
		x := s.open(t)
		defer closeIt(t, x)
		if !x.Protected("dev") {
			t.Error("an edit that nobody read took the protection away")
		}
	})
	t.Run("environment-added-counts-for-nothing", func(t *testing.T) {
		s := victim(t, trustedDev)
		s.write(t, FileName, trustedDev+"[env.more]\n[env.prod]\nbackend = \"vault\"\n")
		x := s.open(t)
		defer closeIt(t, x)
		for _, env := range []string{"more", "prod"} {
			if _, err := x.Project.Environment(env); secret.KindOf(err) != secret.Denied || !strings.Contains(err.Error(), "tacit trust") {
				t.Errorf("%s: %v", env, err)
			}
		}
	})
	t.Run("verbs-of-the-user", testUntrustedVerbs)
	t.Run("policy-file-deleted-denies", func(t *testing.T) {
		s := victim(t, trustedDev)
		s.write(t, PolicyName, string(mustGrant(t, nil, agent.Principal, secret.Get, "dev:*")))
		s.trust(t, "")
		if got, err := s.gets(t, &agent); err != nil || got != abuseValue {
			t.Fatalf("the grant does not count: %v", err)
		}
		if err := os.Remove(filepath.Join(s.dir, PolicyName)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.gets(t, &agent); secret.KindOf(err) != secret.Denied || !strings.Contains(err.Error(), "tacit trust") {
			t.Errorf("the agent: %v", err)
		}
		if got, err := s.gets(t, nil); err != nil || got != abuseValue {
			t.Errorf("the user: %v", err)
		}
	})
	t.Run("policy-of-another-folder-denies", func(t *testing.T) {
		s := victim(t, trustedDev)
		index, err := readFolders(stackSystem(s.dir))
		if err != nil {
			t.Fatal(err)
		}
		other := stack{dir: filepath.Join(filepath.Dir(s.dir), "other")}
		mkdir(t, other.dir)
		other.write(t, FileName, trustedDev)
		other.write(t, PolicyName, string(mustGrant(t, nil, agent.Principal, secret.Get, "dev:*")))
		other.trust(t, index.Folders[s.dir])
		x := s.open(t)
		defer closeIt(t, x)
		if x.Standing != PolicyChanged {
			t.Errorf("standing %s: one store keeps two policies", x.Standing)
		}
		if _, err := x.Broker.Get(t.Context(), agent, mustRef(t, "dev:app/db")); secret.KindOf(err) != secret.Denied {
			t.Errorf("an agent: %v", err)
		}
		// It is trusted anew, though none of its own files changed.
		r, err := ReviewTrust(t.Context(), stackSystem(s.dir), stackOptions, "")
		if err != nil || r.Standing != PolicyChanged {
			t.Fatalf("%v, %v", r, err)
		}
		closeReview(t, r)
	})
	t.Run("untrusted-says-what-it-asks-for", func(t *testing.T) {
		s := victim(t, trustedDev)
		s.write(t, FileName, trustedDev+"[env.prod]\nbackend = \"vault\"\naddress = \"https://vault.evil.example\"\n[secrets.A]\nref = \"a\"\n[secrets.B]\nref = \"b\"\n")
		x := s.open(t)
		defer closeIt(t, x)
		_, err := x.Declarations()
		want := "tacit.toml here is not trusted\n  it asks for a network address (env.prod, https://vault.evil.example) and 2 secrets\n  read it, then:  tacit trust"
		if err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
	})
}

func testUntrustedVerbs(t *testing.T) {
	s := victim(t, trustedDev)
	s.write(t, FileName, trustedDev+"# changed\n")
	x := s.open(t)
	defer closeIt(t, x)
	ctx, r := t.Context(), mustRef(t, "dev:app/db")
	if _, err := x.Broker.Put(ctx, x.Caller, r, secret.Text("another-value"), nil); err != nil {
		t.Errorf("put: %v", err)
	}
	if _, err := x.Broker.Delete(ctx, x.Caller, r, nil); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := x.Broker.Undelete(ctx, x.Caller, r); err != nil {
		t.Errorf("undelete: %v", err)
	}
	for v, err := range x.Broker.Versions(ctx, x.Caller, r) {
		if err != nil {
			t.Errorf("history: %v %v", v.Number, err)
		}
	}
	for _, err := range x.Broker.List(ctx, x.Caller, "dev", nil) {
		if err != nil {
			t.Errorf("list: %v", err)
		}
	}
	// What no one can take back waits for trust.
	if err := x.Broker.Destroy(ctx, x.Caller, r); secret.KindOf(err) != secret.Denied || !strings.Contains(err.Error(), "tacit trust") {
		t.Errorf("destroy: %v", err)
	}
	if _, err := x.Broker.Get(ctx, agent, r); secret.KindOf(err) != secret.Denied {
		t.Errorf("an agent: %v", err)
	}
	if _, err := x.Broker.Get(ctx, secret.Caller{Principal: "user:other", How: secret.ByUID}, r); secret.KindOf(err) != secret.Denied {
		t.Errorf("another user: %v", err)
	}
}

// What the files protected and do not any more is named before they are
// trusted.
func TestReviewNamesWhatIsWeaker(t *testing.T) {
	const use = "[secrets.KEY]\nref = \"app/db#key\"\n[secrets.KEY.use]\nhost = \"api.example.com\"\nmethods = [\"POST\"]\n"
	tests := []struct{ name, before, now, want string }{
		{"protected", trustedDev + "protected = true\n", trustedDev, "env.dev is no longer protected"},
		{"environment gone", trustedDev + "[env.prod]\nprotected = true\n", trustedDev, "env.prod is no longer protected"},
		{"use gone", trustedDev + use, trustedDev + "[secrets.KEY]\nref = \"app/db#key\"\n", "KEY loses its use section: it would be handed over"},
		{"other host", trustedDev + use, strings.ReplaceAll(trustedDev+use, "api.example.com", "evil.example"), "KEY may be used elsewhere: POST api.example.com any path becomes POST evil.example any path"},
		{"any method", trustedDev + use, strings.ReplaceAll(trustedDev+use, "methods = [\"POST\"]\n", ""), "becomes any method api.example.com any path"},
		{"another name", trustedDev + use, trustedDev + use + "[secrets.COPY]\nref = \"app/db\"\n", "COPY would hand over app/db, which KEY only uses"},
		{"composed", trustedDev + use, trustedDev + use + "[secrets.COPY]\ncompose = \"x${app/db#key}\"\n", "COPY would hand over app/db"},
		{"in one environment", trustedDev + "[env.dev.secrets.KEY]\nref = \"k\"\n[env.dev.secrets.KEY.use]\nhost = \"h\"\n", trustedDev + "[env.dev.secrets.KEY]\nref = \"k\"\n", "KEY loses its use section"},
		{"nothing", trustedDev + use, trustedDev + use + "# a comment\n", ""},
		{"the secret is gone", trustedDev + use, trustedDev, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := victimTrusting(t, tt.before)
			s.write(t, FileName, tt.now)
			r, err := ReviewTrust(t.Context(), stackSystem(s.dir), stackOptions, "")
			if err != nil {
				t.Fatal(err)
			}
			defer closeReview(t, r)
			if got := strings.Join(r.Weakening, "; "); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// tacit.local.toml is one's own, and no review of a change sees it.
func TestAbuseLocalFile(t *testing.T) {
	const main = "default_env = \"dev\"\n[env.dev]\n[env.prod]\nbackend = \"vault\"\naddress = \"https://vault.example.com\"\nprotected = true\n" +
		"[secrets.KEY]\nref = \"k\"\n[secrets.KEY.use]\nhost = \"api.example.com\"\n"
	for name, tt := range map[string]struct {
		local, refused string
	}{
		"protected": {"[env.prod]\nprotected = false\n", "env.prod.protected"},
		"address":   {"[env.prod]\naddress = \"https://vault.evil.example\"\n", "env.prod.address"},
		"backend":   {"[env.prod]\nbackend = \"local\"\n", "env.prod.backend"},
		"mount":     {"[env.prod]\nmount = \"other\"\n", "env.prod.mount"},
		"prefix":    {"[env.prod]\nprefix = \"other/\"\n", "env.prod.prefix"},
		"use":       {"[secrets.KEY.use]\nhost = \"evil.example\"\n", "secrets.KEY.use"},
		"env use":   {"[env.dev.secrets.KEY.use]\nhost = \"evil.example\"\n", "env.dev.secrets.KEY.use"},
		"the same":  {"[env.prod]\naddress = \"https://vault.example.com\"\nprotected = true\n", ""},
		"own":       {"[env.mine]\n[secrets.KEY]\nref = \"mine\"\n[env.dev.secrets.MORE]\nref = \"m\"\n", ""},
	} {
		t.Run("local-toml-weakens-refused/"+name, func(t *testing.T) {
			f, err := ParseFile(FileName, []byte(main))
			if err != nil {
				t.Fatal(err)
			}
			l, err := ParseFile(LocalName, []byte(tt.local))
			if err != nil {
				t.Fatal(err)
			}
			p, err := NewProject("x", f, &l)
			if tt.refused != "" {
				if secret.KindOf(err) != secret.Invalid || !strings.Contains(err.Error(), LocalName+": "+tt.refused+" may not be changed here") {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			// A use section outlives every override of the rest.
			for _, env := range p.EnvNames() {
				all, err := p.Declarations(env)
				if err != nil || all[0].Var != "KEY" || all[0].Use == nil || all[0].Use.Host != "api.example.com" {
					t.Errorf("%s: %+v, %v", env, all, err)
				}
			}
		})
	}
}
