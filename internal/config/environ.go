package config

import (
	"cmp"
	"os"
	"os/user"
	"path/filepath"

	"github.com/tacit-secrets/tacit/internal/identity"
	"github.com/tacit-secrets/tacit/secret"
)

// A System is what tacit takes from the machine: the environment, the user
// and the folders. Everything else is given one, so that tests can make one
// up; only [OS] reads the real thing.
type System struct {
	Environ    []string // all variables, for a child
	UID        int      // -1 where there is none (Windows)
	GID        int
	Login      string
	Dir        string // the working folder
	Home       string
	ConfigHome string // $XDG_CONFIG_HOME
	DataHome   string // $XDG_DATA_HOME
	StateHome  string // $XDG_STATE_HOME
	RuntimeDir string // $XDG_RUNTIME_DIR; empty if there is none
	lookup     func(string) (string, bool)
}

// OS reads the System of this process. It is the only reader of the
// environment.
func OS() (System, error) {
	s := System{Environ: os.Environ(), UID: os.Getuid(), GID: os.Getgid(), lookup: os.LookupEnv}
	var err error
	if s.Dir, err = os.Getwd(); err != nil {
		return s, secret.Errorf(secret.Unavailable, "", "the working folder cannot be found: %s", err)
	}
	u, err := user.Current()
	switch {
	case err == nil:
		s.Login, s.Home = u.Username, u.HomeDir
	case s.UID < 0:
		return s, secret.Errorf(secret.Unavailable, "", "the user of this process cannot be found: %s", err)
	}
	if s.UID >= 0 {
		// The login name comes from the system's accounts, never from $USER,
		// which user.Current falls back on.
		s.Login = identity.Login(s.UID)
	}
	return s.withFolders(), nil
}

// NewSystem makes a System up: for tests and for programs with folders of
// their own. vars replace the environment.
func NewSystem(dir, home, login string, vars map[string]string) System {
	s := System{UID: os.Getuid(), GID: os.Getgid(), Login: login, Dir: dir, Home: home}
	for k, v := range vars {
		s.Environ = append(s.Environ, k+"="+v)
	}
	s.lookup = func(k string) (string, bool) { v, ok := vars[k]; return v, ok }
	return s.withFolders()
}

func (s System) withFolders() System {
	if h := s.Var("HOME"); filepath.IsAbs(h) {
		s.Home = h
	}
	folder := func(name string, otherwise ...string) string {
		// The standard says that a relative path is to be ignored.
		if v := s.Var(name); filepath.IsAbs(v) {
			return filepath.Clean(v)
		}
		if s.Home == "" {
			return ""
		}
		return filepath.Join(append([]string{s.Home}, otherwise...)...)
	}
	s.ConfigHome = folder("XDG_CONFIG_HOME", ".config")
	s.DataHome = folder("XDG_DATA_HOME", ".local", "share")
	s.StateHome = folder("XDG_STATE_HOME", ".local", "state")
	if v := s.Var("XDG_RUNTIME_DIR"); filepath.IsAbs(v) {
		s.RuntimeDir = filepath.Clean(v)
	}
	return s
}

// Var returns a variable; empty if it is not set.
func (s System) Var(name string) string {
	v, _ := s.lookup(name)
	return v
}

// vaultVar returns a variable of Vault's clients: BAO_NAME, or else VAULT_NAME.
func (s System) vaultVar(name string) string {
	return cmp.Or(s.Var("BAO_"+name), s.Var("VAULT_"+name))
}

// StoreVariables lists the variables of the stores' own clients that count
// where the files are trusted and say nothing else.
func StoreVariables() []Setting {
	return []Setting{
		{Var: "VAULT_ADDR", Doc: "the address of an environment that names none"},
		{Var: "BAO_ADDR", Doc: "the same; it also makes `tacit env login` name the program bao"},
		{Var: "VAULT_TOKEN", Doc: "the token; otherwise ~/.vault-token is read, where `vault login` leaves it"},
		{Var: "VAULT_TOKEN_PATH", Doc: "the file of the token, instead of ~/.vault-token"},
		{Var: "VAULT_NAMESPACE", Doc: "the namespace"},
		{Var: "VAULT_CACERT", Doc: "the file of the authorities that are believed"},
		{Var: "VAULT_CACERT_BYTES", Doc: "otherwise: their certificates themselves, in PEM form"},
		{Var: "VAULT_CLIENT_CERT", Doc: "the certificate shown to the server"},
		{Var: "VAULT_CLIENT_KEY", Doc: "its key"},
		{Var: "VAULT_TLS_SERVER_NAME", Doc: "the name in the server's certificate"},
		{Var: "VAULT_ROLE_ID", Doc: "method approle: the role id"},
		{Var: "VAULT_SECRET_ID", Doc: "method approle: the secret id"},
		{Var: "VAULT_SKIP_VERIFY", Doc: "refused: whoever answers would be believed, and given the token"},
		{Var: "ACTIONS_ID_TOKEN_REQUEST_URL", Doc: "in GitHub Actions, for Vault's method jwt, Azure's credential workload, and AWS where AWS_ROLE_ARN alone names a role: where the job's identity is asked for"},
		{Var: "ACTIONS_ID_TOKEN_REQUEST_TOKEN", Doc: "in GitHub Actions: what it is asked with"},
		{Var: "SYSTEM_ACCESSTOKEN", Doc: "in Azure Pipelines, for credential pipelines: what the job's identity is asked with"},
		{Var: "AZURESUBSCRIPTION_…", Doc: "in Azure Pipelines, for credential pipelines: tenant, client and service connection, where the files do not say them"},
		{Var: "AWS_…", Doc: "as the AWS SDK reads them, but for the endpoint: AWS_ENDPOINT_URL and its like never lead anywhere"},
		{Var: "AZURE_…", Doc: "as the Azure SDK reads them"},
	}
}

// Editor returns the command that the user edits texts with: $VISUAL, or else
// $EDITOR; empty if neither is set.
func (s System) Editor() string { return cmp.Or(s.Var("VISUAL"), s.Var("EDITOR")) }

// User returns the principal of the operating system's user.
func (s System) User() secret.Principal { return secret.Principal(secret.User + ":" + s.Login) }

func (s System) configDir() string         { return filepath.Join(s.ConfigHome, "tacit") }
func (s System) dataDir() string           { return filepath.Join(s.DataHome, "tacit") }
func (s System) storeDir(id string) string { return filepath.Join(s.dataDir(), id) }
func (s System) auditDir(id string) string {
	return filepath.Join(s.StateHome, "tacit", id, "audit")
}
