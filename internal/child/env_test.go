package child

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/secret"
)

func TestCheckName(t *testing.T) {
	for _, ok := range []string{"A", "_", "a_B9", "DATABASE_URL", strings.Repeat("A", 256)} {
		if err := CheckName(ok); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []string{"", "9A", "A-B", "A B", "A=B", "A\x00", "Ä", "A\n", "BASH_FUNC_x%%", strings.Repeat("A", 257)} {
		if err := CheckName(bad); !errors.Is(err, secret.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestAbuseDangerousNames is the child's half of the case: it knows the names;
// that they need trusted files is decided where trust is known.
func TestAbuseDangerousNames(t *testing.T) {
	t.Run("env-name-LD_PRELOAD-untrusted", func(t *testing.T) {
		for _, n := range strings.Fields(`LD_PRELOAD ld_preload LD_LIBRARY_PATH DYLD_INSERT_LIBRARIES PATH Path BASH_ENV ENV IFS
			PROMPT_COMMAND NODE_OPTIONS PYTHONSTARTUP PYTHONPATH PERL5OPT PERL5LIB RUBYOPT GIT_SSH_COMMAND GIT_CONFIG_COUNT
			GIT_EXTERNAL_DIFF JAVA_TOOL_OPTIONS HTTPS_PROXY https_proxy SSL_CERT_FILE EDITOR PAGER LESSOPEN HOME XDG_CONFIG_HOME
			TACIT_SESSION GLIBC_TUNABLES ANTHROPIC_BASE_URL DOTNET_STARTUP_HOOKS RUSTC_WRAPPER GOFLAGS KUBECONFIG MAKEFLAGS PS4 ZDOTDIR`) {
			if !Dangerous(n) {
				t.Errorf("%s passes", n)
			}
		}
		for _, n := range strings.Fields(`ANTHROPIC_API_KEY DATABASE_URL GITHUB_TOKEN GIT_TOKEN CARGO_REGISTRY_TOKEN PIP_PASSWORD
			AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY NPM_TOKEN DOCKER_PASSWORD STRIPE_KEY PATHS MY_PATH PGPASSWORD`) {
			if Dangerous(n) {
				t.Errorf("%s is refused", n)
			}
		}
	})
}

func TestBuild(t *testing.T) {
	base := []string{
		"HOME=/h", "PATH=/bin", "TERM=dumb", "LC_ALL=C", "TZ=UTC", "EDITOR=vi", "API_KEY=old", "=C:=odd", "broken",
		"TACIT_PASSPHRASE=unlocks", "TACIT_RUN_STATUS=f", "tacit_lower=x", "CREDENTIALS_DIRECTORY=/unlocks", "TACIT_SESSION=s", "CLAUDECODE=1", "AWS_REGION=x",
	}
	add := []Var{{"API_KEY", secret.Text("new")}, {"EMPTY", secret.Text("")}}
	tests := []struct {
		name  string
		clean bool
		want  []string
	}{
		{"all", false, []string{
			"HOME=/h", "PATH=/bin", "TERM=dumb", "LC_ALL=C", "TZ=UTC", "EDITOR=vi", "=C:=odd",
			"TACIT_SESSION=s", "CLAUDECODE=1", "AWS_REGION=x", "API_KEY=new", "EMPTY=",
		}},
		{"clean", true, []string{
			"HOME=/h", "PATH=/bin", "TERM=dumb", "LC_ALL=C", "TZ=UTC",
			"TACIT_SESSION=s", "CLAUDECODE=1", "API_KEY=new", "EMPTY=",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Build(base, add, tt.clean)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	for name, bad := range map[string][]Var{
		"NUL":   {{"A", secret.Binary([]byte("canary\x00value"))}},
		"name":  {{"A-B", secret.Text("canary")}},
		"twice": {{"A", secret.Text("canary")}, {"A", secret.Text("canary")}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Build(base, bad, false)
			if got != nil || !errors.Is(err, secret.Invalid) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// TestBuildProperties: whatever was there, no variable of tacit's own is left
// but the mark, no name comes twice by what was added, and clean keeps less.
func TestWithout(t *testing.T) {
	base := []string{"A=1", "TOKEN=a=b", "EMPTY=", "TOKEN_FILE=/t", "=C:=C:\\", "odd", "TOKEN=2"}
	asked := map[string]bool{}
	rest, names := Without(base, func(name string) bool { asked[name] = true; return name == "TOKEN" || name == "EMPTY" || name == "odd" })
	if got := strings.Join(names, " "); got != "TOKEN TOKEN" {
		t.Errorf("gone are %q", got)
	}
	if want := []string{"A=1", "EMPTY=", "TOKEN_FILE=/t", "=C:=C:\\", "odd"}; !slices.Equal(rest, want) {
		t.Errorf("left is %q, want %q", rest, want)
	}
	if asked["odd"] || asked["a=b"] {
		t.Errorf("asked of what is no variable: %v", asked)
	}
	if len(base) != 7 || base[1] != "TOKEN=a=b" {
		t.Errorf("it changed what it was given: %q", base)
	}
}

func TestBuildProperties(t *testing.T) {
	name := rapid.StringMatching(`(TACIT_)?[A-C_]{1,3}`)
	rapid.Check(t, func(t *rapid.T) {
		var base []string
		for _, n := range rapid.SliceOf(name).Draw(t, "base") {
			base = append(base, n+"=old")
		}
		add := []Var{{rapid.StringMatching(`[A-C_]{1,3}`).Draw(t, "add"), secret.Text("new")}}
		all, err := Build(base, add, false)
		if err != nil {
			t.Fatal(err)
		}
		clean, err := Build(base, add, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			if strings.HasPrefix(e, "TACIT_") {
				t.Fatalf("%q is left", e)
			}
			if e == add[0].Name+"=old" {
				t.Fatalf("%q is there twice", e)
			}
		}
		for _, e := range clean {
			if !slices.Contains(all, e) {
				t.Fatalf("%q only when clean", e)
			}
		}
	})
}

// TestAbuseReservedNames: a secret cannot take the place of a mark, which would
// make an agent's commands the user's, nor set tacit up from within.
func TestAbuseReservedNames(t *testing.T) {
	t.Run("variable-named-like-tacits-own", func(t *testing.T) {
		for _, name := range strings.Fields("TACIT_SESSION TACIT_SOCKET TACIT_X tacit_x CLAUDECODE CLAUDE_CODE_CHILD_SESSION CREDENTIALS_DIRECTORY") {
			got, err := Build([]string{"CLAUDECODE=1"}, []Var{{name, secret.Text("")}}, false)
			if got != nil || !errors.Is(err, secret.Invalid) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	})
	t.Run("env-name-PATH-replaces-it-once", func(t *testing.T) {
		got, err := Build([]string{"PATH=/bin", "A=1", "PATH=/sbin"}, []Var{{"PATH", secret.Text("/given")}}, false)
		if err != nil || !slices.Equal(got, []string{"A=1", "PATH=/given"}) {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("nul-in-a-value", func(t *testing.T) {
		got, err := Build(nil, []Var{{"A", secret.Text("x\x00LD_PRELOAD=y")}}, false)
		if got != nil || !errors.Is(err, secret.Invalid) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}
