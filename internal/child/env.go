package child

import (
	"bytes"
	"runtime"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// A Var is a variable for a child.
type Var struct {
	Name  string
	Value secret.Value
}

// CheckName reports, as [secret.Invalid], a name that is no variable of a
// shell: [A-Za-z_][A-Za-z0-9_]*, at most 256 bytes.
func CheckName(name string) error {
	ok := name != "" && len(name) <= 256 && (name[0] < '0' || name[0] > '9')
	for i := range len(name) {
		c := name[i]
		ok = ok && (c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9')
	}
	if !ok {
		return secret.Errorf(secret.Invalid, "", "%q is no name of a variable: letters, digits and _, no digit first", name)
	}
	return nil
}

// Build makes all variables of a child: those of base without tacit's own,
// and on top of them add. With clean, only a few of base are kept: HOME, PATH,
// TERM, COLORTERM, LANG, LANGUAGE, LC_*, TZ, USER, LOGNAME, SHELL, TMPDIR, PWD,
// what Windows needs to start anything, and the marks of an agent's session.
//
// tacit's own are all that begin with TACIT_, and where systemd put the
// credentials that may unlock a store. Only the mark of a session stays, also
// with clean, because a child must not shed it and ask again as the user; for
// the same reason add may hold none of these names. They, bad names and values
// with a NUL byte are [secret.Invalid].
func Build(base []string, add []Var, clean bool) ([]string, error) {
	var env []string
	for _, e := range base {
		name, _, ok := strings.Cut(e, "=")
		if ok && (name == "" && !clean || keeps(name, clean) && !slices.ContainsFunc(add, func(v Var) bool { return sameName(v.Name, name) })) {
			env = append(env, e)
		}
	}
	for i, v := range add {
		b := v.Value.Reveal()
		switch err := CheckName(v.Name); {
		case err != nil:
			return nil, err
		case reserved(v.Name):
			return nil, secret.Errorf(secret.Invalid, "", "%s is one of tacit's own variables and cannot hold a secret\n  choose another name", v.Name)
		case slices.ContainsFunc(add[:i], func(w Var) bool { return sameName(v.Name, w.Name) }):
			return nil, secret.Errorf(secret.Invalid, "", "%s is given twice", v.Name)
		case bytes.IndexByte(b, 0) >= 0:
			return nil, secret.Errorf(secret.Invalid, "", "%s holds a NUL byte, which no variable can\n  give it as a file: as = \"file\"", v.Name)
		}
		env = append(env, v.Name+"="+string(b))
	}
	return env, nil
}

// Without takes variables out of an environment, and returns what is left and the
// names of those that held something. gone tells which; it is asked in capitals
// where the system tells no others apart.
func Without(base []string, gone func(name string) bool) (rest, names []string) {
	for _, e := range base {
		if name, value, ok := strings.Cut(e, "="); ok && value != "" && gone(canonical(name)) {
			names = append(names, name)
		} else {
			rest = append(rest, e)
		}
	}
	return rest, names
}

// reserved reports whether a variable is tacit's own to set or to take away.
func reserved(name string) bool {
	return mark(name) || unlocks(name) || strings.HasPrefix(strings.ToUpper(name), "TACIT_")
}

// unlocks reports whether a variable that is not tacit's leads to what unlocks
// a store.
func unlocks(name string) bool { return name == "CREDENTIALS_DIRECTORY" }

// mark reports whether a variable marks an agent's session.
func mark(name string) bool {
	switch name {
	case "TACIT_SESSION", "CLAUDECODE", "CLAUDE_CODE_CHILD_SESSION":
		return true
	default:
		return false
	}
}

func keeps(name string, clean bool) bool {
	upper := strings.ToUpper(name)
	switch {
	case mark(name):
		return true
	case reserved(name):
		return false
	case !clean || strings.HasPrefix(name, "LC_"):
		return true
	}
	switch name {
	case "HOME", "PATH", "TERM", "COLORTERM", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "SHELL", "TMPDIR", "PWD":
		return true
	}
	switch upper {
	case "PATH", "PATHEXT", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "TEMP", "TMP", "USERPROFILE", "USERNAME":
		return runtime.GOOS == "windows"
	default:
		return false
	}
}

// Dangerous reports whether a variable can make a program run other code, read
// other settings or trust other servers than its user means. A declaration of
// one needs trusted files; a caller asks before it uses a name it did not
// choose itself.
//
// The list covers loaders, shells, language runtimes, git, editors and pagers,
// build tools, and places of configuration. It cannot be complete, since any
// program may read any variable: it holds the names that common programs read.
func Dangerous(name string) bool {
	n := strings.ToUpper(name)
	for p := range strings.FieldsSeq(dangerousPrefixes) {
		if strings.HasPrefix(n, p) {
			return true
		}
	}
	for d := range strings.FieldsSeq(dangerousNames) {
		if n == d {
			return true
		}
	}
	return false
}

// The C library's loader and its like, shells' own, tacit's own, and families
// in which any member can name a program or a server.
const dangerousPrefixes = `
	LD_ DYLD_ _RLD LDR_ MALLOC_ GCONV_ BASH_ TACIT_ XDG_ NPM_CONFIG_
	GIT_CONFIG GIT_SSL_ GIT_SSH GIT_TRACE ANSIBLE_ GTK_ QT_ CORECLR_ COMPLUS_ CMAKE_ CARGO_BUILD_ CARGO_TARGET_`

const dangerousNames = `
	PATH PATHEXT GLIBC_TUNABLES SHELL SHELLOPTS COMSPEC SYSTEMROOT WINDIR HOME USERPROFILE ZDOTDIR ENV IFS CDPATH FPATH GLOBIGNORE
	PROMPT_COMMAND PS0 PS1 PS2 PS3 PS4 POSIXLY_CORRECT HISTFILE INPUTRC MAIL MAILPATH TMP TEMP TMPDIR
	LIBPATH LIBRARY_PATH CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH GETCONF_DIR HOSTALIASES LOCALDOMAIN LOCPATH NLSPATH
	RESOLV_HOST_CONF RES_OPTIONS TZDIR TERMCAP TERMINFO TERMINFO_DIRS
	OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES SSL_CERT_DIR SSL_CERT_FILE SSLKEYLOGFILE CURL_CA_BUNDLE CURL_HOME
	REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS NODE_TLS_REJECT_UNAUTHORIZED PYTHONHTTPSVERIFY
	HTTP_PROXY HTTPS_PROXY ALL_PROXY FTP_PROXY NO_PROXY NETRC WGETRC GNUPGHOME SSH_ASKPASS SSH_AUTH_SOCK SUDO_ASKPASS RSYNC_RSH
	NODE_OPTIONS NODE_PATH NODE_REPL_EXTERNAL_MODULE ELECTRON_RUN_AS_NODE DENO_DIR
	PYTHONBREAKPOINT PYTHONEXECUTABLE PYTHONHOME PYTHONINSPECT PYTHONPATH PYTHONPLATLIBDIR PYTHONPYCACHEPREFIX PYTHONSTARTUP
	PYTHONUSERBASE PYTHONWARNINGS PIP_CONFIG_FILE PIP_EXTRA_INDEX_URL PIP_INDEX_URL PIP_TRUSTED_HOST UV_CONFIG_FILE UV_INDEX_URL
	PERL5DB PERL5LIB PERL5OPT PERLIO_DEBUG PERLLIB PERL_MB_OPT PERL_MM_OPT
	RUBYLIB RUBYOPT RUBYPATH RUBYSHELL GEM_HOME GEM_PATH BUNDLE_GEMFILE BUNDLE_PATH BUNDLE_APP_CONFIG
	PHPRC PHP_INI_SCAN_DIR COMPOSER_HOME LUA_CPATH LUA_INIT LUA_PATH TCLLIBPATH R_ENVIRON R_HOME R_PROFILE JULIA_LOAD_PATH
	ERL_AFLAGS ERL_FLAGS ERL_LIBS ERL_ZFLAGS PSMODULEPATH NIX_PATH DOTNET_STARTUP_HOOKS DOTNET_ROOT
	CLASSPATH JAVA_HOME JAVA_OPTIONS JAVA_OPTS JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS MAVEN_ARGS MAVEN_OPTS
	GRADLE_OPTS GRADLE_USER_HOME
	GOBIN GOENV GOFLAGS GOINSECURE GONOSUMDB GOPATH GOPRIVATE GOPROXY GOROOT GOSUMDB GOTOOLCHAIN GOTOOLDIR
	RUSTC RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER RUSTDOC RUSTFLAGS RUSTUP_HOME RUSTUP_TOOLCHAIN CARGO CARGO_HOME
	AR AS CC CXX LD MAKE MAKEFILES MAKEFLAGS MFLAGS
	GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_ASKPASS GIT_DIR GIT_EDITOR GIT_EXEC_PATH GIT_EXTERNAL_DIFF GIT_PAGER GIT_PROXY_COMMAND
	GIT_SEQUENCE_EDITOR GIT_TEMPLATE_DIR GIT_WORK_TREE
	EDITOR VISUAL SYSTEMD_EDITOR KUBE_EDITOR BROWSER PAGER MANPAGER LESS LESSCLOSE LESSOPEN EXINIT VIMINIT VIMRUNTIME MYVIMRC EMACSLOADPATH
	ANTHROPIC_BASE_URL OPENAI_BASE_URL CLAUDE_CONFIG_DIR TF_CLI_CONFIG_FILE KRB5_CONFIG
	AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE CLOUDSDK_PYTHON DOCKER_CONFIG DOCKER_HOST KUBECONFIG`
