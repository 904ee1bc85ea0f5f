package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

const (
	abuseValue = "sk-canary-of-the-victim"
	trustedDev = "default_env = \"dev\"\n[env.dev]\nbackend = \"local\"\n"
)

var agent = secret.Caller{Principal: "agent:reviewer", How: secret.ByMark}

// victim is a project of mia's with one secret, dev:app/db.
func victim(t *testing.T, toml string) stack {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := stack{dir: filepath.Join(root, "project")}
	mkdir(t, filepath.Join(root, "home"))
	mkdir(t, s.dir)
	s.write(t, FileName, toml)
	if _, err := Init(t.Context(), stackSystem(s.dir), InitOptions{Options: stackOptions}); err != nil {
		t.Fatal(err)
	}
	x := s.open(t)
	if _, err := x.Broker.Put(t.Context(), x.Caller, mustRef(t, "dev:app/db"), secret.Text(abuseValue), nil); err != nil {
		t.Fatal(err)
	}
	closeIt(t, x)
	return s
}

// victimTrusting is a victim whose files of this text were read and trusted.
func victimTrusting(t *testing.T, toml string) stack {
	t.Helper()
	s := victim(t, trustedDev)
	s.write(t, FileName, toml)
	s.trust(t, "")
	return s
}

func (s stack) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s stack) trust(t *testing.T, store string) {
	t.Helper()
	r, err := ReviewTrust(t.Context(), stackSystem(s.dir), stackOptions, store)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Trust(t.Context(), stackSystem(s.dir).Caller()); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// refused demands that the folder opens for nothing, and that the error says
// why without the value.
func (s stack) refused(t *testing.T, kind secret.Kind, want string) {
	t.Helper()
	home := filepath.Join(filepath.Dir(s.dir), "home")
	for !isFolder(home) { // the project may lie in another one
		home = filepath.Join(filepath.Dir(filepath.Dir(home)), "home")
	}
	x, err := Open(t.Context(), NewSystem(s.dir, home, "mia", nil), stackOptions)
	if err == nil {
		closeIt(t, x)
		t.Fatal("it opened")
	}
	if secret.KindOf(err) != kind || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %v with %q", err, kind, want)
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// gets asks for dev:app/db as the user, or as an agent.
func (s stack) gets(t *testing.T, c *secret.Caller) (string, error) {
	t.Helper()
	x := s.open(t)
	defer closeIt(t, x)
	if c == nil {
		c = &x.Caller
	}
	v, err := x.Broker.Get(t.Context(), *c, mustRef(t, "dev:app/db"))
	if err != nil {
		return "", err
	}
	return string(v.Value.Reveal()), nil
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func mustRef(t *testing.T, s string) secret.Ref {
	t.Helper()
	r, err := secret.ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func closeIt(t *testing.T, x *Opened) {
	t.Helper()
	if err := x.Close(); err != nil {
		t.Error(err)
	}
}

func mustGrant(t *testing.T, text []byte, who secret.Principal, verb secret.Verb, target string) []byte {
	t.Helper()
	g, err := policy.ParseTarget(target)
	if err != nil {
		t.Fatal(err)
	}
	g.Principal, g.Verbs = who, []secret.Verb{verb}
	out, err := policy.AddGrant(text, g)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What is trusted is what was shown: a file that changes between the reading
// and the answer is not trusted along.
func TestAbuseTrust(t *testing.T) {
	t.Run("trust-read-twice-race", func(t *testing.T) {
		s := victim(t, trustedDev)
		s.write(t, PolicyName, string(mustGrant(t, nil, "agent:other", secret.List, "dev:*")))
		r, err := ReviewTrust(t.Context(), stackSystem(s.dir), stackOptions, "")
		if err != nil {
			t.Fatal(err)
		}
		shown := r.Changed[0].New
		s.write(t, PolicyName, "permit (principal, action, resource);")
		if _, err := r.Trust(t.Context(), stackSystem(s.dir).Caller()); err != nil {
			t.Fatal(err)
		}
		closeReview(t, r)
		x := s.open(t)
		defer closeIt(t, x)
		if x.Standing != Untrusted || string(x.trusted[PolicyName]) != string(shown) {
			t.Errorf("standing %s, trusted %q", x.Standing, x.trusted[PolicyName])
		}
		if _, err := x.Broker.Get(t.Context(), agent, mustRef(t, "dev:app/db")); secret.KindOf(err) != secret.Denied {
			t.Errorf("the agent: %v", err)
		}
	})
	t.Run("grant-blesses-foreign-edit", func(t *testing.T) {
		for _, name := range fileNames() {
			s := victim(t, trustedDev)
			x := s.open(t)
			foreign := "# by another hand\n"
			if name == FileName {
				foreign = trustedDev + foreign
			}
			s.write(t, name, foreign)
			err := x.EditPolicy(t.Context(), policy.Grant{Env: "dev", Folder: true}, "grant", func(text []byte) ([]byte, error) {
				return mustGrant(t, text, agent.Principal, secret.List, "dev:*"), nil
			})
			if secret.KindOf(err) != secret.Conflict {
				t.Errorf("%s: %v", name, err)
			}
			closeIt(t, x)
			if b, err := os.ReadFile(filepath.Join(s.dir, name)); err != nil || string(b) != foreign {
				t.Errorf("%s: %q, %v", name, b, err)
			}
			x = s.open(t)
			if x.Standing == Trusted {
				t.Errorf("%s: it is trusted", name)
			}
			closeIt(t, x)
		}
	})
	t.Run("agent-edits-then-trusts-refused", testAgentTrusts)
	t.Run("init-trusts-a-clone-unread-refused", testInitUnread)
	t.Run("folder-index-points-at-another-store-refused", func(t *testing.T) {
		s := victim(t, trustedDev)
		other := stack{dir: filepath.Join(filepath.Dir(s.dir), "other")}
		mkdir(t, other.dir)
		other.write(t, FileName, trustedDev)
		index, err := readFolders(stackSystem(s.dir))
		if err != nil {
			t.Fatal(err)
		}
		if err := bindFolder(stackSystem(s.dir), other.dir, index.Folders[s.dir]); err != nil {
			t.Fatal(err)
		}
		other.refused(t, secret.Denied, "is not the folder")
	})
	t.Run("moved-folder-other-inode-refused", func(t *testing.T) {
		s := victim(t, trustedDev)
		if err := os.Rename(s.dir, s.dir+"-moved"); err != nil {
			t.Fatal(err)
		}
		mkdir(t, s.dir)
		s.write(t, FileName, trustedDev)
		s.refused(t, secret.Denied, "tacit trust --store ")
		stack{dir: s.dir + "-moved"}.refused(t, secret.NotFound, "bound to no store")

		index, err := readFolders(stackSystem(s.dir))
		if err != nil {
			t.Fatal(err)
		}
		moved := stack{dir: s.dir + "-moved"}
		moved.trust(t, index.Folders[s.dir])
		if got, err := moved.gets(t, nil); err != nil || got != abuseValue {
			t.Errorf("bound anew: %q, %v", got, err)
		}
	})
	t.Run("session-socket-refused", func(t *testing.T) {
		s := victim(t, trustedDev)
		sys := NewSystem(s.dir, filepath.Join(filepath.Dir(s.dir), "home"), "mia", map[string]string{VarSocket: "/tmp/x.sock"})
		if _, err := Open(t.Context(), sys, stackOptions); secret.KindOf(err) != secret.Unsupported {
			t.Errorf("open: %v", err)
		}
		if _, err := ReviewTrust(t.Context(), sys, stackOptions, ""); secret.KindOf(err) != secret.Unsupported {
			t.Errorf("trust: %v", err)
		}
	})
}

func closeReview(t *testing.T, r *Review) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// An agent that may grant writes its edit and does not bless it; it may trust
// nothing at all, in no kind of folder.
func testAgentTrusts(t *testing.T) {
	s := victim(t, trustedDev)
	s.write(t, PolicyName, string(mustGrant(t, nil, agent.Principal, secret.Grant, "dev:*")))
	s.trust(t, "")
	as := stackOptions
	as.Caller = &agent
	x, err := Open(t.Context(), stackSystem(s.dir), as)
	if err != nil {
		t.Fatal(err)
	}
	err = x.EditPolicy(t.Context(), policy.Grant{Env: "dev", Folder: true}, "grant", func(text []byte) ([]byte, error) {
		return mustGrant(t, text, agent.Principal, secret.Get, "dev:*"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	closeIt(t, x)
	if _, err := s.gets(t, &agent); secret.KindOf(err) != secret.Denied {
		t.Errorf("its own grant counts: %v", err)
	}
	other := stack{dir: filepath.Join(filepath.Dir(s.dir), "new")}
	mkdir(t, other.dir)
	other.write(t, FileName, trustedDev)
	for _, folder := range []stack{s, other} {
		r, err := ReviewTrust(t.Context(), stackSystem(folder.dir), stackOptions, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Trust(t.Context(), agent); secret.KindOf(err) != secret.Denied {
			t.Errorf("%s: an agent trusts: %v", folder.dir, err)
		}
		closeReview(t, r)
	}
}

// Making a store in a clone would bless whatever lies there.
func testInitUnread(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"address":   {FileName: trustedDev + "[env.prod]\nbackend = \"vault\"\naddress = \"https://vault.evil.example\"\n"},
		"policy":    {FileName: trustedDev, PolicyName: "permit (principal, action, resource);"},
		"only it":   {PolicyName: "permit (principal, action, resource);"},
		"variable":  {FileName: trustedDev + "[secrets.LD_PRELOAD]\ndefault = \"./evil.so\"\n"},
		"local":     {FileName: trustedDev, LocalName: "[env.prod]\nbackend = \"vault\"\naddress = \"https://vault.evil.example\"\n"},
		"per env":   {FileName: trustedDev + "[env.dev.secrets.BASH_ENV]\ndefault = \"./evil.sh\"\n"},
		"malformed": {FileName: "[env.dev"},
	} {
		t.Run(name, func(t *testing.T) {
			root, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			s := stack{dir: filepath.Join(root, "clone")}
			mkdir(t, s.dir)
			for f, text := range files {
				s.write(t, f, text)
			}
			_, err = Init(t.Context(), stackSystem(s.dir), InitOptions{Options: stackOptions})
			if k := secret.KindOf(err); k != secret.Denied && (k != secret.Invalid || name != "malformed") {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(stackSystem(s.dir).dataDir()); !os.IsNotExist(err) {
				t.Errorf("something was made: %v", err)
			}
			_, had := files[FileName]
			if _, err := os.Stat(filepath.Join(s.dir, FileName)); (err == nil) != had {
				t.Errorf("%s came or went", FileName)
			}
		})
	}
}
